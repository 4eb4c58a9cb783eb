"""Our own pull loop: every message of a stream, in order, for ever, whatever the server suffers.

The client library's push, ordered and fetch consumers stop silently after a restart or a stall, so
this asks for batches itself (`CONSUMER.MSG.NEXT` with an expiry and an idle heartbeat). A consumer
is a throw-away cursor in the server's memory: on any doubt (silence, a number missing, a reconnect,
a consumer gone) a new one starts right after the last message handed out. The position lives here.
"""

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from nats import errors as nats_errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names, streams
from toldonce.runtime.nats_link import ApiError, Link

BATCH_MAX = 256
_NANO = 1_000_000_000
_EXPIRES_S = 5.0
_HEARTBEAT_S = 1.0
_SILENCE_S = 2.5
_IDLE_MAX = 2
_DOUBTS_MAX = 3
_UNUSED_S = 30
_PAUSE_MAX_S = 1.0
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class Pulled(NamedTuple):
    """One message of a stream; `pending` is how many more the cursor had when it was sent."""

    subject: str
    sequence: int
    payload: bytes
    headers: Mapping[str, str]
    stored_ns: int
    pending: int

    @property
    def stored_at(self) -> datetime:
        """Say when the server stored it (aware, UTC)."""
        return _UNIX + timedelta(microseconds=self.stored_ns // 1000)


class Regressed(Unavailable):
    """The stream ends before a position we have seen: it lost messages or was made anew."""


async def pull(
    link: Link,
    stream: str,
    *,
    after: int,
    subject: str = "",
    contiguous: bool = False,
    idle: bool = False,
    latest: bool = False,
) -> AsyncGenerator[list[Pulled]]:
    """Yield batches (1 to 256, in order) of messages with a sequence above `after`, for ever.

    `subject` filters; with `contiguous` each sequence must be its predecessor's plus one. With
    `idle` an empty batch is yielded when there is nothing more for now. `latest` leaves out all but
    the last message of each subject (give a `subject` with wildcards). Raises Regressed when the
    stream ends before the position reached. Whoever stops iterating early should `aclose()`.
    """
    cursor: _Cursor | None = None
    position = after
    failures = holes = 0
    try:
        while True:
            if cursor is None:
                cursor = await _open(link, stream, position, subject, latest=latest)
                if idle and cursor.drained:
                    yield []
            batch = await cursor.next(position, contiguous=contiguous)
            if batch:
                position, failures, holes = batch[-1].sequence, 0, 0
            if batch or (idle and cursor.drained):
                yield batch
            if cursor.broken:
                holes += cursor.holed
                if holes > _DOUBTS_MAX:
                    raise Regressed(f"The stream {stream} has a hole after {position}.")
                await cursor.close()
                cursor = None
                await _pause(failures)
                failures += not batch
    finally:
        if cursor is not None:
            await cursor.close()


async def _open(link: Link, stream: str, position: int, subject: str, *, latest: bool) -> "_Cursor":
    failures = regressions = 0
    while True:
        if link.lost.done():
            raise Unavailable("The connection to NATS was closed for good.")
        await link.wait_connected(_EXPIRES_S)
        try:
            return await _Cursor.open(link, stream, position, subject, latest=latest)
        except Regressed:
            regressions += 1
            if regressions > _DOUBTS_MAX:
                raise
        except (ApiError, Unavailable):
            pass
        failures += 1
        await _pause(failures)


class _Cursor:
    """A consumer on the server and what has come from it."""

    def __init__(
        self, link: Link, stream: str, name: str, inbox: str, pending: int, *, latest: bool
    ) -> None:
        self.broken = False
        self.holed = False
        self.drained = pending == 0
        self._again = latest
        self._link = link
        self._next = names.jetstream(f"CONSUMER.MSG.NEXT.{stream}.{name}")
        self._info = f"CONSUMER.INFO.{stream}.{name}"
        self._inbox = inbox
        self._generation = link.generation
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()
        self._forget = link.on_reconnect(self._wake.set)
        self._subscription: Subscription | None = None
        self._asked = 0
        self._delivered = 0
        self._idle = 0

    @classmethod
    async def open(
        cls, link: Link, stream: str, after: int, subject: str, *, latest: bool
    ) -> "_Cursor":
        """Make a consumer right after `after`."""
        if (info := await streams.look(link, stream)).last < after:
            raise Regressed(
                f"The stream {stream} ends at {info.last}, but {after} was read from it before: it "
                "lost messages or was made anew."
            )
        name = link.client.new_inbox().rpartition(".")[2]
        config: dict[str, Any] = {
            "name": name,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _UNUSED_S * _NANO,
        }
        if latest:
            config["deliver_policy"] = "last_per_subject"
        else:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}
        if subject:
            config["filter_subject"] = subject
        made = await link.api(
            f"CONSUMER.CREATE.{stream}.{name}{f'.{subject}' if subject else ''}",
            {"stream_name": stream, "config": config},
        )
        cursor = cls(
            link, stream, name, link.client.new_inbox(), int(made["num_pending"]), latest=latest
        )
        try:
            cursor._subscription = await link.client.subscribe(cursor._inbox, cb=cursor._on_message)
        except (nats_errors.Error, OSError) as error:
            await cursor.close()
            raise Unavailable("NATS is not connected.") from error
        return cursor

    async def close(self) -> None:
        """Forget the consumer; the server drops it by itself when nobody asks any more."""
        self._forget()
        if self._subscription is not None:
            with contextlib.suppress(nats_errors.Error, OSError):
                await self._subscription.unsubscribe()

    async def next(self, position: int, *, contiguous: bool) -> list[Pulled]:
        """Wait for messages; an empty list when there were none, or the cursor broke."""
        await self._ask()
        if not self._arrived and not self.broken:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    await self._wake.wait()
            except TimeoutError:
                self.broken = True
                return []
        batch: list[Pulled] = []
        while self._arrived and len(batch) < BATCH_MAX and not self.broken:
            message = self._arrived.popleft()
            if "Status" in (message.headers or {}) and not message.reply:
                await self._on_status(message)
                continue
            item, number = _parse(message)
            self._asked -= 1
            if self._again and number == self._delivered + 1 and item.sequence <= position:
                self._delivered, self.drained = number, item.pending == 0  # it begins anew
                continue
            skipped = contiguous and item.sequence > position + 1
            if number != self._delivered + 1 or item.sequence <= position or skipped:
                self.broken = True
                self.holed = skipped and number == self._delivered + 1
            else:
                self._delivered, position = number, item.sequence
                self._idle, self.drained = 0, item.pending == 0
                batch.append(item)
        if not self._arrived:
            self._wake.clear()
        if self._generation != self._link.generation:
            self.broken = True
        return batch

    async def _on_message(self, message: Msg) -> None:
        self._arrived.append(message)
        self._wake.set()

    async def _on_status(self, message: Msg) -> None:
        headers = message.headers or {}
        match headers.get("Status"):
            case "100":
                if int(headers.get("Nats-Last-Consumer", self._delivered)) != self._delivered:
                    self.broken = True
                self.drained = True
            case "404" | "408":
                self._asked -= int(headers.get("Nats-Pending-Messages", self._asked))
                self._idle += 1
                self.drained = True
                if self._idle >= _IDLE_MAX:
                    self._idle = 0
                    await self._doubt()
            case _:
                self.broken = True

    async def _doubt(self) -> None:
        """Nothing came for a while: ask whether there is something that should have come."""
        try:
            info = await self._link.api(self._info)
        except (ApiError, Unavailable):
            self.broken = True
        else:
            unseen = int(info["delivered"]["consumer_seq"]) != self._delivered
            self.broken = not self._arrived and (unseen or int(info["num_pending"]) > 0)

    async def _ask(self) -> None:
        if self.broken or self._asked > BATCH_MAX // 2:
            return
        wanted = BATCH_MAX - self._asked
        request = {
            "batch": wanted,
            "expires": int(_EXPIRES_S * _NANO),
            "idle_heartbeat": int(_HEARTBEAT_S * _NANO),
        }
        try:
            await self._link.client.publish(
                self._next, json.dumps(request).encode(), reply=self._inbox
            )
        except (nats_errors.Error, OSError):
            self.broken = True
        else:
            self._asked += wanted


def _parse(message: Msg) -> tuple[Pulled, int]:
    """Read a delivered message; its place in the stream stands in the reply subject.

    `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or with
    domain and account before the stream and a token behind.
    """
    tokens = message.reply.split(".")
    start = 4 if len(tokens) == 9 else 6  # noqa: PLR2004  the two shapes of the subject
    sequence, number, stamp, pending = map(int, tokens[start + 1 : start + 5])
    headers = message.headers or {}
    return Pulled(message.subject, sequence, message.data, headers, stamp, pending), number


async def _pause(failures: int) -> None:
    if failures:
        longest = min(_PAUSE_MAX_S, 0.05 * 2 ** min(failures, 10))
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  spreads retries
