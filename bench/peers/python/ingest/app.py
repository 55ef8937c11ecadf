"""HTTP to Kafka: the same work for an order as producer-api, nothing else."""

import os
from contextlib import asynccontextmanager
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from fastapi import FastAPI, Request, Response

from orders.event import Schema, headers, place
from orders.registry import latest
from orders.request import BODY_BYTES_MAX, Refused, is_key, parse

from .catalogue import Catalogue

JSON = {"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"}


@lru_cache(maxsize=100_000)
def _hash(key: bytes) -> int:
    # aiokafka's is written in Python; customers come again.
    return murmur2(key) & 0x7FFFFFFF


def partition(key: bytes, everyone: list[int], _available: list[int]) -> int:
    return everyone[_hash(key) % len(everyone)]


class Ingest:
    """What a process has to place orders with."""

    def __init__(self) -> None:
        registry = os.environ["SCHEMA_REGISTRY_URL"]
        self.topic = os.environ["KAFKA_PREFIX"] + "orders"
        self.schema = Schema(*latest(registry, "orders-orderflow.OrderPlaced"))
        self.catalogue = Catalogue()

    async def start(self) -> None:
        await self.catalogue.start()
        self.producer = AIOKafkaProducer(
            bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            client_id="python-ingest",
            acks="all",
            enable_idempotence=True,
            linger_ms=int(os.environ["LINGER_US"]) / 1000,
            max_batch_size=1 << 18,
            request_timeout_ms=10_000,
            partitioner=partition,
        )
        await self.producer.start()

    async def stop(self) -> None:
        await self.producer.stop()
        await self.catalogue.stop()


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.ingest = ingest = Ingest()
    await ingest.start()
    yield
    await ingest.stop()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/readyz")
async def readyz() -> Response:
    return Response()


@app.exception_handler(Refused)
async def refused(_request: Request, error: Refused) -> Response:
    more = {"Retry-After": "1"} if error.status == 503 else None
    said = f'{{"type":"urn:orderflow:problem:{error.problem}","status":{error.status}}}'
    return Response(said, error.status, more, "application/problem+json")


@app.post("/v1/orders")
async def place_order(request: Request) -> Response:
    ingest: Ingest = request.app.state.ingest
    key = _key(request)
    order = parse(await _body(request))
    event = place(order, key, ingest.catalogue.prices)
    value, more = ingest.schema.value(event), headers(event, request.headers.get("traceparent"))
    try:
        report = await ingest.producer.send_and_wait(ingest.topic, value, event["customer_id"].encode(), headers=more)
    except KafkaError:
        raise Refused(503, "outcome-unknown") from None
    number, position = event["order_id"], f"orders:{report.partition}@{report.offset}"
    said = f'{{"order_id":"{number}","status":"accepted","position":"{position}"}}'
    return Response(said, 202, {"Order-Position": position, "Location": f"/v1/orders/{number}"}, "application/json")


def _key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1 or (keys and not is_key(keys[0])):
        raise Refused(400, "invalid-header")
    return keys[0] if keys else None


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").lower() not in JSON:
        raise Refused(415, "unsupported-media-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "unsupported-media-type")
    length = request.headers.get("content-length")
    if length is not None and int(length) <= BODY_BYTES_MAX:
        return await request.body()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Refused(413, "body-too-large")
    return bytes(body)
