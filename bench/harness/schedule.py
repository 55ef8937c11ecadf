"""Who is measured when: every contender once a round, in an order that a seed decides."""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from .contenders import Contender

T = TypeVar("T")


def rounds(contenders: Sequence[T], count: int, seed: int) -> list[list[T]]:
    """The order of the contenders in each round; the same seed gives the same orders."""
    draw = random.Random(seed)
    return [draw.sample(list(contenders), len(contenders)) for _ in range(count)]


def with_first(order: Sequence[T], is_first: Callable[[T], bool]) -> list[T]:
    """The same order behind those that must come first: their rows are what the others are compared with."""
    return sorted(order, key=lambda one: not is_first(one))


def best(rates: dict[int, float]) -> int:
    """Which try has the highest rate; of equals the first."""
    return min(rates, key=lambda number: (-rates[number], number))


def killed(contenders: Sequence[Contender], kills: str) -> list[Contender]:
    """Who is killed: nobody, every program once, or everybody. A limit is no process."""
    there = [contender for contender in contenders if contender.program]
    once = {contender.program: contender for contender in reversed(there)}
    return {"nobody": [], "each program": list(reversed(once.values())), "everybody": there}[kills]
