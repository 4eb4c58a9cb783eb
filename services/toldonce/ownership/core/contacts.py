"""Contacts and entries: what comes in, what goes out."""

from datetime import datetime

from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.principal import Role
from toldonce.kernel.sla import stopped_by
from toldonce.kernel.story.events import (
    CaseOpened,
    CasePaused,
    ContactReceived,
    DeliveryConfirmed,
    Diverted,
    EntryAppended,
    EntryKind,
    Event,
)
from toldonce.kernel.story.ring import times
from toldonce.kernel.story.types import ANSWERS_MAX, CASES_MAX, CaseState, PauseCause, Story
from toldonce.ownership.core.commands import (
    AppendEntry,
    Asked,
    ConfirmDelivery,
    DivertContact,
    ReceiveContact,
)
from toldonce.ownership.core.commitments import acknowledged, answered
from toldonce.ownership.core.experiences import raised_new
from toldonce.ownership.core.guards import PAUSE_USUAL, held, open_case
from toldonce.ownership.core.returns import in_window, reopened
from toldonce.ownership.core.rules import Rules


def receive(
    story: Story, command: ReceiveContact, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Take a contact in. Its own id makes the ids of its case and entry: a retry makes the same.

    An answer to a case that ended within the queue's window opens it again.
    Raises Rejected TOO_MANY_CASES when it would open a ninth case: the handler then diverts it.
    """
    entry = Own(derive("entry", command.contact))
    back = _comes_back(story, command, now, rules)
    joined = command.thread if back else _joins(story, command)
    case = joined or Own(derive("case", command.contact))
    received = ContactReceived(
        contact=command.contact,
        case=case,
        entry=entry,
        gateway=command.gateway,
        channel=command.channel,
        language=command.language,
        made_at=command.made_at,
        joined=bool(joined),
        promised_at=command.promised_at,
        topic=command.topic,
        topic_by=command.topic_by,
        topic_sure_pct=command.topic_sure_pct,
        topic_model=command.topic_model,
    )
    promised: tuple[Event, ...] = ()
    if command.commits and command.promised_at is not None:
        promised = acknowledged(story, command.contact, case, command.promised_at, now)
    if joined:
        return (*back, *promised, received)
    if len(story.cases) >= CASES_MAX:
        raise Rejected("TOO_MANY_CASES", f"the customer has {CASES_MAX} open cases")
    opened = CaseOpened(
        case=case,
        queue=command.queue,
        channel=command.channel,
        gateway=command.gateway,
        topic=command.topic,
        language=command.language,
        skills=command.skills,
        priority=command.priority,
        preferred_agent=command.preferred_agent,
        tier=command.tier,
    )
    return opened, *promised, received, *raised_new(story, opened, rules)


def divert(story: Story, command: DivertContact) -> tuple[Event, ...]:
    """Mark a contact as taken elsewhere; once."""
    if times(story.contacts, command.contact):
        return ()
    return (Diverted(command.contact, command.made_at, command.to, command.reason),)


def append_entry(
    story: Story, command: AppendEntry, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Add an entry. An agent must own the case; a gateway may add what the customer says.

    Who advises on it adds notes and references while their time lasts. An answer keeps what the
    acknowledgement promised.
    """
    case = open_case(story, command.case)
    match command.kind:
        case EntryKind.MESSAGE_IN:
            if by.principal.role not in {Role.GATEWAY, Role.SERVICE}:
                raise Rejected("NOT_A_GATEWAY", "only a gateway brings what the customer says")
        case EntryKind.MESSAGE_OUT:
            held(case, by, command.epoch)
            if len(story.unconfirmed) >= ANSWERS_MAX:
                raise Rejected(
                    "ANSWERS_UNCONFIRMED",
                    f"{ANSWERS_MAX} answers still wait for their gateway; it may be down",
                )
        case _:
            adviser = case.adviser(by.agent)
            advises = adviser is not None and now < adviser.until_at
            if by.principal.role is Role.AGENT and not advises:
                held(case, by, command.epoch)
    added = EntryAppended(
        entry=Own(derive("entry", by.operation)),
        case=case.own,
        kind=command.kind,
        gateway=case.gateway,
        channel=case.channel,
    )
    if command.kind is not EntryKind.MESSAGE_OUT:
        return (added,)
    kept = answered(story, case.own, by.agent or case.owner, now)
    if not command.awaits_customer:
        return (*kept, added)
    clocks = stopped_by(case, PauseCause.CUSTOMER, rules.config)
    waits = CasePaused(case.own, PauseCause.CUSTOMER, now + PAUSE_USUAL, "", clocks)
    return (*kept, waits, added)


def confirm(story: Story, command: ConfirmDelivery) -> tuple[Event, ...]:
    """Confirm an answer; confirming it again changes nothing."""
    if any(answer.entry == command.entry for answer in story.unconfirmed):
        return (DeliveryConfirmed(command.entry),)
    return ()


def _comes_back(
    story: Story, command: ReceiveContact, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Open the case again that the contact answers, if it ended and there is time and room."""
    closed, present = command.closed, story.case(command.thread)
    if closed is None or not in_window(closed, now, rules):
        return ()
    if present is None and len(story.cases) >= CASES_MAX:
        return ()
    if present is not None and present.state is not CaseState.CLOSED:
        return ()
    return reopened(story, closed, now, "CUSTOMER_RETURNED", rules)


def _joins(story: Story, command: ReceiveContact) -> Own:
    """Name the open case a contact belongs to: its thread, else the latest on its matter."""
    candidates = [case for case in story.cases if case.state is not CaseState.CLOSED]
    if any(case.own == command.thread for case in candidates):
        return command.thread
    for case in reversed(candidates):
        if not command.topic or not case.topic or case.topic == command.topic:
            return case.own
    return Own("")
