"""The topic products in memory."""

import asyncio
import io
import os

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from fastavro import parse_schema, schemaless_reader

from orders.event import Price
from orders.registry import latest


class Catalogue:
    """What a SKU costs."""

    def __init__(self) -> None:
        self.prices: dict[str, Price] = {}
        self._schema = parse_schema(latest(os.environ["SCHEMA_REGISTRY_URL"], "products-orderflow.ProductUpserted")[1])
        self._follow: asyncio.Task | None = None

    async def start(self) -> None:
        """Returns once the topic is read to where it ends now, and goes on reading."""
        topic = os.environ["KAFKA_PREFIX"] + "products"
        consumer = AIOKafkaConsumer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], client_id="python-ingest-catalogue")
        await consumer.start()
        places = [TopicPartition(topic, number) for number in await self._partitions(consumer, topic)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        left = {place: end for place, end in (await consumer.end_offsets(places)).items() if end > 0}
        while left:
            for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                self._take(records)
                if place in left and records and records[-1].offset + 1 >= left[place]:
                    del left[place]
        self._follow = asyncio.create_task(self._go_on(consumer))

    @staticmethod
    async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
        await consumer._client._wait_on_metadata(topic)
        return consumer.partitions_for_topic(topic) or set()

    async def _go_on(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    self._take(records)
        finally:
            await consumer.stop()

    async def stop(self) -> None:
        if self._follow is not None:
            self._follow.cancel()
            await asyncio.gather(self._follow, return_exceptions=True)

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            sku = record.key.decode()
            if record.value is None:
                self.prices.pop(sku, None)
                continue
            product = schemaless_reader(io.BytesIO(record.value[5:]), self._schema)
            if product["sku"] == sku:
                self.prices[sku] = (product["price_minor"], product["currency"])
