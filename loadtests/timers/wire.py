"""The loopback between the process that has the log in memory and the replicas that follow it.

A frame is its length (4 bytes) and a MessagePack value. The first frame of a connection says what
it is for: `calls` (numbered commands and their answers), `tail` (the log after a sequence), `rows`
and `row` (a table). Here stand both ends' frames and the replica's side: a door, a log, a table.
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from toldonce.client.commands import COMMAND_S
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.bus import no_answer
from toldonce.runtime.closed import ClosedLog, ClosedTable
from toldonce.runtime.log import Stored
from toldonce.runtime.mapping import at_us
from toldonce.runtime.names import commands
from toldonce.runtime.table import Row

FRAME_BYTES_MAX = 64 << 20
ANSWER_S = 10.0
TOGETHER_S = 0.002
_SIZE = struct.Struct(">I")


def send(writer: asyncio.StreamWriter, value: Any) -> None:  # noqa: ANN401 - any MessagePack value
    """Write one frame."""
    body = msgspec.msgpack.encode(value)
    writer.write(_SIZE.pack(len(body)) + body)


class Outbox:
    """Writes what comes within TOGETHER_S in one go, as a real bus does."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """Write to `writer`."""
        self._writer = writer
        self._frames: list[bytes] = []

    def put(self, value: Any) -> None:  # noqa: ANN401 - any MessagePack value
        """Write one frame soon."""
        body = msgspec.msgpack.encode(value)
        if not self._frames:
            asyncio.get_running_loop().call_later(TOGETHER_S, self._flush)
        self._frames += (_SIZE.pack(len(body)), body)

    def _flush(self) -> None:
        frames, self._frames = self._frames, []
        if not self._writer.is_closing():
            self._writer.write(b"".join(frames))


async def receive(reader: asyncio.StreamReader) -> Any:  # noqa: ANN401 - as it was sent
    """Read one frame; raises ConnectionError at the end."""
    try:
        (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
        if size > FRAME_BYTES_MAX:
            raise ConnectionError("a frame is too long")
        return msgspec.msgpack.decode(await reader.readexactly(size))
    except asyncio.IncompleteReadError:
        raise ConnectionError("the other side has ended") from None


@asynccontextmanager
async def opened(
    port: int,
    *purpose: Any,  # noqa: ANN401 - a name and its arguments
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect for a purpose; raises Unavailable."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise Unavailable("the desk does not answer") from error
    try:
        send(writer, purpose)
        yield reader, writer
    finally:
        writer.close()


class SocketDoor:
    """`CommandDoor` to the desk; `run` must be running."""

    def __init__(self, port: int) -> None:
        """Connect when `run` does."""
        self._port = port
        self._outbox: Outbox | None = None
        self._numbers = itertools.count()
        self._open: dict[int, asyncio.Future[bytes]] = {}

    async def run(self) -> None:
        """Carry answers for ever; raises ConnectionError when the desk ends."""
        async with opened(self._port, "calls") as (reader, writer):
            self._outbox = Outbox(writer)
            while True:
                number, answer, sentence, retry_s = await receive(reader)
                waiting = self._open.get(number)
                if waiting is None or waiting.done():
                    continue
                if sentence:
                    waiting.set_exception(Unavailable(sentence, retry_s=retry_s))
                else:
                    waiting.set_result(answer)

    async def call(self, tenant: str, data: bytes) -> bytes:
        """See `CommandDoor.call`."""
        subject = commands(tenant)
        if self._outbox is None:
            raise Unavailable("the desk is not connected")
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = loop.create_future()
        self._open[number] = answer
        late = loop.call_later(COMMAND_S, _late, answer, subject)
        try:
            self._outbox.put((number, data))
            return await answer
        finally:
            late.cancel()
            del self._open[number]


class SocketLog(ClosedLog):
    """The log as one who follows it sees it, on the clock of the same machine."""

    def __init__(self, port: int) -> None:
        """Read what the desk has."""
        super().__init__("the log of the desk")
        self._port = port

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        """See `Log.tail`."""
        async with opened(self._port, "tail", after) as (reader, _):
            while True:
                try:
                    batch = await receive(reader)
                except ConnectionError as error:
                    raise Unavailable(str(error)) from error
                yield [Stored(s, n, payload, name, at_us(at)) for s, n, payload, name, at in batch]


class SocketTable(ClosedTable):
    """A table as its readers see it."""

    def __init__(self, port: int, name: str) -> None:
        """Read the desk's table of that name (`open`, `config`)."""
        super().__init__(name)
        self._port, self._name = port, name

    async def get(self, key: str) -> Row | None:
        """See `Table.get`."""
        async with asyncio.timeout(ANSWER_S), opened(self._port, "row", self._name, key) as (r, _):
            row = await receive(r)
        return None if row is None else Row(*row)

    async def rows(self, prefix: str = "") -> list[Row]:
        """See `Table.rows`."""
        found: list[Row] = []
        async with opened(self._port, "rows", self._name, prefix) as (reader, _):
            while batch := await receive(reader):
                found += [Row(*row) for row in batch]
        return found

    async def last_revision(self) -> int:
        """Nothing in these tables changes for those who keep a cache of them."""
        return 0


def _late(answer: asyncio.Future[bytes], subject: str) -> None:
    if not answer.done():
        answer.set_exception(no_answer(subject, COMMAND_S))
