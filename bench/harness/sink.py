"""Catching up: a log of placed orders into the tables of analytics, from the start of the contender to
lag 0. Every contender reads the same log and must leave the same rows."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import checks, schedule, tables, wire
from .checks import NotVerified, Sums
from .deployment import Database, Deployment, Log
from .processes import Failed, Process, cpu_seconds, peak_mib, steal_seconds
from .results import Results
from .shop import Shop

CUSTOMERS = 20_000
CAUGHT_UP_WITHIN, LOOK_AGAIN = 600.0, 0.01
# How each moves rows and position. The kill -9 round shows what it is worth.
GUARANTEE = {
    "ours": "rows and position in one transaction, fenced",
    "go-1000": "rows and position in one transaction, fenced",
    "go-5000": "rows and position in one transaction, fenced",
    "copy": "none: a limit, not a consumer",
}
# Each program once: what it is worth does not hang on the size of its batches, and the broker gives a
# dead member 45 s.
KILLED = ("ours", "go-1000")


@dataclass(frozen=True)
class Plan:
    """How much, how often."""

    rounds: int
    orders: int
    seed: int
    kills: bool


class Sink:
    """One run of the test."""

    def __init__(self, at: Deployment, plan: Plan, results: Results, say: Callable[[str], None]) -> None:
        self.at, self.plan, self.results, self.say = at, plan, results, say
        self.log = Log(at, "sink-")
        self.rows = at.scratch / "rows"
        self.slots = 0
        self.digests: dict[str, str] = {}
        self.expected = Sums(0, 0, 0, 0, 0, 0)

    def run(self, contenders: list[str]) -> None:
        self._fill()
        # The rows of the limit are those of the first consumer, which therefore comes before it.
        for number, order in enumerate(schedule.rounds(contenders, self.plan.rounds, self.plan.seed)):
            waiting = [name for name in order if name == "copy" and not self.rows.exists()]
            for contender in [name for name in order if name not in waiting] + waiting:
                self._slot(contender, number)
        for contender in [name for name in contenders if name in KILLED and self.plan.kills]:
            self._killed(contender)
        shutil.rmtree(self.rows, ignore_errors=True)
        self.log.delete()

    def _fill(self) -> None:
        started = time.monotonic()
        schema = self.at.schema_id("orders-orderflow.OrderPlaced")
        counted = [0, 0, 0]

        def records():
            for event in Shop(self.plan.seed, CUSTOMERS).backlog(self.plan.orders):
                counted[0] += len(event["lines"])
                counted[1] += event["total_minor"]
                counted[2] += sum(line["quantity"] for line in event["lines"])
                yield event["customer_id"], wire.order_placed(schema, event), headers(event)

        self.log.create()
        self.log.write("orders", records())
        orders, (lines, total, units) = self.plan.orders, counted
        self.expected = Sums(orders, lines, total, units, orders, orders)
        if (there := sum(self.log.ends("orders").values())) != orders:
            raise NotVerified(f"the log was filled with {orders} orders and holds {there}")
        self.say(f"sink: {orders} orders are in the log after {time.monotonic() - started:.0f} s")

    def _database(self, contender: str) -> Database:
        self.slots += 1
        database = Database(self.at, f"bench_{self.slots}_{contender.replace('-', '_')}")
        database.create(self.log.prefix)
        return database

    def _slot(self, contender: str, number: int) -> None:
        database = self._database(contender)
        found = self._copy(database) if contender == "copy" else self._consume(contender, database)
        self._verify(contender, database)
        database.drop()
        guarantee = GUARANTEE[contender]
        self.results.add("slot", test="sink", contender=contender, round=number, guarantee=guarantee, orders=self.plan.orders, **found)
        self.say(f"sink: round {number + 1}, {contender}: {found['rate']:.0f} orders/s")

    def _consume(self, contender: str, database: Database) -> dict[str, Any]:
        stolen, before = steal_seconds(), self.at.servers_cpu()
        started = time.monotonic()
        process = self._start(contender, database)
        try:
            self._wait(process, database, self.plan.orders)
            seconds = time.monotonic() - started
            used = {name: after - before[name] for name, after in self.at.servers_cpu().items()}
            used["contender"] = cpu_seconds(process.pid)
            memory = peak_mib(process.pid)
        except BaseException:
            process.kill()
            raise
        process.stop()
        return {
            "seconds": round(seconds, 3),
            "rate": self.plan.orders / seconds,
            "cpu_us": {name: round(seconds * 1e6 / self.plan.orders, 2) for name, seconds in used.items()},
            "peak_mib": round(memory, 1),
            "stolen_s": round(steal_seconds() - stolen, 2),
        }

    def _start(self, contender: str, database: Database) -> Process:
        told = self.at.environment(self.log.prefix) | {"DATABASE_URL": database.role(), "HEALTH_ADDR": self.at.http}
        program = "analytics"
        if contender.startswith("go-"):
            program = "go-sink"
            told["BATCH_RECORDS_MAX"] = contender.removeprefix("go-")
        return Process(contender, [str(self.at.binaries / program)], told, self.at.scratch / f"{contender}.log")

    def _wait(self, process: Process, database: Database, records: int) -> None:
        """Until the positions have passed so many records."""
        deadline, topic = time.monotonic() + CAUGHT_UP_WITHIN, self.log.name("orders")
        with database.connect() as connection:
            while (done := tables.progress(connection, topic)) < records:
                process.require_alive()
                if time.monotonic() > deadline:
                    raise Failed(f"{process.name} passed {done} of {records} records in {CAUGHT_UP_WITHIN:.0f} s")
                time.sleep(LOOK_AGAIN)

    def _copy(self, database: Database) -> dict[str, Any]:
        stolen, before = steal_seconds(), self.at.servers_cpu()
        with database.connect() as connection:
            started = time.monotonic()
            tables.copy_in(connection, self.rows)
            seconds = time.monotonic() - started
        used = {name: after - before[name] for name, after in self.at.servers_cpu().items()}
        return {
            "seconds": round(seconds, 3),
            "rate": self.plan.orders / seconds,
            "cpu_us": {name: round(seconds * 1e6 / self.plan.orders, 2) for name, seconds in used.items()},
            "stolen_s": round(steal_seconds() - stolen, 2),
        }

    def _verify(self, contender: str, database: Database) -> None:
        """The sums are those of the log, and every row is that of the first contender."""
        with database.connect() as connection:
            checks.sums(tables.sums(connection), self.expected)
            found = tables.digests(connection)
            if not self.digests:
                self.digests = found
                self.rows.mkdir(parents=True, exist_ok=True)
                tables.copy_out(connection, self.rows)
        if found != self.digests:
            different = [table for table, digest in found.items() if digest != self.digests[table]]
            raise NotVerified(f"{contender} leaves other rows than the first contender in {', '.join(different)}")

    def _killed(self, contender: str) -> None:
        """A third of the way it is killed, and started again at once."""
        database = self._database(contender)
        for goal in (self.plan.orders // 3, self.plan.orders):
            process = self._start(contender, database)
            try:
                self._wait(process, database, goal)
            finally:
                process.kill()
        with database.connect() as connection:
            lost, doubled = checks.lost_and_doubled(tables.sums(connection), self.expected)
        database.drop()
        self.results.add("kill", test="sink", contender=contender, orders=self.plan.orders, lost=lost, doubled=doubled)
        self.say(f"sink: {contender} killed a third of the way: {lost} orders lost, {doubled} doubled")


def headers(event: dict) -> list[tuple[str, bytes]]:
    """Those that producer-api writes."""
    pairs = {
        "ce_specversion": "1.0",
        "ce_id": str(event["event_id"]),
        "ce_type": "orderflow.OrderPlaced",
        "ce_source": "/producer-api",
        "ce_time": "2026-01-05T08:00:00.000000Z",
        "ce_subject": str(event["order_id"]),
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    }
    return [(name, value.encode()) for name, value in pairs.items()]
