// The topic products in memory.

import { randomUUID } from 'node:crypto'

import { Consumer } from '@platformatic/kafka'

import { Reader } from './order/event.js'

// follow returns once the topic is read to where it ends now, and goes on reading.
export async function follow (brokers, topic) {
  const prices = new Map()
  const consumer = new Consumer({ groupId: `node-ingest-${randomUUID()}`, clientId: 'node-ingest-catalogue', bootstrapBrokers: brokers })
  const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic)
  const left = new Map(ends.map((end, partition) => [partition, end]).filter(([, end]) => end > 0n))
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, maxWaitTime: 500 })
  const isRead = new Promise((resolve, reject) => {
    stream.on('error', reject)
    stream.on('data', message => {
      take(prices, message)
      if (left.has(message.partition) && message.offset + 1n >= left.get(message.partition)) left.delete(message.partition)
      if (left.size === 0) resolve()
    })
    if (left.size === 0) resolve()
  })
  await isRead
  return { prices, close: () => consumer.close(true) }
}

function take (prices, message) {
  const sku = message.key.toString()
  if (!message.value || message.value.length === 0) {
    prices.delete(sku)
    return
  }
  const product = new Reader(message.value)
  product.text()
  const said = product.text()
  product.text()
  product.text()
  const price = { minor: product.long(), currency: product.text() }
  if (said === sku) prices.set(sku, price)
}
