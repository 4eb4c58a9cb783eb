"""Which matters a story has: two cases made one, one made two, what is behind one, its place."""

from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Denied, Invalid, Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    CaseMerged,
    CaseSplit,
    Event,
    HandoffCancelled,
    IncidentLinked,
    PrioritySet,
    QueueChanged,
)
from toldonce.kernel.story.types import CASES_MAX, PRIORITY_MAX, Story
from toldonce.ownership.core.commands import (
    Asked,
    ChangeQueue,
    LinkIncident,
    MergeCases,
    SetPriority,
    SplitCase,
)
from toldonce.ownership.core.commitments import joined
from toldonce.ownership.core.guards import OVERRIDERS, held, open_case, seen_all
from toldonce.ownership.core.offers import revoked
from toldonce.ownership.core.returns import unowned
from toldonce.ownership.core.rules import Rules


def merge(story: Story, command: MergeCases, by: Asked) -> tuple[Event, ...]:
    """Let one case end in another. No other agent than the asker may own either."""
    if command.case == command.merged:
        raise Invalid("merged_case_id", "a case cannot end in itself")
    stays = held(open_case(story, command.case), by, command.epoch)
    ended = open_case(story, command.merged)
    if by.principal.role not in OVERRIDERS and ended.owner not in {"", by.agent}:
        raise Rejected("NOT_OWNER", "another agent owns the other case; ask a supervisor")
    seen_all(stays, command.seen)
    seen_all(ended, command.merged_seen)
    gone: tuple[Event, ...] = revoked(ended, "CASE_ENDED")
    if ended.handoff is not None:
        gone += (HandoffCancelled(ended.handoff.own, ended.own, "CASE_ENDED"),)
    return (*gone, *joined(story, stays.own, ended.own), CaseMerged(ended.own, stays.own))


def split(
    story: Story, command: SplitCase, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Make a case of its own from some contacts: it waits for a person at the old one's age.

    Its contacts were answered, and late, when those of the old one were.
    """
    case = held(open_case(story, command.case), by, command.epoch)
    if command.latest is None:
        raise Invalid("contact_ids", "wanted contacts that came into this case")
    if not command.others:
        raise Invalid("contact_ids", "one contact at least has to stay in the case")
    if len(story.cases) >= CASES_MAX:
        raise Rejected("TOO_MANY_CASES", f"the customer has {CASES_MAX} open cases")
    own = Own(derive("case", by.operation))
    made = replace(unowned(case, now, rules), own=own, epoch=0, last_customer_entry=command.latest)
    return (CaseSplit(case.own, made, command.contacts),)


def link_incident(story: Story, command: LinkIncident) -> tuple[Event, ...]:
    """Say which incident is behind the case; the same again changes nothing."""
    case = open_case(story, command.case)
    if case.incident == command.incident:
        return ()
    return (IncidentLinked(case.own, command.incident),)


def set_priority(story: Story, command: SetPriority, by: Asked) -> tuple[Event, ...]:
    """Let the case count for more or less; the same again changes nothing."""
    case = open_case(story, command.case)
    _steers(by, command.reason)
    if not 0 <= command.priority <= PRIORITY_MAX:
        raise Invalid("priority", f"wanted 0 to {PRIORITY_MAX}; higher comes first")
    if case.priority == command.priority:
        return ()
    return (PrioritySet(case.own, command.priority, command.reason),)


def change_queue(story: Story, command: ChangeQueue, by: Asked, rules: Rules) -> tuple[Event, ...]:
    """Let a case that nobody owns wait elsewhere at its old age: who is asked now is not any more.

    One rule for the engine's overflow and a supervisor's wish. In the new queue the case asks what
    that asks of everybody: what it asked until now was the old queue's requirement as well, which
    those who work elsewhere need not meet, and then nobody would ever come for it. Where it was is
    remembered. So the engine never sends it back; whoever hands it back says why; a supervisor has
    said why, and may send it anywhere. A case that is there already needs nothing.
    """
    case = open_case(story, command.case)
    _steers(by, command.reason)
    if command.queue not in rules.queues:
        raise Invalid("queue", "no queue of this name is configured")
    if case.owner:
        raise Rejected("OWNED", "an agent owns the case: it goes elsewhere by a handoff")
    held(case, by, command.epoch)
    if case.queue == command.queue:
        return ()
    if command.from_queue not in {"", case.queue}:
        raise Rejected("QUEUE_CHANGED", f"the case is in {case.queue} now; decide again")
    if by.principal.role is Role.SERVICE and command.queue in case.former_queues:
        raise Rejected("PING_PONG", f"the case has waited in {command.queue} before")
    changed = QueueChanged(case.own, case.queue, command.queue, command.reason)
    return (*revoked(case, "QUEUE_CHANGED"), changed)


def _steers(by: Asked, reason: str) -> None:
    if by.principal.role not in OVERRIDERS:
        raise Denied("only the engine or a supervisor changes how a case waits")
    if not reason:
        raise Invalid("reason", "say why: a code such as MISROUTED")
