"""The contract of the log, written down a second time in Python: ids, fingerprint, Avro bytes. What a
contender wrote is compared with what this says it should have written."""

import hashlib
import struct
import uuid
from collections.abc import Callable, Mapping

NAMESPACE = uuid.UUID("6d1e38a2-60f5-5e0c-9f2b-6c2f3b8d9a41")


def order_id(customer: str, key: str) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, f"{customer}\n{key}")


def event_id(order: uuid.UUID, event_type: str) -> uuid.UUID:
    return uuid.uuid5(order, event_type)


def fingerprint(body: Mapping) -> int:
    form = _prefixed(body["customer_id"]) + struct.pack(">I", len(body["lines"]))
    for line in body["lines"]:
        form += _prefixed(line["sku"]) + struct.pack(">i", line["quantity"])
    form += _prefixed(body["locale"])
    return struct.unpack(">q", hashlib.sha256(form).digest()[:8])[0]


def _prefixed(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">I", len(raw)) + raw


def number(value: int) -> bytes:
    """A long of Avro: zigzag, seven bits a byte, the lowest first."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(value: str) -> bytes:
    raw = value.encode()
    return number(len(raw)) + raw


def framed(schema_id: int, *parts: bytes) -> bytes:
    return b"\0" + struct.pack(">I", schema_id) + b"".join(parts)


def order_placed(schema_id: int, event: Mapping) -> bytes:
    """`event` has the fields of the schema."""
    lines = [text(line["sku"]) + number(line["quantity"]) + number(line["unit_price_minor"]) for line in event["lines"]]
    contact = event["contact"]
    return framed(
        schema_id,
        text(str(event["event_id"])),
        text(str(event["order_id"])),
        text(event["customer_id"]),
        number(event["placed_at"]),
        text(event["currency"]),
        number(event["total_minor"]),
        number(len(lines)),
        *lines,
        number(0),
        text(event["locale"]),
        number(1),
        text(contact["name"]),
        text(contact["email"]),
        number(event["fingerprint"]),
    )


def _outcome(schema_id: int, event: Mapping, lines: list[bytes]) -> bytes:
    ids = [text(str(event["event_id"])), text(str(event["order_id"])), text(event["customer_id"])]
    return framed(schema_id, *ids, number(event["decided_at"]), number(len(lines)), *lines, number(0) if lines else b"")


def order_confirmed(schema_id: int, event: Mapping) -> bytes:
    return _outcome(schema_id, event, [text(line["sku"]) + number(line["quantity"]) for line in event["reserved"]])


def order_rejected(schema_id: int, event: Mapping) -> bytes:
    short = [text(line["sku"]) + number(line["requested"]) + number(line["available"]) for line in event["shortages"]]
    return _outcome(schema_id, event, short)


EVENTS: dict[str, Callable[[int, Mapping], bytes]] = {
    "OrderPlaced": order_placed,
    "OrderConfirmed": order_confirmed,
    "OrderRejected": order_rejected,
}


def headers(event_type: str, event: Mapping) -> list[tuple[str, bytes]]:
    """Those that our services write."""
    pairs = {
        "ce_specversion": "1.0",
        "ce_id": str(event["event_id"]),
        "ce_type": f"orderflow.{event_type}",
        "ce_source": "/producer-api" if event_type == "OrderPlaced" else "/inventory",
        "ce_time": "2026-01-05T08:00:00.000000Z",
        "ce_subject": str(event["order_id"]),
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    }
    return [(name, value.encode()) for name, value in pairs.items()]


def stock_received(schema_id: int, sku: str, delta: int) -> bytes:
    identity = uuid.uuid5(NAMESPACE, f"StockReceived\n{sku}")
    return framed(schema_id, text(str(identity)), text(sku), number(delta), number(1_700_000_000_000_000))


def product_upserted(schema_id: int, product: Mapping) -> bytes:
    identity = uuid.uuid5(NAMESPACE, f"ProductUpserted\n{product['sku']}")
    return framed(
        schema_id,
        text(str(identity)),
        text(product["sku"]),
        text(product["name"]),
        text(product["department"]),
        number(product["price_minor"]),
        text(product["currency"]),
        number(1_700_000_000_000_000),
    )
