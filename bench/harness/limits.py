"""What this machine could do at best, without a contender: the run is judged by it, and so is whether
the machine stayed the same from the run's start to its end."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg

from .deployment import Deployment, Log
from .processes import Failed
from .results import Results

VALUE = b"x" * 400
RECORDS, ROWS, COMMIT_SECONDS = 100_000, 200_000, 3


def when(mode: str, number: int, tests: int) -> str | None:
    """What a measurement before a test is called: at the start, in a full run also in the middle."""
    if mode == "smoke":
        return None
    if number == 0:
        return "start"
    return "middle" if mode == "full" and number == tests // 2 else None


def measure(at: Deployment, results: Results, when: str, say: Callable[[str], None]) -> None:
    """`when` is start, middle or end."""
    for name, unit, limit in (
        ("produce", "records/s, 400 bytes, one client of librdkafka under Python", produce),
        ("copy", "rows/s of 100 bytes into an empty table, one connection", copy),
        ("commit", "commits/s, one connection, one row each", commit),
    ):
        rate = limit(at)
        if rate is None:
            results.add("skipped", what=f"the limit {name}", why="pgbench is not installed")
            continue
        results.add("limit", name=name, unit=unit, when=when, rate=rate)
        say(f"limit, at the {when}: {name} {rate:.0f} {unit}")


def produce(at: Deployment) -> float:
    log = Log(at, "limit-")
    log.create()
    started = time.monotonic()
    log.write("orders", ((str(n), VALUE, []) for n in range(RECORDS)))
    seconds = time.monotonic() - started
    log.delete()
    return RECORDS / seconds


def copy(at: Deployment) -> float:
    block = (b"x" * 99 + b"\n") * (ROWS // 10)
    with psycopg.connect(at.database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS limit_copy")
        connection.execute("CREATE TABLE limit_copy (value text)")
        started = time.monotonic()
        with connection.cursor().copy("COPY limit_copy FROM STDIN") as copying:
            for _ in range(10):
                copying.write(block)
        seconds = time.monotonic() - started
        connection.execute("DROP TABLE limit_copy")
    return ROWS / seconds


def commit(at: Deployment) -> float | None:
    if not shutil.which("pgbench"):
        return None
    url = urlsplit(at.database)
    with psycopg.connect(at.database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS limit_commit")
        connection.execute("CREATE TABLE limit_commit (n bigint)")
    script = at.scratch / "commit.sql"
    script.write_text("INSERT INTO limit_commit VALUES (1);\n")
    command = ["pgbench", "--no-vacuum", f"--file={script}", f"--time={COMMIT_SECONDS}", "--client=1", "--protocol=prepared"]
    command += [f"--host={url.hostname}", f"--port={url.port}", f"--username={url.username}", url.path.lstrip("/")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode != 0 or not found:
        raise Failed(f"pgbench ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    with psycopg.connect(at.database, autocommit=True) as connection:
        connection.execute("DROP TABLE limit_commit")
    return float(found[1])
