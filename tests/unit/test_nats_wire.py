"""Writing to a NATS connection that has broken."""

import asyncio
import socket
import struct
from contextlib import suppress
from urllib.parse import urlparse

from nats.aio.client import DEFAULT_BUFFER_SIZE

from toldonce.runtime.nats_wire import Wire, client

LINGER_OFF = struct.pack("ii", 1, 0)


async def _break(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection, as the system of a killed server does."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
    writer.transport.abort()


async def test_connection_that_broke_takes_writes_without_raising() -> None:
    wire = Wire()
    wire.writelines([b"before there is one"])
    server = await asyncio.start_server(_break, "127.0.0.1", 0)
    async with server, asyncio.timeout(10.0):
        port = server.sockets[0].getsockname()[1]
        await wire.connect(urlparse(f"nats://127.0.0.1:{port}"), DEFAULT_BUFFER_SIZE, 2)
        with suppress(ConnectionError):
            await wire.read(1)
        with suppress(ConnectionError):
            await wire.wait_closed()
        for _ in range(3):
            wire.writelines([b"PING\r\n", b"PING\r\n"])
        wire.close()


def test_client_writes_through_it() -> None:
    assert any(isinstance(part, Wire) for part in vars(client()).values())
