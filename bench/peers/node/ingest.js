// The peer of producer-api in Node: Fastify and @platformatic/kafka, the same work for an order, nothing else.

import cluster from 'node:cluster'

import Fastify from 'fastify'

import { follow } from './catalogue.js'
import { headers, place, value } from './order/event.js'
import { BODY_BYTES_MAX, check, isKey, Refused, schema } from './order/request.js'
import { Publisher } from './publisher.js'

const { HTTP_ADDR, KAFKA_BOOTSTRAP_SERVERS, KAFKA_PREFIX, LINGER_US, SCHEMA_REGISTRY_URL, WORKERS } = process.env

async function schemaId (subject) {
  const answer = await fetch(`${SCHEMA_REGISTRY_URL}/subjects/${subject}/versions/latest`)
  if (!answer.ok) throw new Error(`the registry answers ${answer.status} for ${subject}`)
  return (await answer.json()).id
}

function api (publisher, prices, id) {
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } }
  })
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler((error, _request, reply) => refuse(reply, error))
  app.get('/readyz', (_request, reply) => reply.send())
  app.post('/v1/orders', { schema: { body: schema }, onRequest: checkHeaders }, async (request, reply) => {
    check(request.body)
    const placed = place(request.body, request.headers['idempotency-key'], prices)
    const bytes = value(id, placed), more = headers(placed, request.headers.traceparent)
    let report
    try {
      report = await publisher.publish(Buffer.from(request.body.customer_id), bytes, more)
    } catch {
      throw new Refused(503, 'outcome-unknown')
    }
    const position = `orders:${report.partition}@${report.offset}`
    reply.code(202).headers({ 'content-type': 'application/json', 'order-position': position, location: `/v1/orders/${placed.id}` })
    return `{"order_id":"${placed.id}","status":"accepted","position":"${position}"}`
  })
  return app
}

function checkHeaders (request, _reply, done) {
  // Node joins what is there twice by a comma and a blank, which no key has.
  const key = request.headers['idempotency-key'], coding = request.headers['content-encoding'] ?? 'identity'
  if (key !== undefined && !isKey(key)) return done(new Refused(400, 'invalid-header'))
  if (coding.toLowerCase() !== 'identity') return done(new Refused(415, 'unsupported-media-type'))
  done()
}

function refuse (reply, error) {
  const status = error.validation ? 422 : error.statusCode ?? 500
  if (status === 503) reply.header('retry-after', '1')
  const problem = error instanceof Refused ? error.message : String(error.code ?? 'internal').toLowerCase()
  reply.code(status).header('content-type', 'application/problem+json')
  return reply.send(JSON.stringify({ type: `urn:orderflow:problem:${problem}`, status }))
}

async function serve () {
  const brokers = KAFKA_BOOTSTRAP_SERVERS.split(',')
  const publisher = new Publisher(brokers, `${KAFKA_PREFIX}orders`, Number(LINGER_US))
  const [id, catalogue] = await Promise.all([schemaId('orders-orderflow.OrderPlaced'), follow(brokers, `${KAFKA_PREFIX}products`), publisher.start()])
  const app = api(publisher, catalogue.prices, id)
  const [host, port] = HTTP_ADDR.split(':')
  await app.listen({ host, port: Number(port), backlog: 4096 })
  process.once('SIGTERM', async () => {
    await app.close()
    await Promise.allSettled([publisher.close(), catalogue.close()])
    process.exit(0)
  })
}

function supervise (workers) {
  for (let n = 0; n < workers; n++) cluster.fork()
  cluster.on('exit', (worker, code) => {
    if (worker.exitedAfterDisconnect || isEnding) return
    console.error(`error: a worker ended with ${code}`)
    process.exit(1)
  })
  let isEnding = false
  process.once('SIGTERM', () => {
    isEnding = true
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM')
  })
}

const workers = Number(WORKERS)
if (cluster.isPrimary && workers > 1) supervise(workers)
else await serve()
