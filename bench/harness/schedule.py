"""Who is measured when: every contender once a round, in an order that a seed decides."""

import random


def rounds(contenders: list[str], count: int, seed: int) -> list[list[str]]:
    """The order of the contenders in each round; the same seed gives the same orders."""
    draw = random.Random(seed)
    return [draw.sample(contenders, len(contenders)) for _ in range(count)]


def best(by_setting: dict[int, float]) -> int:
    """The setting with the highest rate; of equal ones the lowest setting."""
    return min(by_setting, key=lambda setting: (-by_setting[setting], setting))
