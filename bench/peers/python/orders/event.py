"""An order with its prices: its ids, its bytes in Confluent's wire format, its headers."""

import io
import random
import re
import struct
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha1, sha256

from fastavro import parse_schema, schemaless_writer

from .request import Order, Refused

NAMESPACE = bytes.fromhex("6d1e38a260f55e0c9f2b6c2f3b8d9a41")
JSON_INTEGER_MAX = 2**53 - 1
TRACE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
Price = tuple[int, str]
Headers = list[tuple[str, bytes]]
_length, _quantity = struct.Struct(">I").pack, struct.Struct(">i").pack


def _text(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _v5(space: bytes, name: bytes) -> bytes:
    raw = bytearray(sha1(space + name).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def _v7() -> bytes:
    raw = bytearray(struct.pack(">Q", time.time_ns() // 1_000_000)[2:] + random.randbytes(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


class Schema:
    """OrderPlaced, as the registry has it."""

    def __init__(self, number: int, schema: dict) -> None:
        self._head, self._schema = b"\0" + _length(number), parse_schema(schema)

    def value(self, event: dict) -> bytes:
        out = io.BytesIO()
        out.write(self._head)
        schemaless_writer(out, self._schema, event)
        return out.getvalue()


def place(order: Order, key: str | None, prices: Mapping[str, Price]) -> dict:
    """The event's fields."""
    found = [prices.get(line.sku) for line in order.lines]
    if None in found:
        raise Refused(404, "unknown-sku")
    currency = found[0][1]
    if any(price[1] != currency for price in found):
        raise Refused(422, "mixed-currencies")
    total = sum(line.quantity * price[0] for line, price in zip(order.lines, found, strict=True))
    if total > JSON_INTEGER_MAX:
        raise Refused(422, "invalid-body")
    raw = _v7() if key is None else _v5(NAMESPACE, f"{order.customer_id}\n{key}".encode())
    return {
        "event_id": _text(_v5(raw, b"OrderPlaced").hex()),
        "order_id": _text(raw.hex()),
        "customer_id": order.customer_id,
        "placed_at": time.time_ns() // 1_000,
        "currency": currency,
        "total_minor": total,
        "lines": [{"sku": line.sku, "quantity": line.quantity, "unit_price_minor": price[0]} for line, price in zip(order.lines, found, strict=True)],
        "locale": order.locale or "en",
        "contact": ("orderflow.Contact", {"name": order.contact.name, "email": order.contact.email}),
        "fingerprint": fingerprint(order),
    }


def fingerprint(order: Order) -> int:
    """That of producer-api/src/fingerprint.rs."""
    form = [_prefixed(order.customer_id), _length(len(order.lines))]
    for line in order.lines:
        form += (_prefixed(line.sku), _quantity(line.quantity))
    form.append(_prefixed(order.locale or "en"))
    return int.from_bytes(sha256(b"".join(form)).digest()[:8], "big", signed=True)


def _prefixed(text: str) -> bytes:
    raw = text.encode()
    return _length(len(raw)) + raw


def headers(event: dict, trace: str | None) -> Headers:
    """Those of events-schema/src/envelope.rs, in the same order."""
    at = event["placed_at"]
    when = datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event["event_id"].encode()),
        ("ce_type", b"orderflow.OrderPlaced"),
        ("ce_source", b"/producer-api"),
        ("ce_time", f"{when}.{at % 1_000_000:06}Z".encode()),
        ("ce_subject", event["order_id"].encode()),
        ("traceparent", _trace(trace).encode()),
    ]


def _trace(given: str | None) -> str:
    if given is not None and TRACE.fullmatch(given):
        return given
    ids = random.randbytes(24).hex()
    return f"00-{ids[:32]}-{ids[32:]}-00"
