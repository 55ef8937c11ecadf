"""Reads topics from their beginning to their end with confluent-kafka's AvroDeserializer.

Prints one JSON line per record: {"topic", "type", "key", "value"}; the type is the ce_type header.
The servers are named by KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL.
"""

import json
import os
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def partitions_to_read(consumer, topic):
    for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        if end > start:
            yield TopicPartition(topic, partition, start), end


def main(topics):
    registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"], "timeout": 15})
    deserialize = AvroDeserializer(registry)
    consumer = Consumer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "group.id": "python", "enable.auto.commit": False})
    ends = {(place.topic, place.partition): (place, end) for topic in topics for place, end in partitions_to_read(consumer, topic)}
    consumer.assign([place for place, _ in ends.values()])
    while ends:
        record = consumer.poll(10)
        if record is None or record.error():
            sys.exit(f"no record within 10 s, {len(ends)} partitions unread: {record and record.error()}")
        value = deserialize(record.value(), SerializationContext(record.topic(), MessageField.VALUE))
        headers = dict(record.headers())
        line = {"topic": record.topic(), "type": headers["ce_type"].decode(), "key": record.key().decode(), "value": value}
        print(json.dumps(line, default=str))
        if record.offset() + 1 >= ends[record.topic(), record.partition()][1]:
            del ends[record.topic(), record.partition()]


main(sys.argv[1:])
