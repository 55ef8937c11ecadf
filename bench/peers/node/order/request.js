// The checks of a body. Fastify's validator does what a JSON schema can say.

import { isEmail, isReadable } from './text.js'

export const BODY_BYTES_MAX = 256 * 1024
const KEY = /^[!-~]{1,128}$/
const identifier = { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' }

const record = (properties, required = Object.keys(properties)) => ({ type: 'object', additionalProperties: false, required, properties })

export const schema = record({
  customer_id: identifier,
  lines: {
    type: 'array',
    minItems: 1,
    maxItems: 500,
    items: record({ sku: identifier, quantity: { type: 'integer', minimum: 1, maximum: 1_000_000 } })
  },
  contact: record({ name: { type: 'string' }, email: { type: 'string' } }),
  locale: { enum: ['en', 'he', null] }
}, ['customer_id', 'lines', 'contact'])

// What may not be placed: the status and the problem that its client hears.
export class Refused extends Error {
  constructor (status, problem) {
    super(problem)
    this.statusCode = status
  }
}

// What a schema cannot say.
export function check (order) {
  if (!isReadable(order.contact.name) || !isEmail(order.contact.email)) throw new Refused(422, 'invalid-body')
}

export const isKey = text => KEY.test(text)
