"""A table in memory: revisions over all keys, compare-and-set, tombstones, time to live."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from toldonce.kernel.errors import Conflict, Unavailable
from toldonce.runtime.clock import Clock, LoopClock
from toldonce.runtime.log import check_subject
from toldonce.runtime.table import Row, check_put

_WATCH_MAX = 256


@dataclass(frozen=True, slots=True)
class _Kept:
    row: Row
    ends_at: float | None


class FakeTable:
    """`runtime.table.Table` in memory; time to live runs on the clock given (the loop's)."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        """Start empty; set `down` to make it unreachable."""
        self.down = False
        self._clock = clock or LoopClock()
        self._rows: dict[str, _Kept] = {}
        self._last = 0
        self._grew = asyncio.Event()

    async def get(self, key: str) -> Row | None:
        """See `Table.get`."""
        check_subject(key)
        await self._reachable()
        return self._live(key)

    async def put(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> int:
        """See `Table.put`."""
        check_put(key, value, expected=expected, ttl_s=ttl_s)
        await self._reachable()
        row = self._live(key)
        current = row.revision if row is not None else 0
        if expected is not None and expected != current:
            raise Conflict(f"{key} was changed by somebody else.", current)
        self._last += 1
        ends_at = None if ttl_s is None else self._clock.monotonic() + ttl_s
        kept = Row(key, value, self._last, tombstone or not value)
        # a dict keeps insertion order: moving the key to its end keeps rows in order of revision
        self._rows.pop(key, None)
        self._rows[key] = _Kept(kept, ends_at)
        self.wake()
        return self._last

    async def rows(self, prefix: str = "") -> list[Row]:
        """See `Table.rows`."""
        await self._reachable()
        found = (self._live(key) for key in sorted(self._rows) if key.startswith(prefix))
        return [row for row in found if row is not None and not row.tombstone]

    async def watch(self, *, after: int) -> AsyncGenerator[list[Row]]:
        """See `Table.watch`."""
        position = after
        if position > self._last:
            raise Unavailable(f"The table ends at {self._last}, before {position}.")
        while True:
            grew = self._grew
            found = (self._live(key) for key in tuple(self._rows))
            batch = [row for row in found if row is not None and row.revision > position]
            if batch and not self.down:
                position = batch[:_WATCH_MAX][-1].revision
                yield batch[:_WATCH_MAX]
            else:
                await grew.wait()

    async def last_revision(self) -> int:
        """See `Table.last_revision`."""
        await self._reachable()
        return self._last

    def peek(self, key: str) -> Row | None:
        """Give what stands under a key, at once, for whoever looks from outside."""
        return self._live(key)

    def wake(self) -> None:
        """Let watchers look again (after `down` was set back, for one)."""
        grew, self._grew = self._grew, asyncio.Event()
        grew.set()

    def _live(self, key: str) -> Row | None:
        kept = self._rows.get(key)
        if kept is None:
            return None
        if kept.ends_at is not None and self._clock.monotonic() >= kept.ends_at:
            del self._rows[key]
            return None
        return kept.row

    async def _reachable(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("The table does not answer.")
