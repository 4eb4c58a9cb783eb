"""One write: load, decide, append, and again when somebody else was first.

A story's commands queue here, one at a time. An append is committed, refused or unknown; nobody is
told "failed" for something that may have happened.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.errors import Exhausted, Refusal, Rejected, Unavailable
from toldonce.kernel.ids import Own, drawn_at
from toldonce.kernel.story.events import (
    CaseOpened,
    CaseReopened,
    CaseSplit,
    CommitmentBroken,
    CommitmentKept,
    Event,
    OfferAccepted,
    Offered,
    RungClimbed,
    SlaBreached,
)
from toldonce.kernel.story.record import Logged, Placed
from toldonce.kernel.story.ring import times
from toldonce.kernel.story.types import AHEAD_MAX, HEAD_BYTES_MAX, Story
from toldonce.ownership.core import Command, Rules, decide
from toldonce.ownership.handler import past
from toldonce.ownership.handler.recorder import Ask, KeyGone, Recorder
from toldonce.ownership.handler.stories import Stories
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.envelope import digest, encode_record
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.log import Committed, Log, Refused, Unknown, message_id
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import (
    APPEND_OUTCOMES,
    APPEND_SECONDS,
    COMMITMENTS,
    HANDOFF_CONTEXT_COMPLETE,
    REPEATS,
    SLA_BREACHES,
    SLA_RUNGS,
)

TRIES_MAX = 8
WAITING_MAX = 64
WRITES_MAX = 256

type Prepare = Callable[[Placed, Command], Awaitable[Command]]


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended: the append that did it (None: it was so already) and the story after it.

    `repeated`: it had been done before; nothing was written now. `before`: the story before it.
    """

    logged: Logged | None
    placed: Placed
    repeated: bool
    before: Story | None = None


class Writer:
    """Writes to stories; one per process."""

    def __init__(
        self,
        *,
        log: Log,
        stories: Stories,
        keys: KeyRing,
        clock: Clock,
        committed: Callable[[str, str, int], None],
        meter: Meter | None = None,
    ) -> None:
        """Call `committed(tenant, customer, sequence)` after each append."""
        self._log = log
        self._stories = stories
        self._recorder = Recorder(keys, clock)
        self._clock = clock
        self._committed = committed
        self._meter = meter or Meter()
        self._handoffs = [0, 0]
        self._turns: dict[tuple[str, str], _Turn] = {}
        self._slots = asyncio.Semaphore(WRITES_MAX)

    async def write(self, ask: Ask, rules: Rules, prepare: Prepare) -> Done:
        """Do it once. Raises a Refusal when it cannot be, Unavailable when that is not known.

        `prepare` fills in what a decision needs from the history.
        """
        async with self._turn(ask.tenant, ask.customer), self._slots:
            try:
                done = await self._write(ask, rules, prepare)
            except Rejected as no:
                if no.reason == "CONTEXT_MISMATCH":
                    self._handed_over(equal=False)
                raise
        if done.repeated:
            self._meter.add(REPEATS)
        elif done.logged is not None:
            self._count(done.logged.record.events)
        return done

    def _count(self, events: tuple[Event, ...]) -> None:
        """Count what was written once."""
        if _hands_over(events):
            self._handed_over(equal=True)
        broken = {event.commitment for event in events if isinstance(event, CommitmentBroken)}
        for event in events:
            match event:
                case SlaBreached(clock=clock):
                    self._meter.add(SLA_BREACHES, clock.name.lower())
                case RungClimbed(clock=clock, paged=paged):
                    self._meter.add(SLA_RUNGS, clock.name.lower(), "page" if paged else "climb")
                case CommitmentBroken():
                    self._meter.add(COMMITMENTS, "broken")
                case CommitmentKept(commitment) if commitment not in broken:
                    self._meter.add(COMMITMENTS, "kept")
                case _:
                    pass

    def _handed_over(self, *, equal: bool) -> None:
        self._handoffs[equal] += 1
        self._meter.set(HANDOFF_CONTEXT_COMPLETE, self._handoffs[True] / sum(self._handoffs))

    async def _write(self, ask: Ask, rules: Rules, prepare: Prepare) -> Done:
        placed = self._stories.cached(ask.tenant, ask.customer)
        fresh = placed is None
        for attempt in range(TRIES_MAX):
            if placed is None:
                placed = await self._stories.load(ask.tenant, ask.customer)
            before = await self._before(ask, placed)
            if before is not None:
                return before
            try:
                command = await prepare(placed, ask.command)
                now = self._clock.now()
                at = max(now, placed.story.at or now)
                events = decide(placed.story, command, ask.by, at, rules)
            except Refusal as no:
                certain = self._log.settled and not (_by_time(no) and placed.sequence)
                if fresh and (certain or await self._still(ask, placed, attempt)):
                    raise no from None
                placed, fresh = None, True
                continue
            if not events:
                if fresh and (self._log.settled or await self._still(ask, placed, attempt)):
                    return Done(None, placed, repeated=True)
                placed, fresh = None, True
                continue
            done = await self._append(ask, placed, events, at, fresh=fresh)
            if done is not None:
                return done
            placed, fresh = None, True
        raise Unavailable("this story is very busy", operation_id=ask.by.operation)

    async def _before(self, ask: Ask, placed: Placed) -> Done | None:
        """Find the first doing of this operation, if it was done."""
        operation, story = ask.by.operation, placed.story
        known = bool(times(story.operations, operation))
        if not known and not self._may_hide(operation, story.operation_floor_at):
            return None
        before: dict[str, Story] = {}
        history = await self._stories.history(ask.tenant, ask.customer)
        for logged in history:
            record = logged.record
            if record.operation == operation:
                return Done(logged, placed, repeated=True, before=before.get(record.customer))
            before[record.customer] = record.head
        cut_at, drawn = past.cut_at(history), drawn_at(operation)
        if cut_at is not None and (known or (drawn is not None and drawn <= cut_at)):
            raise Rejected(
                "MADE_BEFORE_RETENTION",
                "it was asked before the oldest story kept, so a repeat could not be recognised",
            )
        return None

    def _may_hide(self, operation: Own, floor: datetime | None) -> bool:
        """Tell whether an operation may have been done before those the head remembers.

        Ids that are no uuid7 follow from what they do, and what they do is done once by its state.
        """
        drawn = drawn_at(operation)
        if drawn is None:
            return False
        if drawn > self._clock.now() + AHEAD_MAX:
            return True  # drawn by a clock that is wrong, so its age cannot be told: look
        return floor is not None and drawn <= floor

    async def _append(
        self, ask: Ask, placed: Placed, events: tuple[Event, ...], at: datetime, *, fresh: bool
    ) -> Done | None:
        """Append; None when somebody else was first."""
        try:
            record = await self._recorder.record(ask, placed, events, at)
        except KeyGone:
            self._stories.drop(ask.tenant, ask.customer)
            if fresh:
                raise
            return None
        payload = encode_record(record)
        opens = _opens(events)
        full = len(payload) - len(record.sealed) > HEAD_BYTES_MAX
        if full and (opens or _asks_more(events, placed.story)):
            if not fresh:
                return None
            reason = "TOO_MANY_CASES" if opens else "OFFERED"
            raise Rejected(reason, "the story's head is full; nothing was written")
        subject = names.story(ask.tenant, ask.customer, placed.epoch)
        begun_s = self._clock.monotonic()
        outcome = await self._log.append(
            subject,
            payload,
            expected=placed.sequence,
            message_id=message_id(subject, ask.by.operation),
            fence=lambda: encode_record(self._recorder.fence(ask, placed, "fence")),
        )
        self._meter.observe(APPEND_SECONDS, self._clock.monotonic() - begun_s)
        self._meter.add(APPEND_OUTCOMES, type(outcome).__name__.lower())
        self._stories.drop(ask.tenant, ask.customer)
        match outcome:
            case Committed(sequence, False):
                logged = Logged(record, sequence, digest(payload))
                after = Placed(record.head, sequence, logged.digest, placed.epoch)
                self._stories.keep(ask.tenant, ask.customer, after)
                self._committed(ask.tenant, ask.customer, sequence)
                return Done(logged, after, repeated=False, before=placed.story)
            case Committed() | Refused():
                return None
            case Unknown():
                raise Unavailable(
                    "it may have been done: ask again with the same operation id",
                    operation_id=ask.by.operation,
                )

    async def _still(self, ask: Ask, placed: Placed, attempt: int) -> bool:
        """Confirm by a fence that a refusal rests on the story's true end."""
        if placed.sequence == 0:  # nothing to fence: an old leader may not know the story yet
            raise Unavailable("the log has a new leader; ask again", retry_s=1.0)
        fencing = self._recorder.fence(ask, placed, f"confirm-{attempt}")
        payload = encode_record(fencing)
        subject = names.story(ask.tenant, ask.customer, placed.epoch)
        outcome = await self._log.append(
            subject,
            payload,
            expected=placed.sequence,
            message_id=message_id(subject, fencing.operation),
            fence=lambda: encode_record(self._recorder.fence(ask, placed, "fence")),
        )
        self._stories.drop(ask.tenant, ask.customer)
        match outcome:
            case Unknown():
                raise Unavailable(
                    "the log cannot say now; ask again", operation_id=ask.by.operation
                )
            case Committed(sequence, False):  # a history that lacks it is an old leader's
                after = Placed(fencing.head, sequence, digest(payload), placed.epoch)
                self._stories.keep(ask.tenant, ask.customer, after)
                return True
            case _:  # also a fence of an earlier try: it is not this one byte for byte
                return False

    @asynccontextmanager
    async def _turn(self, tenant: str, customer: str) -> AsyncIterator[None]:
        key = (tenant, customer)
        turn = self._turns.setdefault(key, _Turn())
        if turn.waiting >= WAITING_MAX:
            raise Exhausted(f"{WAITING_MAX} commands wait for this story already; try again later")
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._turns.pop(key, None)


class _Turn:
    """Who writes to a story now, and how many wait."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


def _by_time(no: Refusal) -> bool:
    """Tell whether time may have refused: a fence shuts out an earlier copy on its way."""
    return isinstance(no, Rejected) and no.reason in {"STALE_DECISION", "NOT_YET"}


def _hands_over(events: tuple[Event, ...]) -> bool:
    return any(isinstance(event, OfferAccepted) and event.handoff for event in events)


def _asks_more(events: tuple[Event, ...], before: Story) -> bool:
    """Tell whether one more is asked for a case that somebody is asked for already."""
    asked = [event.case for event in events if isinstance(event, Offered)]
    return any(case.offers for case in before.cases if case.own in asked)


def _opens(events: tuple[Event, ...]) -> bool:
    return any(isinstance(event, CaseOpened | CaseReopened | CaseSplit) for event in events)
