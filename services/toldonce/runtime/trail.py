"""The trail: what was decided and why, kept for a while (stream `DECISIONS`, a subject a tenant).

Unlike the log it may lose its oldest part at any time: it is limited by age and by bytes, and the
oldest goes first. Nothing is ever built on it but explanations.
"""

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

from nats import errors as nats_errors

from toldonce.kernel.errors import Exhausted, Invalid, Unavailable
from toldonce.runtime import names
from toldonce.runtime.answers import read_answer
from toldonce.runtime.append import Accepted, Full
from toldonce.runtime.log import PAYLOAD_BYTES_MAX, check_subject
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.pull import Pulled, pull
from toldonce.runtime.streams import Wants, ensure, look

KEPT_S = 7 * 24 * 3_600
KEPT_BYTES_MAX = 2 * 1024**3
_NO_MESSAGE = 10037
_TRIES_MAX = 4
_TRY_S = 2.0
_PAUSE_S = 0.1


class Kept(NamedTuple):
    """One message; `sequence` is its place in the stream, which all tenants share."""

    sequence: int
    payload: bytes


class Trail(Protocol):
    """The trail as services see it."""

    async def add(self, subject: str, payload: bytes, *, message_id: str) -> int:
        """Write a message once, and return its sequence; raises Unavailable, Exhausted, Invalid.

        After Unavailable the same message may be written again with the same id for two minutes.
        """
        ...

    async def ends(self) -> tuple[int, int]:
        """Return the first and the last sequence there is; (1, 0) of an empty trail."""
        ...

    async def next(self, subject: str, sequence: int) -> Kept | None:
        """Read the first message of a subject at or after a sequence; raises Unavailable."""
        ...

    def read(self, subject: str, *, first: int) -> AsyncGenerator[list[Kept]]:
        """Read a subject from a sequence to its end, in order; raises Unavailable."""
        ...


def wants(replicas: int) -> Wants:
    """Give the settings of its stream."""
    return Wants(
        name=names.DECISIONS,
        subjects=(names.EVERY_DECISION,),
        replicas=replicas,
        bytes_max=KEPT_BYTES_MAX,
        age_max_s=KEPT_S,
        discard="old",
    )


async def open_trail(link: Link, *, replicas: int = 1) -> "NatsTrail":
    """Make or check the stream; raises Unavailable with a sentence when it differs."""
    await ensure(link, wants(replicas))
    return NatsTrail(link)


class NatsTrail:
    """`Trail` on JetStream."""

    def __init__(self, link: Link) -> None:
        """Use `open_trail`, which checks the stream."""
        self._link = link

    async def add(self, subject: str, payload: bytes, *, message_id: str) -> int:
        """See `Trail.add`."""
        check_add(subject, payload)
        headers = {"Nats-Msg-Id": message_id}
        for number in range(_TRIES_MAX):
            await asyncio.sleep(_PAUSE_S * number)
            try:
                reply = await self._link.ask(subject, payload, timeout_s=_TRY_S, headers=headers)
            except (TimeoutError, OSError, nats_errors.Error):
                continue
            match read_answer(reply.data):
                case Accepted(sequence):
                    return sequence
                case Full(sentence):
                    raise Exhausted(sentence)
                case _:
                    pass
        raise Unavailable("The trail of decisions cannot be written.", retry_s=1.0)

    async def ends(self) -> tuple[int, int]:
        """See `Trail.ends`."""
        try:
            info = await look(self._link, names.DECISIONS)
        except ApiError as error:
            raise Unavailable(f"The trail of decisions cannot be read: {error}.") from error
        return (info.first, info.last) if info.messages else (info.last + 1, info.last)

    async def next(self, subject: str, sequence: int) -> Kept | None:
        """See `Trail.next`."""
        check_subject(subject)
        query = {"seq": max(1, sequence), "next_by_subj": subject}
        try:
            answer = await self._link.api(f"STREAM.MSG.GET.{names.DECISIONS}", query)
        except ApiError as error:
            if error.code == _NO_MESSAGE:
                return None
            raise Unavailable(f"The trail of decisions cannot be read: {error}.") from error
        message = answer["message"]
        return Kept(int(message["seq"]), b64decode(message.get("data", "")))

    async def read(self, subject: str, *, first: int) -> AsyncGenerator[list[Kept]]:
        """See `Trail.read`."""
        check_subject(subject)
        batches = pull(
            self._link, names.DECISIONS, after=max(0, first - 1), subject=subject, idle=True
        )
        async with contextlib.aclosing(batches):
            async for batch in batches:
                if batch:
                    yield list(map(_kept, batch))
                if not batch or batch[-1].pending == 0:
                    return


def check_add(subject: str, payload: bytes) -> None:
    """Raise Invalid unless the message is one that may be written."""
    check_subject(subject)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Invalid("payload", f"a message of the trail has at most {PAYLOAD_BYTES_MAX} bytes")


def _kept(item: Pulled) -> Kept:
    return Kept(item.sequence, item.payload)
