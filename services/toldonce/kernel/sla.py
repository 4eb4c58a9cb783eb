"""The clocks of a case: which run, when they are due, and the timers that follow.

A pure function of (policy, calendar, the case's own facts): `ownership` refuses with it, `sla`
plans with it and anybody can explain with it. QUEUE_WAIT counts the present wait for an owner.
FIRST_RESPONSE counts from entry into the queue to the first answer, whoever gives it. What is
scheduled for later does not wait: both begin anew at that instant, and stand still until then.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from toldonce.kernel.calendar import Calendar, add_business_us
from toldonce.kernel.clocks import Clock, ClockFacts, ClockKind, Target, clock
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own, derived, spelled
from toldonce.kernel.instants import SECOND, instant, micros
from toldonce.kernel.story.types import Case, CaseState

LADDERS_MAX = 4_096


class Moment(StrEnum):
    """What happens at a timer's instant."""

    WARN = "WARN"
    BREACH = "BREACH"
    ESCALATE = "ESCALATE"


_SIZES = [size.to_bytes(4, "big") for size in range(256)]
_SPELLED = {(kind, moment): spelled(kind.name, moment) for kind in ClockKind for moment in Moment}


@dataclass(frozen=True, slots=True)
class Timer:
    """One instant to act at; `own` is the same whoever computes it. `due_at` is the clock's.

    `queue` is the case's, whose policy says so.
    """

    own: Own
    case: Own
    clock: ClockKind
    moment: Moment
    fires_at: datetime
    due_at: datetime
    queue: str = ""


def facts_of(case: Case) -> dict[ClockKind, ClockFacts]:
    """Say since when and until when each clock of a case runs."""
    return {
        kind: ClockFacts(started_at, stopped_at=stopped_at, cancelled=cancelled)
        for kind, started_at, stopped_at, cancelled in _runs(case)
    }


def _runs(case: Case) -> tuple[tuple[ClockKind, datetime, datetime | None, bool], ...]:
    """Say of each clock when it started and stopped, and whether what it waited for never came."""
    waits_from_at = case.waits_from_at
    ended = waits_from_at if case.state is CaseState.CLOSED else None
    replied_at = case.first_reply_at
    return (
        (ClockKind.QUEUE_WAIT, waits_from_at, case.owned_at or ended, False),
        (
            ClockKind.FIRST_RESPONSE,
            case.answerable_at,
            replied_at or (case.owned_at if ended else None),
            replied_at is None and ended is not None,
        ),
    )


def clocks_of(case: Case, config: Config, now: datetime) -> tuple[Clock, ...]:
    """Read every clock that the policy of the case's queue aims at."""
    policy = config.sla_of(case.queue)
    if policy is None:
        return ()
    calendar = config.clock_calendar_of(case.queue)
    facts = facts_of(case)
    return tuple(
        clock(target, calendar, facts[kind], now)
        for kind, target in policy.targets.items()
        if kind in facts
    )


def timers_of(case: Case, config: Config, now: datetime) -> tuple[Timer, ...]:
    """Give the timers that have yet to act: not recorded, and due before their clock stopped."""
    if case.state is CaseState.CLOSED:
        return ()
    facts = facts_of(case)
    return tuple(
        timer
        for read in clocks_of(case, config, now)
        for timer in _timers(case, read, facts[read.kind])
        if timer.own not in case.timers
    )


class NextTimers:
    """Of each clock of a case the first of `timers_of`, at a tenth of the price.

    What the policies of `config` ask is worked out once a queue and kept.
    """

    def __init__(self, config: Config, *, climbs: Callable[[str], bool]) -> None:
        """`climbs(queue)`: whether a case of this queue may be escalated."""
        self._config = config
        self._climbs = climbs
        self._ladders: dict[str, _Ladder] = {}

    def of(self, case: Case) -> list[tuple[Own, datetime]]:
        """Give them, each its id and its instant (UTC)."""
        ladder = self._ladders.get(case.queue) or self._ladder(case.queue)
        if case.state is CaseState.CLOSED or not ladder.rungs:
            return []
        found = []
        for kind, started_at, stopped_at, _ in _runs(case):
            since_us = micros(started_at)
            for moment, left_us, said in ladder.rungs.get(kind, ()):
                if moment is Moment.ESCALATE and (case.rung or stopped_at):
                    break
                own = _timer_id(case.own, said, since_us)
                if case.timers and own in case.timers:
                    continue
                at = instant(add_business_us(ladder.calendar, since_us, left_us))
                if stopped_at is None or stopped_at >= at:
                    found.append((own, at))
                break
        return found

    def _ladder(self, queue: str) -> "_Ladder":
        if len(self._ladders) >= LADDERS_MAX:
            self._ladders.clear()
        policy = self._config.sla_of(queue)
        targets = {} if policy is None else policy.targets
        climbs = self._climbs(queue)
        rungs = {
            kind: tuple(_rungs(kind, target, climbs=climbs)) for kind, target in targets.items()
        }
        made = _Ladder(self._config.clock_calendar_of(queue), rungs)
        self._ladders[queue] = made
        return made


class _Ladder(NamedTuple):
    """Of each clock what comes in turn: the moment, after how long, how its id spells it."""

    calendar: Calendar
    rungs: dict[ClockKind, tuple[tuple[Moment, int, bytes], ...]]


def _rungs(kind: ClockKind, target: Target, *, climbs: bool) -> Iterator[tuple[Moment, int, bytes]]:
    after_s = (target.warn_s, target.target_s, target.escalate_s if climbs else None)
    for moment, seconds in zip(Moment, after_s, strict=True):
        if seconds is None:
            return
        yield moment, round(seconds * SECOND), _SPELLED[kind, moment]


def timer_id(case: str, kind: ClockKind, moment: Moment, started_at: datetime) -> Own:
    """Name a timer: one clock run of one case has each moment once.

    It is `derive("timer", case, kind.name, moment, microseconds since 1970)`.
    """
    return _timer_id(case, _SPELLED[kind, moment], micros(started_at))


def _timer_id(case: str, said: bytes, since_us: int) -> Own:
    mine, since, sizes = case.encode(), b"%d" % since_us, _SIZES
    return Own(
        derived(b"timer%b%b%b%b%b" % (sizes[len(mine)], mine, said, sizes[len(since)], since))
    )


def answered_late(old: Case, new: Case) -> tuple[Own, ...]:
    """Name for `new` what was recorded of the wait of `old` for its first answer: it is the same.

    So what goes on in another case is warned of and late once.
    """
    return tuple(
        timer_id(new.own, ClockKind.FIRST_RESPONSE, moment, new.answerable_at)
        for moment in Moment
        if timer_id(old.own, ClockKind.FIRST_RESPONSE, moment, old.answerable_at) in old.timers
    )


def _timers(case: Case, read: Clock, facts: ClockFacts) -> Iterator[Timer]:
    moments = (
        (Moment.WARN, read.warn_at),
        (Moment.BREACH, read.due_at),
        (Moment.ESCALATE, read.escalate_at),
    )
    for moment, fires_at in moments:
        if fires_at is None or read.due_at is None:
            continue
        if moment is Moment.ESCALATE and case.rung:
            continue  # the ladder has one rung, and it was climbed
        if facts.stopped_at is not None and (
            facts.stopped_at < fires_at or moment is Moment.ESCALATE
        ):
            continue
        own = timer_id(case.own, read.kind, moment, facts.started_at)
        yield Timer(own, case.own, read.kind, moment, fires_at, read.due_at, case.queue)
