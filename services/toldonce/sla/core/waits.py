"""How a wait ended, by the clocks of the case: what is counted of it for its channel (`served`)."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from toldonce.kernel.calendar import Calendar
from toldonce.kernel.clocks import ClockKind, ClockState, Target, clock
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.sla import facts_of, policy_of
from toldonce.kernel.story.types import Case
from toldonce.sla.core.counts import Counts

_ANY_S = 1  # a target that is asked for nothing but the time that has passed
_WAITS = {ClockKind.FIRST_RESPONSE: "answer", ClockKind.QUEUE_WAIT: "wait"}


def aims(case: Case, config: Config) -> tuple[SlaPolicy | None, Calendar]:
    """Say what is aimed at for a case as it is, and by which calendar: asked here alone."""
    policy = policy_of(case, config)
    return policy, config.counting(policy, case.queue)


def served(case: Case, kind: ClockKind, config: Config, stopped_at: datetime) -> Counts:
    """Count a wait that ended as it should."""
    state, elapsed_ms = _read(case, kind, config, stopped_at)
    name = _WAITS[kind]
    counts: Counts = Counter(
        {f"{name}_n": 1, f"{name}_ms": elapsed_ms, f"{name}_ms2": elapsed_ms * elapsed_ms}
    )
    if state is not None:
        counts[f"{name}_aimed"] = 1
        counts[f"{name}_in_time"] = int(state is not ClockState.BREACHED)
    return counts


def left(case: Case, kind: ClockKind, config: Config, left_at: datetime) -> Counts:
    """Count a wait that ended with the customer going away; nothing where nothing was aimed at."""
    state, _ = _read(case, kind, config, left_at)
    if state is None:
        return Counter()
    when = "late" if state is ClockState.BREACHED else "early"
    return Counter({f"{_WAITS[kind]}_left_{when}": 1})


def _read(
    case: Case, kind: ClockKind, config: Config, stopped_at: datetime
) -> tuple[ClockState | None, int]:
    """Say how a clock that stops at an instant ended (None: no target), after how many ms."""
    policy, calendar = aims(case, config)
    target = None if policy is None else policy.targets.get(kind)
    facts = replace(facts_of(case)[kind], stopped_at=stopped_at, cancelled=False)
    read = clock(target or Target(kind, _ANY_S), calendar, facts, stopped_at)
    return None if target is None else read.state, round(read.elapsed_s * 1_000)
