"""Hints that a story changed: who watches one wakes at once, and looks by itself every 10 s.

A hint may be lost and says nothing but where to look; the truth is read from the log.
"""

import asyncio
from collections import defaultdict

from google.protobuf.message import DecodeError

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.runtime import names
from toldonce.runtime.bus import Bus, Subscription

RECHECK_S = 10.0


class Hints:
    """The hints of every tenant, for one process."""

    def __init__(self, bus: Bus) -> None:
        """Hear nothing until `start`."""
        self._bus = bus
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
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
        waiting.add(woken)
        try:
            async with asyncio.timeout(timeout_s):
                await woken.wait()
        except TimeoutError:
            return
        finally:
            waiting.discard(woken)
            if not waiting:
                self._waiting.pop((tenant, customer), None)

    def _heard(self, subject: str, data: bytes) -> None:
        try:
            hint = internal_pb2.Hint.FromString(data)
        except DecodeError:
            return
        for woken in self._waiting.get((subject.rpartition(".")[2], hint.customer_id), ()):
            woken.set()
