"""Where timers wait, for tests: each kind of store, and what can happen to it.

JetStream has no fake: what matters of it is what the server's own scheduler does.
"""

from contextlib import suppress
from typing import Protocol

from toldonce.runtime import names
from toldonce.runtime.alarms import open_alarms
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.store import Store
from toldonce.sla.handler import RedisTimers, ScheduledTimers, TimerStore


class Shelf(Protocol):
    """One store of timers that any number of replicas share."""

    async def timers(
        self, replica: str, *, lease_s: float = 60.0, margin_s: float = 0.0
    ) -> TimerStore:
        """Make what one replica sees of it, not begun yet."""
        ...

    async def wipe(self) -> None:
        """Lose everything."""
        ...

    async def go_back(self) -> None:
        """Be as it was before anything was planned, under the same generation."""
        ...


class RedisShelf:
    """On Redis, Valkey or the fake of both."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def timers(
        self, replica: str, *, lease_s: float = 60.0, margin_s: float = 0.0
    ) -> TimerStore:
        return RedisTimers(self._store, replica, lease_s=lease_s, margin_s=margin_s)

    async def wipe(self) -> None:
        await self._store.flushall()

    async def go_back(self) -> None:
        generation = await self._store.get(names.redis_timers("generation"))
        assert generation is not None
        await self._store.flushall()
        await self._store.set(names.redis_timers("generation"), generation)


class JetStreamShelf:
    """On a real server's scheduled messages; wiped by a purge, or by taking the stream away."""

    def __init__(self, link: Link, *, purge: bool, replicas: int = 1) -> None:
        self._link = link
        self._purge = purge
        self._replicas = replicas

    async def timers(
        self, replica: str, *, lease_s: float = 60.0, margin_s: float = 0.0
    ) -> TimerStore:
        alarms = await open_alarms(self._link, replicas=self._replicas)
        return ScheduledTimers(alarms, replica, lease_s=lease_s, margin_s=margin_s)

    async def wipe(self) -> None:
        verb = "PURGE" if self._purge else "DELETE"
        with suppress(ApiError):
            await self._link.api(f"STREAM.{verb}.{names.TIMERS.stream}")

    async def go_back(self) -> None:
        rows = (await open_alarms(self._link, replicas=self._replicas)).rows
        generation = await rows.get(names.TIMERS_GENERATION_KEY)
        assert generation is not None
        await self.wipe()
        rows = (await open_alarms(self._link, replicas=self._replicas)).rows
        await rows.put(names.TIMERS_GENERATION_KEY, generation.value, expected=0)
