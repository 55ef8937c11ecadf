"""What this project wants to reach, and whether a run did."""

from collections.abc import Iterator

from . import cells
from .ratios import paired, spread
from .results import Line, of_kind

Judged = tuple[str, str, str, bool]
# At so many connections, against whom (what its name begins with), at least.
POSTED = [
    *((level, "go", ratio) for level, ratio in ((1, 1.1), (16, 1.3), (64, 1.4), (256, 1.6))),
    *((256, name, ratio) for name, ratio in (("fastapi", 8.0), ("fastify", 2.5), ("spring", 2.5), ("quarkus", 1.5))),
]
# Of a sink, against the best of whom, at least.
CAUGHT_UP = [
    ("analytics", "go", 1.2),
    *(("mails", name, ratio) for name, ratio in (("go", 1.2), ("connect", 1.5), ("spring", 1.5), ("python", 4.0))),
    ("inventory", "copy", 0.5),
]
# At a rate: p50 and p99 of how soon an order is visible.
VISIBLE = {500: (8.0, 40.0), 2_000: (20.0, 120.0)}
EVEN = 0.9
SHARE_OF_PARTS, FIRST_P50_MS, PACED_P99_MS = 0.6, 0.3, 5.0
CPU_RATE, CPU_PERCENT = 500, 100.0
CONSUMER_MIB, API_MIB = 48.0, 40.0
TWO_WORKERS, GOODPUT, EXACTLY_ONCE = 1.3, 0.9, 0.97
REPLAY_NOWHERE, REPLAY_DECODED, REPLAY_KCAT = 0.8, 500_000.0, 5.0


def judged(lines: list[Line]) -> Iterator[Judged]:
    """What was measured, beside what is wanted; what was not measured is left out."""
    for of_some in (_posted, _caught_up, _steady, _memory, _overload, _replay):
        yield from of_some(lines)


def _at_least(what: str, value: float, target: float, form: str = ".2f") -> Judged:
    return what, f"{value:{form}}", f"≥ {target:{form}}", value >= target


def _at_most(what: str, value: float, target: float, form: str = ".1f") -> Judged:
    return what, f"{value:{form}}", f"≤ {target:{form}}", value <= target


def _rates(slots: list[Line]) -> dict[int, float]:
    return cells.by_round(slots, lambda slot: slot["rate"])


def _beside(lines: list[Line], test: str, name: str, **where: int) -> tuple[str, float] | None:
    """The title and the paired ratio of whoever of this name is the fastest."""
    ours = _rates(of_kind(lines, "slot", test=test, contender="ours", **where))
    slots = [slot for slot in of_kind(lines, "slot", test=test, **where) if slot["contender"].partition("-")[0] == name]
    theirs = [_rates([slot for slot in slots if slot["contender"] == one]) for one in {slot["contender"] for slot in slots}]
    if not ours or not theirs:
        return None
    ratio = min(paired(ours, rates).median for rates in theirs)
    titles = [line["title"] for line in of_kind(lines, "contender", test=test) if line["name"].partition("-")[0] == name]
    return titles[0].partition(", batches")[0].partition(", one process")[0], ratio


def _posted(lines: list[Line]) -> Iterator[Judged]:
    for level, name, target in POSTED:
        if found := _beside(lines, "ingest", name, connections=level):
            yield _at_least(f"orders over HTTP, {level} connections, by {found[0]}", found[1], target)
    if first := of_kind(lines, "slot", test="ingest", contender="ours", connections=1):
        yield _at_most("orders over HTTP, one client, p50 ms", cells.of(first, lambda slot: slot["p50_ms"]).median, FIRST_P50_MS, ".2f")
    for line in of_kind(lines, "paced", contender="ours"):
        best = min(one["ms"]["p99"] for one in of_kind(lines, "paced"))
        yield _at_most(f"orders over HTTP, {line['rate']:,}/s, p99 ms", line["ms"]["p99"], PACED_P99_MS)
        yield _at_most(f"orders over HTTP, {line['rate']:,}/s, p99 by the best of all", line["ms"]["p99"] / best, 1.0, ".2f")
    for level, share in parts_reached(lines).items():
        yield _at_least(f"orders over HTTP, {level} connections, by parse, then produce", share, SHARE_OF_PARTS)


def parts_reached(lines: list[Line]) -> dict[int, float]:
    """By number of connections, how much of what its parts give in series is reached."""
    ceilings = of_kind(lines, "ceiling")
    produce = next((line["rate"] for line in ceilings if line["name"] == "produce"), None)
    found = {}
    for line in ceilings:
        ours = of_kind(lines, "slot", test="ingest", contender="ours", connections=line["connections"])
        if line["name"] == "parse" and produce and ours:
            found[line["connections"]] = cells.rate(ours).median * (1 / line["rate"] + 1 / produce)
    return found


def _caught_up(lines: list[Line]) -> Iterator[Judged]:
    for test, name, target in CAUGHT_UP:
        if found := _beside(lines, test, name):
            yield _at_least(f"catching up, {test}, by {found[0]}", found[1], target)
    for test in ("analytics", "mails", "inventory"):
        if slots := [slot for slot in of_kind(lines, "slot", test=test, contender="ours") if "tenths_s" in slot]:
            yield _at_least(f"catching up, {test}, the last three tenths' rate by that of the first", cells.of(slots, _end_by_beginning).median, EVEN)
    once, at_least_once = (_rates(of_kind(lines, "slot", test="analytics", contender=name)) for name in ("go-5000", "position-in-kafka"))
    if once and at_least_once:
        yield _at_least("the price of exactly-once: Go's rate by that with the position in Kafka", paired(once, at_least_once).median, EXACTLY_ONCE)
    two, one = (_rates(of_kind(lines, "slot", test="inventory", contender=name)) for name in ("ours-2", "ours"))
    if two and one:
        yield _at_least("catching up, inventory, two workers by one", paired(two, one).median, TWO_WORKERS)


def _end_by_beginning(slot: Line) -> float:
    """Of the rates of three tenths of the work. The first tenth has the start in it."""
    at = slot["tenths_s"]
    return (at[3] - at[0]) / (at[9] - at[6]) if at[9] > at[6] else 0.0


def _steady(lines: list[Line]) -> Iterator[Judged]:
    for line in of_kind(lines, "steady"):
        if line["rate"] in VISIBLE:
            for quantile, target in zip(("p50", "p99"), VISIBLE[line["rate"]], strict=True):
                yield _at_most(f"accepted to visible at {line['rate']:,}/s, {quantile} ms", line["visible_ms"][quantile], target)
        if line["rate"] == CPU_RATE:
            used = sum(percent for name, percent in line["cpu_percent"].items() if name != "generator")
            yield _at_most(f"CPU of all at {CPU_RATE}/s, % of a core", used, CPU_PERCENT, ".0f")


def _memory(lines: list[Line]) -> Iterator[Judged]:
    for test in ("analytics", "mails", "inventory"):
        if slots := of_kind(lines, "slot", test=test, contender="ours"):
            yield _at_most(f"memory while catching up, {test}, MiB", max(slot["peak_mib"] for slot in slots), CONSUMER_MIB, ".0f")
    if slots := of_kind(lines, "slot", test="ingest", contender="ours"):
        yield _at_most("memory of the API at its peak, MiB", max(slot["peak_mib"] for slot in slots), API_MIB, ".0f")


def _overload(lines: list[Line]) -> Iterator[Judged]:
    rates = {line["what"]: line["rate"] for line in of_kind(lines, "overload")}
    if "twice the peak" in rates:
        yield _at_least("accepted of twice the peak, by the peak", rates["twice the peak"] / rates["peak"], GOODPUT)


def _replay(lines: list[Line]) -> Iterator[Judged]:
    rates: dict[str, float] = {}
    for name in {line["reader"] for line in of_kind(lines, "replay")}:
        rates[name] = spread([line["rate"] for line in of_kind(lines, "replay", reader=name)]).median
    wanted: list[tuple[str, str, str | None, float, str]] = [
        ("replay to nowhere, by rdkafka_performance", "ours, to nowhere", "rdkafka_performance", REPLAY_NOWHERE, ".2f"),
        ("replay decoded, records/s", "ours, decoded", None, REPLAY_DECODED, ",.0f"),
        ("replay decoded, by kcat, which does not decode", "ours, decoded", "kcat, not decoded", REPLAY_KCAT, ".2f"),
    ]
    for what, ours, theirs, target, form in wanted:
        if ours in rates and (theirs is None or theirs in rates):
            yield _at_least(what, rates[ours] / (rates[theirs] if theirs else 1.0), target, form)
