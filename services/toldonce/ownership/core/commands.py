"""What can be asked of a story. Ids are own parts: the story they belong to is known.

What a decision needs from outside the head (a context hash, a closed case) is a field that the
handler fills from the history before it asks.
"""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import EntryKind
from toldonce.kernel.story.types import Case, SkillNeed, Story, TargetKind


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and under which operation id: the same id again is the same act."""

    operation: Own
    principal: Principal

    @property
    def actor(self) -> str:
        """Give the `role:subject` that the log keeps."""
        return f"{self.principal.role.value}:{self.principal.subject}"

    @property
    def agent(self) -> str:
        """Name the agent who asks; empty when it is not an agent."""
        return self.principal.subject if self.principal.role is Role.AGENT else ""


@dataclass(frozen=True, slots=True)
class ReceiveContact:
    """Take a contact in: into `thread` if that case is open, else where it belongs.

    `closed` is how the history last shows a `thread` that ended not too long ago: it reopens.
    """

    contact: Own
    gateway: str
    channel: str
    made_at: datetime
    thread: Own
    queue: str
    topic: str
    language: str
    skills: tuple[SkillNeed, ...]
    priority: int
    preferred_agent: str
    promised_at: datetime | None
    closed: "Ended | None" = None


@dataclass(frozen=True, slots=True)
class DivertContact:
    """Mark that a contact of this customer is taken into the fresh story `to`."""

    contact: Own
    made_at: datetime
    to: str
    reason: str


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """Add a message, note or reference; an agent quotes the epoch of the case.

    An adviser adds notes and references only.
    """

    case: Own
    epoch: int
    kind: EntryKind


@dataclass(frozen=True, slots=True)
class ConfirmDelivery:
    """Say that the gateway has the answer."""

    entry: Own


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Offer the case to an agent: only the engine asks this."""

    case: Own
    epoch: int
    offer: Own
    agent: str
    issued_at: datetime
    expires_at: datetime
    engine_epoch: int
    policy_version: str
    trace: bytes


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
    """Climb to `rung`: an owned case is handed over with its story, a waiting one moves queue.

    `timer`: the timer that asks, if one does; then the clock must still run.
    """

    case: Own
    epoch: int
    rung: int
    queue: str
    reason: str
    timer: "DueTimer | None" = None
    context_sequence: int = 0
    context_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer of the present run of a clock, and its instant."""

    own: Own
    clock: ClockKind
    fires_at: datetime


@dataclass(frozen=True, slots=True)
class RecordTimer:
    """Record that a clock warned or (`breach`) ran out, once per `timer`; not before its time."""

    case: Own
    timer: Own
    clock: ClockKind
    due_at: datetime
    fires_at: datetime
    breach: bool
    raise_priority_by: int


@dataclass(frozen=True, slots=True)
class BeginWrapUp:
    """Say that the talk is over and the paperwork begins."""

    case: Own
    epoch: int


@dataclass(frozen=True, slots=True)
class CompleteWrapUp:
    """Say that the paperwork is done."""

    case: Own
    epoch: int


@dataclass(frozen=True, slots=True)
class CloseCase:
    """End the matter with its outcome; `seen` as in a handoff; None: it was not asked."""

    case: Own
    epoch: int
    disposition: str
    seen: Own
    re_told: bool | None = None
    resolved_first_owner: bool | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A case that ended, as it then was, and when."""

    case: Case
    at: datetime


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """Open a closed case again; `closed` is how the history last shows it."""

    case: Own
    reason: str
    closed: Ended | None = None


@dataclass(frozen=True, slots=True)
class AbandonCase:
    """End the matter because the customer went away or took it back."""

    case: Own
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseOwnership:
    """Let go of a case, or make its owner let go, by the named rule."""

    case: Own
    epoch: int
    reason: str


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


@dataclass(frozen=True, slots=True)
class MakeCommitment:
    """Note what the customer was promised (its words) and by when."""

    case: Own
    epoch: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class KeepCommitment:
    """Say that a promise was kept; an agent owns the case it was made in, or made it."""

    commitment: Own
    epoch: int


@dataclass(frozen=True, slots=True)
class BreakCommitment:
    """Say that a promise was not kept in time; refused before it is due."""

    commitment: Own


@dataclass(frozen=True, slots=True)
class MergeCases:
    """Let `merged` end in `case`; the `seen`s are the last customer entries shown of each."""

    case: Own
    epoch: int
    merged: Own
    seen: Own
    merged_seen: Own


@dataclass(frozen=True, slots=True)
class SplitCase:
    """Make a case of its own from some contacts of another.

    `others` counts the contacts that stay, `latest` is the last customer entry of those that go;
    both are filled in from the history.
    """

    case: Own
    epoch: int
    contacts: tuple[Own, ...]
    others: int = 0
    latest: Own | None = None


@dataclass(frozen=True, slots=True)
class LinkIncident:
    """Say which incident the case belongs to; empty: none any more."""

    case: Own
    incident: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Destroy the words: `keys` are all that sealed them, filled in from the history."""

    reason: str
    keys: tuple[KeyRef, ...] = ()


@dataclass(frozen=True, slots=True)
class MoveOut:
    """Freeze this story: it goes on under `to`."""

    source: str
    to: str
    to_empty: bool
    arriving: int
    stories: int


@dataclass(frozen=True, slots=True)
class Absorb:
    """Take in what `source` held when it was frozen at `source_sequence`."""

    source: str
    source_sequence: int
    source_at: datetime
    head: Story


type Command = (
    ReceiveContact
    | DivertContact
    | AppendEntry
    | ConfirmDelivery
    | MakeOffer
    | ExpireOffer
    | RevokeOffer
    | AcceptOffer
    | DeclineOffer
    | BeginHandoff
    | CancelHandoff
    | Escalate
    | RecordTimer
    | BeginWrapUp
    | CompleteWrapUp
    | CloseCase
    | ReopenCase
    | AbandonCase
    | ReleaseOwnership
    | LapseOwnership
    | ResumeOwnership
    | JoinConsult
    | LeaveConsult
    | MakeCommitment
    | KeepCommitment
    | BreakCommitment
    | MergeCases
    | SplitCase
    | LinkIncident
    | Forget
    | MoveOut
    | Absorb
)
