"""The timers that follow from the clocks of a story, and their ids.

A pure function of (policy, calendar, the story's own facts): whoever plans computes the same timers
with the same ids. How the clocks stand says `kernel.sla`; the next timer of each clock, for whoever
wants no more and wants it often, `kernel.next_timers`.

A clock that has stopped wants no timer: whoever stops it records a breach that was due by then.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from toldonce.kernel.calendar import ALWAYS, Calendar
from toldonce.kernel.clocks import BREACH, WARN, ClockFacts, ClockKind, Moment, reach
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.ids import NO_OWN, Own, decode, derived, derived_number, is_own, spelled
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.sla import does_anything, facts_of_run, policy_of, promise_target
from toldonce.kernel.story.runs import Run, done, runs
from toldonce.kernel.story.types import Case, CaseState, Commitment, Story

# of each stage of a clock, in turn: the moment, after how many microseconds, how its id spells it
type Stages = tuple[tuple[Moment, int, bytes], ...]

_SIZES = [size.to_bytes(4, "big") for size in range(256)]


@dataclass(frozen=True, slots=True)
class Timer:
    """One instant to act at; `own` is the same whoever computes it. `due_at` is the clock's.

    `commitment` is the promise whose clock it is; "" for a clock of the case.
    """

    own: Own
    case: Own
    clock: ClockKind
    moment: Moment
    fires_at: datetime
    due_at: datetime
    commitment: Own = NO_OWN


def timers_of(case: Case, config: Config) -> tuple[Timer, ...]:
    """Give the timers that have yet to act: of clocks that run, what was not recorded of them.

    What comes before something that was recorded is not wanted any more: a policy may have changed
    their order. Only the breach is: it is a fact, not a step. A rung that hands over is left out
    where the case was handed that high before, or has nowhere to go and nothing else would be done.
    """
    policy = policy_of(case, config)
    if policy is None or case.state is CaseState.CLOSED:
        return ()
    calendar = config.counting(policy, case.queue)
    return tuple(
        timer for run in runs(case) for timer in _timers(case, run, policy, calendar, config)
    )


def promise_timers(promise: Commitment, case: Case | None, config: Config) -> tuple[Timer, ...]:
    """Give the timers of a commitment: its warning, while its case is open, and its breach."""
    policy = None if case is None or case.state is CaseState.CLOSED else policy_of(case, config)
    of = promise.case, ClockKind.COMMITMENT
    return tuple(
        Timer(own, *of, moment, fires_at, promise.due_at, promise.own)
        for own, moment, fires_at in promised_moments(promise, policy)
    )


def story_timers(story: Story, config: Config) -> tuple[Timer, ...]:
    """Give all timers that a story wants, earliest first."""
    found = [timer for case in story.cases for timer in timers_of(case, config)]
    for promise in story.commitments:
        found += promise_timers(promise, story.case(promise.case), config)
    return _in_order(found)


def clock_timers(story: Story, config: Config, own: str) -> tuple[Timer, ...]:
    """Give those of `story_timers` that are of the same clock as the timer `own`.

    None, when that is not wanted.
    """
    found = _in_order(_clock_timers(story, config, own))
    return found if any(timer.own == own for timer in found) else ()


def _clock_timers(story: Story, config: Config, own: str) -> Iterable[Timer]:
    if not is_own(own):
        return ()
    wanted = int.from_bytes(decode(own), "big")  # written once instead of each that it may be
    for case in story.cases:
        policy = policy_of(case, config)
        if policy is None or case.state is CaseState.CLOSED:
            continue
        for run in runs(case):
            stages, since_us = policy.stages(run.clock), micros(run.started_at)
            spelt = (_spelt(case.own, _said(run.clock, moment), since_us) for moment, _ in stages)
            if any(derived_number(one) == wanted for one in spelt):
                calendar = config.counting(policy, case.queue)
                return _timers(case, run, policy, calendar, config)
    for promise in story.commitments:
        timers = promise_timers(promise, story.case(promise.case), config)
        if any(timer.own == own for timer in timers):
            return timers
    return ()


def _in_order(timers: Iterable[Timer]) -> tuple[Timer, ...]:
    return tuple(sorted(timers, key=lambda one: (one.fires_at, one.moment, one.own)))


def _timers(
    case: Case, run: Run, policy: SlaPolicy, calendar: Calendar, config: Config
) -> Iterator[Timer]:
    target = policy.targets.get(run.clock)
    if target is None or run.stopped_at is not None:
        return
    facts = facts_of_run(case, run)
    due_at = reach(calendar, facts, target.target_s)
    since_us = micros(run.started_at)
    for moment, left_us, said in stages_left(stages_of(policy, run.clock), done(case, run)):
        if moment.rung > 0 and not does_anything(case, config, policy, moment.rung):
            continue
        fires_at = reach(calendar, facts, left_us / SECOND)
        if fires_at is None:
            return
        own = spelled_id(case.own, said, since_us)
        yield Timer(own, case.own, run.clock, moment, fires_at, due_at or fires_at)


def promised_moments(
    promise: Commitment, policy: SlaPolicy | None
) -> Iterator[tuple[Own, Moment, datetime]]:
    """Give of a commitment the id, the moment and the instant of each timer, the next first.

    Without a policy, as where its case is closed, nobody is warned.
    """
    made_us = micros(promise.made_at)
    if policy is not None and not promise.warned:
        warn_s = promise_target(promise, policy).warn_s
        fires_at = reach(ALWAYS, ClockFacts(promise.made_at), warn_s)
        if fires_at is not None:
            yield (
                spelled_id(promise.own, _said(ClockKind.COMMITMENT, WARN), made_us),
                WARN,
                fires_at,
            )
    own = spelled_id(promise.own, _said(ClockKind.COMMITMENT, BREACH), made_us)
    yield own, BREACH, promise.due_at


def stages_of(policy: SlaPolicy, kind: ClockKind) -> Stages:
    """Write what comes of a clock in turn, as its policy has it."""
    return tuple(
        (moment, round(seconds * SECOND), _said(kind, moment))
        for moment, seconds in policy.stages(kind)
    )


def stages_left(stages: Stages, recorded: int) -> Stages:
    """Leave what comes after everything that was recorded, and the breach until that was."""
    if not recorded:
        return stages
    last = max((place for place, stage in enumerate(stages) if stage[0].bit & recorded), default=-1)
    owed = () if recorded & BREACH.bit else (s for s in stages[: last + 1] if s[0] == BREACH)
    return (*owed, *stages[last + 1 :])


def timer_id(own: str, kind: ClockKind, moment: Moment, started_at: datetime) -> Own:
    """Name a timer: one clock run of one case (or commitment) has each moment once.

    It is `derive("timer", own, kind.name, moment, microseconds since 1970)`.
    """
    return spelled_id(own, _said(kind, moment), micros(started_at))


def spelled_id(own: str, said: bytes, since_us: int) -> Own:
    """Name a timer as `timer_id` does, at a part of the price: its clock and moment are spelled.

    `said` is that of its stage, `since_us` when the run began, in microseconds since 1970.
    """
    return Own(derived(_spelt(own, said, since_us)))


@cache
def _said(kind: ClockKind, moment: Moment) -> bytes:
    return spelled(kind.name, str(moment))


def _spelt(own: str, said: bytes, since_us: int) -> bytes:
    mine, since, sizes = own.encode(), b"%d" % since_us, _SIZES
    return b"timer%b%b%b%b%b" % (sizes[len(mine)], mine, said, sizes[len(since)], since)
