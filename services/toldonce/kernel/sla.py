"""The clocks of a case under its policy: which policy that is, and how they stand.

A pure function of (policy, calendar, the case's own facts): `ownership` refuses with it, `sla`
plans with it and anybody can explain with it. What each clock counts says `story.runs`. A
commitment has a clock of its own, by the wall: it is due when that was promised.

Which timers follow says `kernel.timers`.
"""

from datetime import datetime

from toldonce.kernel.calendar import ALWAYS
from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import Clock, ClockFacts, ClockKind, ClockState, Pause, Target, clock
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import WARN_PERMILLE, SlaPolicy
from toldonce.kernel.config.climbing import onward
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.story.runs import Run, runs
from toldonce.kernel.story.types import Case, Commitment, PauseCause

NO_POLICY = SlaPolicy("", {})  # stands where none applies: it aims at nothing


def policy_of(case: Case, config: Config) -> SlaPolicy | None:
    """Return the SLA policy of a case as it is now."""
    former = case.former_queues
    return config.sla_for(case.queue, case.channel, case.priority, case.tier, former)


def stopped_by(case: Case, cause: PauseCause, config: Config | None) -> int:
    """Give the bits of the clocks that stand still in a pause of the case that begins now.

    Without a policy they are those that usually do.
    """
    policy = None if config is None else policy_of(case, config)
    return (policy or NO_POLICY).stops(cause)


def facts_of(case: Case) -> dict[ClockKind, ClockFacts]:
    """Say since when and until when each clock of a case runs, and when it stands still.

    The policy has no say in it: what stood still in a pause was decided when that began.
    """
    return {run.clock: facts_of_run(case, run) for run in runs(case)}


def facts_of_run(case: Case, run: Run) -> ClockFacts:
    """Say since when and until when one run of a clock goes on, and when it stands still."""
    pauses: tuple[Pause, ...] = ()
    if case.pauses:
        pauses = tuple(
            Pause(one.from_at, one.until_at, one.cause.name)
            for one in case.pauses
            if one.clocks & run.clock.bit
        )
    return ClockFacts(run.started_at, pauses, run.stopped_at, run.vain)


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
    """Read the clock of a commitment; it warns as the policy of its case does, without one never.

    The policy of a case that ended is none.
    """
    read = clock(promise_target(promise, policy), ALWAYS, ClockFacts(promise.made_at), now)
    if policy is not None:
        return read
    state = ClockState.RUNNING if read.state is ClockState.WARNED else read.state
    return replace(read, warn_at=None, state=state)


def promise_target(promise: Commitment, policy: SlaPolicy | None) -> Target:
    """Say what the clock of a commitment aims at; its warning is that of a policy, or the usual."""
    targets = () if policy is None else tuple(policy.targets.values())
    warn = targets[0].warn_permille if targets else WARN_PERMILLE
    target_s = (micros(promise.due_at) - micros(promise.made_at)) / SECOND
    return Target(ClockKind.COMMITMENT, target_s, warn)


def handed_to(case: Case, config: Config, policy: SlaPolicy, rung: int) -> str:
    """Name the queue that a rung hands the case to; "" when it does not, or there is none.

    It is handed up once for each rung: not to one that is as low as where it was handed before.
    """
    return "" if rung <= case.rung else onward(config, policy.ladder[rung - 1], case.queue)


def does_anything(case: Case, config: Config, policy: SlaPolicy, rung: int) -> bool:
    """Tell whether a rung does anything for the case."""
    one = policy.ladder[rung - 1]
    if one.raise_priority_by or one.widen or one.notify or one.page:
        return True
    return bool(handed_to(case, config, policy, rung))
