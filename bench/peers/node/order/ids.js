// The ids of events-schema/src/ids.rs, and the start of a trace.

import { hash, randomFillSync } from 'node:crypto'

const NAMESPACE = Buffer.from('6d1e38a260f55e0c9f2b6c2f3b8d9a41', 'hex')
const TRACE = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

// A call for a few bytes costs as much as one for many.
const pool = Buffer.allocUnsafe(8192)
let used = pool.length

function randomBytes (length) {
  if (used + length > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += length
  return pool.subarray(used - length, used)
}

function v5 (space, name) {
  return marked(hash('sha1', Buffer.concat([space, Buffer.from(name)]), 'buffer').subarray(0, 16), 0x50)
}

function marked (raw, version) {
  raw[6] = (raw[6] & 0x0f) | version
  raw[8] = (raw[8] & 0x3f) | 0x80
  return raw
}

export function textOf (raw) {
  const digits = raw.hexSlice(0, 16)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
}

export const idForKey = (customer, key) => v5(NAMESPACE, `${customer}\n${key}`)
export const eventId = (order, eventType) => v5(order, eventType)

// A UUIDv7, for an order without a key.
export function newId () {
  const raw = randomBytes(16)
  raw.writeUIntBE(Date.now(), 0, 6)
  return marked(raw, 0x70)
}

export function trace (given) {
  if (given !== undefined && TRACE.test(given)) return given
  const ids = randomBytes(24).hexSlice()
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`
}
