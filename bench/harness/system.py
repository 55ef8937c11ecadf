"""Ours as a whole: two APIs, three consumers and a mail server, on topics and in a database of its own."""

import json
import os
import resource
from contextlib import contextmanager
from pathlib import Path

from .deployment import Database, Deployment, Log
from .processes import Process, tree_cpu_seconds

APIS = 2
CONSUMERS = ["inventory", "confirmation-email", "analytics"]
ANY_PORT = "127.0.0.1:0"
SHOP = ["--generated", "--skus", "1000", "--customers", "2000"]


class System:
    """What is running, and a generator for it."""

    def __init__(self, at: Deployment, name: str, seed: int) -> None:
        self.at, self.seed = at, seed
        self.log, self.database = Log(at, f"{name}-"), Database(at, f"bench_{name}", *CONSUMERS)
        self.processes: dict[str, Process] = {}
        self.ledger = at.scratch / f"{name}.ledger"
        host, _, port = at.http.rpartition(":")
        self.apis = [f"{host}:{int(port) + n}" for n in range(APIS)]
        self.smtp = f"{host}:{int(port) + APIS}"
        self.placed = 0
        self.has_fast_mail_server = (at.binaries / "go-smtp").exists()

    @contextmanager
    def running(self, with_consumers: bool = True):
        self.log.create()
        try:
            if with_consumers:
                self.database.create(self.log.prefix)
                self._start_consumers()
            for n, address in enumerate(self.apis if with_consumers else self.apis[:1]):
                self._start(f"api-{n + 1}", "producer-api", HTTP_ADDR=address)
            yield self
        finally:
            for process in self.processes.values():
                process.kill()
        if with_consumers:
            self.database.drop()
        self.log.delete()

    def _start_consumers(self) -> None:
        mails = {"MAIL_FROM": "Shop <orders@shop.example>", "SMTP_URL": os.environ["SMTP_URL"]}
        if self.has_fast_mail_server:
            self._start("smtp", "go-smtp", SMTP_ADDR=self.smtp)
            mails["SMTP_URL"] = f"smtp://{self.smtp}"
        for name in CONSUMERS:
            self._start(name, name, DATABASE_URL=self.database.role(service=name), HEALTH_ADDR=ANY_PORT, **mails)

    def _start(self, name: str, program: str, **more: str) -> None:
        told = self.at.environment(self.log.prefix) | more
        self.processes[name] = Process(name, [str(self.at.binaries / program)], told, self.at.scratch / f"whole-{name}.log")

    def wait_ready(self) -> None:
        for name, process in self.processes.items():
            if name.startswith("api-"):
                process.wait_ready(f"http://{self.apis[int(name[-1]) - 1]}/readyz")

    def load(self, what: list[str], orders: int, *more: str, apis: list[str] | None = None, may_fail: bool = False) -> list[dict]:
        """What the generator says, by kind of request. Orders go on where the last ones ended."""
        command = ["orderctl", "load", *what, *SHOP, "--seed", str(self.seed), "--orders", str(orders), "--json", *more]
        for address in apis or self.apis:
            command += ["--api", f"http://{address}"]
        if "orders" in what:
            command += ["--skip", str(self.placed)]
            self.placed += orders
        return json.loads(self.at.tool(*command, prefix=self.log.prefix, may_fail=may_fail))

    def cpu(self) -> dict[str, float]:
        """Of every process; of the generator what it has used in all its runs."""
        used = {name: tree_cpu_seconds(process.pid) for name, process in self.processes.items()}
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used | self.at.servers_cpu() | {"generator": children.ru_utime + children.ru_stime}

    def summary(self, wait: int, ledger: Path) -> dict:
        command = ("orderctl", "summary", "--json", "--wait", str(wait), "--ledger", str(ledger))
        return json.loads(self.at.tool(*command, prefix=self.log.prefix, DATABASE_URL=self.database.url))

    def verify(self) -> None:
        """The log explains every row."""
        self.at.tool("orderctl", "verify", prefix=self.log.prefix, DATABASE_URL=self.database.url)
