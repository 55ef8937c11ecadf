"""docs/benchmarks.md, its plots and the table of the README, made of the lines of one run. No number
comes from anywhere else."""

from collections.abc import Callable, Iterable
from pathlib import Path

from . import chart
from .ratios import Spread, drift, is_win, paired, spread
from .results import Line, of_kind

DRIFT_MAX = 0.10
NAMES = {
    "ours": "Orderflow",
    "go": "Go: net/http, franz-go",
    "go-1000": "Go: franz-go, pgx, batches of 1,000",
    "go-5000": "Go: franz-go, pgx, batches of 5,000",
    "copy": "COPY of the same rows (a limit)",
}
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
        parts += ["## Orders over HTTP into the log", "![orders a second](benchmarks-ingest.svg)", _ingest(lines), _ceilings(lines)]
    if of_kind(lines, "slot", test="sink"):
        parts += ["## Catching up", "![orders a second](benchmarks-sink.svg)", _sink(lines), _killed(lines)]
    parts += ["## Limits", _limits(lines), *_skipped(lines), HOW.read_text().strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where(lines: list[Line]) -> str:
    run = of_kind(lines, "run")[0]
    machine, versions = run["machine"], ", ".join(f"{name} {said}" for name, said in run["versions"].items() if said)
    flag = {"quick": "--quick ", "smoke": "--smoke "}.get(run["mode"], "")
    small = {"quick": " A quick run: few rounds, short ones. It shows the shape, not the last tenth."}.get(run["mode"], "")
    return (
        f"Written by `scripts/bench {flag}--seed {run['seed']}` on {run['date']}; the lines it is made of are in "
        f"[benchmarks.jsonl](benchmarks.jsonl), and `scripts/bench --report` makes it again.{small}\n\n"
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB; the generator, the contender, one "
        f"broker and one Postgres share them. Versions: {versions}. "
        "Compare numbers of this page only with one another."
    )


def _drifts(lines: list[Line]) -> list[str]:
    said = []
    for name, (before, after) in _limit_rates(lines).items():
        if abs(moved := drift(before, after)) > DRIFT_MAX:
            said.append(f"**The machine did not stay the same:** the limit *{name}* moved by {moved:+.0%} from the run's start to its end.")
    return said


def _limit_rates(lines: list[Line]) -> dict[str, tuple[float, float]]:
    rates = {(line["name"], line["when"]): line["rate"] for line in of_kind(lines, "limit")}
    names = dict.fromkeys(name for name, _ in rates)
    return {name: (rates[name, "start"], rates[name, "end"]) for name in names if (name, "start") in rates and (name, "end") in rates}


def by_round(slots: Iterable[Line], value: Callable[[Line], float]) -> dict[int, float]:
    return {slot["round"]: value(slot) for slot in slots}


def _of(slots: list[Line], value: Callable[[Line], float]) -> Spread:
    return spread(list(by_round(slots, value).values()))


def _rate(slots: list[Line]) -> Spread:
    return _of(slots, lambda slot: slot["rate"])


def _ranged(found: Spread, form: str) -> str:
    if found.count == 1:
        return format(found.median, form)
    return f"{found.median:{form}} ({found.low:{form}}–{found.high:{form}})"


def _ratio(ours: list[Line], theirs: list[Line]) -> str:
    """Of the rates; in bold where every round was better."""
    ratio = paired(by_round(ours, lambda s: s["rate"]), by_round(theirs, lambda s: s["rate"]))
    text = _ranged(ratio, ".2f")
    return f"**{text}**" if is_win(ratio) else text


def _cost(slots: list[Line], of: str) -> str:
    known = [slot for slot in slots if of in slot.get("cpu_us", {})]
    return f"{_of(known, lambda slot: slot['cpu_us'][of]).median:.1f}" if known else "–"


def _memory(slots: list[Line]) -> str:
    known = [slot for slot in slots if "peak_mib" in slot]
    return f"{max(slot['peak_mib'] for slot in known):.0f}" if known else "–"


def _contenders(slots: list[Line]) -> list[str]:
    there = {slot["contender"] for slot in slots}
    return [name for name in NAMES if name in there]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _levels(slots: list[Line]) -> list[int]:
    return sorted({slot["connections"] for slot in slots})


def _ingest(lines: list[Line]) -> str:
    slots, rows = of_kind(lines, "slot", test="ingest"), []
    for level in _levels(slots):
        ours = of_kind(slots, "slot", connections=level, contender="ours")
        for name in _contenders(slots):
            theirs = of_kind(slots, "slot", connections=level, contender=name)
            setting = f", linger {theirs[0]['linger_us'] / 1000:g} ms" if "linger_us" in theirs[0] else ""
            ms = [f"{_of(theirs, lambda slot, p=p: slot[p]).median:.2f}" for p in ("p50_ms", "p99_ms")]
            costs = [_cost(theirs, of) for of in ("contender", "kafka", "generator")]
            ratio = "" if name == "ours" else _ratio(ours, theirs)
            rows.append([str(level), NAMES[name] + setting, _ranged(_rate(theirs), ",.0f"), ratio, *ms, *costs, _memory(theirs)])
    head = ["connections", "who", "orders/s", "ours by this", "p50 ms", "p99 ms", "CPU-µs/order", "of the broker", "of the generator", "peak MiB"]
    return _table(head, rows)


def _ceilings(lines: list[Line]) -> str:
    """What the parts give alone, and how much of their sum in series is reached."""
    found, rows = of_kind(lines, "ceiling"), []
    raw = {line["name"]: line["rate"] for line in found if line["connections"] == 0}
    for line in found:
        where = f"{line['connections']} connections" if line["connections"] else "one client"
        reached = ""
        if line["name"] == "parse" and "produce" in raw:
            ours = of_kind(lines, "slot", test="ingest", contender="ours", connections=line["connections"])
            reached = f"{_rate(ours).median * (1 / line['rate'] + 1 / raw['produce']):.2f}" if ours else ""
        rows.append([line["name"], line["what"], where, f"{line['rate']:,.0f}", reached])
    head = ["ceiling", "what", "with", "a second", "ours by parse, then produce"]
    return "What its parts give, each alone on the machine:\n\n" + _table(head, rows) if rows else ""


def _sink(lines: list[Line]) -> str:
    slots = of_kind(lines, "slot", test="sink")
    ours, rows = of_kind(slots, "slot", contender="ours"), []
    for name in _contenders(slots):
        theirs = of_kind(slots, "slot", contender=name)
        costs = [_cost(theirs, of) for of in ("contender", "postgres", "kafka")]
        ratio = "" if name == "ours" else _ratio(ours, theirs)
        rows.append([NAMES[name], _ranged(_rate(theirs), ",.0f"), ratio, *costs, _memory(theirs), theirs[0]["guarantee"]])
    orders = f"{slots[0]['orders']:,} placed orders of four lines, from the start of the process to lag 0.\n\n"
    head = ["who", "orders/s", "ours by this", "CPU-µs/order", "of Postgres", "of the broker", "peak MiB", "guarantee"]
    return orders + _table(head, rows)


def _killed(lines: list[Line]) -> str:
    rows = [[NAMES[line["contender"]], str(line["lost"]), str(line["doubled"])] for line in of_kind(lines, "kill")]
    if not rows:
        return ""
    return "Killed with `kill -9` a third of the way and started again:\n\n" + _table(["who", "orders lost", "orders counted twice"], rows)


def _limits(lines: list[Line]) -> str:
    units = {line["name"]: line["unit"] for line in of_kind(lines, "limit")}
    rates = _limit_rates(lines).items()
    rows = [[name, f"{before:,.0f}", f"{after:,.0f}", f"{drift(before, after):+.0%}", units[name]] for name, (before, after) in rates]
    return _table(["limit", "at the start", "at the end", "moved", "of what"], rows)


def _skipped(lines: list[Line]) -> list[str]:
    return [f"Skipped: {line['what']}. {line['why']}." for line in of_kind(lines, "skipped")]


def plots(lines: list[Line]) -> dict[str, str]:
    found = {}
    if slots := of_kind(lines, "slot", test="ingest"):
        names = _contenders(slots)
        bars = [[_rate(of_kind(slots, "slot", connections=level, contender=name)) for name in names] for level in _levels(slots)]
        groups = [chart.Group(f"{level} connections", bar) for level, bar in zip(_levels(slots), bars, strict=True)]
        found["ingest"] = chart.bars("Orders a second over HTTP into the log", [NAMES[name] for name in names], groups)
    if slots := of_kind(lines, "slot", test="sink"):
        names = _contenders(slots)
        bars_of_sink = [_rate(of_kind(slots, "slot", contender=name)) for name in names]
        title = "Orders a second from the log into the tables of analytics"
        found["sink"] = chart.bars(title, [NAMES[name] for name in names], [chart.Group("catching up", bars_of_sink)])
    return found


def summary(lines: list[Line]) -> str:
    """The README's: ours beside the strongest peer."""
    rows = []
    ingest = of_kind(lines, "slot", test="ingest")
    for level in _levels(ingest):
        ours, go = (of_kind(ingest, "slot", connections=level, contender=name) for name in ("ours", "go"))
        if ours and go:
            rows.append([f"orders over HTTP, {level} connections", *_pair(ours, go)])
    sink = of_kind(lines, "slot", test="sink")
    peers = [name for name in _contenders(sink) if name.startswith("go-")]
    if sink and peers:
        best = max(peers, key=lambda name: _rate(of_kind(sink, "slot", contender=name)).median)
        pair = [of_kind(sink, "slot", contender=name) for name in ("ours", best)]
        rows.append(["catching up, analytics", *_pair(*pair)])
    return _table(["a second, two cores for everything", "Orderflow", "Go, the same work", "ratio, paired"], rows) + "\n"


def _pair(ours: list[Line], theirs: list[Line]) -> list[str]:
    return [f"{_rate(ours).median:,.0f}", f"{_rate(theirs).median:,.0f}", _ratio(ours, theirs)]
