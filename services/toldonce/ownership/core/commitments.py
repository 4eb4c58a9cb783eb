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
from toldonce.ownership.core.guards import OVERRIDERS, held, open_case

AHEAD_MAX = timedelta(days=366)
MERGED = "MERGED"


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


def keep(story: Story, command: KeepCommitment, by: Asked, now: datetime) -> tuple[Event, ...]:
    """Say that a promise was kept: its maker, the owner of its case, or a supervisor does.

    Once its time is over it was broken, and is kept all the same.
    """
    found = _open(story, command.commitment)
    case = story.case(found.case)
    if by.principal.role not in OVERRIDERS and by.agent != found.agent:
        if case is None:
            raise Rejected("NOT_OWNER", "who made the promise says so, or a supervisor")
        held(case, by, command.epoch)
    return _kept(found, by.agent or found.agent, now)


def break_(story: Story, command: BreakCommitment, by: Asked, now: datetime) -> tuple[Event, ...]:
    """Say that a promise was not kept in time."""
    found = _open(story, command.commitment)
    if by.principal.role is Role.AGENT:
        raise Rejected("NOT_A_SERVICE", "time says what was broken")
    if now < found.due_at:
        raise Rejected("TOO_EARLY", "the promise has time left")
    return (broken(found),)


def broken(promise: Commitment) -> CommitmentBroken:
    """Say that the time of a promise is over: it is a bad experience."""
    return CommitmentBroken(promise.own, promise.case, promise.due_at)


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


def answered(story: Story, case: Own, agent: str, now: datetime) -> tuple[Event, ...]:
    """Give what an answer means for the promise of the acknowledgement: it keeps it, if in time."""
    return tuple(
        event
        for promise in story.commitments
        if promise.case == case and not promise.agent
        for event in _kept(promise, agent, now)
    )


def withdrawn(
    story: Story, case: Own, reason: str, until_at: datetime | None = None
) -> tuple[Event, ...]:
    """Give what it means for that promise that the customer went away: nobody waits for it.

    `until_at`: they wish to be answered then, which takes back only what is due sooner.
    """
    return tuple(
        CommitmentWithdrawn(promise.own, promise.case, reason)
        for promise in story.commitments
        if promise.case == case
        and not promise.agent
        and (until_at is None or promise.due_at <= until_at)
    )


def joined(story: Story, case: Own, other: Own) -> tuple[Event, ...]:
    """Leave one case of two that become one the promise that is due first, as if it came once."""
    both = [one for one in story.commitments if one.case in {case, other} and not one.agent]
    first = min(both, key=lambda one: one.due_at, default=None)
    return tuple(CommitmentWithdrawn(one.own, one.case, MERGED) for one in both if one is not first)


def _kept(promise: Commitment, agent: str, now: datetime) -> tuple[Event, ...]:
    said = CommitmentKept(promise.own, promise.case, agent)
    return (said,) if now < promise.due_at else (broken(promise), said)


def _open(story: Story, own: str) -> Commitment:
    found = story.commitment(own)
    if found is None:
        raise Rejected("COMMITMENT_GONE", "it was kept or broken already, or there never was one")
    return found
