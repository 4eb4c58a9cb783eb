"""Offers, handoffs, advisers and owners."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import TargetKind


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Offer the case to an agent: only the engine asks this.

    `handoff` is the one it was decided for, or "" for none; None does not say. Of a handoff the
    epoch tells nothing, because it rises with the accept only. It is one of `round` offers to
    different agents that may be live at once.
    """

    case: Own
    epoch: int
    offer: Own
    agent: str
    issued_at: datetime
    expires_at: datetime
    engine_epoch: int
    policy_version: str
    trace: bytes
    handoff: Own | None = None
    forced: bool = False
    round: int = 1


@dataclass(frozen=True, slots=True)
class ExpireOffer:
    """End an offer whose time has passed."""

    offer: Own


@dataclass(frozen=True, slots=True)
class RevokeOffer:
    """Take an offer back."""

    offer: Own
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptOffer:
    """Become the owner; at a handoff with the hash of the context that was read (32 bytes)."""

    offer: Own
    epoch: int
    context_hash: bytes


@dataclass(frozen=True, slots=True)
class DeclineOffer:
    """Say no to an offer."""

    offer: Own
    reason: str


@dataclass(frozen=True, slots=True)
class BeginHandoff:
    """Ask for another owner; `seen` is the last customer entry the sender was shown.

    `warm`: the sender stays with the case after the accept. `override`: the reason code to hand it
    on all the same where the guard against ping-pong or too many hops would refuse.
    """

    case: Own
    epoch: int
    seen: Own
    target_kind: TargetKind
    target: str
    timeout_s: int
    warm: bool = False
    override: str = ""
    context_sequence: int = 0
    context_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class CancelHandoff:
    """End a pending handoff; the engine does so with TIMED_OUT when its time has passed."""

    case: Own
    epoch: int
    handoff: Own
    reason: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Climb to `rung`: an owned case is handed over with its story, a waiting one moves queue."""

    case: Own
    epoch: int
    rung: int
    queue: str
    reason: str
    context_sequence: int = 0
    context_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class ReleaseOwnership:
    """Let go of a case, or make its owner let go, by the named rule.

    `messages`: how many appends the story had when that was decided; not any more once it has more.
    """

    case: Own
    epoch: int
    reason: str
    messages: int = 0


@dataclass(frozen=True, slots=True)
class LapseOwnership:
    """Say that the owner is away, by the named rule: `backup` (or the queue) may take over.

    After `lapse_s` seconds without a taker the case is released.
    """

    case: Own
    epoch: int
    rule: str
    backup: str
    lapse_s: int


@dataclass(frozen=True, slots=True)
class ResumeOwnership:
    """Say that the owner is back."""

    case: Own
    epoch: int


@dataclass(frozen=True, slots=True)
class JoinConsult:
    """Let `agent` see a case and write notes; the owner or a supervisor may name another."""

    case: Own
    agent: str


@dataclass(frozen=True, slots=True)
class LeaveConsult:
    """Let an adviser go: said by the adviser, the owner, a supervisor, or when time is up."""

    case: Own
    agent: str
    reason: str
