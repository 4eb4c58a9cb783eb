"""The one way to write to a log: an append that always ends as committed, refused or unknown.

The algorithm knows no network: it talks to a `Wire` (NATS, or the fake) that makes one attempt and
says how it went. Up to three attempts with the same message id; then a fence, a message of its own
that takes the place the append wanted: once the subject has moved past `expected`, no delayed copy
of the append can ever be accepted. See also "Client rules" in the reliability notes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from toldonce.kernel.errors import Exhausted, Invalid, Unavailable
from toldonce.runtime.log import Committed, Fence, Outcome, Refused, Stored, Unknown

TRIES_MAX = 3
FENCE_TRIES_MAX = 2
BUSY_TRIES_MAX = 8
TRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has it at `sequence`; `duplicate`: it had this message id before."""

    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """The condition failed: the subject ends at `last`. Says nothing about earlier attempts."""

    last: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Refused for now: another write is in flight, or this message id is being processed."""


@dataclass(frozen=True, slots=True)
class Full:
    """The attempt was refused for good by a limit of size, disk or quota."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """The stream takes nothing any more; what reached it before is in it."""


@dataclass(frozen=True, slots=True)
class Silent:
    """It was sent and nothing came back: it may be in the log now or later."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """It did not reach anybody."""


type Answer = Accepted | Moved | Busy | Full | Sealed | Silent | Unsent


class Wire(Protocol):
    """What the algorithm needs of a log server."""

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        """Publish once on condition, and say how it went."""
        ...

    async def get(self, sequence: int) -> Stored | None:
        """Read one message from the leader; raises Unavailable."""
        ...

    async def read(self, subject: str, *, after: int = 0, upto: int | None = None) -> list[Stored]:
        """Read a subject's history from the leader; raises Unavailable."""
        ...


class Regression(Exception):
    """The subject ends before a sequence that was acknowledged: the log has lost messages."""


@dataclass(frozen=True, slots=True)
class _Message:
    """What is published: the append itself, or the fence about it (`own_id` is not `about_id`)."""

    subject: str
    payload: bytes
    expected: int
    own_id: str
    about_id: str

    def taken(self, sequence: int, *, duplicate: bool) -> Committed | Refused:
        """Say what it proves that this message took the place: a fence shuts the append out."""
        if self.own_id == self.about_id:
            return Committed(sequence, duplicate)
        return Refused(sequence)


@dataclass(slots=True)
class _Tries:
    """What is known after some attempts; `sent`: one reached a server, `open`: it may be in."""

    sent: bool = False
    open: bool = False


async def append(
    wire: Wire,
    subject: str,
    payload: bytes,
    *,
    expected: int,
    message_id: str,
    fence: Fence,
    pause: Callable[[int], Awaitable[None]],
) -> Outcome:
    """Append on condition that the subject ends at `expected`; inputs are already checked.

    `pause(n)` waits, jittered, before the n-th further attempt. Raises Exhausted and Unavailable
    when nothing was written, Invalid when the message id belongs to another message, Regression
    when the log has lost acknowledged messages.
    """
    message = _Message(subject, payload, expected, message_id, message_id)
    tries = _Tries()
    outcome = await _attempts(wire, message, tries, pause, TRIES_MAX)
    if outcome is not None:
        return outcome
    if not tries.sent:
        raise Unavailable("The log does not answer; nothing was written.", retry_s=1.0)
    # its id names the place it closes: an older fence of the same operation would prove nothing
    closing = _Message(subject, fence(), expected, f"{message_id}.fence.{expected}", message_id)
    closed = await _attempts(wire, closing, _Tries(open=True), pause, FENCE_TRIES_MAX)
    return closed or Unknown()


async def _attempts(
    wire: Wire,
    message: _Message,
    tries: _Tries,
    pause: Callable[[int], Awaitable[None]],
    tries_max: int,
) -> Outcome | None:
    """Try to publish; None when it is still open after all tries.

    Being told that another write is in flight costs a try only after `BUSY_TRIES_MAX` of them.
    """
    left, patience, number = tries_max, BUSY_TRIES_MAX, 0
    while left:
        if number:
            await pause(number)
        number += 1
        answer = await wire.attempt(
            message.subject,
            message.payload,
            expected=message.expected,
            message_id=message.own_id,
            timeout_s=TRY_S,
        )
        if isinstance(answer, Accepted) and not answer.duplicate:
            return message.taken(answer.sequence, duplicate=False)
        if isinstance(answer, Busy) and patience:
            patience -= 1
        else:
            left -= 1
        tries.sent = tries.sent or not isinstance(answer, Unsent)
        try:
            outcome = await _judge(wire, message, tries, answer)
        except Unavailable:
            tries.open = True
        else:
            if outcome is not None:
                return outcome
    return None


async def _judge(wire: Wire, message: _Message, tries: _Tries, answer: Answer) -> Outcome | None:
    """Say what an answer proves, reading from the leader where needed; None: nothing yet."""
    match answer:
        case Accepted(sequence):
            found = await wire.get(sequence)
            if found is None or (found.subject, found.message_id) != (
                message.subject,
                message.own_id,
            ):
                raise Invalid("message_id", "another message in the log has this message id")
            return message.taken(sequence, duplicate=True)
        case Moved(last) if last < message.expected:
            raise Regression(
                f"A subject ends at {last} although {message.expected} was acknowledged there: the "
                "log has lost messages."
            )
        case Moved(last) if last > message.expected:
            return await _resolve(wire, message, last)
        case Moved() | Busy() | Unsent():
            return None
        case Full(sentence):
            if tries.open:
                return None
            raise Exhausted(sentence)
        case Sealed():
            return await _settled(wire, message)
        case Silent():
            tries.open = True
            return None
        case _:
            assert_never(answer)


async def _settled(wire: Wire, message: _Message) -> Outcome:
    """Say whether the append was in the stream when it was sealed."""
    seen = await wire.read(message.subject, after=message.expected)
    for stored in seen:
        if stored.message_id == message.about_id:
            return Committed(stored.sequence, duplicate=True)
    return Refused(seen[-1].sequence if seen else message.expected, sealed=True)


async def _resolve(wire: Wire, message: _Message, last: int) -> Outcome | None:
    """Say whether the append is what moved the subject to `last`; None when the read is too old."""
    seen = await wire.read(message.subject, after=message.expected)
    for stored in seen:
        if stored.message_id == message.about_id:
            return Committed(stored.sequence, duplicate=True)
    if not seen or seen[-1].sequence < last:
        return None
    return Refused(seen[-1].sequence)
