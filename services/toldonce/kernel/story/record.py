"""One append: the events of one operation, their words under seal, and the head they make."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own, derive
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import Event
from toldonce.kernel.story.types import Story


@dataclass(frozen=True, slots=True)
class Record:
    """What one message of the log says.

    `at` is the event time set by ownership. `previous_sequence` and `previous_hash` (32 bytes, or
    empty before the first) chain it to its predecessor on the same subject. `sealed` holds the
    words, encrypted with `nonce` (12 bytes) under `key`. `head` is the story after these events.
    `actor` is `role:subject`.
    """

    tenant: str
    customer: str
    operation: Own
    at: datetime
    actor: str
    previous_sequence: int
    previous_hash: bytes
    engine_epoch: int
    traceparent: str
    key: KeyRef | None
    nonce: bytes
    sealed: bytes
    events: tuple[Event, ...]
    head: Story

    def event_id(self, index: int) -> str:
        """Name the event at `index`: the same operation gives the same ids on every try."""
        return derive("event", self.operation, index)


@dataclass(frozen=True, slots=True)
class Placed:
    """A story and where it stands: the log sequence and the SHA-256 of its last message.

    `epoch` is the log epoch in which it goes on.
    """

    story: Story
    sequence: int
    digest: bytes
    epoch: int = 1


@dataclass(frozen=True, slots=True)
class Logged:
    """A record as it stands in the log, with the SHA-256 of the whole message."""

    record: Record
    sequence: int
    digest: bytes
