"""Tables: streams that keep one message a key, changed by compare-and-set.

`AGENTS`, `OPEN`, `CONFIG`, `LEASES`, `KEYS`. A key is the row's whole subject, made by
`runtime.names`. Nothing is purged: the end of a row is a tombstone, which is a row too (it has a
revision and may have a value) until its time to live is over. A row that has gone by its time to
live is gone without a word: a watcher is not told, and the key can be made anew with `expected` 0.
"""

import asyncio
import contextlib
import random
from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple, Protocol

from nats import errors as nats_errors

from toldonce.kernel.errors import Conflict, Exhausted, Invalid, Unavailable
from toldonce.runtime.answers import read_answer
from toldonce.runtime.append import Accepted, Busy, Full, Moved, Sealed, Silent, Unsent
from toldonce.runtime.log import PAYLOAD_BYTES_MAX, check_subject
from toldonce.runtime.names import Bucket
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.pull import Pulled, pull
from toldonce.runtime.streams import Wants, ensure, look

TTL_MIN_S = 1.0
_TOMBSTONE = "ToldOnce-Tombstone"
_NO_MESSAGE = 10037
_TRIES_MAX = 4
_TRY_S = 2.0
_PAUSE_S = 0.02


class Row(NamedTuple):
    """One row; `revision` is its place in the table's stream and grows with every change."""

    key: str
    value: bytes
    revision: int
    tombstone: bool = False


class Table(Protocol):
    """A table as services see it."""

    async def get(self, key: str) -> Row | None:
        """Read a row (or its tombstone) through the leader; raises Unavailable."""
        ...

    async def put(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> int:
        """Write a row and return its revision.

        `expected`: the revision that must stand there (0: none, not even a tombstone), None: write
        in any case. `ttl_s`: at least 1 s. An empty value is a tombstone. Raises Conflict (with
        `current`), Exhausted, Invalid, and Unavailable: then it may or may not have been written.
        """
        ...

    async def rows(self, prefix: str = "") -> list[Row]:
        """Read all live rows whose key starts with `prefix`, by key; raises Unavailable."""
        ...

    def watch(self, *, after: int) -> AsyncGenerator[list[Row]]:
        """Follow every change with a revision above `after`, tombstones too, for ever.

        A row changed twice before it is read is seen once, as it is now. Raises Unavailable when
        the table ends before the revision reached.
        """
        ...

    async def last_revision(self) -> int:
        """Return the greatest revision so far (0: none); raises Unavailable."""
        ...


async def open_table(
    link: Link,
    bucket: Bucket,
    *,
    replicas: int = 1,
    message_ttl: bool = True,
    rng: random.Random | None = None,
) -> "NatsTable":
    """Make or check the table's stream; raises Unavailable with a sentence when it differs."""
    wants = Wants(
        name=bucket.stream,
        subjects=bucket.subjects,
        replicas=replicas,
        per_subject_max=1,
        message_ttl=message_ttl,
    )
    await ensure(link, wants)
    return NatsTable(link, bucket, rng or random.Random())  # noqa: S311  spreads retries


class NatsTable:
    """`Table` on a JetStream stream."""

    def __init__(self, link: Link, bucket: Bucket, rng: random.Random) -> None:
        """Use `open_table`, which checks the stream."""
        self._link = link
        self._stream = bucket.stream
        self._prefix = f"{bucket.prefix}."
        self._rng = rng

    async def get(self, key: str) -> Row | None:
        """See `Table.get`."""
        self._check_key(key)
        query = {"last_by_subj": key}
        try:
            answer = await self._link.api(f"STREAM.MSG.GET.{self._stream}", query)
        except ApiError as error:
            if error.code == _NO_MESSAGE:
                return None
            raise Unavailable(f"The table {self._stream} cannot be read: {error}.") from error
        message = answer["message"]
        value = b64decode(message.get("data", ""))
        marked = _TOMBSTONE.encode() in b64decode(message.get("hdrs", ""))
        return Row(key, value, int(message["seq"]), marked)

    async def put(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> int:
        """See `Table.put`."""
        self._check_key(key)
        check_put(key, value, expected=expected, ttl_s=ttl_s)
        headers: dict[str, str] = {}
        if expected is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(expected)
        if ttl_s is not None:
            headers["Nats-TTL"] = f"{round(ttl_s * 1000)}ms"
        if tombstone or not value:
            headers[_TOMBSTONE] = "1"
        for number in range(_TRIES_MAX):
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * _PAUSE_S * number)
            revision = await self._put_once(key, value, headers)
            if revision is not None:
                return revision
        raise Unavailable(f"The table {self._stream} is busy; nothing was written.", retry_s=0.5)

    async def rows(self, prefix: str = "") -> list[Row]:
        """See `Table.rows`."""
        found: dict[str, Row] = {}
        subject = _filter(prefix)
        batches = pull(self._link, self._stream, after=0, subject=subject, idle=True)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                found.update((row.key, row) for row in map(_row, batch))
                if not batch or batch[-1].pending == 0:
                    break
        live = (found[key] for key in sorted(found) if key.startswith(prefix))
        return [row for row in live if not row.tombstone]

    async def watch(self, *, after: int) -> AsyncGenerator[list[Row]]:
        """See `Table.watch`."""
        batches = pull(self._link, self._stream, after=after)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                yield [_row(item) for item in batch]

    async def last_revision(self) -> int:
        """See `Table.last_revision`."""
        try:
            return (await look(self._link, self._stream)).last
        except ApiError as error:
            raise Unavailable(f"The table {self._stream} cannot be read: {error}.") from error

    def _check_key(self, key: str) -> None:
        check_subject(key)
        if not key.startswith(self._prefix):
            raise Invalid("key", f"a key of the table {self._stream} starts with {self._prefix}")

    async def _put_once(self, key: str, value: bytes, headers: Mapping[str, str]) -> int | None:
        """Try once; None when it was refused for now and may be tried again."""
        try:
            reply = await self._link.ask(key, value, timeout_s=_TRY_S, headers=headers)
        except nats_errors.NoRespondersError:
            return None
        except (TimeoutError, OSError, nats_errors.Error) as error:
            raise Unavailable(
                f"The table {self._stream} does not answer ({type(error).__name__}).", retry_s=0.5
            ) from error
        match read_answer(reply.data):
            case Accepted(sequence):
                return sequence
            case Moved(last):
                raise Conflict(f"{key} was changed by somebody else.", last)
            case Full(sentence):
                raise Exhausted(sentence)
            case Silent() | Sealed():
                raise Unavailable(f"The table {self._stream} cannot be written.", retry_s=0.5)
            case Busy() | Unsent():
                return None


def check_put(key: str, value: bytes, *, expected: int | None, ttl_s: float | None) -> None:
    """Raise Invalid or Exhausted unless the row is one that may be written."""
    check_subject(key)
    if expected is not None and (isinstance(expected, bool) or expected < 0):
        raise Invalid("expected", "must be a revision, 0 or None")
    if ttl_s is not None and ttl_s < TTL_MIN_S:
        raise Invalid("ttl_s", f"must be at least {TTL_MIN_S:g} s")
    if len(value) > PAYLOAD_BYTES_MAX:
        raise Exhausted(f"The row has {len(value)} bytes; at most {PAYLOAD_BYTES_MAX} fit.")


def _filter(prefix: str) -> str:
    """Return the subject filter for the whole tokens of a prefix; the rest is sorted out here."""
    whole, dot, _ = prefix.rpartition(".")
    return f"{whole}.>" if dot else ""


def _row(item: Pulled) -> Row:
    return Row(item.subject, item.payload, item.sequence, _TOMBSTONE in item.headers)
