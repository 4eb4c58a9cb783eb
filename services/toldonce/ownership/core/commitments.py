"""Commitments: what the customer was promised stays open until it is kept or broken.

They outlive the case they were made in: closing a case does not take a promise back.
"""

from datetime import datetime, timedelta

from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    CommitmentWithdrawn,
    Event,
)
from toldonce.kernel.story.types import COMMITMENTS_MAX, Commitment, Story
from toldonce.ownership.core.commands import (
    Asked,
    BreakCommitment,
    KeepCommitment,
    MakeCommitment,
)
from toldonce.ownership.core.experiences import raised_waiting
from toldonce.ownership.core.guards import OVERRIDERS, held, open_case
from toldonce.ownership.core.rules import Rules

AHEAD_MAX = timedelta(days=366)


def make(story: Story, command: MakeCommitment, by: Asked, now: datetime) -> tuple[Event, ...]:
    """Note a promise of the owner."""
    case = held(open_case(story, command.case), by, command.epoch)
    if not now < command.due_at <= now + AHEAD_MAX:
        raise Invalid("due_at", f"must lie ahead, by at most {AHEAD_MAX.days} days")
    if len(story.commitments) >= COMMITMENTS_MAX:
        raise Rejected(
            "TOO_MANY_COMMITMENTS",
            f"{COMMITMENTS_MAX} promises to this customer are open; keep one first",
        )
    own = Own(derive("commitment", by.operation))
    return (CommitmentMade(own, case.own, by.agent or case.owner, command.due_at),)


def keep(
    story: Story, command: KeepCommitment, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Say that a promise was kept: its maker, the owner of its case, or a supervisor does.

    Once its time is over it was broken, and is kept all the same.
    """
    found = _open(story, command.commitment)
    case = story.case(found.case)
    if by.principal.role not in OVERRIDERS and by.agent != found.agent:
        if case is None:
            raise Rejected("NOT_OWNER", "who made the promise says so, or a supervisor")
        held(case, by, command.epoch)
    return _kept(story, found, by.agent or found.agent, now, rules)


def break_(
    story: Story, command: BreakCommitment, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Say that a promise was not kept in time."""
    found = _open(story, command.commitment)
    if by.principal.role is Role.AGENT:
        raise Rejected("NOT_A_SERVICE", "time says what was broken")
    if now < found.due_at:
        raise Rejected("TOO_EARLY", "the promise has time left")
    return broken(story, found, rules)


def broken(story: Story, promise: Commitment, rules: Rules) -> tuple[Event, ...]:
    """Give what a broken promise means: it is a bad experience."""
    said = CommitmentBroken(promise.own, promise.case, promise.due_at)
    return (said, *raised_waiting(story, rules))


def acknowledged(
    story: Story, contact: str, case: Own, promised_at: datetime, now: datetime
) -> tuple[CommitmentMade, ...]:
    """Note what the acknowledgement of a contact promised, unless the case waits for that already.

    Nothing is noted where no more promises can be, or its time is over before it came here.
    """
    waits = any(one.case == case and not one.agent for one in story.commitments)
    if waits or len(story.commitments) >= COMMITMENTS_MAX or promised_at <= now:
        return ()
    return (CommitmentMade(Own(derive("promised", contact)), case, "", promised_at),)


def answered(story: Story, case: Own, agent: str, now: datetime, rules: Rules) -> tuple[Event, ...]:
    """Give what an answer means for the promise of the acknowledgement: it keeps it, if in time."""
    return tuple(
        event
        for promise in story.commitments
        if promise.case == case and not promise.agent
        for event in _kept(story, promise, agent, now, rules)
    )


def withdrawn(story: Story, case: Own, reason: str) -> tuple[Event, ...]:
    """Give what it means for that promise that the customer went away: nobody waits for it."""
    return tuple(
        CommitmentWithdrawn(promise.own, promise.case, reason)
        for promise in story.commitments
        if promise.case == case and not promise.agent
    )


def _kept(
    story: Story, promise: Commitment, agent: str, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    said = CommitmentKept(promise.own, promise.case, agent)
    return (said,) if now < promise.due_at else (*broken(story, promise, rules), said)


def _open(story: Story, own: str) -> Commitment:
    found = story.commitment(own)
    if found is None:
        raise Rejected("COMMITMENT_GONE", "it was kept or broken already, or there never was one")
    return found
