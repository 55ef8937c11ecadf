"""What scripts/bench runs: the tests that were asked for, against servers that are up."""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException

from . import ingest, limits, page, results, sink
from .checks import NotVerified
from .deployment import Deployment
from .processes import Failed

CONNECTIONS = [1, 16, 64, 256]
TESTS = {"ingest": ["ours", "go"], "sink": ["ours", "go-1000", "go-5000", "copy"]}
SMOKE = {"ingest": ["ours", "go"], "sink": ["ours", "go-1000"]}


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", action="append", choices=sorted(TESTS), default=[])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--docs", type=Path)
    found = parser.parse_args(given)
    if found.rounds is not None and not 1 <= found.rounds <= 100:
        parser.error("--rounds takes a number from 1 to 100")
    return found


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def plans(asked: argparse.Namespace, seed: int) -> tuple[ingest.Plan, sink.Plan]:
    if asked.smoke:
        return ingest.Plan(1, 0, 1, 1, seed, [16], []), sink.Plan(1, 2_000, seed, kills=False)
    if asked.quick:
        return ingest.Plan(asked.rounds or 2, 1, 1, 2, seed, CONNECTIONS, [0, 2_000]), sink.Plan(asked.rounds or 2, 50_000, seed, kills=True)
    return ingest.Plan(asked.rounds or 5, 5, 5, 15, seed, CONNECTIONS, [0, 500, 2_000]), sink.Plan(asked.rounds or 5, 500_000, seed, kills=True)


def run(asked: argparse.Namespace) -> None:
    at = Deployment.from_environment()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    mode = "smoke" if asked.smoke else "quick" if asked.quick else "full"
    wanted = asked.only or sorted(TESTS)
    say(f"{mode} run of {', '.join(wanted)}; --seed {seed} repeats it")
    started = time.monotonic()
    with asked.results.open("w") as file:
        out = results.Results(file)
        plan_of_ingest, plan_of_sink = plans(asked, seed)
        out.add(
            "run",
            mode=mode,
            seed=seed,
            tests=wanted,
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            machine=results.machine(),
            versions=results.versions(results.pairs(Path("scripts/versions.env"))),
            ingest=vars(plan_of_ingest),
            sink=vars(plan_of_sink),
        )
        at.tool("orderctl", "schemas", "register")
        contenders = {test: present(at, out, (SMOKE if asked.smoke else TESTS)[test]) for test in wanted}
        if not asked.smoke:
            limits.measure(at, out, "start", say)
        if "ingest" in wanted:
            ingest.Ingest(at, plan_of_ingest, out, say).run(contenders["ingest"])
        if "sink" in wanted:
            sink.Sink(at, plan_of_sink, out, say).run(contenders["sink"])
        if not asked.smoke:
            limits.measure(at, out, "end", say)
        out.add("end", seconds=round(time.monotonic() - started))
    say(f"done in {time.monotonic() - started:.0f} s: every slot was verified")


def present(at: Deployment, out: results.Results, contenders: list[str]) -> list[str]:
    """Those whose programs are there; the others are named."""
    has_go = (at.binaries / "go-ingest").exists()
    missing = [name for name in contenders if name.startswith("go") and not has_go]
    for name in missing:
        out.add("skipped", what=name, why="Go is not installed")
        say(f"{name} is skipped: Go is not installed")
    return [name for name in contenders if name not in missing]


def publish(lines: Path, docs: Path) -> None:
    """The page, and beside it the lines that it is made of."""
    kept = docs / "benchmarks.jsonl"
    page.write(results.load(lines), docs)
    if lines.resolve() != kept.resolve():
        shutil.copyfile(lines, kept)
    say(f"written: {docs}/benchmarks.md")


EXPECTED = (NotVerified, Failed, OSError, ValueError, psycopg.Error, KafkaException, subprocess.SubprocessError)


def main(given: list[str]) -> int:
    asked = arguments(given)
    if asked.list:
        for test, contenders in TESTS.items():
            print(f"{test:8} {', '.join(contenders)}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if not asked.report:
            run(asked)
            asked.report = asked.results
        if asked.docs:
            publish(asked.report, asked.docs)
    except EXPECTED as error:
        print(f"error: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
