"""What happens when a moment of a clock has come, and when clocks stand still.

Nothing is recorded before its instant, and that instant is worked out here, by the policy in force:
whoever plans timers can be late or wrong and yet do no harm.
"""

from datetime import datetime, timedelta

from toldonce.kernel.calendar import ALWAYS
from toldonce.kernel.clocks import BREACH, WARN, ClockFacts, ClockKind, reach
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.sla import facts_of, handed_to, policy_of, promise_target, stopped_by
from toldonce.kernel.story.events import (
    CasePaused,
    CaseResumed,
    Event,
    PriorityRaised,
    RungClimbed,
    SlaBreached,
    SlaWarned,
)
from toldonce.kernel.story.runs import Run, done, run_of
from toldonce.kernel.story.types import PRIORITY_MAX, Case, CaseState, PauseCause, Story
from toldonce.kernel.timers import timer_id
from toldonce.ownership.core.commands import Asked, Escalate, FireTimer, PauseCase, ResumeCase
from toldonce.ownership.core.commitments import broken
from toldonce.ownership.core.guards import PAUSE_USUAL, held, open_case
from toldonce.ownership.core.rules import Rules
from toldonce.ownership.core.transfers import climbed

PAUSE_MAX = timedelta(days=30)


def fire(
    story: Story, command: FireTimer, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Record a warning or a breach, or climb a rung: once per timer, never before its time.

    Raises Rejected TOO_EARLY, POLICY_DIFFERS (ask again, one of us is behind), CLOCK_STOPPED or
    CASE_CLOSED (never again).
    """
    if command.clock is ClockKind.COMMITMENT:
        return _promised(story, command, now, rules)
    case = story.case(command.case)
    if case is None or case.state is CaseState.CLOSED:
        raise Rejected("CASE_CLOSED", "the case is closed; its clocks have stopped")
    run = run_of(case, command.clock)
    if run is None or command.timer != timer_id(
        case.own, command.clock, command.moment, run.started_at
    ):
        raise Rejected("CLOCK_STOPPED", "the timer is of an earlier run of the clock")
    recorded = done(case, run)
    if recorded & command.moment.bit:
        return ()
    if run.stopped_at is not None:
        raise Rejected("CLOCK_STOPPED", "the clock was stopped before it ran out")
    policy = None if rules.config is None else policy_of(case, rules.config)
    due_at = _due(case, command, run, policy, now=now, rules=rules)
    if policy is None or due_at is None:
        return ()
    if command.moment == WARN:
        return (SlaWarned(case.own, command.timer, command.clock, due_at),)
    if command.moment == BREACH:
        breached = SlaBreached(case.own, command.timer, command.clock, due_at)
        return (breached, *_raised(case, policy.raise_priority_by, "SLA_BREACHED"))
    return _climbed(case, command, by, policy, due_at, now=now, rules=rules)


def pause(
    story: Story, command: PauseCase, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Let the clocks of a case stand still that may for this cause, by the policy in force.

    They stay the same for as long as it lasts, whatever becomes of the policy.
    """
    case = held(open_case(story, command.case), by, command.epoch)
    if command.cause not in {PauseCause.CUSTOMER, PauseCause.HOLD}:
        raise Invalid("cause", "wanted CUSTOMER or HOLD: what does the case wait for?")
    if command.cause is PauseCause.HOLD and not command.reason:
        raise Invalid("reason", "say why: a code such as SUPPLIER")
    until_at = command.until_at or now + PAUSE_USUAL
    if not now < until_at <= now + PAUSE_MAX:
        raise Invalid("until_at", f"must lie ahead, by at most {PAUSE_MAX.days} days")
    clocks = stopped_by(case, command.cause, rules.config)
    return (CasePaused(case.own, command.cause, until_at, command.reason, clocks),)


def resume(story: Story, command: ResumeCase, by: Asked, now: datetime) -> tuple[Event, ...]:
    """Let them go on; a case that does not stand still for this cause stays as it is."""
    case = held(open_case(story, command.case), by, command.epoch)
    if command.cause not in {PauseCause.CUSTOMER, PauseCause.HOLD}:
        raise Invalid("cause", "wanted CUSTOMER or HOLD: what did the case wait for?")
    waits = command.cause is PauseCause.CUSTOMER and case.state is CaseState.PENDING_CUSTOMER
    if not waits and not any(p.cause is command.cause and p.holds(now) for p in case.pauses):
        return ()
    return (CaseResumed(case.own, command.cause, command.reason),)


def _due(
    case: Case,
    command: FireTimer,
    run: Run,
    policy: SlaPolicy | None,
    *,
    now: datetime,
    rules: Rules,
) -> datetime | None:
    """Give the clock's due instant when this moment of it has come; None: a later one came before.

    Raises Rejected when it has not.
    """
    stages = () if policy is None else policy.stages(command.clock)
    places = {moment: place for place, (moment, _) in enumerate(stages)}
    if policy is None or rules.config is None or command.moment not in places:
        raise Rejected("POLICY_DIFFERS", "the policy in force here knows no such moment")
    recorded, place = done(case, run), places[command.moment]
    passed = any(recorded & moment.bit for moment, _ in stages[place + 1 :])
    if passed and command.moment != BREACH:  # a policy may have put a climbed rung behind it
        return None
    calendar = rules.config.counting(policy, case.queue)
    facts = facts_of(case)[command.clock]
    at = reach(calendar, facts, stages[place][1])
    if at is None or now < at:
        raise Rejected("TOO_EARLY", "the clock has time left")
    if places[BREACH] < place and not recorded & BREACH.bit:
        raise Rejected("TOO_EARLY", "the breach comes first")
    return reach(calendar, facts, policy.targets[command.clock].target_s) or at


def _climbed(
    case: Case,
    command: FireTimer,
    by: Asked,
    policy: SlaPolicy,
    due_at: datetime,
    *,
    now: datetime,
    rules: Rules,
) -> tuple[Event, ...]:
    rung, number = policy.ladder[command.moment.rung - 1], command.moment.rung
    made = RungClimbed(
        case=case.own,
        timer=command.timer,
        clock=command.clock,
        rung=number,
        due_at=due_at,
        policy=policy.name,
        widened=rung.widen,
        notified=rung.notify,
        paged=rung.page,
    )
    raised = _raised(case, rung.raise_priority_by, f"SLA_RUNG_{number}")
    queue = "" if rules.config is None else handed_to(case, rules.config, policy, number)
    if not queue:
        return (made, *raised)
    wish = Escalate(
        case=case.own,
        epoch=0,
        rung=number,
        queue=queue,
        reason="SLA_BREACHED" if due_at <= now else "SLA_AT_RISK",
        context_sequence=command.context_sequence,
        context_hash=command.context_hash,
    )
    return (made, *raised, *climbed(case, wish, by, queue, now=now, rules=rules))


def _promised(story: Story, command: FireTimer, now: datetime, rules: Rules) -> tuple[Event, ...]:
    """Record that the time of a promise is nearly, or quite, over."""
    promise = story.commitment(command.commitment)
    if promise is None:
        raise Rejected("CLOCK_STOPPED", "it was kept or broken already, or there never was one")
    wanted = timer_id(promise.own, ClockKind.COMMITMENT, command.moment, promise.made_at)
    if command.timer != wanted or command.moment not in {WARN, BREACH}:
        raise Rejected("CLOCK_STOPPED", "the timer is not of this promise")
    if command.moment == BREACH:
        if now < promise.due_at:
            raise Rejected("TOO_EARLY", "the promise has time left")
        return (broken(promise),)
    case = story.case(promise.case)
    if promise.warned:
        return ()
    policy = None
    if case is not None and case.state is not CaseState.CLOSED and rules.config is not None:
        policy = policy_of(case, rules.config)
    if policy is None:
        raise Rejected("POLICY_DIFFERS", "no policy in force here warns of this promise")
    at = reach(ALWAYS, ClockFacts(promise.made_at), promise_target(promise, policy).warn_s)
    if at is None or now < at:
        raise Rejected("TOO_EARLY", "the promise has time left")
    return (SlaWarned(promise.case, wanted, ClockKind.COMMITMENT, promise.due_at, promise.own),)


def _raised(case: Case, by: int, reason: str) -> tuple[PriorityRaised, ...]:
    priority = min(PRIORITY_MAX, case.priority + by)
    if priority == case.priority:
        return ()
    return (PriorityRaised(case.own, priority, reason),)
