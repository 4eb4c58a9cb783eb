"""The clocks of a case under its policy: how they stand, and the timers that follow.

A pure function of (policy, calendar, the case's own facts): `ownership` refuses with it, `sla`
plans with it and anybody can explain with it. What each clock counts says `story.runs`. A
commitment has a clock of its own, by the wall: it is due when that was promised.

A clock that has stopped wants no timer: whoever stops it records a breach that was due by then.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple

from toldonce.kernel.calendar import ALWAYS, Calendar, add_business_us
from toldonce.kernel.clocks import (
    BREACH,
    WARN,
    Clock,
    ClockFacts,
    ClockKind,
    Moment,
    Pause,
    Target,
    clock,
    reach,
)
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import WARN_PERMILLE, SlaPolicy
from toldonce.kernel.config.climbing import onward
from toldonce.kernel.ids import NO_OWN, Own, decode, derived, derived_number, is_own, spelled
from toldonce.kernel.instants import SECOND, instant, micros
from toldonce.kernel.story.runs import Run, done, runs
from toldonce.kernel.story.types import Case, CaseState, Commitment, PauseCause, Story

LADDERS_MAX = 4_096
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


def policy_of(case: Case, config: Config) -> SlaPolicy | None:
    """Return the SLA policy of a case as it is now."""
    former = case.former_queues
    return config.sla_for(case.queue, case.channel, case.priority, case.tier, former)


def stopped_by(case: Case, cause: PauseCause, config: Config | None) -> int:
    """Give the bits of the clocks that stand still in a pause of the case that begins now.

    Without a policy they are those that usually do.
    """
    policy = None if config is None else policy_of(case, config)
    return (policy or _NOTHING).stops(cause)


def facts_of(case: Case) -> dict[ClockKind, ClockFacts]:
    """Say since when and until when each clock of a case runs, and when it stands still.

    The policy has no say in it: what stood still in a pause was decided when that began.
    """
    return {run.clock: _facts(case, run) for run in runs(case)}


def clocks_of(case: Case, config: Config, now: datetime) -> tuple[Clock, ...]:
    """Read every clock that the policy of the case aims at."""
    policy = policy_of(case, config)
    if policy is None:
        return ()
    calendar = config.counting(policy, case.queue)
    facts = facts_of(case)
    return tuple(
        clock(target, calendar, facts[kind], now)
        for kind, target in policy.targets.items()
        if kind in facts
    )


def promise_clock(promise: Commitment, now: datetime, policy: SlaPolicy | None = None) -> Clock:
    """Read the clock of a commitment; its warning is that of the policy of its case."""
    return clock(promise_target(promise, policy), ALWAYS, ClockFacts(promise.made_at), now)


def promise_target(promise: Commitment, policy: SlaPolicy | None) -> Target:
    """Say what the clock of a commitment aims at; its warning is that of a policy, or the usual."""
    targets = () if policy is None else tuple(policy.targets.values())
    warn = targets[0].warn_permille if targets else WARN_PERMILLE
    target_s = (micros(promise.due_at) - micros(promise.made_at)) / SECOND
    return Target(ClockKind.COMMITMENT, target_s, warn)


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
        for own, moment, fires_at in _promised(promise, policy)
    )


def _promised(
    promise: Commitment, policy: SlaPolicy | None
) -> Iterator[tuple[Own, Moment, datetime]]:
    made_us = micros(promise.made_at)
    if policy is not None and not promise.warned:
        warn_s = promise_target(promise, policy).warn_s
        fires_at = reach(ALWAYS, ClockFacts(promise.made_at), warn_s)
        if fires_at is not None:
            yield _timer_id(promise.own, _said(ClockKind.COMMITMENT, WARN), made_us), WARN, fires_at
    own = _timer_id(promise.own, _said(ClockKind.COMMITMENT, BREACH), made_us)
    yield own, BREACH, promise.due_at


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


def handed_to(case: Case, config: Config, policy: SlaPolicy, rung: int) -> str:
    """Name the queue that a rung hands the case to; "" when it does not, or there is none.

    It is handed up once for each rung: not to one that is as low as where it was handed before.
    """
    return "" if rung <= case.rung else onward(config, policy.ladder[rung - 1], case.queue)


class NextTimers:
    """Of each clock of a story the first of `story_timers`, at a tenth of the price.

    What the policies of `config` ask is worked out once for each kind of work and kept.
    """

    def __init__(self, config: Config) -> None:
        """Plan by this configuration."""
        self._config = config
        self._ladders: dict[_Kind, _Ladder] = {}

    def of(self, case: Case) -> list[tuple[Own, datetime]]:
        """Give those of a case, each its id and its instant (UTC)."""
        ladder = self._ladder_of(case)
        if case.state is CaseState.CLOSED or not ladder.rungs:
            return []
        found = []
        for run in runs(case):
            stages = ladder.rungs.get(run.clock)
            if stages is None or run.stopped_at is not None:
                continue
            since_us = micros(run.started_at)
            facts = _facts(case, run) if case.pauses else None
            for moment, left_us, said in _left(stages, done(case, run)):
                if moment.rung > 0 and not _does(case, self._config, ladder.policy, moment.rung):
                    continue
                if facts is not None and facts.pauses:
                    at = reach(ladder.calendar, facts, left_us / SECOND)
                else:
                    at = instant(add_business_us(ladder.calendar, since_us, left_us))
                if at is not None:
                    found.append((_timer_id(case.own, said, since_us), at))
                break
        return found

    def promised(self, promise: Commitment, case: Case | None) -> list[tuple[Own, datetime]]:
        """Give that of a commitment."""
        ladder = None if case is None or case.state is CaseState.CLOSED else self._ladder_of(case)
        policy = None if ladder is None or ladder.policy is _NOTHING else ladder.policy
        own, _, fires_at = next(_promised(promise, policy))
        return [(own, fires_at)]

    def _ladder_of(self, case: Case) -> "_Ladder":
        key = (case.queue, case.channel, case.priority, case.tier, case.former_queues)
        known = self._ladders.get(key)
        if known is not None:
            return known
        if len(self._ladders) >= LADDERS_MAX:
            self._ladders.clear()
        policy = policy_of(case, self._config)
        rungs = {} if policy is None else {kind: _stages(policy, kind) for kind in policy.targets}
        calendar = self._config.counting(policy, case.queue)
        made = self._ladders[key] = _Ladder(policy or _NOTHING, calendar, rungs)
        return made


type _Kind = tuple[str, str, int, str, tuple[str, ...]]
type _Stages = tuple[tuple[Moment, int, bytes], ...]


class _Ladder(NamedTuple):
    """Of each clock what comes in turn: the moment, after how long, how its id spells it."""

    policy: SlaPolicy
    calendar: Calendar
    rungs: dict[ClockKind, _Stages]


_NOTHING = SlaPolicy("", {})


def timer_id(own: str, kind: ClockKind, moment: Moment, started_at: datetime) -> Own:
    """Name a timer: one clock run of one case (or commitment) has each moment once.

    It is `derive("timer", own, kind.name, moment, microseconds since 1970)`.
    """
    return _timer_id(own, _said(kind, moment), micros(started_at))


@cache
def _said(kind: ClockKind, moment: Moment) -> bytes:
    return spelled(kind.name, str(moment))


def _timer_id(own: str, said: bytes, since_us: int) -> Own:
    return Own(derived(_spelt(own, said, since_us)))


def _spelt(own: str, said: bytes, since_us: int) -> bytes:
    mine, since, sizes = own.encode(), b"%d" % since_us, _SIZES
    return b"timer%b%b%b%b%b" % (sizes[len(mine)], mine, said, sizes[len(since)], since)


def _facts(case: Case, run: Run) -> ClockFacts:
    pauses: tuple[Pause, ...] = ()
    if case.pauses:
        pauses = tuple(
            Pause(one.from_at, one.until_at, one.cause.name)
            for one in case.pauses
            if one.clocks & run.clock.bit
        )
    return ClockFacts(run.started_at, pauses, run.stopped_at, run.vain)


def _stages(policy: SlaPolicy, kind: ClockKind) -> _Stages:
    return tuple(
        (moment, round(seconds * SECOND), _said(kind, moment))
        for moment, seconds in policy.stages(kind)
    )


def _left(stages: _Stages, recorded: int) -> _Stages:
    """Leave what comes after everything that was recorded, and the breach until that was."""
    if not recorded:
        return stages
    last = max((place for place, stage in enumerate(stages) if stage[0].bit & recorded), default=-1)
    owed = () if recorded & BREACH.bit else (s for s in stages[: last + 1] if s[0] == BREACH)
    return (*owed, *stages[last + 1 :])


def _does(case: Case, config: Config, policy: SlaPolicy, rung: int) -> bool:
    """Tell whether a rung does anything for the case."""
    one = policy.ladder[rung - 1]
    if one.raise_priority_by or one.widen or one.notify or one.page:
        return True
    return bool(handed_to(case, config, policy, rung))


def _timers(
    case: Case, run: Run, policy: SlaPolicy, calendar: Calendar, config: Config
) -> Iterator[Timer]:
    target = policy.targets.get(run.clock)
    if target is None or run.stopped_at is not None:
        return
    facts = _facts(case, run)
    due_at = reach(calendar, facts, target.target_s)
    since_us = micros(run.started_at)
    for moment, left_us, said in _left(_stages(policy, run.clock), done(case, run)):
        if moment.rung > 0 and not _does(case, config, policy, moment.rung):
            continue
        fires_at = reach(calendar, facts, left_us / SECOND)
        if fires_at is None:
            return
        own = _timer_id(case.own, said, since_us)
        yield Timer(own, case.own, run.clock, moment, fires_at, due_at or fires_at)
