"""The doors through which commands reach ownership: the bus, or the same process.

Both take and give the same bytes (`ownership.v1.Command`, `CommandReply`), and behind both stands
the same handler.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from toldonce.runtime.bus import Bus, no_answer
from toldonce.runtime.names import commands

COMMAND_S = 8.0


class CommandDoor(Protocol):
    """A way to ownership."""

    async def call(self, tenant: str, data: bytes) -> bytes:
        """Ask, and give the reply; raises Unavailable when it may or may not have been done."""
        ...


class BusDoor:
    """Over NATS, to whichever replica takes it."""

    def __init__(self, bus: Bus, *, timeout_s: float = COMMAND_S) -> None:
        """`timeout_s` covers an append with its three tries and its fence."""
        self._bus = bus
        self._timeout_s = timeout_s

    async def call(self, tenant: str, data: bytes) -> bytes:
        """Ask over the bus."""
        return await self._bus.request(commands(tenant), data, timeout_s=self._timeout_s)


class LocalDoor:
    """Straight to the handler in this process, without the network.

    As over the bus, a command that has begun runs to its end even when the asker goes away.
    """

    def __init__(
        self,
        handler: Callable[[bytes], Coroutine[Any, Any, bytes]],
        *,
        timeout_s: float = COMMAND_S,
    ) -> None:
        """Take the handler that also serves the bus."""
        self._handler = handler
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[bytes]] = set()

    async def call(self, tenant: str, data: bytes) -> bytes:
        """Ask directly; the command itself says its tenant."""
        commands(tenant)
        task = asyncio.create_task(self._handler(data))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(task)
        except TimeoutError as late:
            raise no_answer(commands(tenant), self._timeout_s) from late

    async def close(self) -> None:
        """Wait for what has begun."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()
