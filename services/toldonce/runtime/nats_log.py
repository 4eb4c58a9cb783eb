"""The log on NATS JetStream: stream `STORIES_<epoch>`, made or checked at start, watched for ever.

Open it with `nats_log`. While it runs a guard re-checks every 10 s, and after every reconnect or
change of leader, what the promises rest on. What cannot heal by itself (the log went back, has a
hole, was made anew) halts appends until a restart; what can (clock off, a wrong setting) pauses
them.
"""

import asyncio
import contextlib
import random
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from nats import errors as nats_errors

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import append as appending
from toldonce.runtime import names
from toldonce.runtime.answers import read_answer
from toldonce.runtime.append import Answer, Full, Silent, Unsent
from toldonce.runtime.clock import Clock
from toldonce.runtime.log import (
    READ_MAX,
    Committed,
    Epoch,
    Epochs,
    Fence,
    LogInfo,
    Outcome,
    Stored,
    check_append,
    check_subject,
)
from toldonce.runtime.log_guard import Guard
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.pull import Pulled, Regressed, pull
from toldonce.runtime.streams import Wants, look, moment

_NO_MESSAGE = 10037
_PAUSE_S = 0.004
_PAUSE_GROWTH = 1.7
_PAUSE_MAX_S = 0.3
_FINISH_S = 2.0
_RECONNECT_S = 0.5


@contextlib.asynccontextmanager
async def nats_log(
    link: Link,
    *,
    epoch: int,
    clock: Clock,
    monitor_urls: Sequence[str],
    replicas: int = 1,
    bytes_max: int = -1,
    first: int = 1,
    last: int | None = None,
    rng: random.Random | None = None,
) -> AsyncIterator["NatsLog"]:
    """Open the log of an epoch, or raise Unavailable with the sentence why it cannot be trusted.

    `monitor_urls` names the monitoring page of every node; `replicas` is 3 in production;
    `bytes_max` is the most the stream may hold on disk (-1: no limit); `first` is where its
    sequences begin. One with a `last` is sealed and ends there.
    """
    wants = Wants(
        name=names.stories_stream(epoch),
        subjects=names.stories_subjects(epoch),
        replicas=replicas,
        bytes_max=bytes_max,
        first=first,
        last=last,
    )
    guard = Guard(link, wants, clock=clock, monitor_urls=monitor_urls)
    await guard.start()
    watching = asyncio.create_task(guard.run())
    try:
        yield NatsLog(link, Epoch(epoch, first), guard, rng or random.Random())  # noqa: S311  spreads retries
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                await watching


class NatsLog:
    """`runtime.log.Log` on one JetStream stream."""

    def __init__(self, link: Link, epoch: Epoch, guard: Guard, rng: random.Random) -> None:
        """Use `nats_log`, which checks everything first."""
        self._link = link
        self._epochs = Epochs((epoch,))
        self._stream = guard.stream
        self._guard = guard
        self._rng = rng

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        """See `Log.append`."""
        check_append(subject, payload, expected=expected, message_id=message_id)
        if (sentence := self._guard.closed) is not None:
            raise Unavailable(sentence, retry_s=5.0)
        try:
            outcome = await appending.append(
                self,
                subject,
                payload,
                expected=expected,
                message_id=message_id,
                fence=fence,
                pause=self._pause,
            )
        except appending.Regression as error:
            self._guard.halt(str(error))
            raise Unavailable(str(error), retry_s=5.0) from error
        if isinstance(outcome, Committed):
            self._guard.saw(outcome.sequence)
        return outcome

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        """See `append.Wire.attempt`."""
        link = self._link
        if not link.connected and not await link.wait_connected(_RECONNECT_S):
            return Unsent()
        if not self._guard.checked and not await self._guard.wait_checked(timeout_s):
            return Unsent()
        if self._guard.closed is not None:
            return Unsent()
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(expected),
            "Nats-Msg-Id": message_id,
        }
        try:
            reply = await link.ask(subject, payload, timeout_s=timeout_s, headers=headers)
        except (nats_errors.NoRespondersError, nats_errors.OutboundBufferLimitError):
            return Unsent()
        except nats_errors.MaxPayloadError:
            return Full("The message is larger than the NATS server takes.")
        except (TimeoutError, OSError, nats_errors.Error):
            return Silent()
        return read_answer(reply.data)

    async def last(self, subject: str) -> Stored | None:
        """See `Log.last`."""
        check_subject(subject)
        return await self._fetch({"last_by_subj": subject})

    async def get(self, sequence: int) -> Stored | None:
        """See `Log.get`."""
        return await self._fetch({"seq": sequence})

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        """See `Log.read`."""
        check_subject(subject)
        found: list[Stored] = []
        position = after
        while len(found) < limit_max and (upto is None or position < upto):
            stored = await self._fetch({"seq": position + 1, "next_by_subj": subject})
            if stored is None or (upto is not None and stored.sequence > upto):
                break
            found.append(stored)
            position = stored.sequence
        return found

    async def info(self) -> LogInfo:
        """See `Log.info`."""
        try:
            info = await look(self._link, self._stream)
        except ApiError as error:
            raise Unavailable(f"The log does not tell how it stands: {error}.") from error
        return LogInfo(
            epoch=self._epochs.current.number,
            first=info.first,
            last=info.last,
            messages=info.messages,
            deleted=info.deleted,
            created_at=info.created_at,
            server_now=info.server_now,
        )

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        """See `Log.tail`."""
        batches = pull(self._link, self._stream, after=after, contiguous=True)
        try:
            async with contextlib.aclosing(batches):
                async for batch in batches:
                    self._guard.saw(batch[-1].sequence)
                    yield [_stored(item) for item in batch]
        except Regressed as error:
            self._guard.halt(str(error))
            raise

    async def fresh(self) -> Epochs:
        """See `Log.fresh`: there is this one."""
        return self._epochs

    async def latest(self, epoch: int) -> AsyncGenerator[list[Stored]]:
        """See `Log.latest`."""
        subject = names.stories_subjects(epoch)[0]
        batches = pull(self._link, self._stream, after=0, subject=subject, idle=True, latest=True)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                if not batch:
                    return
                yield [_stored(item) for item in batch]

    @property
    def settled(self) -> bool:
        """See `Log.settled`."""
        return self._guard.settled

    @property
    def halted(self) -> str | None:
        """See `Log.halted`."""
        return self._guard.closed

    @property
    def clock_offset_s(self) -> float:
        """See `Log.clock_offset_s`."""
        return self._guard.clock_offset_s

    async def check(self) -> None:
        """Re-check now what the guard checks every 10 s."""
        await self._guard.check()

    async def _fetch(self, query: dict[str, Any]) -> Stored | None:
        try:
            answer = await self._link.api(f"STREAM.MSG.GET.{self._stream}", query)
        except ApiError as error:
            if error.code == _NO_MESSAGE:
                return None
            raise Unavailable(f"The log cannot be read: {error}.") from error
        return _parse_stored(answer["message"])

    async def _pause(self, number: int) -> None:
        longest = min(_PAUSE_MAX_S, _PAUSE_S * _PAUSE_GROWTH**number)
        await asyncio.sleep(self._rng.uniform(longest / 3, longest))


def _stored(item: Pulled) -> Stored:
    return Stored(
        subject=item.subject,
        sequence=item.sequence,
        payload=item.payload,
        message_id=item.headers.get("Nats-Msg-Id", ""),
        stored_at=item.stored_at,
    )


def _parse_stored(message: dict[str, Any]) -> Stored:
    return Stored(
        subject=str(message["subject"]),
        sequence=int(message["seq"]),
        payload=b64decode(message.get("data", "")),
        message_id=_message_id(b64decode(message.get("hdrs", ""))),
        stored_at=moment(message["time"]),
    )


def _message_id(headers: bytes) -> str:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"Nats-Msg-Id":
            return value.strip().decode()
    return ""
