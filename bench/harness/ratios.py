"""Arithmetic over the rounds of a run: medians, and ratios of what was measured in the same round."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The middle of some numbers, and how far they lie apart."""

    median: float
    low: float
    high: float
    count: int


def spread(numbers: list[float]) -> Spread:
    if not numbers:
        raise ValueError("there is no number to take the median of")
    return Spread(median(numbers), min(numbers), max(numbers), len(numbers))


def paired(ours: dict[int, float], theirs: dict[int, float]) -> Spread:
    """Ours by theirs, round by round. A round that has only one of them says nothing."""
    both = sorted(ours.keys() & theirs.keys())
    return spread([ours[number] / theirs[number] for number in both])


def is_win(ratio: Spread) -> bool:
    """Better in every round, of which there are several."""
    return ratio.count > 1 and ratio.low > 1.0


def drift(before: float, after: float) -> float:
    """By how much the machine got faster (above 0) or slower between two measurements of one limit."""
    return after / before - 1.0
