"""The clocks of a case: which run, when they are due, and the timers that follow.

A pure function of (policy, calendar, the case's own facts): `ownership` refuses with it, `sla`
plans with it and anybody can explain with it. QUEUE_WAIT counts the present wait for an owner.
FIRST_RESPONSE counts from entry into the queue to the first answer, whoever gives it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from toldonce.kernel.calendar import DAY_S, add_business_time
from toldonce.kernel.clocks import Clock, ClockFacts, ClockKind, Target, clock
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own, derived, spelled
from toldonce.kernel.story.types import Case, CaseState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(StrEnum):
    """What happens at a timer's instant."""

    WARN = "WARN"
    BREACH = "BREACH"
    ESCALATE = "ESCALATE"


_IN_TURN = tuple(Moment)
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
    ended = case.waiting_since if case.state is CaseState.CLOSED else None
    replied_at = case.first_reply_at
    return (
        (ClockKind.QUEUE_WAIT, case.waiting_since, case.owned_at or ended, False),
        (
            ClockKind.FIRST_RESPONSE,
            case.enqueued_at,
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


def next_timers_of(case: Case, config: Config, *, climbs: bool) -> list[tuple[Own, datetime]]:
    """Give for each clock the first of `timers_of`, its id and instant, at a tenth of the price.

    `climbs`: whether an escalation may be the next.
    """
    policy = config.sla_of(case.queue)
    if policy is None or case.state is CaseState.CLOSED:
        return []
    found = []
    calendar = config.clock_calendar_of(case.queue)
    for kind, started_at, stopped_at, _ in _runs(case):
        target = policy.targets.get(kind)
        if target is None:
            continue
        for moment in _IN_TURN:
            seconds = _seconds(target, moment)
            stays = moment is Moment.ESCALATE and not (climbs and not case.rung and not stopped_at)
            if seconds is None or stays:
                break
            own = timer_id(case.own, kind, moment, started_at)
            if own in case.timers:
                continue
            at = add_business_time(calendar, started_at, seconds)
            if stopped_at is None or stopped_at >= at:
                found.append((own, at))
            break
    return found


def _seconds(target: Target, moment: Moment) -> float | None:
    """Say after how many business seconds a moment comes; None: never."""
    match moment:
        case Moment.WARN:
            return target.warn_s
        case Moment.BREACH:
            return target.target_s
        case Moment.ESCALATE:
            return target.escalate_s
        case _:
            assert_never(moment)


def timer_id(case: str, kind: ClockKind, moment: Moment, started_at: datetime) -> Own:
    """Name a timer: one clock run of one case has each moment once.

    It is `derive("timer", case, kind.name, moment, microseconds since 1970)`.
    """
    past = started_at - _EPOCH
    since = b"%d" % ((past.days * DAY_S + past.seconds) * 1_000_000 + past.microseconds)
    mine, sizes = case.encode(), _SIZES
    said = (b"timer", sizes[len(mine)], mine, _SPELLED[kind, moment], sizes[len(since)], since)
    return Own(derived(b"".join(said)))


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
        yield Timer(own, case.own, read.kind, moment, fires_at, read.due_at, case.queue)
