"""What must add up after a slot. A slot that does not is an error of the run, never a number."""

from dataclasses import dataclass


class NotVerified(Exception):
    """Something does not add up."""


@dataclass(frozen=True)
class Load:
    """What the generator says of its requests."""

    posted: int
    answered: int
    refused: int
    broken: int


def accepted(load: Load) -> int:
    """How many were answered with success, where every request was answered."""
    if load.broken or load.refused:
        raise NotVerified(f"{load.refused} requests were refused and {load.broken} connections broke")
    if load.posted == 0 or load.answered != load.posted:
        raise NotVerified(f"{load.posted} orders were posted and {load.answered} answered")
    return load.answered


def growth(before: dict[int, int], after: dict[int, int]) -> int:
    """By how many records a topic grew."""
    return sum(after.values()) - sum(before.values())


def ingest(load: Load, before: dict[int, int], after: dict[int, int]) -> int:
    """The number of orders: as many answers as the log has new records."""
    orders, records = accepted(load), growth(before, after)
    if orders != records:
        raise NotVerified(f"{orders} orders were answered with 202 and the log grew by {records}")
    return orders


# What the tables of a projection hold, or should, by name.
Sums = dict[str, int]


def sums(found: Sums, expected: Sums) -> None:
    if found != expected:
        raise NotVerified(f"the tables hold {found} and the log says {expected}")


def lost_and_doubled(found: Sums, expected: Sums, counts: list[str]) -> tuple[int, int]:
    """By the sums that count what was sent once: what is missing, and what is there more often. A primary key
    keeps a second row out; the totals are where it shows."""
    differences = [found[name] - expected[name] for name in counts]
    return max(0, -min(differences)), max(0, *differences)
