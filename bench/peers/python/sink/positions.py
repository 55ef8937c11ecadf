"""Where this member of the group stands. A position moves by compare-and-set, in the transaction of the
rows; whoever lost a partition cannot write."""

from dataclasses import dataclass

import asyncpg

TAKE = """
    INSERT INTO positions (topic, partition, topic_id, epoch, next_offset) VALUES ($1, $2, '', 1, 0)
    ON CONFLICT (topic, partition) DO UPDATE SET epoch = positions.epoch + 1, updated_at = clock_timestamp()
    RETURNING epoch, next_offset"""
ADVANCE = """
    UPDATE positions AS p SET next_offset = s.next, updated_at = clock_timestamp()
    FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS s (partition, epoch, before, next)
    WHERE p.topic = $1 AND p.partition = s.partition AND p.epoch = s.epoch AND p.next_offset = s.before"""


class Fenced(Exception):
    """A position is not where this member left it."""


@dataclass
class Position:
    epoch: int
    next: int


class Positions:
    """Those of the partitions that are ours."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.held: dict[int, Position] = {}

    async def take(self, database: asyncpg.Connection, partition: int) -> int:
        """The partition is ours from here on; where it goes on."""
        row = await database.fetchrow(TAKE, self.topic, partition)
        self.held[partition] = Position(row["epoch"], row["next_offset"])
        return row["next_offset"]

    def first_of(self, partition: int, first: int, last: int) -> int | None:
        """Where what comes next begins in records from `first` to `last`; nothing where it does not."""
        held = self.held.get(partition)
        return held.next if held is not None and first <= held.next <= last else None

    async def advance(self, database: asyncpg.Connection, behind: dict[int, int]) -> None:
        held = [self.held[partition] for partition in behind]
        epochs, before = [one.epoch for one in held], [one.next for one in held]
        moved = await database.execute(ADVANCE, self.topic, list(behind), epochs, before, list(behind.values()))
        if moved != f"UPDATE {len(behind)}":
            raise Fenced(moved)

    def passed(self, behind: dict[int, int]) -> None:
        for partition, offset in behind.items():
            self.held[partition].next = offset
