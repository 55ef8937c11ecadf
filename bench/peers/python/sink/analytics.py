"""Rows of analytics: orders, their lines, and what they add to customers and hours."""

from datetime import datetime
from itertools import chain

import asyncpg

from .schemas import Schemas, check_total

KNOWN = """
    SELECT order_id, customer_id FROM orders
    JOIN unnest($1::uuid[], $2::text[]) AS key (order_id, customer_id) USING (order_id, customer_id)
    ORDER BY order_id, customer_id FOR NO KEY UPDATE OF orders"""
ADD_CUSTOMERS = """
    INSERT INTO customers AS old (customer_id, currency, orders, confirmed, rejected, cancelled,
        revenue_minor, first_order_at, last_order_at)
    SELECT c, u, n, 0, 0, 0, 0, f, l
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[]) AS new (c, u, n, f, l)
    ON CONFLICT (customer_id, currency) DO UPDATE SET orders = old.orders + excluded.orders,
        first_order_at = least(old.first_order_at, excluded.first_order_at),
        last_order_at = greatest(old.last_order_at, excluded.last_order_at)"""
ADD_FUNNEL = """
    INSERT INTO hourly_funnel AS old (hour, placed, confirmed, rejected, cancel_requested, cancelled)
    SELECT h, n, 0, 0, 0, 0 FROM unnest($1::timestamptz[], $2::bigint[]) AS new (h, n)
    ON CONFLICT (hour) DO UPDATE SET placed = old.placed + excluded.placed"""
ORDERS = ["order_id", "customer_id", "currency", "total_minor", "units", "placed_at"]
LINES = ["order_id", "line", "sku", "quantity", "unit_price_minor"]


class Analytics:
    """The projection."""

    def __init__(self) -> None:
        self._schemas = Schemas("OrderPlaced")

    def decode(self, value: bytes) -> tuple[str, dict]:
        event, order = self._schemas.read(value)
        check_total(order)
        return event, order

    async def write(self, database: asyncpg.Connection, events: list[tuple[str, dict]]) -> None:
        by_key = {(order["order_id"], order["customer_id"]): order for _, order in reversed(events)}
        for row in await database.fetch(KNOWN, [key[0] for key in by_key], [key[1] for key in by_key]):
            del by_key[row["order_id"], row["customer_id"]]
        new = list(by_key.values())
        await database.copy_records_to_table("orders", records=map(_order, new), columns=ORDERS)
        await database.copy_records_to_table("order_lines", records=chain.from_iterable(map(_lines, new)), columns=LINES)
        await database.execute(ADD_CUSTOMERS, *_customers(new))
        await database.execute(ADD_FUNNEL, *_hours(new))


def _order(order: dict) -> tuple:
    units = sum(line["quantity"] for line in order["lines"])
    return order["order_id"], order["customer_id"], order["currency"], order["total_minor"], units, order["placed_at"]


def _lines(order: dict) -> list[tuple]:
    number = order["order_id"]
    return [(number, n, line["sku"], line["quantity"], line["unit_price_minor"]) for n, line in enumerate(order["lines"])]


def _customers(orders: list[dict]) -> list[list]:
    """Sorted, so that two workers lock rows in the same order."""
    found: dict[tuple[str, str], list] = {}
    for order in orders:
        at = order["placed_at"]
        of = found.setdefault((order["customer_id"], order["currency"]), [0, at, at])
        of[0] += 1
        of[1], of[2] = min(of[1], at), max(of[2], at)
    rows = [(*key, *found[key]) for key in sorted(found)]
    return [list(column) for column in zip(*rows, strict=True)] or [[]] * 5


def _hours(orders: list[dict]) -> list[list]:
    found: dict[datetime, int] = {}
    for order in orders:
        hour = order["placed_at"].replace(minute=0, second=0, microsecond=0)
        found[hour] = found.get(hour, 0) + 1
    hours = sorted(found)
    return [hours, [found[hour] for hour in hours]]
