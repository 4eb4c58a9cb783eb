"""Owners who are away: their case is sought a new owner, and stays theirs until one accepts."""

from datetime import datetime

from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.story.events import Event, OwnershipLapsed, OwnershipResumed
from toldonce.kernel.story.types import CaseState, Story
from toldonce.ownership.core.commands import Asked, LapseOwnership, ResumeOwnership
from toldonce.ownership.core.guards import held, open_case
from toldonce.ownership.core.offers import expiry, revoked
from toldonce.ownership.core.rules import Rules


def lapse(
    story: Story, command: LapseOwnership, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Begin to seek a new owner; a pending handoff does so already."""
    case = held(open_case(story, command.case), by, command.epoch)
    if not case.owner:
        raise Rejected("NOT_OWNED", "nobody owns the case")
    if case.lapse is not None:
        return ()
    if case.handoff is not None:
        raise Rejected("HANDOFF_PENDING", "a handoff is pending: it finds the new owner")
    if command.backup and (command.backup not in rules.agents or command.backup == case.owner):
        raise Invalid("backup", "wanted another configured agent")
    if not 0 < command.lapse_s <= rules.handoff_timeout_max_s:
        raise Invalid("lapse_s", f"wanted 1 to {rules.handoff_timeout_max_s} seconds")
    until_at = expiry(now, command.lapse_s)
    return (
        OwnershipLapsed(
            case.own,
            case.owner,
            case.epoch,
            command.rule or "UNSPECIFIED",
            command.backup,
            until_at,
        ),
    )


def resume(story: Story, command: ResumeOwnership, by: Asked) -> tuple[Event, ...]:
    """End the search: the owner is back under the same epoch."""
    case = story.case(command.case)
    if case is not None and case.state is CaseState.CLOSED:
        return ()
    case = held(open_case(story, command.case), by, command.epoch)
    if case.lapse is None:
        return ()
    return (
        *revoked(case, "OWNER_BACK"),
        OwnershipResumed(case.own, case.owner, case.epoch),
    )
