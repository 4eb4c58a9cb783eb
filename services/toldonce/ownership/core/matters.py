"""Which matters a story has: two cases made one, one made two, and the incident behind a case."""

from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.sla import answered_late
from toldonce.kernel.story.events import (
    CaseMerged,
    CaseSplit,
    Event,
    HandoffCancelled,
    IncidentLinked,
)
from toldonce.kernel.story.types import CASES_MAX, Story
from toldonce.ownership.core.commands import Asked, LinkIncident, MergeCases, SplitCase
from toldonce.ownership.core.guards import OVERRIDERS, held, open_case, seen_all
from toldonce.ownership.core.offers import revoked
from toldonce.ownership.core.returns import unowned


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
    return (*gone, CaseMerged(ended.own, stays.own))


def split(story: Story, command: SplitCase, by: Asked, now: datetime) -> tuple[Event, ...]:
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
    made = replace(unowned(case, now), own=own, epoch=0, last_customer_entry=command.latest)
    made = replace(made, timers=answered_late(case, made))
    return (CaseSplit(case.own, made, command.contacts),)


def link_incident(story: Story, command: LinkIncident) -> tuple[Event, ...]:
    """Say which incident is behind the case; the same again changes nothing."""
    case = open_case(story, command.case)
    if case.incident == command.incident:
        return ()
    return (IncidentLinked(case.own, command.incident),)
