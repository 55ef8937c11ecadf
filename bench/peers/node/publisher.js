// Group commit by hand: the library sends a request per call and an idempotent producer has one under way,
// so what comes meanwhile goes together in the next.

import { compatibilityPartitioner, ProduceAcks, Producer } from '@platformatic/kafka'

export class Publisher {
  #producer
  #topic
  #partitions
  #linger
  #waiting = []
  #isBusy = false

  constructor (brokers, topic, lingerMicros) {
    this.#topic = topic
    this.#linger = lingerMicros / 1000
    this.#producer = new Producer({
      clientId: 'node-ingest', bootstrapBrokers: brokers, idempotent: true, acks: ProduceAcks.ALL, timeout: 10_000
    })
  }

  async start () {
    const metadata = await this.#producer.metadata({ topics: [this.#topic] })
    this.#partitions = metadata.topics.get(this.#topic).partitionsCount
    await this.#producer.initIdempotentProducer({})
  }

  close () {
    return this.#producer.close(true)
  }

  // Where the record is in the log, once the broker has said so.
  publish (key, value, headers) {
    const partition = compatibilityPartitioner(null, key) % this.#partitions
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message: { topic: this.#topic, partition, key, value, headers }, resolve, reject })
      this.#wake()
    })
  }

  #wake () {
    if (this.#isBusy || this.#waiting.length === 0) return
    this.#isBusy = true
    if (this.#linger) setTimeout(() => this.#send(), this.#linger)
    else setImmediate(() => this.#send())
  }

  #send () {
    const batch = this.#waiting
    this.#waiting = []
    this.#producer.send({ messages: batch.map(one => one.message), acks: ProduceAcks.ALL, idempotent: true }, (error, results) => {
      this.#isBusy = false
      this.#wake()
      if (error) batch.forEach(one => one.reject(error))
      else report(batch, results)
    })
  }
}

// The broker names the first offset of each partition; within one, records stand as they were sent.
function report (batch, results) {
  const next = new Map(results.offsets.map(({ partition, offset }) => [partition, offset]))
  for (const { message: { partition }, resolve } of batch) {
    const offset = next.get(partition)
    next.set(partition, offset + 1n)
    resolve({ partition, offset })
  }
}
