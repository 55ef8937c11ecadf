"""Everything on at a rate that clients keep: how soon an order is accepted and visible, and what every
process uses."""

from collections.abc import Callable
from dataclasses import dataclass

from .checks import NotVerified
from .deployment import Deployment
from .processes import peak_mib
from .results import Results
from .system import System

CAUGHT_UP_WITHIN, WARM_UP_RATE = 240, 200


@dataclass(frozen=True)
class Plan:
    """Which rates, how long each."""

    rates: list[int]
    seconds: int
    warm_up_seconds: int
    seed: int


def measure(at: Deployment, plan: Plan, out: Results, say: Callable[[str], None]) -> None:
    system = System(at, "steady", plan.seed)
    if not system.has_fast_mail_server:
        out.add("skipped", what="The mail server of the bench", why="Go is not installed; the demo's takes the mails, and may be the limit")
    with system.running():
        system.wait_ready()
        orders = sum(plan.rates) * plan.seconds + WARM_UP_RATE * plan.warm_up_seconds
        system.load(["catalogue", "stock"], orders)
        _at(system, WARM_UP_RATE, plan.warm_up_seconds)
        for rate in plan.rates:
            found = _at(system, rate, plan.seconds)
            out.add("steady", rate=rate, seconds=plan.seconds, **found)
            accepted, visible, all_cpu = found["accepted_ms"], found["visible_ms"], sum(found["cpu_percent"].values())
            say(f"steady: {rate}/s: accepted p99 {accepted['p99']:.1f} ms, visible p99 {visible['p99']:.1f} ms, {all_cpu:.0f} % of a core")
        system.verify()


def _at(system: System, rate: int, seconds: int) -> dict:
    system.ledger.unlink(missing_ok=True)
    before = system.cpu()
    orders = rate * seconds
    [report] = system.load(["orders"], orders, "--rate", str(rate), "--ledger", str(system.ledger), may_fail=True)
    used = {name: after - before[name] for name, after in system.cpu().items()}
    run = system.summary(CAUGHT_UP_WITHIN, system.ledger)["run"]
    if run is None or run["decided"] != report["accepted"]:
        raise NotVerified(f"{report['accepted']} orders were accepted at {rate}/s, and inventory decided others: {run}")
    return {
        "orders": orders,
        "not_accepted": orders - report["accepted"] - report["refused"],
        "per_second": report["per_second"],
        "accepted_ms": {name: report["latency_ms"][name] for name in ("p50", "p99")},
        "visible_ms": {"p50": run["visible"]["p50_ms"], "p99": run["visible"]["p99_ms"]},
        "cpu_percent": {name: round(100 * seconds / report["seconds"], 1) for name, seconds in used.items()},
        "peak_mib": {name: round(peak_mib(process.pid), 1) for name, process in system.processes.items()},
    }
