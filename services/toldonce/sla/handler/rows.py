"""The rows beside the alarms: for each story, what its timers were planned from and when they fire.

A row is changed by compare-and-set and remembered as it was last seen; what is remembered may be
behind, never ahead. One of an earlier generation counts for nothing: its alarms are gone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from toldonce.kernel.errors import Conflict
from toldonce.runtime import names
from toldonce.runtime.table import Table

ROW_KEPT_S = 24 * 3_600.0  # after its last timer; one that is put off for longer comes all the same

type Story = tuple[str, str]


class Alarm(NamedTuple):
    """When a timer fires (microseconds since 1970), and which alarm waits for it (0: none)."""

    fires_us: int
    revision: int


@dataclass(frozen=True, slots=True)
class Row:
    """The timers of a story as of log `sequence` and the policy's `revision`."""

    sequence: int
    revision: int
    timers: dict[str, Alarm]

    @property
    def place(self) -> tuple[int, int]:
        """Say which of two rows is newer."""
        return self.sequence, self.revision

    def fires_us(self, own: str) -> int | None:
        """Say when a timer fires; None: not at all."""
        alarm = self.timers.get(own)
        return None if alarm is None else alarm.fires_us


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
        self._table = table
        self._learn = learn
        self._seen: dict[Story, _Seen] = {}

    def forget(self) -> None:
        """Remember nothing any more."""
        self._seen.clear()
        self.written = 0

    def seen(self, story: Story) -> Row | None:
        """Give a row as it was last seen."""
        found = self._seen.get(story)
        return None if found is None else self._parse(found.value)

    async def get(self, story: Story) -> Row | None:
        """Give a row as it is remembered, or else read it."""
        return self.seen(story) if story in self._seen else await self.read(story)

    async def read(self, story: Story) -> Row | None:
        """Read a row; raises Unavailable."""
        before = self._seen.get(story)
        found = await self._table.get(names.timers_key(*story))
        now = _Seen(0) if found is None else _Seen(found.revision, found.value)
        self._seen[story] = now
        row = self._parse(now.value)
        if row is not None and (before is None or before.revision != now.revision):
            self._learn(alarm.fires_us for alarm in row.timers.values())
        return row

    async def put(self, story: Story, row: Row, *, last_s: float) -> bool:
        """Write a row over the one remembered, whose last timer fires in `last_s`.

        False when it was not the last: nothing is remembered of it then. Raises Unavailable.
        """
        seen = self._seen.pop(story)
        value = self._bytes(row)
        ttl_s = ROW_KEPT_S + max(0.0, last_s)
        key = names.timers_key(*story)
        try:
            revision = await self._table.put(key, value, expected=seen.revision, ttl_s=ttl_s)
        except Conflict:
            return False
        self._seen[story] = _Seen(revision, value)
        self.written = max(self.written, revision)
        return True

    def _bytes(self, row: Row) -> bytes:
        words = [self.generation, str(row.sequence), str(row.revision)]
        for own, alarm in row.timers.items():
            words += (own, str(alarm.fires_us), str(alarm.revision))
        return " ".join(words).encode()

    def _parse(self, value: bytes) -> Row | None:
        generation, *words = value.decode().split() or [""]
        if generation != self.generation or not words:
            return None
        sequence, revision, *timers = words
        alarms = map(Alarm, map(int, timers[1::3]), map(int, timers[2::3]))
        return Row(int(sequence), int(revision), dict(zip(timers[::3], alarms, strict=True)))
