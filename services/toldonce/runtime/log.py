"""The log of all stories: one subject a customer, written by compare-and-set, never rewritten.

An append has three outcomes: committed, refused, unknown. Unknown is not failure: retry the same
append (same subject, payload, expected and message id) until it is one of the other two. Two logs
implement `Log`: `runtime.nats_log.NatsLog` and `runtime.testing.log.FakeLog`; both use the one
algorithm in `runtime.append` and pass the same contract suite.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from toldonce.kernel.errors import Exhausted, Invalid
from toldonce.runtime import names

PAYLOAD_BYTES_MAX = 92 * 1024
READ_MAX = 10_000
CLOCK_OFFSET_MAX_S = 0.25
SETTLE_S = 10.0
_SUBJECT = re.compile(r"[0-9A-Za-z_\-]+(\.[0-9A-Za-z_\-]+)*")
_SUBJECT_LENGTH_MAX = 255
_MESSAGE_ID = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of the log; `stored_at` is the server's time (aware, UTC)."""

    subject: str
    sequence: int
    payload: bytes
    message_id: str
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Committed:
    """It is in the log at `sequence`; `duplicate` when an earlier try had put it there."""

    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not in the log and never will be; the subject now ends at `last_sequence`.

    `sealed`: nothing will ever be again, on this subject or any other of this stream.
    """

    last_sequence: int
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not be in the log; retry the same append later."""


type Outcome = Committed | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of the log: its number, where its sequences begin, and (once sealed) its last.

    `carried`: every story of the epoch before it is here or need not be. `dropped`: its stream is
    gone.
    """

    number: int
    first: int
    last: int | None = None
    carried: bool = True
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Epochs:
    """All epochs there ever were, oldest first; `opening`: the last one is not open yet."""

    all: tuple[Epoch, ...]
    opening: bool = False

    @property
    def current(self) -> Epoch:
        """The epoch in which stories begin and go on."""
        return self.all[-2] if self.opening else self.all[-1]

    @property
    def before(self) -> Epoch | None:
        """The epoch stories still have to be carried from, or None."""
        return None if self.current.carried else self.all[self.all.index(self.current) - 1]

    def of(self, sequence: int) -> Epoch:
        """Say which epoch a log sequence belongs to."""
        return next((one for one in reversed(self.all) if one.first <= sequence), self.all[0])

    def before_of(self, epoch: Epoch) -> Epoch | None:
        """Give the epoch before one, if it is kept."""
        at = self.all.index(epoch)
        return None if not at or self.all[at - 1].dropped else self.all[at - 1]

    def number(self, number: int) -> Epoch | None:
        """Find an epoch by its number."""
        return next((one for one in self.all if one.number == number), None)


def first_epochs(number: int = names.STORY_EPOCH) -> Epochs:
    """Say what holds where the log never went on in another epoch."""
    return Epochs((Epoch(number, 1),))


type Fence = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class LogInfo:
    """The state of the log; `first` and `last` are 0 when it is empty."""

    epoch: int
    first: int
    last: int
    messages: int
    deleted: int
    created_at: datetime
    server_now: datetime


class Log(Protocol):
    """The log as handlers, engines and projectors see it."""

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        """Write one message if the subject still ends at `expected` (0: has no message).

        `message_id` is the hash of tenant, subject and operation id, the same on every retry;
        `fence` gives the payload of the message that settles the matter when nothing else does.
        Raises Invalid (input), Exhausted (size, disk, quota: nothing written) and Unavailable
        (nothing written: halted, clock off, not connected). Cancelled: treat it as unknown.
        """
        ...

    async def last(self, subject: str) -> Stored | None:
        """Read the subject's last message through the leader; raises Unavailable."""
        ...

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        """Read the subject's history in order, sequences above `after` to `upto` included.

        At most `limit_max` messages: fewer than that means there are no more. Raises Unavailable.
        """
        ...

    async def get(self, sequence: int) -> Stored | None:
        """Read one message by its place in the log; raises Unavailable."""
        ...

    async def info(self) -> LogInfo:
        """Ask the leader how the log stands; raises Unavailable."""
        ...

    def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        """Follow the whole log in order from after `after`, for ever, in batches of 1 to 256.

        Survives restarts of the server. Raises Unavailable when the log has a hole or ends before
        the position reached. Close the iterator (`contextlib.aclosing`) when leaving early.
        """
        ...

    def latest(self, epoch: int) -> AsyncGenerator[list[Stored]]:
        """Give the last message of every subject of an epoch, in log order, and end.

        Raises Unavailable. Close the iterator when leaving early.
        """
        ...

    async def fresh(self) -> Epochs:
        """Say which epochs there are: what is read by it now is the present. Raises Unavailable."""
        ...

    @property
    def settled(self) -> bool:
        """False for 10 s after a reconnect or a leader change: confirm a refusal by a fence."""
        ...

    @property
    def halted(self) -> str | None:
        """The sentence why nothing may be appended any more, or None; `append` then refuses."""
        ...

    @property
    def clock_offset_s(self) -> float:
        """Seconds this process's clock is ahead of the server's (negative: behind)."""
        ...


def message_id(subject: str, operation: str) -> str:
    """Name the one append an operation makes on a subject: the same on every try."""
    return hashlib.sha256(f"{subject}|{operation}".encode()).hexdigest()


def check_append(subject: str, payload: bytes, *, expected: int | None, message_id: str) -> None:
    """Raise Invalid or Exhausted unless the append is one that may be sent."""
    check_subject(subject)
    # mypy knows the type, the wire does not: a missing condition is accepted by the server
    if not isinstance(expected, int) or isinstance(expected, bool) or expected < 0:
        raise Invalid("expected", "the last sequence the story was folded to must be given")
    if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
        raise Invalid("message_id", "must be 1 to 200 printable characters")
    if not payload:
        raise Invalid("payload", "must not be empty")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Exhausted(
            f"The message has {len(payload)} bytes; at most {PAYLOAD_BYTES_MAX} fit. "
            "Send what is large by reference."
        )


def check_subject(subject: str) -> None:
    """Raise Invalid unless this is one plain subject: no wildcard, space or empty token."""
    if not _SUBJECT.fullmatch(subject) or len(subject) > _SUBJECT_LENGTH_MAX:
        raise Invalid("subject", "must be tokens of letters, digits, '_' and '-' between dots")
