"""The end of a case, its wrap-up and its return."""

from datetime import datetime

from toldonce.kernel.errors import Missing, Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    CaseAbandoned,
    CaseClosed,
    Event,
    HandoffCancelled,
    WrapUpBegun,
    WrapUpCompleted,
)
from toldonce.kernel.story.types import (
    CASES_MAX,
    CaseState,
    Story,
    WorkState,
)
from toldonce.ownership.core.commands import (
    AbandonCase,
    Asked,
    BeginWrapUp,
    CloseCase,
    CompleteWrapUp,
    ReopenCase,
)
from toldonce.ownership.core.commitments import answered, withdrawn
from toldonce.ownership.core.guards import (
    held,
    known_disposition,
    open_case,
    queue_rules,
    seen_all,
)
from toldonce.ownership.core.offers import expiry, revoked
from toldonce.ownership.core.returns import in_window, reopened
from toldonce.ownership.core.rules import Rules

HUNG_UP = "ABANDONED"


def begin_wrap_up(
    story: Story, command: BeginWrapUp, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Begin the paperwork of an owned case."""
    case = held(open_case(story, command.case), by, command.epoch)
    if case.work is WorkState.WRAPPING:
        return ()
    if not case.owner:
        raise Rejected("NOT_OWNED", "nobody owns the case")
    seconds = queue_rules(rules, case.queue).wrap_up_s or rules.wrap_up_max_s
    return (WrapUpBegun(case.own, case.owner, expiry(now, seconds)),)


def complete_wrap_up(
    story: Story, command: CompleteWrapUp, by: Asked, now: datetime
) -> tuple[Event, ...]:
    """End the paperwork of a closed case; an open one is ended by closing it."""
    case = story.case(command.case)
    if case is None:
        raise Rejected("NO_WRAP_UP", "no wrap-up is open for this case")
    if case.state is not CaseState.CLOSED:
        raise Rejected("CASE_OPEN", "the case is open: close it with its disposition")
    held(case, by, command.epoch)
    if by.principal.role is Role.SERVICE and case.wrap_until and now < case.wrap_until:
        raise Rejected("TOO_EARLY", "the wrap-up has time left")
    return (WrapUpCompleted(case.own, case.owner),)


def close(
    story: Story, command: CloseCase, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """End the matter with its outcome. Where the queue allows paperwork, that begins now.

    Whoever was promised an answer has had it by then: not all are written.
    """
    case = held(open_case(story, command.case), by, command.epoch)
    disposition = known_disposition(rules, case, command.disposition)
    seen_all(case, command.seen)
    closed = CaseClosed(
        case=case.own,
        disposition=disposition,
        agent=case.owner,
        re_told=bool(command.re_told),
        re_told_known=command.re_told is not None,
        resolved_first_owner=bool(command.resolved_first_owner),
        resolved_known=command.resolved_first_owner is not None,
    )
    ended: tuple[Event, ...] = (
        *revoked(case, "CASE_ENDED"),
        *answered(story, case.own, case.owner, now),
    )
    if case.handoff is not None:
        ended += (HandoffCancelled(case.handoff.own, case.own, "CASE_ENDED"),)
    wrap_up_s = queue_rules(rules, case.queue).wrap_up_s
    if case.work is WorkState.WRAPPING:
        return (*ended, closed, WrapUpCompleted(case.own, case.owner))
    if wrap_up_s and case.owner:
        begun = WrapUpBegun(case.own, case.owner, expiry(now, wrap_up_s))
        return (*ended, begun, closed)
    return (*ended, closed)


def abandon(story: Story, command: AbandonCase, by: Asked) -> tuple[Event, ...]:
    """End the matter because the customer went away; a pending handoff ends with it.

    A gateway can do so while nobody owns the case; an owner closes it with an outcome. Who is to be
    called back has hung up, and waits all the same.
    """
    case = open_case(story, command.case)
    if case.callback_at and command.reason == HUNG_UP:
        return ()
    if case.owner and by.principal.role is Role.GATEWAY:
        raise Rejected("OWNED", "an agent has the case and will close it with its outcome")
    ended: tuple[Event, ...] = revoked(case, "CASE_ENDED")
    if case.handoff is not None:
        ended += (HandoffCancelled(case.handoff.own, case.own, "CASE_ENDED"),)
    reason = command.reason or "ABANDONED"
    return (*ended, *withdrawn(story, case.own, reason), CaseAbandoned(case.own, reason))


def reopen(story: Story, command: ReopenCase, now: datetime, rules: Rules) -> tuple[Event, ...]:
    """Open a case again within the window: it waits for a person, its last owner preferred."""
    present = story.case(command.case)
    if present is not None and present.state is not CaseState.CLOSED:
        return ()
    if command.closed is None:
        raise Missing("case", "there is no closed case of this id")
    if not in_window(command.closed, now, rules):
        days = rules.reopen_window_s / 86_400
        raise Rejected(
            "REOPEN_WINDOW", f"the case ended more than {days:g} days ago; take a new contact in"
        )
    if present is None and len(story.cases) >= CASES_MAX:
        raise Rejected("TOO_MANY_CASES", f"the customer has {CASES_MAX} open cases")
    return reopened(story, command.closed, now, command.reason or "UNSPECIFIED", rules)
