"""The bench's own servers, and what a slot needs of them: topics, records, a database, our programs."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql

from . import wire
from .processes import Failed, cpu_seconds, tree_cpu_seconds, until

PARTITIONS = {"orders": 12, "products": 4, "stock": 4}
ADMIN_WITHIN, FLUSH_WITHIN, TOOL_WITHIN = 30.0, 600.0, 300.0
# Of librdkafka: what fails is said by an error, not by its log.
LOG_LEVEL = 2


@dataclass(frozen=True)
class Deployment:
    """Where everything is."""

    binaries: Path
    scratch: Path
    stack: Path
    brokers: str
    registry: str
    database: str
    http: str

    @staticmethod
    def from_environment() -> "Deployment":
        def path(name: str) -> Path:
            return Path(os.environ[name])

        return Deployment(
            binaries=path("BENCH_BINARIES"),
            scratch=path("BENCH_SCRATCH"),
            stack=path("BENCH_STACK"),
            brokers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            registry=os.environ["SCHEMA_REGISTRY_URL"],
            database=os.environ["DATABASE_URL"],
            http=os.environ["BENCH_HTTP"],
        )

    def environment(self, prefix: str) -> dict[str, str]:
        """What every program of ours and every peer is told."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.brokers,
            "KAFKA_PREFIX": prefix,
            "SCHEMA_REGISTRY_URL": self.registry,
            "SCHEMA_CACHE_DIR": str(self.scratch / "schemas"),
            "RUST_LOG": "warn",
        }

    def told(self, prefix: str) -> dict[str, str]:
        return {**os.environ, **self.environment(prefix)}

    def tool(self, *command: str, prefix: str = "", may_fail: bool = False, **more: str) -> str:
        """Runs a program of ours to its end, and returns what it said."""
        program = [str(self.binaries / command[0]), *command[1:]]
        told = {**self.told(prefix), **more}
        done = subprocess.run(program, env=told, capture_output=True, text=True, timeout=TOOL_WITHIN, check=False)
        if done.returncode != 0 and not (may_fail and done.stdout):
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise Failed(f"'{' '.join(command)}' ended with {done.returncode}: {said[-1][:300]}")
        return done.stdout

    def schema_id(self, subject: str) -> int:
        url = f"{self.registry}/subjects/{subject}/versions/latest"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            return json.load(answer)["id"]

    def schema_ids(self, *events: str) -> dict[str, int]:
        """Of events of the topic orders."""
        return {event: self.schema_id(f"orders-orderflow.{event}") for event in events}

    def servers_cpu(self) -> dict[str, float]:
        """Of the servers that are processes of this machine."""
        used = {}
        for server, measure in (("kafka-1", cpu_seconds), ("postgres", tree_cpu_seconds)):
            file = self.stack / server / "pid"
            if file.exists():
                used[server.removesuffix("-1")] = measure(int(file.read_text().split()[0]))
        return used


class Log:
    """The topics of one slot."""

    def __init__(self, at: Deployment, prefix: str) -> None:
        self.at, self.prefix = at, prefix
        self._admin = AdminClient({"bootstrap.servers": at.brokers, "log_level": LOG_LEVEL})
        self._reader = Consumer(
            {
                "bootstrap.servers": at.brokers,
                "group.id": "bench",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "log_level": LOG_LEVEL,
            }
        )

    def name(self, topic: str) -> str:
        return self.prefix + topic

    def create(self) -> None:
        compacted = {"cleanup.policy": "compact"}
        topics = [
            NewTopic(self.name(topic), count, 1, config=compacted if topic == "products" else {"retention.ms": "-1"})
            for topic, count in PARTITIONS.items()
        ]
        for future in self._admin.create_topics(topics).values():
            future.result(ADMIN_WITHIN)
        until(self._has_leaders, ADMIN_WITHIN, "the election of leaders")

    def _has_leaders(self) -> bool:
        known = self._admin.list_topics(timeout=ADMIN_WITHIN).topics
        topics = [known.get(self.name(topic)) for topic in PARTITIONS]
        return all(topic and not topic.error and all(p.leader >= 0 for p in topic.partitions.values()) for topic in topics)

    def delete(self) -> None:
        self._reader.close()
        for future in self._admin.delete_topics([self.name(topic) for topic in PARTITIONS]).values():
            future.result(ADMIN_WITHIN)

    def ends(self, topic: str) -> dict[int, int]:
        """By partition, where it ends."""
        found = {}
        for partition in range(PARTITIONS[topic]):
            place = TopicPartition(self.name(topic), partition)
            _, found[partition] = self._reader.get_watermark_offsets(place, timeout=ADMIN_WITHIN)
        return found

    def committed(self, group: str, topic: str) -> int:
        """How many records of a topic a group has told Kafka that it has passed."""
        places = [TopicPartition(self.name(topic), partition) for partition in range(PARTITIONS[topic])]
        told = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])[group]
        return sum(max(place.offset, 0) for place in told.result(ADMIN_WITHIN).topic_partitions)

    def write(self, topic: str, records: Iterable[tuple[str, bytes, list]]) -> None:
        """Keys, values and headers, to where every client of ours would send them."""
        failures: list[str] = []

        def reported(error, _message) -> None:
            if error is not None:
                failures.append(str(error))

        producer = Producer(
            {
                "bootstrap.servers": self.at.brokers,
                "log_level": LOG_LEVEL,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 20,
                "queue.buffering.max.messages": 200_000,
            }
        )
        name = self.name(topic)
        for key, value, headers in records:
            while True:
                try:
                    producer.produce(name, value, key, headers=headers, on_delivery=reported)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if producer.flush(FLUSH_WITHIN) or failures:
            raise Failed(f"the topic {name} could not be filled: {failures[:1] or 'no report in time'}")

    def read(self, topic: str, count: int) -> list:
        """The first `count` records, in no order of partitions."""
        self._reader.assign([TopicPartition(self.name(topic), partition, 0) for partition in range(PARTITIONS[topic])])
        records = []
        while len(records) < count:
            record = self._reader.poll(ADMIN_WITHIN)
            if record is None:
                raise Failed(f"{self.name(topic)} has {len(records)} of {count} records")
            if record.error():
                raise KafkaException(record.error())
            records.append(record)
        self._reader.unassign()
        return records

    def fill_stock(self, skus: Iterable[str], units: int) -> None:
        schema = self.at.schema_id("stock-orderflow.StockReceived")
        self.write("stock", ((sku, wire.stock_received(schema, sku, units), []) for sku in skus))

    def fill_catalogue(self, products: Iterable[dict]) -> None:
        schema = self.at.schema_id("products-orderflow.ProductUpserted")
        self.write("products", ((product["sku"], wire.product_upserted(schema, product), []) for product in products))


class Database:
    """A database of one slot, with the tables of some services. What is read is the first one's."""

    def __init__(self, at: Deployment, name: str, *services: str) -> None:
        self.at, self.name, self.services = at, name, services
        self.url = at.database.rpartition("/")[0] + "/" + name

    def create(self, prefix: str) -> None:
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"))
        self._administer(sql.SQL("CREATE DATABASE {}"))
        self.at.tool("orderctl", "database", "apply", DATABASE_URL=self.url)
        for service in self.services:
            self.at.tool(service, "migrate", DATABASE_URL=self.role("--owner", service=service))
            start = ("positions", "start", "--projection", service, "--at", "beginning", "--yes")
            self.at.tool("orderctl", *start, prefix=prefix, DATABASE_URL=self.url)
        with self.connect() as connection:
            connection.execute("CHECKPOINT")

    def role(self, *options: str, service: str = "") -> str:
        """The URL of the role that serves, or that owns."""
        command = ("database", "url", service or self.services[0], *options)
        return self.at.tool("orderctl", *command, DATABASE_URL=self.url).strip()

    def drop(self) -> None:
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)"))

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, options=f'-c search_path="{self.services[0]}"')

    def _administer(self, statement: sql.SQL) -> None:
        with psycopg.connect(self.at.database, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(self.name)))
