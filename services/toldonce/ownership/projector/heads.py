"""Keeps OPEN: the latest head of every story with something not terminal, and how far that goes.

Any number of processes may do this at once: a row is written by compare-and-set and only with a
later log position than the one that stands there, so a slow one changes nothing. The end of a
story is a tombstone with its log position, gone after a day. The row `position` follows only when
everything up to it is written. What changed several times meanwhile is written once.
"""

import asyncio
import itertools
from collections.abc import Sequence

from toldonce.kernel.errors import Conflict, Refusal, Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.runtime import names
from toldonce.runtime.feed import Feed, OpenStory
from toldonce.runtime.logs import logger
from toldonce.runtime.open_rows import StoryKey, pack_open, place_of
from toldonce.runtime.table import Table

FLUSH_S = 0.25
FLUSH_STORIES_MAX = 1024
PENDING_MAX = 20_000
WRITES_MAX = 32
TRIES_MAX = 5
TOMBSTONE_S = 24 * 3600.0
RETRY_S = 0.5

_log = logger()


class HeadKeeper:
    """A subscriber of the feed that writes OPEN; `run` must be running."""

    def __init__(self, table: Table, feed: Feed, *, flush_s: float = FLUSH_S) -> None:
        """Subscribe to `feed`; `table` is OPEN. A change is written after at most `flush_s`."""
        self._table = table
        self._feed = feed
        self._flush_s = flush_s
        self._open: dict[StoryKey, OpenStory] = {}
        self._pending: dict[StoryKey, int] = {}
        self._position = 0
        self._written = 0
        self._revisions: dict[str, int] = {}
        self._said_stopped: dict[StoryKey, int] = {}
        self._writes = asyncio.Semaphore(WRITES_MAX)
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        feed.subscribe("heads", self)

    @property
    def written(self) -> int:
        """The log sequence up to which every head is in OPEN."""
        return self._written

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`: what stands in OPEN need not be written.

        Where the row was left by somebody who could not read the story, it is written now.
        """
        self._open = {(story.tenant, story.customer): story for story in stories}
        unsaid = (story for story in stories if not story.row)
        self._pending = {(story.tenant, story.customer): story.sequence for story in unsaid}
        self._pending |= self._feed.ended
        self._said_stopped = {}
        if self._pending:
            self._wake.set()
        self._position = self._written = position

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`; waits while too much is not written yet."""
        while len(self._pending) >= PENDING_MAX:
            self._room.clear()
            await self._room.wait()
        for logged in batch:
            record = logged.record
            key = (record.tenant, record.customer)
            if record.head.terminal:
                self._open.pop(key, None)
            else:
                self._open[key] = OpenStory(*key, record.head, logged.sequence)
            self._pending[key] = logged.sequence

    async def reached(self, position: int) -> None:
        """See `Exact.reached`."""
        self._position = position
        self._wake.set()
        if len(self._pending) >= FLUSH_STORIES_MAX:
            self._full.set()

    async def run(self) -> None:
        """Write what changes for ever; while the table is away, try again."""
        while True:
            await self._wake.wait()
            try:
                async with asyncio.timeout(self._flush_s):
                    await self._full.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            self._full.clear()
            try:
                await self._flush()
            except Refusal as error:
                _log.warning("heads not written", sentence=str(error), count=len(self._pending))
                self._wake.set()
                await asyncio.sleep(RETRY_S)

    async def _flush(self) -> None:
        """Write every change taken so far, then the position they reach to."""
        position = self._position
        taken, self._pending = self._pending, {}
        try:
            for key, sequence in self._feed.unread.items():
                if self._said_stopped.get(key) != sequence:
                    taken[key] = sequence
            for keys in itertools.batched(tuple(taken), FLUSH_STORIES_MAX):
                writes = (self._write(key, taken) for key in keys)
                for failed in await asyncio.gather(*writes, return_exceptions=True):
                    if failed is not None:
                        raise failed
            if position > self._written:
                await self._put(names.OPEN_POSITION_KEY, pack_open(position, None), position)
                self._written = position
        finally:
            self._pending = taken | self._pending
            self._room.set()

    async def _write(self, key: StoryKey, taken: dict[StoryKey, int]) -> None:
        """Write one story as it is now and take it off the list."""
        sequence = taken[key]
        story = self._open.get(key)
        row = names.open_key(*key)
        if self._feed.unread.get(key, 0) >= sequence:
            # one before the message: whoever can read that one may write its head
            stop = self._feed.unread[key]
            await self._put(row, pack_open(stop - 1, None), stop)
            self._said_stopped[key] = stop
        elif story is None:
            value = pack_open(sequence, None)
            await self._put(row, value, sequence, ttl_s=TOMBSTONE_S, tombstone=True)
            self._revisions.pop(row, None)
        else:
            await self._put(row, pack_open(story.sequence, story.head), story.sequence)
        del taken[key]

    async def _put(
        self,
        row: str,
        value: bytes,
        sequence: int,
        *,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> None:
        """Put a row unless one with the same or a later log position stands there."""
        async with self._writes:
            for _ in range(TRIES_MAX):
                try:
                    self._revisions[row] = await self._table.put(
                        row,
                        value,
                        expected=self._revisions.get(row, 0),
                        ttl_s=ttl_s,
                        tombstone=tombstone,
                    )
                except Conflict:
                    standing = await self._table.get(row)
                    self._revisions[row] = standing.revision if standing is not None else 0
                    if standing is not None and place_of(standing.value) >= sequence:
                        return
                else:
                    return
        raise Unavailable(f"The row {row} is being changed all the time.", retry_s=RETRY_S)
