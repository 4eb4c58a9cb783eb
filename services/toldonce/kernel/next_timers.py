"""Of each clock the next timer, at a tenth of the price of `kernel.timers`: what planning wants.

The ids and the instants are the same as there; only what comes after the first is left out. Pure,
but for what it remembers of the policies.
"""

from datetime import datetime
from typing import NamedTuple

from toldonce.kernel.calendar import Calendar, add_business_us
from toldonce.kernel.clocks import ClockKind, reach
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.ids import Own
from toldonce.kernel.instants import SECOND, instant, micros
from toldonce.kernel.sla import NO_POLICY, does_anything, facts_of_run, policy_of
from toldonce.kernel.story.runs import done, runs
from toldonce.kernel.story.types import Case, CaseState, Commitment
from toldonce.kernel.timers import (
    Stages,
    promised_moments,
    spelled_id,
    stages_left,
    stages_of,
)

LADDERS_MAX = 4_096


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
            facts = facts_of_run(case, run) if case.pauses else None
            for moment, left_us, said in stages_left(stages, done(case, run)):
                if moment.rung > 0 and not does_anything(
                    case, self._config, ladder.policy, moment.rung
                ):
                    continue
                if facts is not None and facts.pauses:
                    at = reach(ladder.calendar, facts, left_us / SECOND)
                else:
                    at = instant(add_business_us(ladder.calendar, since_us, left_us))
                if at is not None:
                    found.append((spelled_id(case.own, said, since_us), at))
                break
        return found

    def promised(self, promise: Commitment, case: Case | None) -> list[tuple[Own, datetime]]:
        """Give that of a commitment."""
        ladder = None if case is None or case.state is CaseState.CLOSED else self._ladder_of(case)
        policy = None if ladder is None or ladder.policy is NO_POLICY else ladder.policy
        own, _, fires_at = next(promised_moments(promise, policy))
        return [(own, fires_at)]

    def _ladder_of(self, case: Case) -> "_Ladder":
        key = (case.queue, case.channel, case.priority, case.tier, case.former_queues)
        known = self._ladders.get(key)
        if known is not None:
            return known
        if len(self._ladders) >= LADDERS_MAX:
            self._ladders.clear()
        policy = policy_of(case, self._config)
        rungs = {} if policy is None else {kind: stages_of(policy, kind) for kind in policy.targets}
        calendar = self._config.counting(policy, case.queue)
        made = self._ladders[key] = _Ladder(policy or NO_POLICY, calendar, rungs)
        return made


type _Kind = tuple[str, str, int, str, tuple[str, ...]]


class _Ladder(NamedTuple):
    """Of each clock what comes in turn: the moment, after how long, how its id spells it."""

    policy: SlaPolicy
    calendar: Calendar
    rungs: dict[ClockKind, Stages]
