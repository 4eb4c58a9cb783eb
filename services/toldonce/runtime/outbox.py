"""Answers on their way to the customer: given to their gateway at least once, until confirmed.

The heads say which answers are unconfirmed; which gateway an answer belongs to and where its words
are stands in the story's history, which is read on demand. An answer that is not confirmed is given
again every `again_s`; one that waits longer than `overdue_s` is counted and can be listed.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import EntryAppended, EntryKind
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import Story
from toldonce.runtime.clock import Clock
from toldonce.runtime.feed import Feed, OpenStory
from toldonce.runtime.history import TooNew, history_of
from toldonce.runtime.log import Log
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import StoryKey
from toldonce.runtime.telemetry import OUTBOX_OVERDUE

AGAIN_S = 30.0
OVERDUE_S = 60.0
TICK_S = 1.0
READS_MAX = 16

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pending:
    """An answer its gateway has not confirmed.

    Its words are in the log message at `sequence`, in the story of `customer`; `entry` and `case`
    are own ids.
    """

    tenant: str
    customer: str
    entry: Own
    case: Own
    gateway: str
    channel: str
    sequence: int
    at: datetime


@dataclass(slots=True)
class _Gateway:
    """What waits for one gateway, in the order it was found.

    An answer of a story that moved is held by both stories until the reader has seen the move.
    """

    waiting: dict[Own, Pending] = field(default_factory=dict)
    held: dict[Own, dict[StoryKey, Pending]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, key: StoryKey, pending: Pending) -> None:
        self.held.setdefault(pending.entry, {})[key] = pending
        self.waiting[pending.entry] = pending

    def let_go(self, key: StoryKey, entry: Own) -> None:
        held = self.held.get(entry, {})
        held.pop(key, None)
        if held:
            return
        self.held.pop(entry, None)
        self.waiting.pop(entry, None)

    def tell(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class Outbox:
    """A subscriber of the feed that knows every unconfirmed answer; `run` must be running."""

    def __init__(
        self,
        log: Log,
        feed: Feed,
        *,
        clock: Clock,
        meter: Meter | None = None,
        again_s: float = AGAIN_S,
        overdue_s: float = OVERDUE_S,
        tick_s: float = TICK_S,
    ) -> None:
        """Subscribe to `feed`; histories are read from `log`."""
        self._log = log
        self._clock = clock
        self._meter = meter or Meter()
        self._again_s = again_s
        self._overdue_s = overdue_s
        self._tick_s = tick_s
        self._wanted: dict[StoryKey, dict[Own, datetime]] = {}
        self._found: dict[StoryKey, dict[Own, Pending]] = {}
        self._gateways: dict[tuple[str, str], _Gateway] = {}
        self._unread: dict[StoryKey, None] = {}
        self._wake = asyncio.Event()
        feed.subscribe("outbox", self)

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`; histories are read by `run`, so the feed goes on."""
        del position
        present = {(story.tenant, story.customer) for story in stories if story.head.unconfirmed}
        for key in tuple(self._wanted):
            if key not in present:
                self._forget(key, tuple(self._wanted.pop(key)))
        for story in stories:
            if story.head.unconfirmed:
                self._want((story.tenant, story.customer), story.head, {})

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""
        for logged in batch:
            record = logged.record
            key = (record.tenant, record.customer)
            if record.head.unconfirmed or key in self._wanted:
                self._want(key, record.head, answers(record, logged.sequence))

    def waiting(self, tenant: str, gateway: str) -> tuple[Pending, ...]:
        """List what a gateway has not confirmed, in log order."""
        known = self._gateways.get((tenant, gateway))
        found = known.waiting.values() if known is not None else ()
        return tuple(sorted(found, key=lambda pending: pending.sequence))

    def pending(self, tenant: str, gateway: str, entry: Own) -> Pending | None:
        """Find one answer that a gateway has not confirmed."""
        known = self._gateways.get((tenant, gateway))
        return known.waiting.get(entry) if known is not None else None

    def overdue(self, tenant: str) -> tuple[Pending, ...]:
        """List a tenant's answers that wait for longer than `overdue_s`, in log order."""
        found = (
            pending
            for (whose, _), known in self._gateways.items()
            if whose == tenant
            for pending in known.waiting.values()
            if self._late(pending.at)
        )
        return tuple(sorted(found, key=lambda pending: pending.sequence))

    async def watch(
        self, tenant: str, gateway: str, *, after_sequence: int = 0
    ) -> AsyncGenerator[Pending]:
        """Give every unconfirmed answer of a gateway, then each new one, for ever.

        Those up to log sequence `after_sequence` are taken as seen; like any other they are given
        again every `again_s` until confirmed. Close it (`contextlib.aclosing`) when leaving early.
        """
        known = self._gateways.setdefault((tenant, gateway), _Gateway())
        start_s = self._clock.monotonic()
        given: dict[Own, float] = {
            entry: start_s
            for entry, pending in known.waiting.items()
            if pending.sequence <= after_sequence
        }
        while True:
            changed = known.changed
            for pending in self._due(known, given):
                if pending.entry in known.waiting:
                    given[pending.entry] = self._clock.monotonic()
                    yield pending
            given = {entry: at_s for entry, at_s in given.items() if entry in known.waiting}
            try:
                async with asyncio.timeout(self._tick_s):
                    await changed.wait()
            except TimeoutError:
                continue

    async def run(self) -> None:
        """Read the histories that are asked for and count what is overdue, for ever."""
        while True:
            try:
                async with asyncio.timeout(self._tick_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            for keys in itertools.batched(tuple(self._unread), READS_MAX):
                await asyncio.gather(*(self._read(key) for key in keys))
            late = sum(self._late(at) for of in self._wanted.values() for at in of.values())
            self._meter.set(OUTBOX_OVERDUE, late)

    def _due(self, known: _Gateway, given: Mapping[Own, float]) -> list[Pending]:
        now_s = self._clock.monotonic()
        due = (
            pending
            for entry, pending in known.waiting.items()
            if entry not in given or now_s - given[entry] >= self._again_s
        )
        return sorted(due, key=lambda pending: pending.sequence)

    def _late(self, at: datetime) -> bool:
        return (self._clock.now() - at).total_seconds() > self._overdue_s

    def _want(self, key: StoryKey, head: Story, fresh: Mapping[Own, Pending]) -> None:
        """Hold exactly the answers the head says are unconfirmed."""
        wanted = {answer.entry: answer.at for answer in head.unconfirmed}
        found = self._found.get(key, {})
        self._forget(key, [entry for entry in found if entry not in wanted])
        if not wanted:
            self._wanted.pop(key, None)
            self._unread.pop(key, None)
            return
        self._wanted[key] = wanted
        self._add(key, fresh.values())
        if len(self._found.get(key, ())) < len(wanted):
            self._unread[key] = None
            self._wake.set()

    def _add(self, key: StoryKey, some: Iterable[Pending]) -> None:
        for pending in some:
            if pending.entry in self._wanted.get(key, ()):
                self._found.setdefault(key, {})[pending.entry] = pending
                known = self._gateways.setdefault((key[0], pending.gateway), _Gateway())
                known.hold(key, pending)
                known.tell()

    def _forget(self, key: StoryKey, entries: Iterable[Own]) -> None:
        found = self._found.get(key, {})
        for entry in entries:
            pending = found.pop(entry, None)
            if pending is not None:
                known = self._gateways[key[0], pending.gateway]
                known.let_go(key, entry)
        if not found:
            self._found.pop(key, None)

    async def _read(self, key: StoryKey) -> None:
        """Find a story's answers in its history; an unreadable one is left until more is told."""
        tenant, customer = key
        self._unread.pop(key, None)  # what comes while it is read asks for it again
        try:
            history = await history_of(self._log, tenant, customer)
        except (Rejected, TooNew) as refusal:
            _log.error("answers cannot be found", tenant=tenant, sentence=str(refusal))
        except Unavailable as error:
            _log.warning("answers not found yet", tenant=tenant, sentence=str(error))
            if key in self._wanted:
                self._unread[key] = None
        else:
            for logged in history:
                self._add(key, answers(logged.record, logged.sequence).values())


def answers(record: Record, sequence: int) -> dict[Own, Pending]:
    """Find the answers to the customer that one append holds, by entry."""
    return {
        event.entry: Pending(
            tenant=record.tenant,
            customer=record.customer,
            entry=event.entry,
            case=event.case,
            gateway=event.gateway,
            channel=event.channel,
            sequence=sequence,
            at=record.at,
        )
        for event in record.events
        if isinstance(event, EntryAppended) and event.kind is EntryKind.MESSAGE_OUT
    }
