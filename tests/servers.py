"""Real servers for tests: one embedded pair, and the helper that waits for something to be so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from toldonce.runtime.embedded import Embedded, embedded

__all__ = ["Embedded", "eventually", "servers"]


@asynccontextmanager
async def servers(data: Path) -> AsyncIterator[Embedded]:
    """A nats-server and a Valkey on free ports; `.nats_url`, `.monitor_url`, `.store_url`."""
    async with embedded(data) as running:
        yield running


async def eventually(
    what: Callable[[], Awaitable[bool] | bool], *, within_s: float = 10.0, poll_s: float = 0.01
) -> None:
    """Wait until `what()` is true; fail the test when it is not within the deadline."""
    async with asyncio.timeout(within_s):
        while True:
            answer = what()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(poll_s)
