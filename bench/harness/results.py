"""A run as JSON lines: first what was run where, then one line per slot, last what the machine did."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

Line = dict[str, Any]


class Results:
    """Written line by line, so that a run that breaks off leaves what it measured."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, kind: str, **fields: Any) -> None:
        json.dump({"kind": kind, **fields}, self._file, ensure_ascii=False)
        self._file.write("\n")
        self._file.flush()


def load(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def of_kind(lines: list[Line], kind: str, **fields: Any) -> list[Line]:
    return [line for line in lines if line["kind"] == kind and all(line.get(k) == v for k, v in fields.items())]


def machine() -> Line:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ": unknown")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    return {"cpu": cpu.partition(":")[2].strip(), "cores": os.cpu_count(), "memory_gib": memory, "kernel": platform.release()}


def said_by(*command: str) -> str:
    """The first line of what a program says of itself; nothing where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return next(iter((done.stdout or done.stderr).splitlines()), "")


def versions(stack: Mapping[str, str]) -> Line:
    return {
        "orderflow": said_by("git", "describe", "--always", "--dirty"),
        "rust": said_by("rustc", "--version").removeprefix("rustc "),
        "wrk": said_by("wrk", "--version").partition(" [")[0].removeprefix("wrk "),
        "kafka": stack.get("KAFKA_VERSION", ""),
        "postgres": stack.get("POSTGRES_VERSION", ""),
    }


def pairs(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file."""
    lines = [line for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
