"""Consults: a second agent sees the case and writes notes; who owns it does not change."""

from datetime import datetime

from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import ConsultJoined, ConsultLeft, Event
from toldonce.kernel.story.types import AdviserKind, Story
from toldonce.ownership.core.commands import Asked, JoinConsult, LeaveConsult
from toldonce.ownership.core.guards import OVERRIDERS, open_case, room_for_one_more
from toldonce.ownership.core.offers import expiry
from toldonce.ownership.core.rules import Rules


def join(
    story: Story, command: JoinConsult, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Let an agent in: themself, or whom the owner or a supervisor names. Once."""
    case = open_case(story, command.case)
    agent = command.agent or by.agent
    if not agent:
        raise Invalid("agent", "name the agent who is to advise")
    if agent not in rules.agents:
        raise Invalid("agent", "no agent of this name is configured")
    if by.agent and by.agent not in {agent, case.owner}:
        raise Rejected("NOT_OWNER", "only the owner or a supervisor lets somebody else in")
    if agent == case.owner:
        raise Rejected("OWNER", "this agent owns the case already")
    present = case.adviser(agent)
    if present is not None and now < present.until_at:
        return ()
    if present is None:
        room_for_one_more(case, kept=case.handoff is not None and case.handoff.warm)
    until_at = expiry(now, rules.consult_max_s)
    return (ConsultJoined(case.own, agent, AdviserKind.CONSULT, until_at),)


def leave(story: Story, command: LeaveConsult, by: Asked, now: datetime) -> tuple[Event, ...]:
    """Let an adviser go; one who has gone changes nothing."""
    case = open_case(story, command.case)
    agent = command.agent or by.agent
    found = case.adviser(agent)
    if found is None:
        return ()
    if by.principal.role not in OVERRIDERS and by.agent not in {agent, case.owner}:
        raise Rejected("NOT_OWNER", "an adviser is let go by the owner or by themself")
    if by.principal.role is Role.SERVICE and now < found.until_at:
        raise Rejected("TOO_EARLY", "the adviser has time left")
    return (ConsultLeft(case.own, agent, command.reason or "DONE"),)
