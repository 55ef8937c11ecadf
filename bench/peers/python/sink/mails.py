"""Rows of the ledger of mails: orders, and one mail per outcome."""

import os
from datetime import UTC, datetime, timedelta
from json import dumps
from uuid import UUID

import asyncpg

from .schemas import Schemas, check_total

KNOWN_ORDERS = """
    SELECT order_id, customer_id, email IS NOT NULL AS is_reachable FROM orders
    JOIN unnest($1::uuid[], $2::text[]) AS key (order_id, customer_id) USING (order_id, customer_id)"""
KNOWN_MAILS = """
    SELECT event_id, customer_id FROM mails
    JOIN unnest($1::uuid[], $2::text[]) AS key (event_id, customer_id) USING (event_id, customer_id)"""
ORDERS = ["order_id", "customer_id", "locale", "name", "email", "currency", "total_minor", "lines", "placed_at"]
MAILS = ["event_id", "customer_id", "order_id", "kind", "state", "details", "occurred_at", "cause", "finished_at"]
# The kind of a mail, and the field that says when the outcome came about.
OUTCOMES = {
    "OrderConfirmed": ("confirmed", "confirmed_at"),
    "OrderRejected": ("rejected", "rejected_at"),
    "OrderCancelled": ("cancelled", "cancelled_at"),
}
Key = tuple[UUID, str]


class Mails:
    """The projection."""

    def __init__(self) -> None:
        self._schemas = Schemas("OrderPlaced", *OUTCOMES)
        self._max_age = timedelta(days=int(os.environ["MAIL_MAX_AGE"].removesuffix("d")))

    def decode(self, value: bytes) -> tuple[str, dict]:
        event, fields = self._schemas.read(value)
        if event == "OrderPlaced":
            check_total(fields)
        return event, fields

    async def write(self, database: asyncpg.Connection, events: list[tuple[str, dict]]) -> None:
        reachable, written = await self._known(database, events)
        orders, mails = [], []
        for event, fields in events:
            key = (fields["order_id"], fields["customer_id"])
            if event == "OrderPlaced":
                if key not in reachable:
                    reachable[key] = fields["contact"] is not None
                    orders.append(_order(fields))
            elif (mail := (fields["event_id"], fields["customer_id"])) not in written:
                written.add(mail)
                mails.append(self._mail(event, fields, reachable.get(key)))
        await database.copy_records_to_table("orders", records=orders, columns=ORDERS)
        await database.copy_records_to_table("mails", records=mails, columns=MAILS)

    @staticmethod
    async def _known(database: asyncpg.Connection, events: list[tuple[str, dict]]) -> tuple[dict[Key, bool], set[Key]]:
        """Orders that are there, and whether there is somebody to write to; mails that are there."""
        orders = {(fields["order_id"], fields["customer_id"]) for _, fields in events}
        mails = {(fields["event_id"], fields["customer_id"]) for event, fields in events if event in OUTCOMES}
        found = await database.fetch(KNOWN_ORDERS, [key[0] for key in orders], [key[1] for key in orders])
        written = await database.fetch(KNOWN_MAILS, [key[0] for key in mails], [key[1] for key in mails])
        reachable = {(row["order_id"], row["customer_id"]): row["is_reachable"] for row in found}
        return reachable, {(row["event_id"], row["customer_id"]) for row in written}

    def _mail(self, event: str, fields: dict, is_reachable: bool | None) -> tuple:
        kind, when = OUTCOMES[event]
        at, now = fields[when], datetime.now(UTC)
        cause = None
        if not is_reachable:
            cause = "not-placed" if is_reachable is None else "no-contact"
        elif now - at > self._max_age:
            cause = "too-old"
        details = dumps(fields.get("shortages", []))
        state, finished = ("withheld", now) if cause else ("queued", None)
        return fields["event_id"], fields["customer_id"], fields["order_id"], kind, state, details, at, cause, finished


def _order(fields: dict) -> tuple:
    contact = fields["contact"] or {"name": None, "email": None}
    return (
        fields["order_id"],
        fields["customer_id"],
        fields["locale"],
        contact["name"],
        contact["email"],
        fields["currency"],
        fields["total_minor"],
        dumps(fields["lines"]),
        fields["placed_at"],
    )
