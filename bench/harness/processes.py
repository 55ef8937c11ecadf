"""Processes under measurement: started alone, watched through /proc, stopped."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
READY_WITHIN, STOPPED_WITHIN, LOOK_AGAIN = 60.0, 40.0, 0.01


class Failed(Exception):
    """A process did not do what it was started for."""


def cpu_seconds(pid: int, with_ended_children: bool = False) -> float:
    """What all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used = fields[11:15] if with_ended_children else fields[11:13]
    return sum(map(int, used)) / TICKS


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def tree(pid: int) -> list[int]:
    """A process and all that it has forked."""
    try:
        return [pid, *(one for child in children(pid) for one in tree(child))]
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has just ended


def tree_cpu_seconds(pid: int) -> float:
    """A server and the processes it forks; what an ended one used, its parent has."""
    total = cpu_seconds(pid, with_ended_children=True)
    for child in tree(pid)[1:]:
        try:
            total += cpu_seconds(child, with_ended_children=True)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return total


def tree_peak_mib(pid: int) -> float:
    """The sum of what each process of a tree has had at most."""
    return sum(peak_mib(one) for one in tree(pid))


def peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failed(f"process {pid} has no memory of its own: it has ended")


def steal_seconds() -> float:
    """What the machine's owner gave to somebody else."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / TICKS


def until(condition: Callable[[], bool], within: float, what: str) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what} took longer than {within:.0f} s")
        time.sleep(LOOK_AGAIN)


def answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Process:
    """One contender. Its output goes to a file, whose last line says why it died."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0
            )
        self.pid = self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def require_alive(self) -> None:
        if self.has_ended():
            lines = self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise Failed(f"{self.name} ended with {self._process.returncode}: {lines[-1][:300]} (all of it in {self.log})")

    def wait_ready(self, url: str) -> None:
        def is_ready() -> bool:
            self.require_alive()
            return answers(url)

        until(is_ready, READY_WITHIN, f"the start of {self.name}")

    def stop(self) -> None:
        """Politely, and by force when the time is up, which is an error."""
        if self.has_ended():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not stop within {STOPPED_WITHIN:.0f} s") from None

    def kill(self) -> None:
        """It and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
