"""Orders over HTTP into the log: how many a second, how long one takes, and what each costs."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ceilings, checks, paced, same_work, schedule, wrk
from .contenders import Contender, Settings
from .deployment import Deployment, Log
from .processes import Process, steal_seconds, tree_cpu_seconds, tree_peak_mib
from .results import Results
from .shop import Shop

BODIES = 5_000
CUSTOMERS = 2_000
WARM_UP_QUICK_MAX = 5


@dataclass(frozen=True)
class Plan:
    """How long, how often."""

    rounds: int
    sweep_seconds: int
    warm_up_seconds: int
    seconds: int
    seed: int
    levels: list[int]
    is_quick: bool
    # At a steady rate; none where it is left out.
    paced: paced.Plan | None


Say = Callable[[str], None]


class Ingest:
    """One run of the test."""

    def __init__(self, at: Deployment, plan: Plan, results: Results, say: Say) -> None:
        self.at, self.plan, self.results, self.say = at, plan, results, say
        self.shop = Shop(plan.seed, CUSTOMERS)
        self.bodies = self._write_bodies()
        self.slots = 0
        # By contender and number of connections: what it is told beside its own settings.
        self.best: dict[tuple[str, int], Settings] = {}

    def _write_bodies(self) -> Path:
        path = self.at.scratch / "bodies.jsonl"
        bodies = (json.dumps(self.shop.body(n), ensure_ascii=False, separators=(",", ":")) for n in range(BODIES))
        path.write_text("\n".join(bodies) + "\n")
        return path

    def run(self, contenders: list[Contender]) -> None:
        levels = [self.plan.levels[0], self.plan.levels[-1]] if self.plan.is_quick else self.plan.levels
        ceilings.measure(self.at, self.bodies, levels, self.plan.sweep_seconds, self.results, self.say)
        for contender in contenders:
            self._sweep(contender)
        for number, order in enumerate(schedule.rounds(contenders, self.plan.rounds, self.plan.seed)):
            for level in self.plan.levels:
                for contender in order:
                    self._slots(contender, number, self._together(contender, level))
        if self.plan.paced:
            self._paced(contenders, self.plan.paced)

    def _paced(self, contenders: list[Contender], plan: paced.Plan) -> None:
        """Under the settings that are best for a few connections."""
        settings = {one.name: self.best[one.name, self._levels(one)[min(1, len(self._levels(one)) - 1)]] for one in contenders}
        paced.Paced(self.at, plan, self.results, self.say).run(contenders, settings)

    def _together(self, contender: Contender, level: int) -> list[int]:
        """Which levels are measured when it is this one's turn. A full run starts whoever starts fast for each,
        so that what is compared was measured one after the other; else all have their turn with the first."""
        if not self.plan.is_quick and not contender.starts_slowly:
            return [level]
        return self._levels(contender) if level == self.plan.levels[0] else []

    def _levels(self, contender: Contender) -> list[int]:
        """Where it is measured. A quick run has no time for everybody everywhere."""
        if not (self.plan.is_quick and contender.levels_quick):
            return self.plan.levels
        return [level for level in self.plan.levels if level in contender.levels_quick]

    def _sweep(self, contender: Contender) -> None:
        """A peer's best settings at each number of connections. Each is tried early and late in a full run,
        because the first to run meets servers that are cold; once where it is warmed up for long."""
        tries, levels = contender.tries_of(self.plan.is_quick), self._levels(contender)
        if len(tries) < 2 or not self.plan.sweep_seconds:
            self.best |= {(contender.name, level): next(iter(tries), {}) for level in levels}
            return
        rates: dict[int, dict[int, float]] = {level: {} for level in levels}
        numbers = list(range(len(tries)))
        for number in numbers if self.plan.is_quick or contender.starts_slowly else [*numbers, *reversed(numbers)]:
            with self._running(contender, tries[number]) as (log, process):
                self._warm_up(log, process, levels[-1], self._seconds_of_warm_up(contender, self.plan.warm_up_seconds))
                for level in levels:
                    found = self._measure(log, process, level, self.plan.sweep_seconds)
                    rates[level][number] = max(found["rate"], rates[level].get(number, 0.0))
                    told = {"contender": contender.name, "settings": tries[number], "connections": level}
                    self.results.add("sweep", test="ingest", **told, **found)
        for level in levels:
            self.best[contender.name, level] = tries[schedule.best(rates[level])]
            self.say(f"ingest: {contender.name} is best with {self.best[contender.name, level]} at {level} connections")

    def _slots(self, contender: Contender, number: int, levels: list[int]) -> None:
        """Those of one round that are measured under the same settings share a start."""
        waiting = list(levels)
        while waiting:
            settings = self.best[contender.name, waiting[0]]
            same = [level for level in waiting if self.best[contender.name, level] == settings]
            waiting = [level for level in waiting if level not in same]
            with self._running(contender, settings) as (log, process):
                self._warm_up(log, process, same[-1], self._seconds_of_warm_up(contender, self.plan.warm_up_seconds))
                for level in same:
                    found = self._measure(log, process, level, self.plan.seconds)
                    told = {"contender": contender.name, "round": number, "connections": level, "settings": settings}
                    self.results.add("slot", test="ingest", **told, **found)
                    rate, p50 = found["rate"], found["p50_ms"]
                    self.say(f"ingest: round {number + 1}, {level} connections, {contender.name}: {rate:.0f}/s, p50 {p50:.2f} ms")

    def _seconds_of_warm_up(self, contender: Contender, usual: int) -> int:
        seconds = max(contender.warm_up_seconds, usual)
        return min(seconds, WARM_UP_QUICK_MAX) if self.plan.is_quick else seconds

    def _warm_up(self, log: Log, process: Process, connections: int, seconds: int) -> None:
        if seconds:
            self._measure(log, process, connections, seconds)

    @contextmanager
    def _running(self, contender: Contender, settings: Settings):
        """A contender alone, on topics of its own, whose work was checked."""
        self.slots += 1
        log = Log(self.at, f"ingest{self.slots}-")
        log.create()
        log.fill_catalogue(self.shop.products())
        told = self.at.environment(log.prefix) | {"HTTP_ADDR": self.at.http} | contender.settings | settings
        process = Process(contender.name, [str(self.at.binaries / contender.program)], told, self.at.scratch / f"{contender.name}.log")
        try:
            process.wait_ready(f"http://{self.at.http}/readyz")
            same_work.check(self.at, log, self.shop, self.at.http, contender.name)
            yield log, process
        except BaseException:
            process.kill()
            raise
        process.stop()
        log.delete()

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
            "peak_mib": round(tree_peak_mib(process.pid), 1),
            "stolen_s": round(steal_seconds() - stolen, 2),
        }

    def _cpu(self, process: Process) -> dict[str, float]:
        return {"contender": tree_cpu_seconds(process.pid)} | self.at.servers_cpu()
