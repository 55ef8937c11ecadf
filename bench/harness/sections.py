"""The page's sections of ours as a whole, and of targets. No number comes from anywhere but the lines."""

from . import cells, targets
from .ratios import Spread, spread
from .results import Line, of_kind

MEMORY = ["api-1", "inventory", "confirmation-email", "analytics"]


def paced(lines: list[Line]) -> str:
    found = of_kind(lines, "paced")
    if not found:
        return ""
    titles = {line["name"]: line["title"] for line in of_kind(lines, "contender", test="ingest")}
    rows = []
    for line in found:
        who = ", ".join(filter(None, [titles[line["contender"]], cells.settings(line["settings"])]))
        ms = [f"{line['ms'][name]:.2f}" for name in ("p50", "p99", "p999")]
        rows.append([who, f"{line['per_second']:,.0f}", *ms, f"{line['cpu_percent']:.0f}"])
    what = f"At {found[0]['rate']:,} orders a second, an open loop, for {found[0]['seconds']} s, under the settings that are best at 16 connections:"
    return what + "\n\n" + cells.table(["who", "orders/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU, % of a core"], rows)


def steady(lines: list[Line]) -> list[str]:
    found = of_kind(lines, "steady")
    if not found:
        return []
    head = ["orders/s", "accepted p50 / p99 ms", "visible p50 / p99 ms", "CPU of all, % of a core", "not accepted"]
    rows = [
        [f"{line['rate']:,}", _pair(line["accepted_ms"]), _pair(line["visible_ms"]), f"{_cpu(line):.0f}", f"{line['not_accepted']:,}"]
        for line in found
    ]
    names = list(found[0]["cpu_percent"])
    of_each = [[f"{line['rate']:,}", *(f"{line['cpu_percent'][name]:.0f}" for name in names)] for line in found]
    peaks = [[name, *(f"{line['peak_mib'][name]:.0f}" for line in found)] for name in MEMORY]
    return [
        "## Everything on, at a steady rate",
        f"Two APIs, the three consumers, mails to a server that keeps none; {found[0]['seconds']} s at each rate. "
        "Accepted: from when a request was to start to its answer. Visible: from the answer to the commit of inventory's row.",
        cells.table(head, rows),
        "CPU of each process, in % of a core:\n\n" + cells.table(["orders/s", *names], of_each),
        "The most memory, in MiB:\n\n" + cells.table(["process", *(f"{line['rate']:,} orders/s" for line in found)], peaks),
    ]


def _pair(milliseconds: dict[str, float]) -> str:
    return f"{milliseconds['p50']:.1f} / {milliseconds['p99']:.1f}" if milliseconds else "–"


def _cpu(line: Line) -> float:
    """The generator's left out."""
    return sum(used for name, used in line["cpu_percent"].items() if name != "generator")


def overload(lines: list[Line]) -> list[str]:
    found = of_kind(lines, "overload")
    if not found:
        return []
    head = ["what", "offered/s", "accepted/s", "accepted p50 / p99 ms", "answers", "refused p50 / p99 ms", "API, peak MiB"]
    rows = [
        [
            line["what"],
            f"{line['offered']:,}" if line["offered"] else "closed loop",
            f"{line['rate']:,.0f}",
            _pair(line["accepted_ms"]),
            ", ".join(f"{count:,} × {answer}" for answer, count in line["answers"].items()),
            _pair(line["others_ms"]),
            f"{line['peak_mib']:.0f}",
        ]
        for line in found
    ]
    what = "One API, `orderctl load`, which tries nothing again. Accepted/s goes to the last answer: what is late counts against it."
    return ["## More than can be done", what, cells.table(head, rows)]


def replayed(lines: list[Line]) -> dict[str, Spread]:
    """By reader, ours first: records a second."""
    found = of_kind(lines, "replay")
    names = sorted({line["reader"] for line in found}, key=lambda name: (not name.startswith("ours"), name))
    return {name: spread([line["rate"] for line in of_kind(found, "replay", reader=name)]) for name in names}


def replay(lines: list[Line]) -> list[str]:
    rates = replayed(lines)
    if not rates:
        return []
    found = of_kind(lines, "replay")
    own = [line["own"] for line in found if line.get("own")]
    clock = f"by its own clock, which begins with the first record, rdkafka_performance reads {spread(own).median:,.0f}" if own else ""
    # Lines of earlier runs hold that rate alone.
    but = f"; {clock}" if own else ", but for rdkafka_performance, which says its own rate"
    what = f"{found[0]['records']:,} placed orders of four lines, from the beginning to the end; a program's start is part of its time{but}."
    table = cells.table(["who", "records/s"], [[name, cells.ranged(rate, ",.0f")] for name, rate in rates.items()])
    return ["## Reading the log from its beginning", "![records a second](benchmarks-replay.svg)", what, table]


def reached(lines: list[Line]) -> list[str]:
    """The targets of this project, of those that the run measured."""
    rows = [[what, f"**{said}**" if is_met else said, target] for what, said, target, is_met in targets.judged(lines)]
    if not rows:
        return []
    return ["## Targets", "Medians; in bold what is reached.", cells.table(["what", "measured", "target"], rows)]
