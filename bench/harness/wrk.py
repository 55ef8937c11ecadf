"""The generator: wrk with bench/orders.lua, a closed loop of so many connections."""

import json
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .checks import Load
from .processes import Failed

SCRIPT = Path(__file__).resolve().parent.parent / "orders.lua"
# After the window: what is under way is answered.
DRAIN = 1


@dataclass(frozen=True)
class Run:
    """What one call of wrk saw, and used."""

    load: Load
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float


def run(url: str, bodies: Path, connections: int, seconds: int, key: str) -> Run:
    threads = min(connections, os.cpu_count() or 1)
    command = ["wrk", f"--threads={threads}", f"--connections={connections}", f"--duration={seconds + DRAIN}s"]
    command += ["--timeout=10s", "--latency", f"--script={SCRIPT}", url, "--", str(bodies), key, str(seconds * 1000)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failed(f"wrk ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    load = Load(said["posted"], said["answered"], said["refused"], said["broken"])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(load, float(seconds), said["p50_us"] / 1000, said["p99_us"] / 1000, used)
