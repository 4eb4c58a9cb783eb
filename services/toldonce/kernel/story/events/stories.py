"""Whole stories: moved, joined, carried, forgotten, or fenced."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.types import Answer, Case, Commitment, Story


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
class Forgotten:
    """The words under `keys` are destroyed, and whatever was open has ended."""

    keys: tuple[KeyRef, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """Nothing happened, on purpose: operation `about` can never be committed behind this."""

    about: Own
