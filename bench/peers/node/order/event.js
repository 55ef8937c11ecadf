// An order with its prices: its bytes in Confluent's wire format, and its headers.

import { hash } from 'node:crypto'

import { eventId, idForKey, newId, textOf, trace } from './ids.js'
import { Refused } from './request.js'

// Grows to the largest event; everything is copied out of it.
let out = Buffer.allocUnsafe(64 * 1024)
let at = 0

function long (number) {
  let rest = number < 0 ? -2 * number - 1 : 2 * number
  while (rest > 0x7f) {
    out[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  out[at++] = rest
}

function long64 (number) {
  let rest = BigInt.asUintN(64, (number << 1n) ^ (number >> 63n))
  while (rest > 0x7fn) {
    out[at++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  out[at++] = Number(rest)
}

function text (value) {
  const length = Buffer.byteLength(value)
  long(length)
  at += length === value.length ? out.latin1Write(value, at) : out.utf8Write(value, at)
}

const MICROS = 1000
const JSON_INTEGER_MAX = Number.MAX_SAFE_INTEGER

// The order's ids and prices.
export function place (order, key, prices) {
  const found = order.lines.map(line => prices.get(line.sku))
  if (found.includes(undefined)) throw new Refused(404, 'unknown-sku')
  const currency = found[0].currency
  if (found.some(price => price.currency !== currency)) throw new Refused(422, 'mixed-currencies')
  const total = order.lines.reduce((sum, line, n) => sum + line.quantity * found[n].minor, 0)
  if (total > JSON_INTEGER_MAX) throw new Refused(422, 'invalid-body')
  const id = key === undefined ? newId() : idForKey(order.customer_id, key)
  const placedAt = Math.floor((performance.timeOrigin + performance.now()) * MICROS)
  return { order, found, currency, total, placedAt, id: textOf(id), eventId: textOf(eventId(id, 'OrderPlaced')) }
}

export function value (schemaId, placed) {
  const { order, found } = placed
  const most = 2048 + order.lines.length * 256
  if (out.length < most) out = Buffer.allocUnsafe(most)
  out[0] = 0
  at = out.writeUInt32BE(schemaId, 1)
  text(placed.eventId)
  text(placed.id)
  text(order.customer_id)
  long(placed.placedAt)
  text(placed.currency)
  long(placed.total)
  long(order.lines.length)
  for (let n = 0; n < found.length; n++) {
    text(order.lines[n].sku)
    long(order.lines[n].quantity)
    long(found[n].minor)
  }
  long(0)
  text(order.locale ?? 'en')
  long(1)
  text(order.contact.name)
  text(order.contact.email)
  long64(fingerprint(order))
  return Buffer.from(out.subarray(0, at))
}

// That of producer-api/src/fingerprint.rs. Its form stands behind the event's bytes for a moment.
function fingerprint (order) {
  const begin = at
  prefixed(order.customer_id)
  at = out.writeUInt32BE(order.lines.length, at)
  for (const line of order.lines) {
    prefixed(line.sku)
    at = out.writeUInt32BE(line.quantity, at)
  }
  prefixed(order.locale ?? 'en')
  const sum = hash('sha256', out.subarray(begin, at), 'buffer').readBigInt64BE(0)
  at = begin
  return sum
}

function prefixed (ascii) {
  at = out.writeUInt32BE(ascii.length, at)
  at += out.latin1Write(ascii, at)
}

const NAMES = ['ce_specversion', 'ce_id', 'ce_type', 'ce_source', 'ce_time', 'ce_subject', 'traceparent'].map(name => Buffer.from(name))
const VERSION = Buffer.from('1.0'), TYPE = Buffer.from('orderflow.OrderPlaced'), SOURCE = Buffer.from('/producer-api')

// Those of events-schema/src/envelope.rs, in the same order.
export function headers (placed, traceparent) {
  const millis = Math.floor(placed.placedAt / MICROS)
  const time = new Date(millis).toISOString().slice(0, -1) + String(placed.placedAt % MICROS).padStart(3, '0') + 'Z'
  const values = [VERSION, Buffer.from(placed.eventId), TYPE, SOURCE, Buffer.from(time), Buffer.from(placed.id), Buffer.from(trace(traceparent))]
  return new Map(NAMES.map((name, n) => [name, values[n]]))
}

// Takes Avro values off the front of bytes.
export class Reader {
  constructor (bytes) {
    this.bytes = bytes
    this.at = 5
  }

  long () {
    let number = 0, scale = 1, byte
    do {
      byte = this.bytes[this.at++]
      number += (byte & 0x7f) * scale
      scale *= 0x80
    } while (byte > 0x7f)
    return number % 2 ? -(number + 1) / 2 : number / 2
  }

  text () {
    const length = this.long()
    this.at += length
    return this.bytes.utf8Slice(this.at - length, this.at)
  }
}
