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

from . import contenders, ingest, limits, page, projections, reservations, results, sink
from .checks import NotVerified
from .contenders import Contender
from .deployment import Deployment
from .processes import Failed

CONNECTIONS = [1, 16, 64, 256]
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


def plans(asked: argparse.Namespace, seed: int) -> tuple[ingest.Plan, sink.Plan]:
    if asked.smoke:
        return ingest.Plan(1, 0, 1, 1, seed, [16], False), sink.Plan(1, 2_000, seed, "nobody")
    if asked.quick:
        return ingest.Plan(asked.rounds or 2, 1, 1, 2, seed, CONNECTIONS, True), sink.Plan(asked.rounds or 2, 50_000, seed, "each program")
    return ingest.Plan(asked.rounds or 5, 2, 3, 6, seed, CONNECTIONS, False), sink.Plan(asked.rounds or 3, 200_000, seed, "everybody")


def run(asked: argparse.Namespace) -> None:
    at = Deployment.from_environment()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000
    started = time.monotonic()
    with asked.results.open("w") as file:
        out = results.Results(file)
        there = begin(asked, at, out, seed)
        at.tool("orderctl", "schemas", "register")
        if not asked.smoke:
            limits.measure(at, out, "start", say)
        measure(asked, at, out, seed, there)
        if not asked.smoke:
            limits.measure(at, out, "end", say)
        out.add("end", seconds=round(time.monotonic() - started))
    say(f"done in {time.monotonic() - started:.0f} s: every slot was verified")


def begin(asked: argparse.Namespace, at: Deployment, out: results.Results, seed: int) -> list[Contender]:
    """The first lines of a run: what is run where, and who takes part."""
    mode = "smoke" if asked.smoke else "quick" if asked.quick else "full"
    plan_of_ingest, plan_of_sink = plans(asked, seed)
    takes_part, built = wanted(asked), contenders.Built(at.binaries)
    kinds = [kind for kind in contenders.KINDS if any(one.kind == kind for one in takes_part)]
    say(f"{mode} run of {', '.join(kinds)}; --seed {seed} repeats it")
    out.add(
        "run",
        mode=mode,
        seed=seed,
        only=asked.only,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=results.machine(),
        versions=results.versions(results.pairs(Path("scripts/versions.env"))) | built.versions(),
        ingest=vars(plan_of_ingest),
        sink=vars(plan_of_sink),
    )
    there = []
    for one in takes_part:
        if (why := built.why_missing(one)) is None:
            there.append(one)
        else:
            out.add("skipped", what=one.title, why=why)
            say(f"{one.kind}: {one.name} is skipped: {why}")
    for what, why in built.skipped():
        out.add("skipped", what=what, why=why)
        say(f"{what} is skipped: {why}")
    for described in contenders.described(there):
        out.add("contender", **described)
    return there


def measure(asked: argparse.Namespace, at: Deployment, out: results.Results, seed: int, there: list[Contender]) -> None:
    plan_of_ingest, plan_of_sink = plans(asked, seed)
    by_kind = {kind: [one for one in there if one.kind == kind] for kind in contenders.KINDS}
    if by_kind["ingest"]:
        ingest.Ingest(at, plan_of_ingest, out, say).run(by_kind["ingest"])
    for kind, projection in projections.BY_KIND.items():
        if by_kind[kind]:
            test = reservations.Reservations if projection is projections.INVENTORY else sink.Sink
            test(at, plan_of_sink, out, say, projection).run(by_kind[kind])


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
