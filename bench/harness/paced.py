"""Orders over HTTP at a rate that everybody keeps: how soon each is answered. An open loop, so that whoever
is slow is not spared the requests that come meanwhile."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from .checks import NotVerified
from .contenders import Contender, Settings
from .deployment import Deployment, Log
from .processes import Process, tree_cpu_seconds
from .results import Results

SHOP = ["--generated", "--skus", "1000", "--customers", "2000"]


@dataclass(frozen=True)
class Plan:
    """Which rate, how long."""

    rate: int
    seconds: int
    warm_up_seconds: int
    seed: int


class Paced:
    """One log for all of them: ours writes the catalogue, which the others read."""

    def __init__(self, at: Deployment, plan: Plan, out: Results, say: Callable[[str], None]) -> None:
        self.at, self.plan, self.out, self.say = at, plan, out, say
        self.log = Log(at, "paced-")
        self.placed = 0

    def run(self, contenders: list[Contender], settings: dict[str, Settings]) -> None:
        """In the order given; ours is first."""
        self.log.create()
        for contender in contenders:
            process = self._start(contender, settings[contender.name])
            try:
                process.wait_ready(f"http://{self.at.http}/readyz")
                if contender is contenders[0]:
                    self._load(["catalogue"], 1)
                self._measure(contender, settings[contender.name], process)
            finally:
                process.kill()
        self.log.delete()

    def _start(self, contender: Contender, settings: Settings) -> Process:
        told = self.at.environment(self.log.prefix) | {"HTTP_ADDR": self.at.http} | contender.settings | settings
        return Process(contender.name, [str(self.at.binaries / contender.program)], told, self.at.scratch / f"{contender.name}.log")

    def _measure(self, contender: Contender, settings: Settings, process: Process) -> None:
        rate = self.plan.rate
        self._orders(rate * max(contender.warm_up_seconds, self.plan.warm_up_seconds))
        before, used = sum(self.log.ends("orders").values()), tree_cpu_seconds(process.pid)
        report = self._orders(rate * self.plan.seconds)
        used = tree_cpu_seconds(process.pid) - used
        grown, accepted = sum(self.log.ends("orders").values()) - before, report["accepted"]
        if grown != accepted or accepted + report["refused"] != report["requests"]:
            raise NotVerified(f"{contender.name}: {report['requests']} orders were posted, {accepted} accepted, and the log grew by {grown}")
        found = {"per_second": report["per_second"], "ms": report["latency_ms"], "cpu_percent": round(100 * used / report["seconds"], 1)}
        self.out.add("paced", contender=contender.name, settings=settings, rate=rate, seconds=self.plan.seconds, orders=accepted, **found)
        self.say(f"ingest: {rate}/s, {contender.name}: p50 {found['ms']['p50']:.2f} ms, p99 {found['ms']['p99']:.2f} ms")

    def _orders(self, orders: int) -> dict:
        [report] = self._load(["orders", "--skip", str(self.placed), "--rate", str(self.plan.rate)], orders)
        self.placed += orders
        return report

    def _load(self, what: list[str], orders: int) -> list[dict]:
        command = ["orderctl", "load", *what, *SHOP, "--seed", str(self.plan.seed), "--orders", str(orders), "--json"]
        return json.loads(self.at.tool(*command, "--api", f"http://{self.at.http}", prefix=self.log.prefix))
