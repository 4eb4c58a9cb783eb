"""Contacts and entries: what came in, what went out, what was promised."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from toldonce.kernel.ids import Own


class EntryKind(IntEnum):
    """What was added to a case."""

    MESSAGE_IN = 1
    MESSAGE_OUT = 2
    NOTE = 3
    ATTACHMENT = 4


class TopicBy(IntEnum):
    """Who said what a contact is about: its gateway, a phrase that stands in it, the model."""

    UNSPECIFIED = 0
    GATEWAY = 1
    WORDS = 2
    MODEL = 3


@dataclass(frozen=True, slots=True)
class ContactReceived:
    """A contact came in, with its first entry; `joined`: into a case that was open already.

    What the model said has how sure it was, in percent, and which model: the beginning of its
    file's SHA-256.
    """

    contact: Own
    case: Own
    entry: Own
    gateway: str
    channel: str
    language: str
    made_at: datetime
    joined: bool
    promised_at: datetime | None
    topic: str = ""
    topic_by: TopicBy = TopicBy.UNSPECIFIED
    topic_sure_pct: int = 0
    topic_model: str = ""


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
class Diverted:
    """A contact of this customer was taken into a fresh story, `to`, for the named reason."""

    contact: Own
    made_at: datetime
    to: str
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
class CommitmentWithdrawn:
    """Nobody waits any more for what was promised."""

    commitment: Own
    case: Own
    reason: str
