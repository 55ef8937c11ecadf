"""Catching up: a log into the tables of a projection, from the start of the contender to lag 0. Every
contender reads the same log and must leave the same rows."""

import itertools
import random
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from . import checks, projections, schedule
from .checks import NotVerified, Sums
from .contenders import Contender
from .deployment import Database, Deployment, Log
from .processes import Failed, Process, steal_seconds, tree_cpu_seconds, tree_peak_mib
from .projections import Projection
from .results import Results
from .shop import Shop

CUSTOMERS = 20_000
CAUGHT_UP_WITHIN, LOOK_AGAIN, COUNT_AGAIN, DIES_WITHIN = 600.0, 0.01, 1.0, 0.1
COPY = "copy"
ANY_PORT = "127.0.0.1:0"


@dataclass(frozen=True)
class Plan:
    """How much, how often."""

    rounds: int
    orders: int
    seed: int
    # Who is killed: nobody, one of each program, or everybody.
    kills: str
    deaths: int


class Sink:
    """One run of the test for one projection."""

    def __init__(self, at: Deployment, plan: Plan, results: Results, say: Callable[[str], None], projection: Projection) -> None:
        self.at, self.plan, self.results, self.projection = at, plan, results, projection
        self.say = lambda text: say(f"{projection.kind}: {text}")
        self.log = Log(at, f"{projection.kind}-")
        self.rows = at.scratch / "rows"
        self.slots = itertools.count(1)
        self.digests: dict[str, str] = {}
        self.expected: Sums = {}

    def run(self, contenders: list[Contender]) -> None:
        self._begin()
        for number, order in enumerate(schedule.rounds(contenders, self.plan.rounds, self.plan.seed)):
            for contender in order if self.digests else schedule.with_first(order, lambda one: one.is_ours):
                self._slot(contender, number)
        self._kill(schedule.killed(contenders, self.plan.kills))
        shutil.rmtree(self.rows, ignore_errors=True)
        self._end()

    @property
    def records(self) -> int:
        return self.plan.orders * self.projection.records_per_order

    def _begin(self) -> None:
        """Everybody reads the same log."""
        started = time.monotonic()
        shop = Shop(self.plan.seed, CUSTOMERS)
        self.log.create()
        schemas = self.at.schema_ids("OrderPlaced", "OrderConfirmed", "OrderRejected")
        self.log.write("orders", projections.records(self.projection, shop, self.plan.orders, schemas, self.expected))
        if (there := sum(self.log.ends("orders").values())) != self.records:
            raise NotVerified(f"the log was filled with {self.records} records and holds {there}")
        self.say(f"{self.plan.orders} orders are in the log after {time.monotonic() - started:.0f} s")

    def _end(self) -> None:
        self.log.delete()

    def _database(self, contender: Contender) -> Database:
        name = f"bench_{self.projection.kind}_{next(self.slots)}_{contender.name.replace('-', '_')}"
        database = Database(self.at, name, self.projection.service)
        database.create(self.log.prefix)
        return database

    def _drop(self, database: Database) -> None:
        database.drop()

    def _slot(self, contender: Contender, number: int) -> None:
        database = self._database(contender)
        found = self._copy(database) if contender.name == COPY else self._consume(contender, database)
        self._verify(contender, database)
        self._drop(database)
        kind = self.projection.kind
        self.results.add("slot", test=kind, contender=contender.name, round=number, orders=self.plan.orders, **found)
        self.say(f"round {number + 1}, {contender.name}: {found['rate']:.0f} orders/s")

    def _consume(self, contender: Contender, database: Database) -> dict[str, Any]:
        stolen, before = steal_seconds(), self.at.servers_cpu()
        started, started_at = time.monotonic(), time.time()
        process = self._start(contender, database)
        try:
            tenths = self._wait(contender, process, database, 1.0)
            seconds = time.monotonic() - started
            if contender.progress == "rows":
                # Rows are counted seldom, because that costs; when the last one came is known afterwards.
                with database.connect() as connection:
                    seconds = projections.last_commit(connection, contender.tables or self.projection.tables) - started_at
            used = {name: after - before[name] for name, after in self.at.servers_cpu().items()}
            used["contender"] = tree_cpu_seconds(process.pid)
            memory = tree_peak_mib(process.pid)
        except BaseException:
            process.kill()
            raise
        process.stop()
        found = {**self._numbers(seconds, used, stolen), "peak_mib": round(memory, 1)}
        return found if contender.progress == "rows" else found | {"tenths_s": [round(at - started, 3) for at in tenths]}

    def _numbers(self, seconds: float, used: dict[str, float], stolen: float) -> dict[str, Any]:
        return {
            "seconds": round(seconds, 3),
            "rate": self.plan.orders / seconds,
            "cpu_us": {name: round(used_by * 1e6 / self.plan.orders, 2) for name, used_by in used.items()},
            "stolen_s": round(steal_seconds() - stolen, 2),
        }

    def _start(self, contender: Contender, database: Database) -> Process:
        told = self.at.environment(self.log.prefix) | {"DATABASE_URL": database.role(), "HEALTH_ADDR": ANY_PORT, "GROUP": database.name}
        told |= self.projection.told | contender.settings
        return Process(contender.name, [str(self.at.binaries / contender.program)], told, self.at.scratch / f"{database.name}.log")

    def _wait(self, contender: Contender, process: Process, database: Database, share: float) -> list[float]:
        """Until this share of the work is done. When each tenth was."""
        deadline, tenths = time.monotonic() + CAUGHT_UP_WITHIN, []
        with database.connect() as connection:
            while True:
                done = self._share_done(contender, database, connection)
                tenths += [time.monotonic()] * (int(done * 10) - len(tenths))
                if done >= share:
                    return tenths
                process.require_alive()
                if time.monotonic() > deadline:
                    raise Failed(f"{process.name} has done {done:.0%} in {CAUGHT_UP_WITHIN:.0f} s")
                time.sleep(COUNT_AGAIN if contender.progress == "rows" else LOOK_AGAIN)

    def _share_done(self, contender: Contender, database: Database, connection: psycopg.Connection) -> float:
        if contender.progress == "positions":
            return projections.passed(connection, self.log.name("orders")) / self.records
        if contender.progress == "group":
            return self.log.committed(database.name, "orders") / self.records
        # As many rows as the first contender left, which is ours.
        tables = contender.tables or self.projection.tables
        return projections.rows(connection, tables) / sum(int(self.digests[table].partition(":")[0]) for table in tables)

    def _copy(self, database: Database) -> dict[str, Any]:
        stolen, before = steal_seconds(), self.at.servers_cpu()
        with database.connect() as connection:
            started = time.monotonic()
            projections.copy_in(connection, self.projection, self.rows)
            seconds = time.monotonic() - started
        used = {name: after - before[name] for name, after in self.at.servers_cpu().items()}
        return self._numbers(seconds, used, stolen)

    def _verify(self, contender: Contender, database: Database) -> None:
        """The sums are those of the log, and every row is that of the first contender."""
        with database.connect() as connection:
            if not contender.tables:
                checks.sums(projections.found(connection, self.projection), self.expected)
            found = projections.digests(connection, self.projection)
            if not self.digests:
                self.digests = found
                self.rows.mkdir(parents=True, exist_ok=True)
                projections.copy_out(connection, self.projection, self.rows)
        compared = contender.tables or self.projection.tables
        if different := [table for table in compared if found[table] != self.digests[table]]:
            raise NotVerified(f"{contender.name} leaves other rows than the first contender in {', '.join(different)}")

    def _kill(self, contenders: list[Contender]) -> None:
        """Nothing is measured here, so all of them at once: the broker waits for each of the dead."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._killed, contenders))

    def _killed(self, contender: Contender) -> None:
        """On its way it is killed at moments that the seed draws, and started again at once."""
        database, draw = self._database(contender), random.Random(f"{self.plan.seed}/{contender.name}")
        for death in range(1, self.plan.deaths + 2):
            process = self._start(contender, database)
            try:
                self._wait(contender, process, database, death / (self.plan.deaths + 1))
                # Not just when a position has moved.
                time.sleep(draw.uniform(0, DIES_WITHIN) if death <= self.plan.deaths else 0)
            finally:
                process.kill()
        with database.connect() as connection:
            counts = [name for name in self.projection.counts if name in contender.tables or not contender.tables]
            lost, doubled = checks.lost_and_doubled(projections.found(connection, self.projection), self.expected, counts)
        self._drop(database)
        told = {"contender": contender.name, "deaths": self.plan.deaths, "orders": self.plan.orders}
        self.results.add("kill", test=self.projection.kind, **told, lost=lost, doubled=doubled)
        self.say(f"{contender.name} killed {self.plan.deaths} times: {lost} lost, {doubled} doubled")
