"""The rows beside the alarms: for each story, what its timers were planned from and when they fire.

A row is changed by compare-and-set and remembered as it was last seen; what is remembered may be
behind, never ahead. One of an earlier generation counts for nothing: its alarms are gone.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from toldonce.runtime import alarms, names
from toldonce.runtime.alarms import Write
from toldonce.runtime.table import Table

ROW_KEPT_S = 24 * 3_600.0  # after its last timer; one that is put off for longer comes all the same
READS_MAX = 64

type Story = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """When a story's timers fire (us), as of log `sequence` and the policy's `revision`."""

    sequence: int
    revision: int
    timers: dict[str, int]

    @property
    def place(self) -> tuple[int, int]:
        """Say which of two rows is newer."""
        return self.sequence, self.revision


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row as it was last seen: its place in the stream (0: there is none), and its bytes."""

    revision: int
    value: bytes = b""


class Rows:
    """The rows of one generation; `learn` hears the instants of those that others wrote."""

    def __init__(self, table: Table, learn: Callable[[Iterable[int]], None]) -> None:
        """Remember nothing yet."""
        self.generation = ""
        self.written = 0
        self._empty = False
        self._table = table
        self._learn = learn
        self._seen: dict[Story, _Seen] = {}

    def forget(self, *, empty: bool) -> None:
        """Remember nothing any more, or that there is nothing."""
        self._seen.clear()
        self.written = 0
        self._empty = empty

    def seen(self, story: Story) -> Row | None:
        """Give a row as it was last seen."""
        found = self._seen.get(story)
        return None if found is None else self._parse(found.value)

    async def know(self, stories: Iterable[Story]) -> None:
        """Read the rows of which nothing is remembered; raises Unavailable."""
        unknown = [story for story in stories if story not in self._seen]
        if self._empty:
            self._seen |= dict.fromkeys(unknown, _Seen(0))
        else:
            await self.read(unknown)

    async def read(self, stories: Iterable[Story]) -> None:
        """Read rows as they stand now, some at a time; raises Unavailable."""
        line = tuple(dict.fromkeys(stories))
        left = iter(line)

        async def reader() -> None:
            for story in left:
                await self._read(story)

        readers = [asyncio.ensure_future(reader()) for _ in range(min(READS_MAX, len(line)))]
        try:
            await asyncio.gather(*readers)
        finally:
            for one in readers:
                one.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self, story: Story) -> None:
        before = self._seen.get(story)
        found = await self._table.get(names.timers_key(*story))
        now = _Seen(0) if found is None else _Seen(found.revision, found.value)
        self._seen[story] = now
        row = self._parse(now.value)
        if row is not None and (before is None or before.revision != now.revision):
            self._learn(row.timers.values())

    def write(self, story: Story, row: Row, *, last_s: float) -> Write:
        """Make the write over the row remembered, of which the last timer fires in `last_s`."""
        expected = self._seen[story].revision
        ttl_s = ROW_KEPT_S + max(0.0, last_s)
        key = names.timers_key(*story)
        return alarms.row(key, self._bytes(row), expected=expected, ttl_s=ttl_s)

    def wrote(self, story: Story, write: Write, revision: int) -> None:
        """Remember what was written."""
        self._seen[story] = _Seen(revision, write.value)
        self.written = max(self.written, revision)

    def doubt(self, story: Story) -> None:
        """Remember nothing of a story: what was written of it may stand or not."""
        self._seen.pop(story, None)
        self._empty = False

    def _bytes(self, row: Row) -> bytes:
        words = [self.generation, str(row.sequence), str(row.revision)]
        for own, fires_us in row.timers.items():
            words += (own, str(fires_us))
        return " ".join(words).encode()

    def _parse(self, value: bytes) -> Row | None:
        generation, *words = value.decode().split() or [""]
        if generation != self.generation or not words:
            return None
        sequence, revision, *timers = words
        instants = map(int, timers[1::2])
        return Row(int(sequence), int(revision), dict(zip(timers[::2], instants, strict=True)))
