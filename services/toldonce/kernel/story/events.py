"""The facts of a story, past tense and without words, and the words that belong to them.

An event says what happened; its words (what people wrote, addresses, names) travel beside it,
encrypted, and the fold never looks at them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.types import (
    AdviserKind,
    Answer,
    Case,
    Commitment,
    SkillNeed,
    Story,
    TargetKind,
)


class EntryKind(IntEnum):
    """What was added to a case."""

    MESSAGE_IN = 1
    MESSAGE_OUT = 2
    NOTE = 3
    ATTACHMENT = 4


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """A new matter began to wait for a person."""

    case: Own
    queue: str
    channel: str
    gateway: str
    topic: str
    language: str
    skills: tuple[SkillNeed, ...]
    priority: int
    preferred_agent: str


@dataclass(frozen=True, slots=True)
class ContactReceived:
    """A contact came in, with its first entry; `joined`: into a case that was open already."""

    contact: Own
    case: Own
    entry: Own
    gateway: str
    channel: str
    language: str
    made_at: datetime
    joined: bool
    promised_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryAppended:
    """Somebody added to the case; an out-going message waits for its gateway's confirmation."""

    entry: Own
    case: Own
    kind: EntryKind
    gateway: str
    channel: str


@dataclass(frozen=True, slots=True)
class DeliveryConfirmed:
    """A gateway said that it has the answer."""

    entry: Own


@dataclass(frozen=True, slots=True)
class Offered:
    """The engine offered the case to an agent; `trace` is the encoded DecisionTrace."""

    offer: Own
    case: Own
    agent: str
    expires_at: datetime
    engine_epoch: int
    policy_version: str
    trace: bytes


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """The agent became owner under `epoch`; `handoff` is the transfer it completes, if any."""

    offer: Own
    case: Own
    agent: str
    epoch: int
    handoff: Own


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
class PriorityRaised:
    """The case counts for more from now on (higher first)."""

    case: Own
    priority: int
    reason: str


@dataclass(frozen=True, slots=True)
class SlaWarned:
    """A clock came near its due time."""

    case: Own
    timer: Own
    clock: ClockKind
    due_at: datetime


@dataclass(frozen=True, slots=True)
class SlaBreached:
    """A clock passed its due time."""

    case: Own
    timer: Own
    clock: ClockKind
    due_at: datetime


@dataclass(frozen=True, slots=True)
class WrapUpBegun:
    """The talk is over and the owner finishes the paperwork, at most until `until_at`."""

    case: Own
    agent: str
    until_at: datetime


@dataclass(frozen=True, slots=True)
class WrapUpCompleted:
    """The owner's capacity is free again."""

    case: Own
    agent: str


@dataclass(frozen=True, slots=True)
class CaseClosed:
    """The matter ended with a recorded outcome.

    `re_told`: the customer had to tell it again; `resolved_first_owner`: the first owner could
    resolve it. Each says something only if it was asked (`..._known`).
    """

    case: Own
    disposition: str
    agent: str
    re_told: bool
    re_told_known: bool = False
    resolved_first_owner: bool = False
    resolved_known: bool = False


@dataclass(frozen=True, slots=True)
class CaseReopened:
    """A closed case is open again, as `case` describes it."""

    case: Case
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CaseAbandoned:
    """The customer went away or took the contact back."""

    case: Own
    reason: str


@dataclass(frozen=True, slots=True)
class OwnershipReleased:
    """The owner let go, or was made to by the named rule; the case waits again at its old age."""

    case: Own
    agent: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The story goes on under another customer id; nothing can be added here any more.

    The proof for a link is its words.
    """

    to: str


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What another story held came here; cases with their epoch raised, offers revoked.

    `sources` are the stories that had come to the source before; `source_at` is its last instant.
    """

    source: str
    source_sequence: int
    source_at: datetime
    sources: tuple[str, ...]
    cases: tuple[Case, ...]
    contacts: bytes
    contact_floor_at: datetime | None
    unconfirmed: tuple[Answer, ...]
    contacts_total: int
    cases_total: int
    handoffs_total: int
    bad_experiences: int
    commitments: tuple[Commitment, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """A story came from an older epoch of the log, whole: `head` is how it stood there.

    `source_digest` is the SHA-256 (32 bytes) of its last message there, at log sequence
    `source_sequence`.
    """

    source_epoch: int
    source_sequence: int
    source_digest: bytes
    head: Story


@dataclass(frozen=True, slots=True)
class Diverted:
    """A contact of this customer was taken into a fresh story, `to`, for the named reason."""

    contact: Own
    made_at: datetime
    to: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class CommitmentMade:
    """The customer was promised something (its words) by `due_at`."""

    commitment: Own
    case: Own
    agent: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CommitmentKept:
    """What was promised was done."""

    commitment: Own
    case: Own
    agent: str


@dataclass(frozen=True, slots=True)
class CommitmentBroken:
    """What was promised was not done in time."""

    commitment: Own
    case: Own
    due_at: datetime


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
class CaseMerged:
    """The case ended in another of the same story, `into`, which keeps its owner."""

    case: Own
    into: Own


@dataclass(frozen=True, slots=True)
class CaseSplit:
    """Some contacts of the case are a matter of their own now, `made`."""

    case: Own
    made: Case
    contacts: tuple[Own, ...]


@dataclass(frozen=True, slots=True)
class IncidentLinked:
    """The case shares its cause with others; an empty `incident` takes that back."""

    case: Own
    incident: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The words under `keys` are destroyed, and whatever was open has ended."""

    keys: tuple[KeyRef, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """Nothing happened, on purpose: operation `about` can never be committed behind this."""

    about: Own


type Event = (
    CaseOpened
    | ContactReceived
    | EntryAppended
    | DeliveryConfirmed
    | Offered
    | OfferAccepted
    | OfferDeclined
    | OfferExpired
    | OfferRevoked
    | HandoffBegun
    | HandoffCancelled
    | Escalated
    | PriorityRaised
    | SlaWarned
    | SlaBreached
    | WrapUpBegun
    | WrapUpCompleted
    | CaseClosed
    | CaseReopened
    | CaseAbandoned
    | OwnershipReleased
    | Moved
    | Absorbed
    | Diverted
    | Fenced
    | ConsultJoined
    | ConsultLeft
    | CommitmentMade
    | CommitmentKept
    | CommitmentBroken
    | OwnershipLapsed
    | OwnershipResumed
    | CaseMerged
    | CaseSplit
    | IncidentLinked
    | Forgotten
    | Carried
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Something large that is kept elsewhere: where, what, how big and its SHA-256 (hex)."""

    uri: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Alias:
    """An address of the customer: `kind` (EMAIL, PHONE, ...) and the normalised value."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ContactWords:
    """What the customer said and who they are, and what they were told at once."""

    aliases: tuple[Alias, ...]
    name: str
    subject: str
    text: str
    acknowledgement: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class EntryWords:
    """What was written, or what is referred to."""

    text: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class EnvelopeWords:
    """The handoff envelope: what the next person must know."""

    reason: str
    summary: str
    tried: str
    promised: str
    told_customer: str
    mood: str = ""


type Words = ContactWords | EntryWords | EnvelopeWords
