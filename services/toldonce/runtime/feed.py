"""One tail of the log a process: whoever follows the state of stories follows it here.

A reader begins with OPEN (the position up to which all heads are written, then the heads) and goes
on with the log after that position; what a head already contains is left out. Each message is
decoded once. Every subscriber gets all of it in order through a queue of its own with a length: a
slow one slows the feed and never loses. A message that cannot be read stops its story, not the
feed. When the log has a hole or went back, everything begins anew with a snapshot.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import structlog

from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import FOLD_VERSION
from toldonce.runtime import garbage, names
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_logged
from toldonce.runtime.history import last_of
from toldonce.runtime.log import Log, Stored
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import OpenStory, StoryKey, place_of, unpack_open
from toldonce.runtime.table import Row, Table
from toldonce.runtime.telemetry import UNREADABLE

__all__ = ["Exact", "Feed", "OpenStory", "Subscriber"]

QUEUE_BATCHES_MAX = 16
PAUSE_S = 0.1
PAUSE_MAX_S = 5.0
_BREATH = 64

_log = structlog.get_logger()


class Subscriber(Protocol):
    """Somebody who follows the state of stories; what it raises ends the feed."""

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """Begin (again) with these stories; everything up to log sequence `position` is in them."""
        ...

    async def records(self, batch: Sequence[Logged]) -> None:
        """Take what was appended next, in log order, without what a head already contained."""
        ...


@runtime_checkable
class Exact(Protocol):
    """A subscriber that also wants to know how far it is, whatever was left out on the way."""

    async def reached(self, position: int) -> None:
        """Know that everything up to log sequence `position` has been given."""
        ...


class Feed:
    """The one tail of a process."""

    def __init__(self, log: Log, table: Table, *, meter: Meter | None = None) -> None:
        """Follow `log`; `table` is OPEN."""
        self._log = log
        self._table = table
        self._meter = meter or Meter()
        self._lines: list[_Line] = []
        self._moved = asyncio.Event()
        self._stopped: dict[StoryKey, int] = {}
        self._unread: dict[StoryKey, int] = {}
        self._ended: dict[StoryKey, int] = {}
        self._ahead: dict[StoryKey, int] = {}
        self._pause_s = PAUSE_S

    @property
    def position(self) -> int:
        """The log sequence up to which every subscriber has taken everything; 0 at the start."""
        return min((line.position for line in self._lines), default=0)

    @property
    def wanted(self) -> bool:
        """Whether anybody has subscribed."""
        return bool(self._lines)

    @property
    def stopped(self) -> Mapping[StoryKey, int]:
        """The stories nobody here hears of any more, and the sequence that could not be read."""
        return self._stopped

    @property
    def unread(self) -> Mapping[StoryKey, int]:
        """The same stories, and the latest sequence of each that was passed over."""
        return self._unread

    @property
    def ended(self) -> Mapping[StoryKey, int]:
        """Stories that OPEN only marked and that had ended, with their last sequence."""
        return self._ended

    def subscribe(self, name: str, subscriber: Subscriber) -> None:
        """Give `subscriber` everything; to be called before `run`."""
        self._lines.append(_Line(name, subscriber, self._move))

    async def run(self) -> None:
        """Follow for ever; raises what a subscriber raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for line in self._lines:
                    group.create_task(line.run(), name=f"feed to {line.name}")
                group.create_task(self._read(), name="feed")
        except BaseExceptionGroup as failed:
            first: BaseException = failed
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    async def wait_for(self, sequence: int, timeout_s: float) -> None:
        """Return once every subscriber has taken log sequence `sequence`; raises Unavailable."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.position < sequence:
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable(
                f"This process has not read the log up to {sequence} yet.", retry_s=0.2
            ) from None

    async def _read(self) -> None:
        while True:
            try:
                await self._follow()
            except Unavailable as error:
                _log.warning("the feed begins anew", sentence=str(error), retry_s=self._pause_s)
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)

    async def _follow(self) -> None:
        with garbage.kept():
            position, stories = await self._open()
            garbage.settle(len(stories))
        newest = max((story.sequence for story in stories), default=0)
        self._ahead = {
            (story.tenant, story.customer): story.sequence
            for story in stories
            if story.sequence > position
        }
        await self._give(_Snapshot(stories, position))
        async with contextlib.aclosing(self._log.tail(after=position)) as batches:
            async for batch in batches:
                records = await self._decode(batch)
                await self._give(_Batch(records, batch[-1].sequence))
                self._pause_s = PAUSE_S
                if self._ahead and batch[-1].sequence >= newest:
                    self._ahead = {}

    async def _open(self) -> tuple[int, list[OpenStory]]:
        """Read the position, then the heads: they hold at least all there is up to it."""
        self._stopped.clear()
        self._unread.clear()
        self._ended.clear()
        self._ahead.clear()
        place = await self._table.get(names.OPEN_POSITION_KEY)
        position = place_of(place.value) if place is not None else 0
        stories = []
        for number, row in enumerate(await self._table.rows(f"{names.OPEN.prefix}.")):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            if row.key != names.OPEN_POSITION_KEY:
                story = await self._story(row)
                if story is not None and not story.head.terminal:
                    stories.append(story)
        return position, stories

    async def _story(self, row: Row) -> OpenStory | None:
        _, tenant, customer = row.key.split(".")
        try:
            sequence, head = unpack_open(row.value)
            if head is not None and head.fold_version <= FOLD_VERSION:
                return OpenStory(tenant, customer, head, sequence, row.value)
        except Garbled:
            sequence = place_of(row.value)
        # whoever wrote this row could not read the story either, or was newer: look for ourselves
        stored = await last_of(self._log, tenant, customer)
        if stored is None:
            return None
        logged = self._logged(stored)
        if logged is None:
            return None
        if logged.record.head.terminal:
            self._ended[tenant, customer] = logged.sequence
        return OpenStory(tenant, customer, logged.record.head, logged.sequence)

    async def _decode(self, batch: Sequence[Stored]) -> list[Logged]:
        found = []
        for number, stored in enumerate(batch):
            if number % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
            logged = self._logged(stored)
            if logged is not None:
                found.append(logged)
        return found

    def _logged(self, stored: Stored) -> Logged | None:
        """Read one message unless a head contains it or its story has stopped."""
        try:
            key = names.story_of(stored.subject)
        except Invalid:
            self._count(stored, "foreign")
            return None
        if stored.sequence <= self._ahead.get(key, 0):
            return None
        if key in self._stopped:
            self._unread[key] = stored.sequence
            return None
        read = _read(stored, key)
        if isinstance(read, Logged):
            return read
        self._stopped[key] = self._unread[key] = stored.sequence
        self._count(stored, read)
        return None

    def _count(self, stored: Stored, reason: str) -> None:
        self._meter.add(UNREADABLE, reason)
        _log.error("a message cannot be read", sequence=stored.sequence, reason=reason)

    async def _give(self, item: "_Snapshot | _Batch") -> None:
        for line in self._lines:
            await line.queue.put(item)

    def _move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    stories: Sequence[OpenStory]
    position: int


@dataclass(frozen=True, slots=True)
class _Batch:
    records: Sequence[Logged]
    position: int


class _Line:
    """A subscriber, its queue, and how far it is."""

    def __init__(self, name: str, subscriber: Subscriber, moved: Callable[[], None]) -> None:
        self.name = name
        self.position = 0
        self.queue: asyncio.Queue[_Snapshot | _Batch] = asyncio.Queue(QUEUE_BATCHES_MAX)
        self._subscriber = subscriber
        self._moved = moved

    async def run(self) -> None:
        to = self._subscriber
        while True:
            match await self.queue.get():
                case _Snapshot(stories, position):
                    await to.snapshot(stories, position)
                case _Batch(records, position):
                    if records:
                        await to.records(records)
            if isinstance(to, Exact):
                await to.reached(position)
            self.position = position
            self._moved()


def _read(stored: Stored, key: StoryKey) -> Logged | str:
    """Decode one message, or say why it cannot be."""
    try:
        logged = decode_logged(stored.payload, stored.sequence)
    except UnknownFact:
        return "unknown fact"
    except Garbled:
        return "garbled"
    if (logged.record.tenant, logged.record.customer) != key:
        return "misplaced"
    if logged.record.head.fold_version > FOLD_VERSION:
        return "newer fold"
    return logged
