"""Hints that a story changed: who watches one wakes at once, and looks by itself every 10 s.

The same hints say which keys were destroyed, so that nobody believes them any longer.

A hint may be lost and says nothing but where to look; the truth is read from the log.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from google.protobuf.message import DecodeError

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.runtime import names
from toldonce.runtime.bus import Bus, Subscription

RECHECK_S = 10.0


class Hints:
    """The hints of every tenant, for one process."""

    def __init__(
        self, bus: Bus, destroyed: Callable[[str, str], None] = lambda _tenant, _block: None
    ) -> None:
        """Hear nothing until `start`; `destroyed(tenant, block)`: keys of a block were."""
        self._bus = bus
        self._destroyed = destroyed
        self._waiting: dict[tuple[str, str], dict[asyncio.Event, None]] = defaultdict(dict)
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to listen; raises Unavailable."""
        self._subscription = await self._bus.subscribe(names.EVERY_HINT, self._heard)

    async def close(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            await self._subscription.close()

    async def wait(self, tenant: str, customer: str, timeout_s: float = RECHECK_S) -> None:
        """Return when something may have been added to this story, or when time is up."""
        woken = asyncio.Event()
        waiting = self._waiting[(tenant, customer)]
        waiting[woken] = None
        try:
            async with asyncio.timeout(timeout_s):
                await woken.wait()
        except TimeoutError:
            return
        finally:
            waiting.pop(woken, None)
            if not waiting:
                self._waiting.pop((tenant, customer), None)

    def _heard(self, subject: str, data: bytes) -> None:
        try:
            hint = internal_pb2.Hint.FromString(data)
        except DecodeError:
            return
        tenant = subject.rpartition(".")[2]
        for block in hint.key_blocks:
            self._destroyed(tenant, block)
        for woken in self._waiting.get((tenant, hint.customer_id), ()):
            woken.set()
