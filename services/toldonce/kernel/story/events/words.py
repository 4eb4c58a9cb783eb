"""The words that belong to events: what people wrote, addresses, names."""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class CallbackWords:
    """Where the customer wants to be called back."""

    to: Alias


type Words = ContactWords | EntryWords | EnvelopeWords | CallbackWords
