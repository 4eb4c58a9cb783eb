"""The process side of the log in memory: the real ownership handler, and what replicas follow.

It keeps OPEN as ownership's projector would (the latest head of every story, and the sequence up to
which all are there), without decoding what it copies.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import batched

from loadtests.timers.wire import Outbox, receive, send
from toldonce.api.events.v1 import events_pb2
from toldonce.client.commands import BusDoor
from toldonce.kernel.errors import Unavailable
from toldonce.ownership.bind import build, hinting
from toldonce.ownership.consumer import INFLIGHT_MAX, Consumer
from toldonce.runtime import names
from toldonce.runtime.app import App
from toldonce.runtime.bus import Desk as Queue
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import Stored as Document
from toldonce.runtime.document import pack
from toldonce.runtime.listening import Listen
from toldonce.runtime.log import Stored
from toldonce.runtime.mapping import to_us
from toldonce.runtime.open_rows import pack_open
from toldonce.runtime.secrets import Secrets
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.ports import FakeServers, fake_ports, fake_servers

ROWS_TOGETHER = 500
TAIL_S = 0.02  # what comes within it is handed on together
_BREATH = 64


@dataclass(slots=True)
class Desk:
    """Where commands go and where the log is; `answered` counts commands, repeats among them."""

    servers: FakeServers
    consumer: Consumer
    port: int = 0
    answered: int = 0
    rows: dict[str, bytes] = field(default_factory=dict)
    position: int = 0

    @property
    def log(self) -> FakeLog:
        """The log itself."""
        return self.servers.log

    async def begin(self) -> None:
        """Make OPEN of the log as it is now."""
        position = self.log.count
        async for (stored,) in self.log.latest(self.log.epochs.current.number):
            self._keep(stored)
            if len(self.rows) % _BREATH == 0:
                await asyncio.sleep(0)
        self.position = position

    async def follow(self) -> None:
        """Keep OPEN for ever."""
        async with aclosing(self.log.tail(after=self.position)) as batches:
            async for batch in batches:
                for number, stored in enumerate(batch):
                    if number % _BREATH == 0:
                        await asyncio.sleep(0)
                    self._keep(stored)
                await asyncio.sleep(TAIL_S)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        queue = Queue(self._answer, inflight_max=INFLIGHT_MAX)
        try:
            match await receive(reader):
                case ["calls"]:
                    outbox = Outbox(writer)
                    while True:
                        number, data = await receive(reader)
                        queue.spawn(self._call(queue, outbox, number, data))
                case ["tail", int(after)]:
                    await self._tail(writer, after)
                case ["rows", str(table), str(prefix)]:
                    await self._rows(writer, table, prefix)
                case ["row", str(table), str(key)]:
                    send(writer, await self._row(table, key))
                    await writer.drain()
                case _:
                    pass
        except (ConnectionError, OSError):
            pass  # a replica that was killed says nothing any more
        finally:
            await queue.close()
            writer.close()

    async def _call(self, queue: Queue, outbox: Outbox, number: int, data: bytes) -> None:
        try:
            answer = (number, await queue.answer(data), "", 0.0)
        except Unavailable as no:
            answer = (number, b"", str(no), no.retry_s)
        outbox.put(answer)

    async def _answer(self, data: bytes) -> bytes:
        self.answered += 1
        return await self.consumer.answer(data)

    async def _tail(self, writer: asyncio.StreamWriter, after: int) -> None:
        async with aclosing(self.log.tail(after=after)) as batches:
            async for batch in batches:
                if writer.is_closing():
                    return
                send(
                    writer,
                    [
                        (one.subject, one.sequence, one.payload, "", to_us(one.stored_at))
                        for one in batch
                    ],
                )
                await writer.drain()
                await asyncio.sleep(TAIL_S)

    async def _rows(self, writer: asyncio.StreamWriter, table: str, prefix: str) -> None:
        if table == names.OPEN.prefix:
            for keys in batched(sorted(self.rows), ROWS_TOGETHER):
                send(writer, [(key, self.rows[key], 1) for key in keys])
                await writer.drain()
                await asyncio.sleep(0)
        else:
            send(writer, await self.servers.config.rows(prefix))
        send(writer, [])
        await writer.drain()

    async def _row(self, table: str, key: str) -> tuple[str, bytes, int] | None:
        if table == names.OPEN.prefix:
            return key, pack_open(self.position, None), 1
        row = await self.servers.config.get(key)
        return None if row is None else (row.key, row.value, row.revision)

    def _keep(self, stored: Stored) -> None:
        tenant, customer = names.story_of(stored.subject)
        head = events_pb2.Envelope.FromString(stored.payload).head.SerializeToString()
        self.rows[names.open_key(tenant, customer)] = pack_open(stored.sequence, None) + head
        self.position = stored.sequence


@asynccontextmanager
async def desk(secrets: Secrets, log: FakeLog, tenant: str, document: str) -> AsyncIterator[Desk]:
    """Open the desk on a filled log, with a policy in force."""
    clock = SystemClock()
    servers = replace(fake_servers(clock), log=log)
    stored = pack(Document(document, clock.now(), "loadtests"))
    await servers.config.put(names.config_key(tenant), stored, expected=0)
    async with App(Listen(port=0, metrics_port=None), secrets, clock) as app:
        ports = fake_ports(app, servers, door=BusDoor, tenants=(tenant,))
        made = Desk(servers, Consumer(build(ports, hinting(app, ports))))
        await made.begin()
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        app.spawn("open", made.follow())
        try:
            yield made
        finally:
            server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await server.wait_closed()
