"""More than can be done: twice the peak is offered, and the broker stands still for a while. What counts is
how much is accepted all the same, how fast the rest is refused, and that memory stays flat."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .checks import NotVerified
from .deployment import Deployment
from .processes import Failed, peak_mib
from .results import Results
from .system import System

CONNECTIONS, TRIAL = 256, 4_000
# What an open loop has under way at most, as real clients' pools do. With a connection for each late answer
# the generator had 20,000 of them, nothing waited in the API, and the generator measured itself.
POOL = ("--concurrency", "1024")
SHARE_WHILE_STOPPED = 0.5


@dataclass(frozen=True)
class Plan:
    """How long each part takes."""

    peak_seconds: int
    seconds: int
    stopped_seconds: int
    seed: int


def measure(at: Deployment, plan: Plan, out: Results, say: Callable[[str], None]) -> None:
    system = System(at, "overload", plan.seed)
    with system.running(with_consumers=False):
        system.wait_ready()
        system.load(["catalogue"], 1, apis=system.apis[:1])
        closed = ("--concurrency", str(CONNECTIONS))
        trial = _load(system, TRIAL, *closed)
        peak = _load(system, round(trial["rate"] * plan.peak_seconds), *closed)
        out.add("overload", what="peak", offered=None, **peak)
        say(f"overload: the peak is {peak['rate']:.0f}/s")
        offered = round(2 * peak["rate"])
        _say_and_add("twice the peak", offered, _load(system, offered * plan.seconds, "--rate", str(offered), *POOL), out, say)
        offered = round(SHARE_WHILE_STOPPED * peak["rate"])
        with _stopped(at, plan.stopped_seconds, plan.stopped_seconds):
            found = _load(system, 3 * offered * plan.stopped_seconds, "--rate", str(offered), *POOL)
        _say_and_add(f"half the peak, the broker stopped for {plan.stopped_seconds} s of {3 * plan.stopped_seconds}", offered, found, out, say)


def _say_and_add(what: str, offered: int, found: dict, out: Results, say: Callable[[str], None]) -> None:
    out.add("overload", what=what, offered=offered, **found)
    say(f"overload: {what}: {found['rate']:.0f}/s of {offered} accepted, answers {found['answers']}, {found['peak_mib']:.0f} MiB")


def _load(system: System, orders: int, *pace: str) -> dict:
    """Nothing is tried again, and what is in the log is at least what was accepted."""
    before = sum(system.log.ends("orders").values())
    [report] = system.load(["orders"], orders, *pace, "--retry-for", "0.001", apis=system.apis[:1], may_fail=True)
    grown = sum(system.log.ends("orders").values()) - before
    api = system.processes["api-1"]
    api.require_alive()
    if grown < report["accepted"]:
        raise NotVerified(f"{report['accepted']} orders were accepted and the log grew by {grown}")
    others = report.get("others_latency_ms") or {}
    return {
        "orders": orders,
        "rate": report["per_second"],
        "accepted": report["accepted"],
        "answers": report["answers"],
        "unknown": len(report["unknown"]),
        "accepted_ms": {name: report["latency_ms"][name] for name in ("p50", "p99")},
        "others_ms": {name: others[name] for name in ("p50", "p99") if others},
        "peak_mib": round(peak_mib(api.pid), 1),
    }


@contextmanager
def _stopped(at: Deployment, after: int, seconds: int) -> Iterator[None]:
    """The broker stands still meanwhile, and goes on in any case."""
    file = at.stack / "kafka-1" / "pid"
    if not file.exists():
        raise Failed("the broker is no process of this machine, so it cannot be stopped")
    broker, is_over = int(file.read_text().split()[0]), threading.Event()

    def stop_and_go_on() -> None:
        if is_over.wait(after):
            return
        os.kill(broker, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(broker, signal.SIGCONT)

    stopping = threading.Thread(target=stop_and_go_on)
    stopping.start()
    try:
        yield
    finally:
        is_over.set()
        stopping.join()
