"""What scripts/bench runs: the tests that were asked for, against servers that are up."""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException

from . import contenders, ingest, limits, overload, page, plans, projections, replay, reservations, results, sink, steady
from .checks import NotVerified
from .contenders import Contender
from .deployment import Deployment
from .plans import Plans
from .processes import Failed

SMOKE = [("ingest", "ours"), ("ingest", "go"), ("analytics", "ours"), ("analytics", "go-1000")]


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--folders", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--docs", type=Path)
    found = parser.parse_args(given)
    if found.rounds is not None and not 1 <= found.rounds <= 100:
        parser.error("--rounds takes a number from 1 to 100")
    known = {name for one in contenders.everyone() for name in (one.kind, one.name, one.name.partition("-")[0])}
    if unknown := set(found.only) - known:
        parser.error(f"--only takes {', '.join(sorted(known))}; not {', '.join(sorted(unknown))}")
    return found


def wanted(asked: argparse.Namespace) -> list[Contender]:
    everyone = contenders.everyone()
    if asked.smoke and not asked.only:
        everyone = [one for one in everyone if (one.kind, one.name) in SMOKE]
    return [one for one in contenders.selected(everyone, asked.only) if one.quick or not asked.quick or one.name in asked.only]


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def run(asked: argparse.Namespace) -> None:
    at = Deployment.from_environment()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    mode = "smoke" if asked.smoke else "quick" if asked.quick else "full"
    plan = plans.of(mode, seed, asked.rounds)
    started = time.monotonic()
    with asked.results.open("w") as file:
        out = results.Results(file)
        there = begin(asked, at, out, mode, plan)
        at.tool("orderctl", "schemas", "register")
        tests = [test for test in TESTS if any(one.kind == test for one in there)]
        for number, test in enumerate(tests):
            if (when := limits.when(mode, number, len(tests))) is not None:
                limits.measure(at, out, when, say)
            TESTS[test](at, plan, out, [one for one in there if one.kind == test])
        if mode != "smoke":
            limits.measure(at, out, "end", say)
        out.add("end", seconds=round(time.monotonic() - started))
    say(f"done in {time.monotonic() - started:.0f} s: every slot was verified")


def begin(asked: argparse.Namespace, at: Deployment, out: results.Results, mode: str, plan: Plans) -> list[Contender]:
    """The first lines of a run: what is run where, and who takes part."""
    takes_part, built = wanted(asked), contenders.Built(at.binaries)
    seed, kinds = plan.ingest.seed, dict.fromkeys(one.kind for one in takes_part)
    say(f"{mode} run of {', '.join(kind for kind in contenders.KINDS if kind in kinds)}; --seed {seed} repeats it")
    out.add(
        "run",
        mode=mode,
        seed=seed,
        only=asked.only,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=results.machine(),
        versions=results.versions(results.pairs(Path("scripts/versions.env"))) | built.versions(),
        plans=plan.described(),
    )
    there = [one for one in takes_part if built.why_missing(one) is None]
    for one in takes_part:
        if (why := built.why_missing(one)) is not None:
            skip(out, f"{one.title} ({one.kind})", why)
    for what, why in built.skipped():
        skip(out, what, why)
    for described in contenders.described(there):
        out.add("contender", **described)
    return there


def skip(out: results.Results, what: str, why: str) -> None:
    out.add("skipped", what=what, why=why)
    say(f"{what} is skipped: {why}")


Test = Callable[[Deployment, Plans, results.Results, list[Contender]], None]
TESTS: dict[str, Test] = {
    "ingest": lambda at, plan, out, there: ingest.Ingest(at, plan.ingest, out, say).run(there),
    "analytics": lambda at, plan, out, there: sink.Sink(at, plan.sink, out, say, projections.ANALYTICS).run(there),
    "mails": lambda at, plan, out, there: sink.Sink(at, plan.sink, out, say, projections.MAILS).run(there),
    "inventory": lambda at, plan, out, there: reservations.Reservations(at, plan.sink, out, say).run(there),
    "steady": lambda at, plan, out, _: steady.measure(at, plan.steady, out, say),
    "overload": lambda at, plan, out, _: overload.measure(at, plan.overload, out, say),
    "replay": lambda at, plan, out, _: replay.measure(at, plan.replay, out, say),
}


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
        for one in wanted(asked):
            print(f"{one.kind:10} {one.name:12} {one.title}")
        return 0
    if asked.folders:
        print(*contenders.folders(wanted(asked)), sep="\n")
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
