"""The clocks of a case: which run, when they are due, and the timers that follow.

A pure function of (policy, calendar, the case's own facts): `ownership` refuses with it, `sla`
plans with it and anybody can explain with it. QUEUE_WAIT counts the present wait for an owner.
FIRST_RESPONSE counts from entry into the queue to the first answer, whoever gives it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from toldonce.kernel.clocks import Clock, ClockFacts, ClockKind, clock, reach_at
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.story.types import Case, CaseState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
CACHED_MAX = 1 << 16


class Moment(StrEnum):
    """What happens at a timer's instant."""

    WARN = "WARN"
    BREACH = "BREACH"
    ESCALATE = "ESCALATE"


@dataclass(frozen=True, slots=True)
class Timer:
    """One instant to act at; `own` is the same whoever computes it. `due_at` is the clock's."""

    own: Own
    case: Own
    clock: ClockKind
    moment: Moment
    fires_at: datetime
    due_at: datetime


def facts_of(case: Case) -> dict[ClockKind, ClockFacts]:
    """Say since when and until when each clock of a case runs."""
    ended = case.waiting_since if case.state is CaseState.CLOSED else None
    return {
        ClockKind.QUEUE_WAIT: ClockFacts(
            started_at=case.waiting_since, stopped_at=case.owned_at or ended
        ),
        ClockKind.FIRST_RESPONSE: ClockFacts(
            started_at=case.enqueued_at,
            stopped_at=case.first_reply_at or (case.owned_at if ended else None),
            cancelled=case.first_reply_at is None and ended is not None,
        ),
    }


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


def next_timers_of(case: Case, config: Config, *, climbs: bool) -> Iterator[tuple[Own, datetime]]:
    """Give for each clock the first of `timers_of`, its id and instant, at a third of the price.

    `climbs`: whether an escalation may be the next.
    """
    policy = config.sla_of(case.queue)
    if policy is None or case.state is CaseState.CLOSED:
        return
    calendar, facts = config.clock_calendar_of(case.queue), facts_of(case)
    for kind, target in policy.targets.items():
        run = facts.get(kind)
        if run is None:
            continue
        moments: tuple[tuple[Moment, float], ...] = (
            (Moment.WARN, target.warn_s),
            (Moment.BREACH, float(target.target_s)),
        )
        up_s = target.escalate_s if climbs and not case.rung and run.stopped_at is None else None
        if up_s is not None:
            moments += ((Moment.ESCALATE, float(up_s)),)
        for moment, seconds in moments:
            own = timer_id(case.own, kind, moment, run.started_at)
            if own in case.timers:
                continue
            at = reach_at(calendar, run, seconds)
            if at is not None and (run.stopped_at is None or run.stopped_at >= at):
                yield own, at
            break


@lru_cache(maxsize=CACHED_MAX)
def timer_id(case: str, kind: ClockKind, moment: Moment, started_at: datetime) -> Own:
    """Name a timer: one clock run of one case has each moment once."""
    return Own(derive("timer", case, kind.name, moment, (started_at - _EPOCH) // _MICROSECOND))


def answered_late(old: Case, new: Case) -> tuple[Own, ...]:
    """Name for `new` what was recorded of the wait of `old` for its first answer: it is the same.

    So what goes on in another case is warned of and late once.
    """
    return tuple(
        timer_id(new.own, ClockKind.FIRST_RESPONSE, moment, new.enqueued_at)
        for moment in Moment
        if timer_id(old.own, ClockKind.FIRST_RESPONSE, moment, old.enqueued_at) in old.timers
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
        yield Timer(own, case.own, read.kind, moment, fires_at, read.due_at)
