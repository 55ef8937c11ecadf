"""The projections that catch up: what is in their log, and what must then be in their tables: sums, a
digest of every row, copies of the rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from . import wire
from .checks import Sums
from .shop import Shop

BLOCK = 1 << 20
Record = tuple[str, bytes, list[tuple[str, bytes]]]


@dataclass(frozen=True)
class Projection:
    """One of ours, as its tables show it."""

    kind: str
    service: str
    records_per_order: int
    # In an order in which they can be filled.
    tables: list[str]
    sums: str
    # Those of the sums that count what was sent once.
    counts: list[str]
    # Where not every column says the same in every run, those that do.
    columns: dict[str, str] = field(default_factory=dict)
    # What ours is told beside what everybody is.
    told: dict[str, str] = field(default_factory=dict)


ANALYTICS = Projection(
    kind="analytics",
    service="analytics",
    records_per_order=1,
    tables=["orders", "order_lines", "customers", "hourly_funnel", "hourly_sales"],
    sums="""SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM order_lines) AS lines,
                   (SELECT coalesce(sum(quantity * unit_price_minor), 0)::bigint FROM order_lines) AS total_minor,
                   (SELECT coalesce(sum(units), 0)::bigint FROM orders) AS units,
                   (SELECT coalesce(sum(orders), 0)::bigint FROM customers) AS customer_orders,
                   (SELECT coalesce(sum(placed), 0)::bigint FROM hourly_funnel) AS funnel_placed""",
    counts=["orders", "customer_orders", "funnel_placed"],
)
MAILS = Projection(
    kind="mails",
    service="confirmation-email",
    records_per_order=2,
    tables=["orders", "mails"],
    sums="""SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM mails) AS mails,
                   (SELECT count(*) FROM mails WHERE state = 'queued') AS queued,
                   (SELECT count(*) FROM mails WHERE kind = 'rejected') AS rejected,
                   (SELECT coalesce(sum(total_minor), 0)::bigint FROM orders) AS total_minor""",
    counts=["orders", "mails"],
    columns={"mails": "event_id, customer_id, order_id, kind, state, details, occurred_at, attempts, cause, finished_at"},
    # The mail server is away, so nothing is sent while the ledger is filled; nothing is too old.
    told={"SMTP_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "Shop <orders@shop.example>", "MAIL_MAX_AGE": "3650d"},
)
INVENTORY = Projection(
    kind="inventory",
    service="inventory",
    records_per_order=1,
    tables=["orders", "order_lines", "stock"],
    sums="""SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM order_lines) AS lines,
                   (SELECT count(*) FROM orders WHERE status = 'confirmed') AS confirmed,
                   (SELECT coalesce(sum(available), 0)::bigint FROM stock) AS available,
                   (SELECT coalesce(sum(total_minor), 0)::bigint FROM orders) AS total_minor""",
    counts=["orders", "confirmed"],
    # When an order was decided is another moment in every run.
    columns={
        "orders": "order_id, customer_id, status, currency, total_minor, fingerprint, placed_at, cancelled_at, shortages, "
        "source_partition, source_offset"
    },
)


def records(projection: Projection, shop: Shop, orders: int, schemas: dict[str, int], sums: Sums) -> Iterator[Record]:
    """The log; what it says is added up in `sums` as it is read."""
    if projection is MAILS:
        return _placed_and_decided(shop, orders, schemas, sums)
    return _placed(shop, orders, schemas, sums)


def _placed(shop: Shop, orders: int, schemas: dict[str, int], sums: Sums) -> Iterator[Record]:
    sums |= {name: 0 for name in ("orders", "lines", "total_minor", "units", "customer_orders", "funnel_placed")}
    for event in shop.backlog(orders):
        for name in ("orders", "customer_orders", "funnel_placed"):
            sums[name] += 1
        sums["lines"] += len(event["lines"])
        sums["total_minor"] += event["total_minor"]
        sums["units"] += sum(line["quantity"] for line in event["lines"])
        yield event["customer_id"], wire.order_placed(schemas["OrderPlaced"], event), wire.headers("OrderPlaced", event)


def _placed_and_decided(shop: Shop, orders: int, schemas: dict[str, int], sums: Sums) -> Iterator[Record]:
    sums |= {"orders": orders, "mails": orders, "queued": orders, "rejected": 0, "total_minor": 0}
    for event_type, event in shop.decided_backlog(orders):
        if event_type == "OrderPlaced":
            sums["total_minor"] += event["total_minor"]
        sums["rejected"] += event_type == "OrderRejected"
        yield event["customer_id"], wire.EVENTS[event_type](schemas[event_type], event), wire.headers(event_type, event)


def found(connection: psycopg.Connection, projection: Projection) -> Sums:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return dict(cursor.execute(projection.sums).fetchone())


def digests(connection: psycopg.Connection, projection: Projection) -> dict[str, str]:
    """Whatever the order of the rows; two tables with the same rows have the same one."""
    of_all = {}
    for table in projection.tables:
        statement = sql.SQL("SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM (SELECT {} FROM {}) AS t")
        columns = sql.SQL(projection.columns.get(table, "*"))
        of_all[table] = connection.execute(statement.format(columns, sql.Identifier(table))).fetchone()[0]
    return of_all


def passed(connection: psycopg.Connection, topic: str) -> int:
    """How many records the positions have passed."""
    row = connection.execute("SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = %s", [topic])
    return row.fetchone()[0]


def rows(connection: psycopg.Connection, tables: list[str]) -> int:
    """How many rows some tables have together."""
    counts = [sql.SQL("(SELECT count(*) FROM {})").format(sql.Identifier(table)) for table in tables]
    return connection.execute(sql.SQL("SELECT ") + sql.SQL(" + ").join(counts)).fetchone()[0]


def last_commit(connection: psycopg.Connection, tables: list[str]) -> float:
    """When the last row of some tables was committed, in seconds since 1970."""
    newest = [sql.SQL("(SELECT max(pg_xact_commit_timestamp(xmin)) FROM {})").format(sql.Identifier(table)) for table in tables]
    statement = sql.SQL("SELECT extract(epoch FROM greatest({}))::float8").format(sql.SQL(", ").join(newest))
    return connection.execute(statement).fetchone()[0]


def copy_out(connection: psycopg.Connection, projection: Projection, folder: Path) -> None:
    for table in projection.tables:
        statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
        with connection.cursor().copy(statement) as copy, (folder / table).open("wb") as file:
            for block in copy:
                file.write(block)


def copy_in(connection: psycopg.Connection, projection: Projection, folder: Path) -> None:
    """One connection, one transaction: as fast as these rows get into these tables."""
    with connection.transaction():
        for table in projection.tables:
            statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
            with connection.cursor().copy(statement) as copy, (folder / table).open("rb") as file:
                while block := file.read(BLOCK):
                    copy.write(block)
