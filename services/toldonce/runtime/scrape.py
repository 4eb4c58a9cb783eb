"""A page for Prometheus and for probes: `/metrics`, `/health/live`, `/health/ready`.

As little HTTP as that takes: GET, one answer a connection, bounded in bytes, seconds and number.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

HEAD_BYTES_MAX = 8 * 1024
ANSWER_S = 5.0
CONNECTIONS_MAX = 32
_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: str
    body: bytes
    kind: str = _TEXT


class Scrape:
    """The HTTP server of a process; enter it to listen."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        metrics: Callable[[], bytes],
        not_ready: Callable[[], str | None],
    ) -> None:
        """Port 0 picks a free one; `not_ready` says in a sentence why work should go elsewhere."""
        self._host = host
        self._wanted = port
        self._not_ready = not_ready
        self._pages: Mapping[str, Callable[[], Page]] = {
            "/metrics": lambda: Page("200 OK", metrics(), _METRICS),
            "/health/live": lambda: Page("200 OK", b"alive\n"),
            "/health/ready": self._ready,
        }
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, self._host, self._wanted, limit=HEAD_BYTES_MAX
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(ANSWER_S):
                if len(self._open) > CONNECTIONS_MAX:
                    page = Page("503 Service Unavailable", b"too many connections\n")
                else:
                    page = await self._answer(reader)
                writer.write(_bytes(page))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> Page:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return Page("431 Request Header Fields Too Large", b"too long\n")
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3:  # noqa: PLR2004 - method, path, version
            return Page("400 Bad Request", b"this is no request\n")
        if words[0] != b"GET":
            return Page("405 Method Not Allowed", b"GET only\n")
        page = self._pages.get(words[1].split(b"?")[0].decode("ascii", "replace"))
        if page is None:
            return Page("404 Not Found", "\n".join([*self._pages, ""]).encode())
        return page()

    def _ready(self) -> Page:
        why = self._not_ready()
        if why is None:
            return Page("200 OK", b"ready\n")
        return Page("503 Service Unavailable", f"{why}\n".encode())


def _bytes(page: Page) -> bytes:
    head = (
        f"HTTP/1.1 {page.status}\r\nContent-Type: {page.kind}\r\n"
        f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + page.body
