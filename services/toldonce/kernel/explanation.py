"""Why a clock of a case says what it says: policy, calendar, and the account of its time. Pure.

The same function answers live, offline over an exported log, and in tests.
"""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.account import Span, account
from toldonce.kernel.calendar import ALWAYS, Calendar
from toldonce.kernel.clocks import Clock, ClockFacts, ClockKind, ClockState, Target, clock
from toldonce.kernel.config import Config, SlaPolicy
from toldonce.kernel.errors import Missing
from toldonce.kernel.sla import facts_of, policy_of, promise_clock, promise_target
from toldonce.kernel.story.types import Case, Commitment

NO_PROMISE = "no promise of this case is open: each was kept, broken or withdrawn, or none was made"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A clock as it stood when it was read, and how it came to that.

    `why` says in a sentence why the policy of this name applies. The spans of the account run from
    the start to `read_at`, or to the stop. Of a `promise` the policy says only when to warn, ""
    when nobody warns of it, and `why` says where its due time comes from.
    """

    clock: Clock
    facts: ClockFacts
    target: Target
    policy: str
    why: str
    calendar: Calendar
    read_at: datetime
    spans: tuple[Span, ...]
    promise: Commitment | None = None


def explain(case: Case, config: Config, kind: ClockKind, now: datetime) -> Explanation:
    """Explain one clock of a case itself; raises Missing where it has none of this kind."""
    policy = policy_of(case, config)
    facts = facts_of(case).get(kind)
    target = None if policy is None else policy.targets.get(kind)
    if target is not None and facts is None:
        raise Missing("clock", f"{kind.name} has not begun: the customer has not asked for it yet")
    if policy is None or target is None or facts is None:
        aimed = [] if policy is None else [one.name for one in policy.targets]
        has = f"it has {' and '.join(aimed)}" if aimed else "it has none at all"
        raise Missing("clock", f"in queue {case.queue} no clock {kind.name} is kept; {has}")
    calendar = config.counting(policy, case.queue)
    return Explanation(
        clock=clock(target, calendar, facts, now),
        facts=facts,
        target=target,
        policy=policy.name,
        why=_why(case, policy, by_queue=policy is config.sla_of(case.queue)),
        calendar=calendar,
        read_at=now,
        spans=account(calendar, facts, now),
    )


def explain_promise(
    promise: Commitment, case: Case | None, config: Config, now: datetime
) -> Explanation:
    """Explain the clock of an open promise; `case` is the one it was made in, None once that ended.

    Its due time stands: no calendar and no pause moves it.
    """
    policy = None if case is None else policy_of(case, config)
    facts = ClockFacts(promise.made_at)
    who = promise.agent or "the acknowledgement"
    unwarned = ", and nobody is warned of it: its case has "
    unwarned += "ended" if case is None else "no SLA policy"
    return Explanation(
        clock=promise_clock(promise, now, policy),
        facts=facts,
        target=promise_target(promise, policy),
        policy="" if policy is None else policy.name,
        why=f"{who} promised it for that instant{unwarned if policy is None else ''}",
        calendar=ALWAYS,
        read_at=now,
        spans=account(ALWAYS, facts, now),
        promise=promise,
    )


def _why(case: Case, policy: SlaPolicy, *, by_queue: bool) -> str:
    """Say why this policy holds for the case and no other."""
    if policy.when is None:
        where = f"the case is in queue {case.queue}, which has"
        return (
            f"{where} this policy" if by_queue else f"{where} none: it keeps the one it came with"
        )
    fits = {
        "channel": case.channel if policy.when.channels else "",
        "queue": case.queue if policy.when.queues else "",
        "customer tier": case.tier if policy.when.tiers else "",
        "priority": str(case.priority) if policy.when.by_priority else "",
    }
    said = ", ".join(f"{what} {value}" for what, value in fits.items() if value)
    return f"it is the first whose `when` fits: {said or 'it fits everything'}"


def standing(read: Clock, *, case_ended: bool) -> ClockState:
    """Say how a clock stands when its case has ended: unless it was breached, it is over.

    The end is what RESOLUTION waits for; what the others waited for never came.
    """
    if not case_ended or read.ended or read.state is ClockState.BREACHED:
        return read.state
    return ClockState.MET if read.kind is ClockKind.RESOLUTION else ClockState.CANCELLED
