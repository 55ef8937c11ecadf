"""The tables of analytics as a whole: their sums, a digest of every row, and copies of the rows."""

from pathlib import Path

import psycopg
from psycopg import sql

from .checks import Sums

FILLED = ["orders", "order_lines", "customers", "hourly_funnel"]
BLOCK = 1 << 20


def sums(connection: psycopg.Connection) -> Sums:
    row = connection.execute(
        """SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_lines),
                  (SELECT coalesce(sum(quantity * unit_price_minor), 0)::bigint FROM order_lines),
                  (SELECT coalesce(sum(units), 0)::bigint FROM orders),
                  (SELECT coalesce(sum(orders), 0)::bigint FROM customers),
                  (SELECT coalesce(sum(placed), 0)::bigint FROM hourly_funnel)"""
    ).fetchone()
    return Sums(*row)


def digests(connection: psycopg.Connection) -> dict[str, str]:
    """Whatever the order of the rows; two tables with the same rows have the same one."""
    found = {}
    for table in [*FILLED, "hourly_sales"]:
        statement = sql.SQL("SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {} AS t")
        found[table] = connection.execute(statement.format(sql.Identifier(table))).fetchone()[0]
    return found


def progress(connection: psycopg.Connection, topic: str) -> int:
    """How many records the positions have passed."""
    row = connection.execute("SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = %s", [topic])
    return row.fetchone()[0]


def copy_out(connection: psycopg.Connection, folder: Path) -> None:
    for table in FILLED:
        statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
        with connection.cursor().copy(statement) as copy, (folder / table).open("wb") as file:
            for block in copy:
                file.write(block)


def copy_in(connection: psycopg.Connection, folder: Path) -> None:
    """One connection, one transaction: as fast as these rows get into these tables."""
    with connection.transaction():
        for table in FILLED:
            statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
            with connection.cursor().copy(statement) as copy, (folder / table).open("rb") as file:
                while block := file.read(BLOCK):
                    copy.write(block)
