"""docs/benchmarks.md, its plots and the table of the README, made of the lines of one run. No number
comes from anywhere else."""

from pathlib import Path

from . import cells, chart, sections, targets
from .ratios import Spread, drift
from .results import Line, of_kind

DRIFT_MAX = 0.10
# The sinks: heading, what is in the log, and the title of the plot.
SINKS = {
    "analytics": (
        "## Catching up: analytics",
        "placed orders of four lines, from the start of the process to lag 0",
        "Orders a second, catching up, analytics",
    ),
    "mails": (
        "## Catching up: the ledger of mails",
        "orders of four lines and their outcomes, each 500 orders behind its order, from the start of the process to lag 0",
        "Orders a second, catching up, the ledger of mails",
    ),
    "inventory": (
        "## Catching up: inventory",
        "placed orders of four lines, all of which can be filled, from the start of the process until all is decided and published",
        "Orders a second, catching up, inventory",
    ),
}
QUICK = (
    " A quick run: few rounds, short ones; of a program in several variants one, and whoever is not Go under "
    "one setting and only at the highest number of connections. It shows the shape, not the last tenth."
)
BEGIN, END = "<!-- scripts/bench writes what follows -->", "<!-- scripts/bench wrote this -->"
HOW = Path(__file__).with_name("protocol.md")


def write(lines: list[Line], docs: Path) -> None:
    """The page and its plots into `docs`; the table into the README beside it, where it has a place."""
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "benchmarks.md").write_text(page(lines))
    for name, plot in plots(lines).items():
        (docs / f"benchmarks-{name}.svg").write_text(plot)
    readme = docs.parent / "README.md"
    if readme.exists():
        readme.write_text(within_marks(readme.read_text(), summary(lines)))


def within_marks(text: str, what: str) -> str:
    """The text with what stands between its marks replaced; one without marks stays as it is."""
    if BEGIN not in text or END not in text:
        return text
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{head}{BEGIN}\n\n{what}\n{END}{tail}"


def page(lines: list[Line]) -> str:
    parts = ["# Benchmarks", _where(lines), *_drifts(lines)]
    if of_kind(lines, "slot", test="ingest"):
        parts += [
            "## Orders over HTTP into the log",
            "![orders a second](benchmarks-ingest.svg)",
            _ingest(lines),
            sections.paced(lines),
            _ceilings(lines),
        ]
    for kind in SINKS:
        parts += _caught_up(lines, kind)
    parts += [*sections.steady(lines), *sections.overload(lines), *sections.replay(lines), *sections.reached(lines)]
    parts += ["## Limits", _limits(lines), *_skipped(lines), HOW.read_text().strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where(lines: list[Line]) -> str:
    run = of_kind(lines, "run")[0]
    machine, versions = run["machine"], ", ".join(f"{name} {said}" for name, said in run["versions"].items() if said)
    flag = {"quick": "--quick ", "smoke": "--smoke "}.get(run["mode"], "") + "".join(f"--only {name} " for name in run["only"])
    small = QUICK if run["mode"] == "quick" else ""
    return (
        f"Written by `scripts/bench {flag}--seed {run['seed']}` on {run['date']}; the lines it is made of are in "
        f"[benchmarks.jsonl](benchmarks.jsonl), and `scripts/bench --report` makes it again.{small}\n\n"
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB; the generator, the contender, one "
        f"broker and one Postgres share them. Versions: {versions}. "
        "Compare numbers of this page only with one another."
    )


def _drifts(lines: list[Line]) -> list[str]:
    said = []
    for name, rates in _limit_rates(lines).items():
        if abs(moved := _moved(rates)) > DRIFT_MAX:
            said.append(f"**The machine did not stay the same:** the limit *{name}* moved by {moved:+.0%} from the run's start.")
    return said


def _limit_rates(lines: list[Line]) -> dict[str, dict[str, float]]:
    """By limit and when."""
    found: dict[str, dict[str, float]] = {}
    for line in of_kind(lines, "limit"):
        found.setdefault(line["name"], {})[line["when"]] = line["rate"]
    return {name: rates for name, rates in found.items() if {"start", "end"} <= rates.keys()}


def _moved(rates: dict[str, float]) -> float:
    """The most that it was away from the start."""
    return max((drift(rates["start"], rate) for rate in rates.values()), key=abs)


def _levels(slots: list[Line]) -> list[int]:
    return sorted({slot["connections"] for slot in slots})


def _ingest(lines: list[Line]) -> str:
    slots, rows = of_kind(lines, "slot", test="ingest"), []
    for level in _levels(slots):
        ours = of_kind(slots, "slot", connections=level, contender="ours")
        for name, title in cells.titles(lines, "ingest").items():
            if theirs := of_kind(slots, "slot", connections=level, contender=name):
                rows.append([str(level), *_posted(title, ours if name != "ours" else [], theirs)])
    head = ["connections", "who", "orders/s", "ours by this", "p50 ms", "p99 ms", "CPU-µs/order", "of the broker", "of the generator", "peak MiB"]
    return cells.table(head, rows)


def _posted(title: str, ours: list[Line], theirs: list[Line]) -> list[str]:
    who = ", ".join(filter(None, [title, cells.settings(theirs[0]["settings"])]))
    ms = [f"{cells.of(theirs, lambda slot, p=p: slot[p]).median:.2f}" for p in ("p50_ms", "p99_ms")]
    costs = [cells.cost(theirs, whose) for whose in ("contender", "kafka", "generator")]
    ratio = cells.ratio(ours, theirs) if ours else ""
    return [who, cells.ranged(cells.rate(theirs), ",.0f"), ratio, *ms, *costs, cells.memory(theirs)]


def _ceilings(lines: list[Line]) -> str:
    """What the parts give alone, and how much of their sum in series is reached."""
    found, rows, reached = of_kind(lines, "ceiling"), [], targets.parts_reached(lines)
    for line in found:
        where = f"{line['connections']} connections" if line["connections"] else "one client"
        share = reached.get(line["connections"]) if line["name"] == "parse" else None
        rows.append([line["name"], line["what"], where, f"{line['rate']:,.0f}", f"{share:.2f}" if share else ""])
    head = ["ceiling", "what", "with", "a second", "ours by parse, then produce"]
    return "What its parts give, each alone on the machine:\n\n" + cells.table(head, rows) if rows else ""


def _caught_up(lines: list[Line], kind: str) -> list[str]:
    slots = of_kind(lines, "slot", test=kind)
    if not slots:
        return []
    ours, rows = of_kind(slots, "slot", contender="ours"), []
    worth = {line["name"]: line["guarantee"] for line in of_kind(lines, "contender", test=kind)}
    for name, title in cells.titles(lines, kind).items():
        theirs = of_kind(slots, "slot", contender=name)
        costs = [cells.cost(theirs, whose) for whose in ("contender", "postgres", "kafka")]
        ratio = "" if name == "ours" else cells.ratio(ours, theirs)
        rows.append([title, cells.ranged(cells.rate(theirs), ",.0f"), ratio, *costs, cells.memory(theirs), worth[name]])
    head = ["who", "orders/s", "ours by this", "CPU-µs/order", "of Postgres", "of the broker", "peak MiB", "guarantee"]
    heading, what, _ = SINKS[kind]
    log = f"{slots[0]['orders']:,} {what}."
    return [heading, f"![orders a second](benchmarks-{kind}.svg)", log, cells.table(head, rows), _killed(lines, kind)]


def _killed(lines: list[Line], kind: str) -> str:
    names = {line["name"]: line["title"] for line in of_kind(lines, "contender", test=kind)}
    deaths = of_kind(lines, "kill", test=kind)
    rows = [[names[line["contender"]], str(line["deaths"]), str(line["lost"]), str(line["doubled"])] for line in deaths]
    if not rows:
        return ""
    head = ["who", "killed so often", "lost", "counted twice"]
    return "Killed with `kill -9` on the way and started again:\n\n" + cells.table(head, rows)


def _limits(lines: list[Line]) -> str:
    units = {line["name"]: line["unit"] for line in of_kind(lines, "limit")}
    found = _limit_rates(lines)
    whens = list(dict.fromkeys(when for rates in found.values() for when in rates))
    rows = [[name, *(f"{rates[when]:,.0f}" for when in whens), f"{_moved(rates):+.0%}", units[name]] for name, rates in found.items()]
    return cells.table(["limit", *(f"at the {when}" for when in whens), "moved", "of what"], rows)


def _skipped(lines: list[Line]) -> list[str]:
    return [f"Skipped: {line['what']}: {line['why']}." for line in of_kind(lines, "skipped")]


def plots(lines: list[Line]) -> dict[str, str]:
    found = {}
    if slots := of_kind(lines, "slot", test="ingest"):
        titles = cells.titles(lines, "ingest")
        groups = [chart.Group(f"{level} connections", [_bar(slots, name, connections=level) for name in titles]) for level in _levels(slots)]
        found["ingest"] = chart.bars("Orders a second over HTTP into the log", list(titles.values()), groups)
    for kind, (_, _, title) in SINKS.items():
        if slots := of_kind(lines, "slot", test=kind):
            titles = cells.titles(lines, kind)
            group = chart.Group("catching up", [_bar(slots, name) for name in titles])
            found[kind] = chart.bars(title, list(titles.values()), [group])
    if rates := sections.replayed(lines):
        group = chart.Group("from the beginning", list(rates.values()))
        found["replay"] = chart.bars("Records a second, reading the log", list(rates), [group])
    return found


def _bar(slots: list[Line], name: str, **where: int) -> Spread | None:
    there = of_kind(slots, "slot", contender=name, **where)
    return cells.rate(there) if there else None


def summary(lines: list[Line]) -> str:
    """The README's: ours beside the strongest peer."""
    rows = []
    ingest = of_kind(lines, "slot", test="ingest")
    for level in _levels(ingest):
        rows += _beside_go(f"orders over HTTP, {level} connections", of_kind(ingest, "slot", connections=level))
    for kind, (_, _, title) in SINKS.items():
        rows += _beside_go(title.partition(", ")[2], of_kind(lines, "slot", test=kind))
    return cells.table(["a second, two cores for everything", "Orderflow", "Go, the same work", "ratio, paired"], rows) + "\n"


def _beside_go(what: str, slots: list[Line]) -> list[list[str]]:
    names = sorted({slot["contender"] for slot in slots})
    peers = [of_kind(slots, "slot", contender=name) for name in names if name.partition("-")[0] == "go"]
    ours = of_kind(slots, "slot", contender="ours")
    if not ours or not peers:
        return []
    best = max(peers, key=lambda theirs: cells.rate(theirs).median)
    return [[what, f"{cells.rate(ours).median:,.0f}", f"{cells.rate(best).median:,.0f}", cells.ratio(ours, best)]]
