"""What stands in the cells of the page's tables, and the tables. Knows no test."""

from collections.abc import Callable, Iterable, Mapping

from .ratios import Spread, is_win, paired, spread
from .results import Line, of_kind

# How a setting is called on the page; any other by its name.
WORDS = {
    "LINGER_US": lambda value: f"linger {int(value) / 1000:g} ms",
    "WORKERS": lambda value: f"{value} worker{'s' if int(value) > 1 else ''}",
}


def settings(given: Mapping[str, str]) -> str:
    return ", ".join(WORDS[name](value) if name in WORDS else f"{name} {value}" for name, value in given.items())


def by_round(slots: Iterable[Line], value: Callable[[Line], float]) -> dict[int, float]:
    return {slot["round"]: value(slot) for slot in slots}


def of(slots: list[Line], value: Callable[[Line], float]) -> Spread:
    return spread(list(by_round(slots, value).values()))


def rate(slots: list[Line]) -> Spread:
    return of(slots, lambda slot: slot["rate"])


def ranged(found: Spread, form: str) -> str:
    if found.count == 1:
        return format(found.median, form)
    return f"{found.median:{form}} ({found.low:{form}}–{found.high:{form}})"


def ratio(ours: list[Line], theirs: list[Line]) -> str:
    """Of the rates; in bold where every round was better."""
    found = paired(by_round(ours, lambda s: s["rate"]), by_round(theirs, lambda s: s["rate"]))
    text = ranged(found, ".2f")
    return f"**{text}**" if is_win(found) else text


def cost(slots: list[Line], whose: str) -> str:
    known = [slot for slot in slots if whose in slot.get("cpu_us", {})]
    return f"{of(known, lambda slot: slot['cpu_us'][whose]).median:.1f}" if known else "–"


def memory(slots: list[Line]) -> str:
    known = [slot for slot in slots if "peak_mib" in slot]
    return f"{max(slot['peak_mib'] for slot in known):.0f}" if known else "–"


def titles(lines: list[Line], test: str) -> dict[str, str]:
    """By name, those of whom there is a slot, in the order in which they stand on the page."""
    there = {slot["contender"] for slot in of_kind(lines, "slot", test=test)}
    return {line["name"]: line["title"] for line in of_kind(lines, "contender", test=test) if line["name"] in there}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
