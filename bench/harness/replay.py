"""A log read from its beginning: to nowhere, and decoded into JSON lines, beside tools that only read it."""

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from . import ceilings, schedule, wire
from .deployment import Deployment, Log
from .processes import Failed
from .results import Results
from .shop import Shop

DIFFERENT, WITHIN = 10_000, 300


@dataclass(frozen=True)
class Plan:
    """How many records, how often."""

    rounds: int
    records: int
    seed: int


def measure(at: Deployment, plan: Plan, out: Results, say: Callable[[str], None]) -> None:
    log = Log(at, "replay-")
    log.create()
    log.write("orders", _records(at, plan))
    say(f"replay: {plan.records} records are in the log")
    readers = _readers(at, log, plan.records)
    for number, order in enumerate(schedule.rounds(list(readers), plan.rounds, plan.seed)):
        for name in order:
            rate, own = readers[name]()
            out.add("replay", reader=name, round=number, records=plan.records, rate=rate, own=own)
            say(f"replay: round {number + 1}, {name}: {rate:.0f} records/s")
    log.delete()


def _records(at: Deployment, plan: Plan):
    """Few are different, since only their number matters."""
    schema, orders = at.schema_id("orders-orderflow.OrderPlaced"), Shop(plan.seed, DIFFERENT).backlog(DIFFERENT)
    some = [(event["customer_id"], wire.order_placed(schema, event), wire.headers("OrderPlaced", event)) for event in orders]
    left = plan.records
    while left > 0:
        yield from islice(some, left)
        left -= len(some)


# Records a second from the start of the program to its end, and by its own clock where it has one.
Rates = tuple[float, float | None]


def _readers(at: Deployment, log: Log, records: int) -> dict[str, Callable[[], Rates]]:
    topic = log.name("orders")
    ours = [str(at.binaries / "orderctl"), "replay", "orders"]
    # What is skipped by its header is read and not decoded.
    found: dict[str, Callable[[], Rates]] = {
        "ours, to nowhere": lambda: _timed(at, log, [*ours, "--type", "OrderCancelled"], records),
        "ours, decoded": lambda: _timed(at, log, ours, records),
    }
    if shutil.which("kcat"):
        kcat = ["kcat", "-C", "-b", at.brokers, "-t", topic, "-o", "beginning", "-e", "-q"]
        found["kcat, not decoded"] = lambda: _timed(at, log, kcat, records)
    if (at.binaries / "rdkafka_performance").exists():
        found["rdkafka_performance"] = lambda: _rdkafka_performance(at, topic, records)
    return found


def _rdkafka_performance(at: Deployment, topic: str, records: int) -> Rates:
    command = ceilings.consume(at, topic, records)
    started = time.monotonic()
    said = ceilings.run(command)
    return records / (time.monotonic() - started), ceilings.said_rate(said, "consumed")


def _timed(at: Deployment, log: Log, command: list[str], records: int) -> Rates:
    """From the start of the program to its end."""
    started = time.monotonic()
    told = at.told(log.prefix)
    done = subprocess.run(command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=WITHIN, check=False)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return records / (time.monotonic() - started), None
