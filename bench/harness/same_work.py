"""Whether a contender does the work: a sample of orders is posted, refused orders among them, and what
is then in the log is read by our own tool and compared with what should be there, byte by byte."""

import http.client
import json
import uuid
from typing import Any

from . import wire
from .checks import NotVerified
from .deployment import Deployment, Log
from .shop import Shop

SAMPLE = 40
HEADERS = {"Content-Type": "application/json"}


def check(at: Deployment, log: Log, shop: Shop, address: str, contender: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=15)
    try:
        positions = {n: _place(connection, shop.body(n), f"sample-{n}") for n in range(SAMPLE)}
        _refuse(connection, shop.body(0))
    finally:
        connection.close()
    printed = at.tool("orderctl", "replay", "orders", "--headers", "--with-personal-data", prefix=log.prefix)
    lines = [json.loads(line) for line in printed.splitlines()]
    if len(lines) != SAMPLE:
        raise NotVerified(f"{contender}: {SAMPLE} orders were accepted and {len(lines)} are in the log")
    values = {(record.partition(), record.offset()): record.value() for record in log.read("orders", SAMPLE)}
    schema = at.schema_id("orders-orderflow.OrderPlaced")
    by_position = {f"orders:{line['partition']}@{line['offset']}": line for line in lines}
    for n, position in positions.items():
        line = by_position[position]
        event = shop.event(shop.body(n), f"sample-{n}", line["event"]["placed_at"])
        _same(contender, line, event)
        if values[line["partition"], line["offset"]] != wire.order_placed(schema, event):
            raise NotVerified(f"{contender}: the bytes at {position} are not those of the contract")


def _place(connection: http.client.HTTPConnection, body: dict, key: str) -> str:
    """Posts an order and returns its place in the log."""
    answer, said = _post(connection, json.dumps(body).encode(), {**HEADERS, "Idempotency-Key": key})
    expected = str(wire.order_id(body["customer_id"], key))
    place = answer.getheader("Order-Position")
    if answer.status != 202 or answer.getheader("Location") != f"/v1/orders/{expected}":
        raise NotVerified(f"an order was answered with {answer.status} instead of 202 and its Location")
    if said != {"order_id": expected, "status": "accepted", "position": place}:
        raise NotVerified(f"an order was answered with {said}")
    return place


def _post(connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> tuple[Any, Any]:
    connection.request("POST", "/v1/orders", body, headers)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def _refuse(connection: http.client.HTTPConnection, good: dict) -> None:
    """What may not be placed is refused with the status that producer-api has for it."""
    line, contact = good["lines"][0], good["contact"]
    wrong: list[tuple[int, dict]] = [
        (404, good | {"lines": [line | {"sku": "no-such-sku"}]}),
        (422, good | {"lines": []}),
        (422, good | {"lines": [line | {"quantity": 0}]}),
        (422, good | {"lines": [line | {"quantity": 1_000_001}]}),
        (422, good | {"lines": [line | {"sku": "no blanks"}]}),
        (422, good | {"customer_id": "x" * 65}),
        (422, good | {"locale": "xx"}),
        (422, good | {"coupon": "unknown member"}),
        (422, good | {"contact": contact | {"email": "ada@192.0.2.1"}}),
        (422, good | {"contact": contact | {"email": "ada@example"}}),
        (422, good | {"contact": contact | {"name": "\u202eAda"}}),
        (422, good | {"contact": contact | {"name": "\u200b"}}),
    ]
    cases = [(status, json.dumps(body).encode(), HEADERS) for status, body in wrong]
    body = json.dumps(good).encode()
    cases += [
        (400, body[:-1], HEADERS),
        (400, body, {**HEADERS, "Idempotency-Key": "a b"}),
        (415, body, {"Content-Type": "text/plain"}),
        (413, b" " * (256 * 1024 + 1), HEADERS),
    ]
    for status, body, headers in cases:
        answer, _ = _post(connection, body, headers)
        if answer.status != status:
            raise NotVerified(f"{body[:120]!r} was answered with {answer.status} instead of {status}")


def _same(contender: str, line: dict, event: dict) -> None:
    expected = {name: _as_printed(value) for name, value in event.items()} | {"fingerprint": str(event["fingerprint"])}
    if line["event"] != expected:
        raise NotVerified(f"{contender} wrote {line['event']} instead of {expected}")
    if line["key"] != event["customer_id"]:
        raise NotVerified(f"{contender} wrote the key {line['key']} instead of {event['customer_id']}")
    headers = dict(line["headers"])
    trace, time = headers.pop("traceparent"), headers.pop("ce_time")
    identity = {"ce_id": str(event["event_id"]), "ce_subject": str(event["order_id"])}
    fixed = {"ce_specversion": "1.0", "ce_type": "orderflow.OrderPlaced", "ce_source": "/producer-api"}
    if headers != identity | fixed or len(trace) != 55 or len(time) != len("2026-01-01T00:00:00.000000Z"):
        raise NotVerified(f"{contender} wrote the headers {line['headers']}")


def _as_printed(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value
