"""Orders over HTTP into the log: how many a second, how long one takes, and what each costs."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ceilings, checks, same_work, schedule, wrk
from .deployment import Deployment, Log
from .processes import Process, cpu_seconds, peak_mib, steal_seconds
from .results import Results
from .shop import Shop

BODIES = 5_000
CUSTOMERS = 2_000


@dataclass(frozen=True)
class Plan:
    """How long, how often."""

    rounds: int
    sweep_seconds: int
    warm_up_seconds: int
    seconds: int
    seed: int
    levels: list[int]
    lingers_us: list[int]


Say = Callable[[str], None]


class Ingest:
    """One run of the test."""

    def __init__(self, at: Deployment, plan: Plan, results: Results, say: Say) -> None:
        self.at, self.plan, self.results, self.say = at, plan, results, say
        self.shop = Shop(plan.seed, CUSTOMERS)
        self.bodies = self._write_bodies()
        self.slots = 0

    def _write_bodies(self) -> Path:
        path = self.at.scratch / "bodies.jsonl"
        bodies = (json.dumps(self.shop.body(n), ensure_ascii=False, separators=(",", ":")) for n in range(BODIES))
        path.write_text("\n".join(bodies) + "\n")
        return path

    def run(self, contenders: list[str]) -> None:
        ceilings.measure(self.at, self.bodies, self.plan.levels, self.plan.sweep_seconds, self.results, self.say)
        lingers = {connections: 0 for connections in self.plan.levels}
        if "go" in contenders and self.plan.sweep_seconds:
            lingers = self._sweep()
        for number, order in enumerate(schedule.rounds(contenders, self.plan.rounds, self.plan.seed)):
            for connections in self.plan.levels:
                for contender in order:
                    self._slot(contender, number, connections, lingers[connections])

    def _sweep(self) -> dict[int, int]:
        """The peer's best linger at each number of connections. Ours has none to set. Each is tried early and
        late, because the first to run meets servers that are cold."""
        rates: dict[int, dict[int, float]] = {connections: {} for connections in self.plan.levels}
        for linger in [*self.plan.lingers_us, *reversed(self.plan.lingers_us)]:
            with self._running("go", linger) as (log, process):
                for connections in self.plan.levels:
                    found = self._measure(log, process, connections, self.plan.sweep_seconds)
                    rates[connections][linger] = max(found["rate"], rates[connections].get(linger, 0.0))
                    self.results.add("sweep", test="ingest", contender="go", linger_us=linger, connections=connections, **found)
        best = {connections: schedule.best(by_linger) for connections, by_linger in rates.items()}
        self.say(f"ingest: the peer's best linger in µs, by connections: {best}")
        return best

    def _slot(self, contender: str, number: int, connections: int, linger: int) -> None:
        with self._running(contender, linger) as (log, process):
            self._measure(log, process, connections, self.plan.warm_up_seconds)
            found = self._measure(log, process, connections, self.plan.seconds)
        setting = {"linger_us": linger} if contender == "go" else {}
        self.results.add("slot", test="ingest", contender=contender, round=number, connections=connections, **setting, **found)
        self.say(f"ingest: round {number + 1}, {connections} connections, {contender}: {found['rate']:.0f}/s, p50 {found['p50_ms']:.2f} ms")

    @contextmanager
    def _running(self, contender: str, linger: int):
        """A contender alone, on topics of its own, whose work was checked."""
        self.slots += 1
        log = Log(self.at, f"ingest{self.slots}-")
        log.create()
        log.fill_catalogue(self.shop.products())
        process = self._start(contender, log.prefix, linger)
        try:
            process.wait_ready(f"http://{self.at.http}/readyz")
            same_work.check(self.at, log, self.shop, self.at.http, contender)
            yield log, process
        except BaseException:
            process.kill()
            raise
        process.stop()
        log.delete()

    def _start(self, contender: str, prefix: str, linger: int) -> Process:
        told = self.at.environment(prefix) | {"HTTP_ADDR": self.at.http, "LINGER_US": str(linger)}
        program = {"ours": "producer-api", "go": "go-ingest"}[contender]
        return Process(contender, [str(self.at.binaries / program)], told, self.at.scratch / f"{contender}.log")

    def _measure(self, log: Log, process: Process, connections: int, seconds: int) -> dict[str, Any]:
        before, cpu = log.ends("orders"), self._cpu(process)
        stolen = steal_seconds()
        key = f"{log.prefix}{connections}-{sum(before.values())}"
        run = wrk.run(f"http://{self.at.http}", self.bodies, connections, seconds, key)
        process.require_alive()
        used = {name: after - cpu[name] for name, after in self._cpu(process).items()} | {"generator": run.cpu_seconds}
        orders = checks.ingest(run.load, before, log.ends("orders"))
        return {
            "orders": orders,
            "rate": orders / run.seconds,
            "p50_ms": run.p50_ms,
            "p99_ms": run.p99_ms,
            "cpu_us": {name: round(seconds * 1e6 / orders, 2) for name, seconds in used.items()},
            "peak_mib": round(peak_mib(process.pid), 1),
            "stolen_s": round(steal_seconds() - stolen, 2),
        }

    def _cpu(self, process: Process) -> dict[str, float]:
        return {"contender": cpu_seconds(process.pid)} | self.at.servers_cpu()
