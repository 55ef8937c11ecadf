"""How much of each test a run does: a full one, a quick one, and a smoke that measures nothing."""

from dataclasses import asdict, dataclass
from typing import Any

from . import ingest, overload, paced, replay, sink, steady

CONNECTIONS = [1, 16, 64, 256]


@dataclass(frozen=True)
class Plans:
    """One per test."""

    ingest: ingest.Plan
    sink: sink.Plan
    steady: steady.Plan
    overload: overload.Plan
    replay: replay.Plan

    def described(self) -> dict[str, Any]:
        return asdict(self)


def of(mode: str, seed: int, rounds: int | None) -> Plans:
    return {"full": _full, "quick": _quick, "smoke": _smoke}[mode](seed, rounds)


def _full(seed: int, rounds: int | None) -> Plans:
    """Ends within about an hour, all toolchains there."""
    return Plans(
        ingest.Plan(rounds or 3, 2, 2, 5, seed, CONNECTIONS, False, paced.Plan(2_000, 15, 3, seed)),
        sink.Plan(rounds or 3, 150_000, seed, "everybody", 3),
        steady.Plan([500, 2_000], 20, 5, seed),
        overload.Plan(5, 30, 5, seed),
        replay.Plan(rounds or 3, 2_000_000, seed),
    )


def _quick(seed: int, rounds: int | None) -> Plans:
    """About 5 minutes."""
    return Plans(
        ingest.Plan(rounds or 1, 1, 1, 2, seed, CONNECTIONS, True, None),
        sink.Plan(rounds or 1, 20_000, seed, "each program", 1),
        steady.Plan([500, 2_000], 3, 1, seed),
        overload.Plan(2, 4, 2, seed),
        replay.Plan(rounds or 1, 200_000, seed),
    )


def _smoke(seed: int, _rounds: int | None) -> Plans:
    return Plans(
        ingest.Plan(1, 0, 1, 1, seed, [16], False, None),
        sink.Plan(1, 2_000, seed, "nobody", 0),
        steady.Plan([50], 2, 1, seed),
        overload.Plan(1, 1, 1, seed),
        replay.Plan(1, 10_000, seed),
    )
