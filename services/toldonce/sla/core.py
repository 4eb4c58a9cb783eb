"""Which timers a case wants, and what each one asks of ownership when its instant has come. Pure.

A timer is wanted while its clock runs and its moment is not in the story yet; a breach is recorded
before anybody is escalated to, so no rung can come before ownership has agreed that time is up. Of
each clock only the next timer is planned: what comes after it follows when the story has recorded
that one, and whoever finds several due at once does them in order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.sla import Moment, NextTimers, Timer, timers_of
from toldonce.kernel.story.types import PRIORITY_MAX, Case

RUNG = 1
_ORDER = {Moment.WARN: 0, Moment.BREACH: 1, Moment.ESCALATE: 2}


@dataclass(frozen=True, slots=True)
class Warn:
    """Record that a clock is near its due time."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Breach:
    """Record that a clock ran out, and raise the priority by so much (0 to 1000)."""

    timer: Timer
    raise_priority_by: int


@dataclass(frozen=True, slots=True)
class Escalate:
    """Hand the case to `queue` with its story; `reason` and `summary` hold nobody's words."""

    timer: Timer
    queue: str
    rung: int
    reason: str
    summary: str


type Act = Warn | Breach | Escalate


def wanted(cases: Iterable[Case], config: Config, now: datetime) -> tuple[Timer, ...]:
    """Give every timer that these cases still want, earliest first."""
    found = [timer for case in cases for timer in _wanted(case, config, now)]
    return tuple(sorted(found, key=_place))


def upcoming(config: Config) -> NextTimers:
    """Make what gives the timers to plan: of `wanted` the next of each clock."""
    return NextTimers(config, climbs=lambda queue: _leads_up(queue, config))


def acts_of(cases: Iterable[Case], config: Config, own: str, now: datetime) -> tuple[Act, ...]:
    """Say what firing a timer asks, in order; nothing when no case wants it any more.

    What comes after it on the same clock and is due `now` is asked with it. Before the timer's own
    instant the answer is the same as at it: the caller looks at `fires_at`.
    """
    for case in cases:
        timers = _wanted(case, config, now)
        timer = next((one for one in timers if one.own == own), None)
        if timer is None:
            continue
        due = [one for one in timers if one is timer or _goes_with(one, timer, now)]
        return tuple(_act(case, config, one) for one in sorted(due, key=_place))
    return ()


def operation_of(timer: Timer) -> Own:
    """Name the act of a timer: fired twice, by whomever, it is done once."""
    return Own(derive("fire-timer", timer.own))


def _goes_with(one: Timer, timer: Timer, now: datetime) -> bool:
    """Tell whether a timer is asked with another of its clock: its breach, or what is due too."""
    if one.clock is not timer.clock:
        return False
    if timer.moment is Moment.ESCALATE and one.moment is Moment.BREACH:
        return True
    return _ORDER[one.moment] > _ORDER[timer.moment] and one.fires_at <= now


def _climbs(case: Case, config: Config) -> bool:
    return case.rung < RUNG and _leads_up(case.queue, config)


def _leads_up(queue: str, config: Config) -> bool:
    return config.escalation_of(queue) not in {"", queue}


def _wanted(case: Case, config: Config, now: datetime) -> tuple[Timer, ...]:
    climbs = _climbs(case, config)
    return tuple(
        timer
        for timer in timers_of(case, config, now)
        if timer.moment is not Moment.ESCALATE or climbs
    )


def _place(timer: Timer) -> tuple[datetime, int, str]:
    return timer.fires_at, _ORDER[timer.moment], timer.own


def _act(case: Case, config: Config, timer: Timer) -> Act:
    match timer.moment:
        case Moment.WARN:
            return Warn(timer)
        case Moment.BREACH:
            policy = config.sla_of(case.queue)
            raised = policy.raise_priority_by if policy is not None else 0
            return Breach(timer, min(raised, PRIORITY_MAX))
        case Moment.ESCALATE:
            return Escalate(
                timer=timer,
                queue=config.escalation_of(case.queue),
                rung=RUNG,
                reason=f"SLA breached: {timer.clock.name}",
                summary=_summary(case, config, timer),
            )
        case _:
            assert_never(timer.moment)


def _summary(case: Case, config: Config, timer: Timer) -> str:
    """Tell the facts of a breach: no names of people, nothing anybody said."""
    policy = config.sla_of(case.queue)
    target = policy.targets.get(timer.clock) if policy is not None else None
    aimed = f"{target.target_s} s of working time" if target is not None else "the target"
    due = timer.due_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    what = "first answer" if timer.clock is ClockKind.FIRST_RESPONSE else "wait for an agent"
    held = "An agent has the case." if case.owner else "Nobody has the case yet."
    return (
        f"The {what} took longer than {aimed} in queue {case.queue}; it was due {due}. "
        f"{held} Channel {case.channel}, priority {case.priority}, handed over {case.hops} times."
    )
