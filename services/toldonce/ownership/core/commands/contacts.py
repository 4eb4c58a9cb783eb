"""Contacts, entries and promises."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import EntryKind, TopicBy
from toldonce.kernel.story.types import Case, SkillNeed


@dataclass(frozen=True, slots=True)
class ReceiveContact:
    """Take a contact in: into `thread` if that case is open, else where it belongs.

    `closed` is how the history last shows a `thread` that ended not too long ago: it reopens. Where
    it `commits`, what is promised by `promised_at` is a commitment. `tier`: what the customer is to
    the company.
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
    topic_by: TopicBy = TopicBy.UNSPECIFIED
    topic_sure_pct: int = 0
    topic_model: str = ""
    tier: str = ""
    commits: bool = False


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

    An adviser adds notes and references only. `awaits_customer`: after this message the customer is
    to answer.
    """

    case: Own
    epoch: int
    kind: EntryKind
    awaits_customer: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmDelivery:
    """Say that the gateway has the answer."""

    entry: Own


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
class Ended:
    """A case that ended, as it then was, and when."""

    case: Case
    at: datetime
