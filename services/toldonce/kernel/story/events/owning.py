"""Offers, handoffs, advisers and owners: who answers for a case."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import AdviserKind, TargetKind


@dataclass(frozen=True, slots=True)
class Offered:
    """The engine offered the case to an agent; `trace` is the encoded DecisionTrace.

    `forced`: somebody wanted it so, whatever the policy says.
    """

    offer: Own
    case: Own
    agent: str
    expires_at: datetime
    engine_epoch: int
    policy_version: str
    trace: bytes
    forced: bool = False


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """The agent became owner under `epoch`; `handoff` is the transfer it completes, if any.

    `answers`: taking it answers the customer, who is on the line or to be called back.
    """

    offer: Own
    case: Own
    agent: str
    epoch: int
    handoff: Own
    answers: bool = False


@dataclass(frozen=True, slots=True)
class OfferDeclined:
    """The agent said no."""

    offer: Own
    case: Own
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class OfferExpired:
    """The agent did not answer in time."""

    offer: Own
    case: Own
    agent: str


@dataclass(frozen=True, slots=True)
class OfferRevoked:
    """The offer was taken back."""

    offer: Own
    case: Own
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class HandoffBegun:
    """The owner asked for somebody to take over, with an envelope (its words).

    `override` is the reason code given to pass the guards against ping-pong and too many hops.
    """

    handoff: Own
    case: Own
    from_agent: str
    target_kind: TargetKind
    target: str
    expires_at: datetime
    context_sequence: int
    context_hash: bytes
    rung: int
    warm: bool = False
    override: str = ""


@dataclass(frozen=True, slots=True)
class HandoffCancelled:
    """The transfer ended without a new owner: CANCELLED, DECLINED, TIMED_OUT, REPLACED, ..."""

    handoff: Own
    case: Own
    reason: str


@dataclass(frozen=True, slots=True)
class Escalated:
    """The case climbed to `rung`; without an owner it waits in `queue` from now on."""

    case: Own
    rung: int
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class OwnershipReleased:
    """The owner let go, or was made to by the named rule; the case waits again at its old age."""

    case: Own
    agent: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class OwnershipLapsed:
    """The owner is away: by `rule` the case is sought a new one until `until_at`."""

    case: Own
    agent: str
    epoch: int
    rule: str
    backup: str
    until_at: datetime


@dataclass(frozen=True, slots=True)
class OwnershipResumed:
    """The owner is back, under the same epoch."""

    case: Own
    agent: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ConsultJoined:
    """An agent is with the case without owning it: as adviser, or as sender of a warm handoff."""

    case: Own
    agent: str
    kind: AdviserKind
    until_at: datetime


@dataclass(frozen=True, slots=True)
class ConsultLeft:
    """The adviser is not with the case any more."""

    case: Own
    agent: str
    reason: str
