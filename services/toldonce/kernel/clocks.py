"""Clocks: when something is due and when to warn, from facts alone.

A clock counts the open time of its calendar from `started_at`, less the pauses, until it stops. It
is a pure function of (target, calendar, facts, now): the same facts give the same answer live and
offline, in whatever order they were learned. Clocks of different kinds never touch each other.

Pauses are a set of intervals: overlapping ones count once, so pausing twice takes nothing off and
no pause makes anything due sooner. While a pause is open nothing becomes due. A clock is met when
it stops before its due instant; at that instant it is breached, which is when a breach may be
recorded. What was breached stays breached. A clock that runs on after a reopening has a pause from
its stop to the reopening; one that starts anew has a later `started_at`. Before it starts it is
paused, and so it is in a pause whose end is known: then it is known when it will be due.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

from toldonce.kernel.calendar import Calendar, add_business_time, business_time_between

WHOLE_PERMILLE = 1_000


class ClockKind(IntEnum):
    """What a clock watches; each runs on its own. The numbers stand in the log."""

    QUEUE_WAIT = 1
    FIRST_RESPONSE = 2
    NEXT_RESPONSE = 3
    RESOLUTION = 4
    COMMITMENT = 5

    @property
    def bit(self) -> int:
        """Its bit in a set of clocks."""
        return 1 << (self - 1)


class ClockState(StrEnum):
    """Where a clock stands; MET, CANCELLED and a stopped BREACHED are ends."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    WARNED = "WARNED"
    BREACHED = "BREACHED"
    MET = "MET"
    CANCELLED = "CANCELLED"


class Moment(NamedTuple):
    """What happens at a timer's instant: the warning (rung -1), the breach (0), or a rung.

    Their order is that in which they are asked when they come at one instant.
    """

    rung: int

    @property
    def bit(self) -> int:
        """Its bit in a mark."""
        return 1 << (self.rung + 1)

    def __str__(self) -> str:
        """Name it, as timers are named by it."""
        return {-1: "WARN", 0: "BREACH"}.get(self.rung, f"RUNG{self.rung}")


WARN, BREACH = Moment(-1), Moment(0)


@dataclass(frozen=True, slots=True)
class Target:
    """What is aimed at, in business seconds: the policy for one clock.

    The warning comes at `warn_permille` thousandths of `target_s`.
    """

    kind: ClockKind
    target_s: float
    warn_permille: int = 800

    @property
    def warn_s(self) -> float:
        """When the warning comes, in business seconds."""
        return self.target_s * self.warn_permille / WHOLE_PERMILLE


@dataclass(frozen=True, slots=True)
class Pause:
    """An interval [from_at, to_at) that does not count, and why; `to_at` None is still open."""

    from_at: datetime
    to_at: datetime | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What happened to one clock. `stopped_at` is the answer or end; `cancelled` says which."""

    started_at: datetime
    pauses: tuple[Pause, ...] = ()
    stopped_at: datetime | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock read at an instant.

    `due_at` and `warn_at` are UTC instants, or None while an open pause keeps them from coming; for
    a clock that has `ended` they say what would have been, and no timer is to be armed. `elapsed_s`
    is the business time counted so far; `remaining_s` is what is left, negative once overdue.
    """

    kind: ClockKind
    state: ClockState
    due_at: datetime | None
    warn_at: datetime | None
    elapsed_s: float
    remaining_s: float
    ended: bool


def clock(target: Target, calendar: Calendar, facts: ClockFacts, now: datetime) -> Clock:
    """Read one clock at `now`."""
    spans = tuple(_running(facts))
    until = now if facts.stopped_at is None else min(now, facts.stopped_at)
    elapsed_s = sum(
        business_time_between(calendar, begins, until if ends is None else min(ends, until))
        for begins, ends in spans
    )
    due_at = _reach(calendar, spans, target.target_s)
    warn_at = _reach(calendar, spans, target.warn_s)
    ended = facts.stopped_at is not None and facts.stopped_at <= now
    return Clock(
        kind=target.kind,
        state=_end(facts, due_at, until) if ended else _state(facts, due_at, warn_at, now),
        due_at=due_at,
        warn_at=warn_at,
        elapsed_s=round(elapsed_s, 6),
        remaining_s=round(target.target_s - elapsed_s, 6),
        ended=ended,
    )


def reach(calendar: Calendar, facts: ClockFacts, seconds: float) -> datetime | None:
    """Return the instant (UTC) by which so many business seconds have counted; None: never yet.

    A stop is left aside: of a clock that has stopped it says what would have been.
    """
    if not facts.pauses:
        return add_business_time(calendar, facts.started_at, seconds)
    return _reach(calendar, tuple(_running(facts)), seconds)


def _running(facts: ClockFacts) -> Iterator[tuple[datetime, datetime | None]]:
    """Give the spans that count, in order and apart; an end of None is still to come.

    The stop itself is left to the caller; what was paused after it does not matter.
    """
    cursor = facts.started_at.astimezone(UTC)
    for pause in sorted(facts.pauses, key=lambda p: p.from_at):
        if facts.stopped_at is not None and pause.from_at >= facts.stopped_at:
            break
        if pause.from_at > cursor:
            yield cursor, pause.from_at
        if pause.to_at is None:
            return
        cursor = max(cursor, pause.from_at, pause.to_at)
    yield cursor, None


def _reach(
    calendar: Calendar, spans: tuple[tuple[datetime, datetime | None], ...], seconds: float
) -> datetime | None:
    """Return the instant by which `seconds` have counted, or None when they never have."""
    left_s = seconds
    for begins, ends in spans:
        at = add_business_time(calendar, begins, left_s)
        if ends is None or at <= ends:
            return at
        left_s -= business_time_between(calendar, begins, ends)
    return None


def _state(
    facts: ClockFacts, due_at: datetime | None, warn_at: datetime | None, now: datetime
) -> ClockState:
    if due_at is not None and due_at <= now:
        return ClockState.BREACHED
    if now < facts.started_at:
        return ClockState.PAUSED
    if any(p.from_at <= now and (p.to_at is None or now < p.to_at) for p in facts.pauses):
        return ClockState.PAUSED
    if warn_at is not None and warn_at <= now:
        return ClockState.WARNED
    return ClockState.RUNNING


def _end(facts: ClockFacts, due_at: datetime | None, stop: datetime) -> ClockState:
    if due_at is not None and due_at <= stop:
        return ClockState.BREACHED
    return ClockState.CANCELLED if facts.cancelled else ClockState.MET
