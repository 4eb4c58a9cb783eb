"""Alarms: messages that come out of the stream `TIMERS` at their instant, each to one taker.

An alarm waits under a key of its own and comes out under another. It must never replace one that
may be coming out: in that moment nats-server (2.15.0 too) takes away whatever stands under the key
of the alarm, a newer message that it has just accepted as well. So two alarms share a key only
where it does not matter which of them is lost, because they say the same.

What came out is given to one taker at a time, and to another when its lease is over without a word.
"""

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from nats import errors as nats_errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from toldonce.kernel.errors import Exhausted, Unavailable
from toldonce.runtime import names
from toldonce.runtime.answers import read_answer
from toldonce.runtime.append import Accepted, Busy, Full, Moved
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.streams import NO_SUCH_STREAM, StreamInfo, Wants, ensure, look
from toldonce.runtime.table import TTL_MIN_S, NatsTable

WRITES_MAX = 1_000  # the server takes no more as one
_STREAM = names.TIMERS.stream
_NANO = 1_000_000_000
_TAKE_S = 2.0
_WRITE_S = 5.0
_NOBODY = "503"


class Write(NamedTuple):
    """One of several writes that are made as one; `headers` are the server's own."""

    key: str
    value: bytes
    headers: dict[str, str]


class Due(NamedTuple):
    """An alarm that came out; `receipt` says to the server which one is meant, this time."""

    key: str
    value: bytes
    receipt: str


def wants(replicas: int) -> Wants:
    """Give the settings of the stream."""
    return Wants(
        name=_STREAM,
        subjects=names.TIMERS.subjects,
        replicas=replicas,
        per_subject_max=1,
        message_ttl=True,
        alarms=True,
    )


def armed(key: str, due_key: str, value: bytes, at: datetime) -> Write:
    """Have a message come out under `due_key` when it is `at` by the server."""
    when = f"@at {at:%Y-%m-%dT%H:%M:%S.%f}Z"
    return Write(key, value, {"Nats-Schedule": when, "Nats-Schedule-Target": due_key})


def out_at_once(due_key: str, value: bytes) -> Write:
    """Have a message come out now."""
    return Write(due_key, value, {})


def disarmed(key: str) -> Write:
    """Take an alarm away; what has come out already stays out."""
    return Write(key, b"", {"Nats-TTL": f"{TTL_MIN_S:g}s"})


def row(key: str, value: bytes, *, expected: int, ttl_s: float) -> Write:
    """Write a row over the one of revision `expected` (0: none), to go by itself in `ttl_s`."""
    headers = {
        "Nats-Expected-Last-Subject-Sequence": str(expected),
        "Nats-TTL": f"{round(ttl_s * 1000)}ms",
    }
    return Write(key, value, headers)


async def open_alarms(link: Link, *, replicas: int = 1) -> "Alarms":
    """Make or check the stream; raises Unavailable with a sentence when it differs."""
    await ensure(link, wants(replicas))
    return Alarms(link, replicas)


class Alarms:
    """The alarms of all tenants; `rows` are the plain messages beside them. One `take` at a time.

    What cannot be asked or answered raises Unavailable.
    """

    def __init__(self, link: Link, replicas: int) -> None:
        """Use `open_alarms`, which checks the stream."""
        self.rows = NatsTable(link, names.TIMERS, random.Random())  # noqa: S311  spreads retries
        self._link = link
        self._wants = wants(replicas)
        self._next = names.jetstream(f"CONSUMER.MSG.NEXT.{_STREAM}.{names.TIMERS_CLAIMS}")
        self._numbers = itertools.count(1)
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._taking: _Taking | None = None

    async def begin(self, *, lease_s: float) -> StreamInfo:
        """Make what is missing: the stream (who may), and what gives alarms out under a lease."""
        info = await ensure(self._link, self._wants)
        config = {
            "name": names.TIMERS_CLAIMS,
            "durable_name": names.TIMERS_CLAIMS,
            "filter_subject": names.TIMERS_DUE,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": round(lease_s * _NANO),
            "max_deliver": -1,
            "max_ack_pending": -1,  # a bound would hold back what is due behind what was put off
        }
        subject = f"CONSUMER.CREATE.{_STREAM}.{names.TIMERS_CLAIMS}.{names.TIMERS_DUE}"
        try:
            await self._link.api(subject, {"stream_name": _STREAM, "config": config})
        except ApiError as error:
            raise Unavailable(f"The stream {_STREAM} gives nothing out: {error}.") from error
        return info

    async def look(self) -> StreamInfo | None:
        """Say how the stream stands, and the server's time; None when there is none any more."""
        try:
            return await look(self._link, _STREAM)
        except ApiError as error:
            if error.code == NO_SUCH_STREAM:
                return None
            raise Unavailable(f"The stream {_STREAM} cannot be read: {error}.") from error

    async def write(self, writes: Sequence[Write]) -> int | None:
        """Make writes (at most WRITES_MAX) as one: all or none of them.

        Returns the revision of the first, the others follow it; None when a row is not the one that
        was expected, or is being written. After Unavailable they may have been made.
        """
        batch = uuid4().hex
        *most, last = (
            (one.key, one.value, one.headers | _placed(batch, number))
            for number, one in enumerate(writes, 1)
        )
        try:
            for key, value, headers in most:
                await self._link.client.publish(key, value, headers=headers)
            key, value, headers = last
            headers["Nats-Batch-Commit"] = "1"
            reply = await self._link.ask(key, value, timeout_s=_WRITE_S, headers=headers)
        except (TimeoutError, OSError, nats_errors.Error) as error:
            raise Unavailable(
                f"The stream {_STREAM} does not answer ({type(error).__name__}).", retry_s=0.5
            ) from error
        match read_answer(reply.data):
            case Accepted(sequence):
                return sequence - len(writes) + 1
            case Moved() | Busy():
                return None
            case Full(sentence):
                raise Exhausted(sentence)
            case _:
                raise Unavailable(f"The stream {_STREAM} cannot be written.", retry_s=0.5)

    async def take(self, limit_max: int) -> list[Due]:
        """Give what has come out and nobody has, in the order in which it came."""
        request = json.dumps({"batch": limit_max, "no_wait": True}).encode()
        try:
            async with asyncio.timeout(_TAKE_S):
                inbox = self._inbox = self._inbox or await self._listen()
                taking = self._taking = _Taking(inbox + str(next(self._numbers)), limit_max)
                await self._link.client.publish(self._next, request, reply=taking.inbox)
                await taking.ended.wait()
        except TimeoutError as error:
            await self._deafen()
            if self._taking is None or not self._taking.found:
                raise Unavailable("JetStream gives no alarms out.", retry_s=0.5) from error
        except (nats_errors.Error, OSError) as error:
            raise Unavailable("NATS is not connected.") from error
        finally:
            taken, self._taking = self._taking, None
        if taken is None or taken.nobody:
            raise Unavailable(f"Nothing gives out what is due in {_STREAM}.", retry_s=0.5)
        return taken.found

    async def done(self, receipt: str) -> None:
        """Take away what came out, best effort: it may come again when its lease is over."""
        await self._say(receipt, b"+ACK")

    async def later(self, receipt: str, delay_s: float) -> None:
        """Have it come out again in so many seconds, best effort."""
        delay = {"delay": max(1, round(delay_s * _NANO))}
        await self._say(receipt, b"-NAK " + json.dumps(delay).encode())

    async def _say(self, receipt: str, word: bytes) -> None:
        with contextlib.suppress(nats_errors.Error, OSError):
            await self._link.client.publish(receipt, word)

    async def _listen(self) -> str:
        inbox = f"{self._link.client.new_inbox()}."
        self._subscription = await self._link.client.subscribe(f"{inbox}*", cb=self._heard)
        return inbox

    async def _deafen(self) -> None:
        """Hear nothing late: its lease has begun, and somebody else is given it in the end."""
        subscription, self._subscription, self._inbox = self._subscription, None, ""
        if subscription is not None:
            with contextlib.suppress(nats_errors.Error, OSError):
                await subscription.unsubscribe()

    async def _heard(self, message: Msg) -> None:
        if self._taking is not None:
            self._taking.hear(message)


def _placed(batch: str, number: int) -> dict[str, str]:
    return {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}


class _Taking:
    """One question for what is due."""

    def __init__(self, inbox: str, limit_max: int) -> None:
        self.inbox = inbox
        self.found: list[Due] = []
        self.nobody = False
        self.ended = asyncio.Event()
        self._limit_max = limit_max

    def hear(self, message: Msg) -> None:
        if message.reply:
            self.found.append(Due(message.subject, message.data, message.reply))
            if len(self.found) >= self._limit_max:
                self.ended.set()
        elif message.subject == self.inbox:
            self.nobody = (message.headers or {}).get("Status") == _NOBODY
            self.ended.set()
