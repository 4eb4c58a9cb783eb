"""What the engine decides; most is done in the log, by a command to ownership.

Instants are aware UTC. `case`, `offer` and `handoff` are own ids (26 characters); the customer
stands beside them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from toldonce.kernel.ids import Own
from toldonce.routing.core.types import CancelReason, DecisionTrace


class MakeOffer(NamedTuple):
    """Offer the case to the agent; the units are reserved from this moment.

    `handoff` is the transfer an accept completes, or "". `forced`: somebody wants it so, and it
    takes `overdraft` units that the agent does not have. `round` agents are asked at once.
    """

    customer: str
    case: Own
    case_epoch: int
    agent: str
    offer: Own
    expires_at: datetime
    handoff: str
    trace: DecisionTrace
    overdraft: int = 0
    forced: bool = False
    round: int = 1


@dataclass(frozen=True, slots=True)
class ExpireOffer:
    """The offer's time has passed. Said again until the log shows that it is over."""

    customer: str
    case: Own
    offer: Own
    agent: str


@dataclass(frozen=True, slots=True)
class RevokeOffer:
    """Take the offer back. Said again until the log shows it."""

    customer: str
    case: Own
    offer: Own
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class CancelHandoff:
    """The transfer finds nobody in time. Said again until the log shows it."""

    customer: str
    case: Own
    handoff: Own
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class CompleteWrapUp:
    """The wrap-up has lasted as long as it may. Said again until the log shows it."""

    customer: str
    case: Own
    agent: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ReleaseOwnership:
    """The owner cannot see to it for longer than the grace. Said again until the log shows it.

    `reason` is the rule that took it, such as OWNER_GONE_REQUEUE.
    """

    customer: str
    case: Own
    agent: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class LapseOwnership:
    """The owner cannot see to it, and by `rule` somebody may take over within `lapse_s`.

    `backup` is who stands in, or "" for the case's queue. Decided of the story as it stood at log
    position `sequence`. Said again until the log shows it.
    """

    customer: str
    case: Own
    agent: str
    epoch: int
    rule: str
    backup: str
    lapse_s: int
    sequence: int


@dataclass(frozen=True, slots=True)
class ResumeOwnership:
    """The owner is back before anybody took over; the lapse began at `lapsed_at`.

    Said again until the log shows it.
    """

    customer: str
    case: Own
    agent: str
    epoch: int
    lapsed_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeQueue:
    """The case waits in `queue` from now on; `reason` is OVERFLOW_FULL or OVERFLOW_CLOSED.

    Said again until the log shows it, or the reason is gone.
    """

    customer: str
    case: Own
    epoch: int
    from_queue: str
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerAsk:
    """What was asked for is not done, for `reason` (a code) and `sentence`, or ("") stands already.

    An ask that has no such answer ends in a MakeOffer of the same id.
    """

    offer: Own
    customer: str
    case: str
    reason: str
    sentence: str


type Act = (
    MakeOffer
    | ExpireOffer
    | RevokeOffer
    | CancelHandoff
    | CompleteWrapUp
    | ReleaseOwnership
    | LapseOwnership
    | ResumeOwnership
    | ChangeQueue
)
"""What is done in the log."""

type Decision = Act | AnswerAsk
