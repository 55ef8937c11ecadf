"""Who takes part: what bench/peers/*/contenders.toml and bench/harness/ours.toml say. Starts nothing.

How a contender is added: bench/peers/README.md.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent / "peers"
OURS = Path(__file__).with_name("ours.toml")
# The last ones are of ours only.
KINDS = ["ingest", "analytics", "mails", "inventory", "steady", "overload", "replay"]
# The mail server of the bench.
NEEDS = {"steady": "go"}
Settings = dict[str, str]


@dataclass(frozen=True)
class Contender:
    """One line of a table of the page."""

    kind: str
    name: str
    title: str
    folder: str
    # An executable that the folder's `build` makes. None: a limit, which the harness runs itself.
    program: str = ""
    settings: Settings = field(default_factory=dict)
    # Sets of settings that are tried at each number of connections; its best is used there.
    tries: list[Settings] = field(default_factory=list)
    tries_quick: list[Settings] = field(default_factory=list)
    # What it needs before it is measured, beside what everybody gets.
    warm_up_seconds: int = 0
    # A quick run leaves it out, or measures it only at these numbers of connections.
    quick: bool = True
    # It is started as seldom as can be.
    starts_slowly: bool = False
    levels_quick: list[int] = field(default_factory=list)
    guarantee: str = ""
    # How the harness sees how far it is: by the table `positions`, what the group has committed to Kafka, or
    # by counting rows.
    progress: str = "positions"
    # The tables that it fills; none named: all of its kind.
    tables: list[str] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        return self.name.partition("-")[0] == "ours"

    def tries_of(self, is_quick: bool) -> list[Settings]:
        tries = (self.tries_quick if is_quick else []) or self.tries
        return tries[:1] if is_quick and self.starts_slowly else tries


def read(path: Path) -> list[Contender]:
    """Those of one file."""
    said = tomllib.loads(path.read_text())
    return [_contender(path, entry) for entry in said["contender"]]


def _contender(path: Path, entry: dict) -> Contender:
    kind = entry.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{path}: the kind {kind!r} is none of {', '.join(KINDS)}")
    try:
        return Contender(folder=path.parent.name, **entry)
    except TypeError as error:
        raise ValueError(f"{path}: {entry.get('name')}: {error}") from error


def everyone() -> list[Contender]:
    """Ours first, then the peers by folder, the limits last."""
    found = [contender for path in [OURS, *sorted(PEERS.glob("*/contenders.toml"))] for contender in read(path)]
    return sorted(found, key=lambda contender: not contender.program)


def selected(all_of_them: Iterable[Contender], only: Iterable[str]) -> list[Contender]:
    """Those of the kinds and names that were asked for. Whoever asks for a peer gets ours beside it."""
    everybody, asked = list(all_of_them), set(only)
    if not asked:
        return everybody
    named = [c for c in everybody if c.kind in asked or c.name in asked or c.name.partition("-")[0] in asked]
    kinds = {c.kind for c in named}
    return [c for c in everybody if c in named or (c.is_ours and c.kind in kinds)]


class Built:
    """What the peers' `build` has left: programs, and what it said."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.said = {path.stem: _pairs(path) for path in sorted(binaries.glob("*.said")) if path.exists()}

    def why_missing(self, contender: Contender) -> str | None:
        """The reason, or nothing where its program is there."""
        if not contender.program or (self.binaries / contender.program).exists():
            return None
        return next((what for word, what in self.said.get(contender.folder, []) if word == "missing"), "it is not built")

    def versions(self) -> dict[str, str]:
        found = [what.partition(" ") for said in self.said.values() for word, what in said if word == "version"]
        return {name: version for name, _, version in found}

    def skipped(self) -> list[tuple[str, str]]:
        """What a `build` left out of its own accord, and why."""
        found = [what.partition(": ") for said in self.said.values() for word, what in said if word == "skipped"]
        return [(what, why) for what, _, why in found]


def _pairs(path: Path) -> list[tuple[str, str]]:
    lines = [line.partition(" ") for line in path.read_text().splitlines()]
    return [(word, rest.strip()) for word, _, rest in lines]


def described(contenders: Iterable[Contender]) -> list[dict]:
    """What the page has to know of them."""
    return [{"test": c.kind, "name": c.name, "title": c.title, "guarantee": c.guarantee, "settings": c.settings} for c in contenders]


def folders(contenders: Iterable[Contender]) -> list[str]:
    """Whose `build` is needed."""
    of_peers = {c.folder for c in contenders if c.folder != OURS.parent.name}
    return sorted(of_peers | {NEEDS[c.kind] for c in contenders if c.kind in NEEDS})
