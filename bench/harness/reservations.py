"""Catching up of inventory, which decides and publishes: its outcomes come back in its own log, so every
slot has a log of its own, with stock for all orders on the shelf."""

import itertools
import time
from collections.abc import Callable

import psycopg

from . import projections, wire
from .checks import NotVerified
from .contenders import Contender
from .deployment import Database, Deployment, Log
from .processes import Process
from .projections import Record
from .results import Results
from .shop import Shop
from .sink import COPY, CUSTOMERS, LOOK_AGAIN, Plan, Sink

UNITS = 1_000_000
STOCKED_WITHIN = 60.0


class Reservations(Sink):
    """Ours with one worker and with two, beside COPY of the rows."""

    def __init__(self, at: Deployment, plan: Plan, results: Results, say: Callable[[str], None]) -> None:
        super().__init__(at, plan, results, say, projections.INVENTORY)

    def _begin(self) -> None:
        started = time.monotonic()
        self.shop = Shop(self.plan.seed, CUSTOMERS)
        self.orders = list(self._placed())
        self.ends: dict[int, int] = {}
        self.logs = itertools.count(1)
        self.say(f"{self.plan.orders} orders are at hand after {time.monotonic() - started:.0f} s")

    def _placed(self):
        schema, skus = self.at.schema_id("orders-orderflow.OrderPlaced"), len(self.shop.prices)
        self.expected |= {"orders": 0, "lines": 0, "confirmed": 0, "available": skus * UNITS, "total_minor": 0}
        for event in self.shop.backlog(self.plan.orders):
            self.expected["orders"] += 1
            self.expected["confirmed"] += 1
            self.expected["lines"] += len(event["lines"])
            self.expected["available"] -= sum(line["quantity"] for line in event["lines"])
            self.expected["total_minor"] += event["total_minor"]
            record: Record = (event["customer_id"], wire.order_placed(schema, event), wire.headers("OrderPlaced", event))
            yield record

    def _kill(self, contenders: list[Contender]) -> None:
        """Each has a log of its own, so one after the other."""
        for contender in contenders:
            self._killed(contender)

    def _end(self) -> None:
        """Each slot has deleted its log."""

    def _database(self, contender: Contender) -> Database:
        self.log = Log(self.at, f"inventory{next(self.logs)}-")
        self.log.create()
        database = super()._database(contender)
        if contender.name != COPY:
            self._stock(contender, database)
            self.log.write("orders", self.orders)
            self.ends = self.log.ends("orders")
        return database

    def _stock(self, contender: Contender, database: Database) -> None:
        """What is on the shelf, before the clock runs."""
        self.log.fill_catalogue(self.shop.products())
        self.log.fill_stock(self.shop.prices, UNITS)
        process = self._start(contender, database)
        deadline, wanted = time.monotonic() + STOCKED_WITHIN, len(self.shop.prices)
        try:
            with database.connect() as connection:
                while min(projections.passed(connection, self.log.name(topic)) for topic in ("products", "stock")) < wanted:
                    self._require(process, deadline)
                    time.sleep(LOOK_AGAIN)
        except BaseException:
            process.kill()
            raise
        process.stop()

    @staticmethod
    def _require(process: Process, deadline: float) -> None:
        process.require_alive()
        if time.monotonic() > deadline:
            raise NotVerified(f"{process.name} has not taken the stock in {STOCKED_WITHIN:.0f} s")

    def _share_done(self, _contender: Contender, _database: Database, connection: psycopg.Connection) -> float:
        """All that was there at the start, and nothing left to publish."""
        rows = connection.execute("SELECT partition, next_offset FROM positions WHERE topic = %s", [self.log.name("orders")])
        done = sum(min(offset, self.ends[partition]) for partition, offset in rows)
        if done == self.records and connection.execute("SELECT EXISTS (SELECT 1 FROM outbox)").fetchone()[0]:
            done -= 1
        return done / self.records

    def _verify(self, contender: Contender, database: Database) -> None:
        super()._verify(contender, database)
        published = sum(self.log.ends("orders").values()) - sum(self.ends.values())
        if contender.name != COPY and published != self.plan.orders:
            raise NotVerified(f"{contender.name} has decided {self.plan.orders} orders and published {published} outcomes")

    def _drop(self, database: Database) -> None:
        super()._drop(database)
        self.log.delete()
