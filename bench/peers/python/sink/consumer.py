"""From the log into a projection: a batch is read and decoded while the one before it commits."""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Iterable

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import ConsumerRecord

from .analytics import Analytics
from .mails import Mails
from .positions import Positions

PROJECTIONS = {"analytics": Analytics, "mails": Mails}
# Records of a partition and the events in them.
Decoded = dict[int, tuple[list[ConsumerRecord], list[tuple[str, dict]]]]


class Owner(ConsumerRebalanceListener):
    """Takes the positions of what the group assigns."""

    def __init__(self, consumer: AIOKafkaConsumer, database: asyncpg.Connection, positions: Positions) -> None:
        self.consumer, self.database, self.positions = consumer, database, positions
        # The group assigns while a batch may be under way.
        self.lock = asyncio.Lock()

    async def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        async with self.lock:
            self.positions.held.clear()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        async with self.lock:
            for place in assigned:
                self.consumer.seek(place, await self.positions.take(self.database, place.partition))


async def consume() -> None:
    prefix = os.environ["KAFKA_PREFIX"]
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        client_id="python-sink",
        group_id=os.environ["GROUP"],
        enable_auto_commit=False,
        # Until its position is taken, a partition may be read from anywhere.
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        # Whoever is killed is missed soon.
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
        max_partition_fetch_bytes=4 << 20,
    )
    owner = Owner(consumer, database, Positions(prefix + "orders"))
    projection = PROJECTIONS[os.environ["PROJECTION"]]()
    consumer.subscribe([prefix + "orders"], listener=owner)
    await consumer.start()
    try:
        await _read(consumer, owner, projection, int(os.environ["BATCH_RECORDS_MAX"]))
    finally:
        await consumer.stop()
        await database.close()


async def _read(consumer: AIOKafkaConsumer, owner: Owner, projection: Analytics | Mails, most: int) -> None:
    writing: asyncio.Task | None = None
    while True:
        fetched = await consumer.getmany(timeout_ms=500, max_records=most)
        batch: Decoded = {}
        for place, records in fetched.items():
            batch[place.partition] = (records, [projection.decode(record.value) for record in records])
            # What is being written goes on.
            await asyncio.sleep(0)
        if writing is not None:
            await writing
        writing = asyncio.create_task(_write(owner, projection, batch)) if batch else None


async def _write(owner: Owner, projection: Analytics | Mails, batch: Decoded) -> None:
    async with owner.lock:
        behind, events = {}, []
        for partition, (records, decoded) in batch.items():
            first = owner.positions.first_of(partition, records[0].offset, records[-1].offset)
            if first is not None:
                behind[partition] = records[-1].offset + 1
                events += decoded[bisect_left(records, first, key=lambda record: record.offset) :]
        if not events:
            return
        async with owner.database.transaction():
            await owner.positions.advance(owner.database, behind)
            await projection.write(owner.database, events)
        owner.positions.passed(behind)
