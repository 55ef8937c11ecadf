"""Ends with 0 once the broker at ADDRESS knows COUNT live brokers: kafka_ready.py ADDRESS COUNT."""

import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

address, count = sys.argv[1], int(sys.argv[2])
client = AdminClient({"bootstrap.servers": address, "log_level": 0}, logger=None)
try:
    sys.exit(0 if len(client.list_topics(timeout=3).brokers) >= count else 1)
except KafkaException:
    sys.exit(1)
