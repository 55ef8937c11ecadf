"""What an answer, a check and a record cost at least, each alone: the parts that an ingest is made of."""

import re
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from . import checks, wrk
from .deployment import Deployment, Log
from .processes import Failed, Process
from .results import Results

SERVERS = {"echo": "a bare server answers", "parse": "the order is read and checked, nothing else"}
RECORDS, BYTES, WITHIN = 500_000, 400, 120


def measure(at: Deployment, bodies: Path, levels: Iterable[int], seconds: int, out: Results, say: Callable[[str], None]) -> None:
    levels = list(levels)
    if not seconds:
        return
    if (at.binaries / "limits").exists():
        for name, what in SERVERS.items():
            for connections, rate in _served(at, name, bodies, levels, seconds).items():
                out.add("ceiling", name=name, what=what, connections=connections, rate=rate)
                say(f"ceiling: {name}, {connections} connections: {rate:.0f}/s")
    else:
        out.add("skipped", what="The ceilings of HTTP", why="The program limits is not built")
    if (at.binaries / "rdkafka_performance").exists():
        for name, rate in _kafka(at).items():
            out.add("ceiling", name=name, what=f"rdkafka_performance, {BYTES} bytes, 12 partitions", connections=0, rate=rate)
            say(f"ceiling: {name} {rate:.0f} records/s")
    else:
        out.add("skipped", what="The ceilings of Kafka", why="rdkafka_performance could not be built")


def _served(at: Deployment, name: str, bodies: Path, levels: list[int], seconds: int) -> dict[int, float]:
    url, rates = f"http://{at.http}", {}
    process = Process(name, [str(at.binaries / "limits"), name, at.http], {}, at.scratch / f"{name}.log")
    try:
        process.wait_ready(f"{url}/readyz")
        wrk.run(url, bodies, levels[-1], 1, "warm-up")
        for connections in levels:
            run = wrk.run(url, bodies, connections, seconds, "ceiling")
            rates[connections] = checks.accepted(run.load) / run.seconds
    finally:
        process.kill()
    return rates


def _kafka(at: Deployment) -> dict[str, float]:
    log = Log(at, "ceiling-")
    log.create()
    topic, program = log.name("orders"), str(at.binaries / "rdkafka_performance")
    produce = [program, "-P", "-b", at.brokers, "-t", topic, "-q", "-s", str(BYTES), "-c", str(RECORDS), "-a", "-1"]
    produce += ["-X", "enable.idempotence=true", "-X", "linger.ms=2"]
    rates = {"produce": said_rate(run(produce), "produced")}
    rates["consume"] = said_rate(run(consume(at, topic, RECORDS)), "consumed")
    log.delete()
    return rates


def consume(at: Deployment, topic: str, records: int) -> list[str]:
    """What librdkafka's own tool is started with to read a topic."""
    read = [str(at.binaries / "rdkafka_performance"), "-G", f"ceiling-{time.time_ns()}", "-b", at.brokers, "-t", topic, "-q"]
    return [*read, "-c", str(records), "-X", "auto.offset.reset=earliest"]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    return done.stdout + done.stderr


def said_rate(said: str, word: str) -> float:
    """By its own account, which begins with the first message: the last line that says how many a second it was."""
    lines = [line for line in said.splitlines() if word in line]
    found = re.search(r"([\d.]+) msgs/s", lines[-1]) if lines else None
    if not found:
        raise Failed(f"rdkafka_performance does not say how many messages were {word}")
    return float(found[1])
