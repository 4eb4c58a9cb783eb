"""What a contact that comes now may expect, for the live part of its acknowledgement: best effort.

The engine that leads is asked at most once a second for a tenant, whatever comes in: an
acknowledgement tells of the last second, and whom this process took in since is counted here. It is
asked before a contact is taken in, which would otherwise be counted as waiting before itself.
Nobody waits longer than ANSWER_S for it, and where there is no answer the acknowledgement says that
it does not know.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from toldonce.kernel.errors import Refusal
from toldonce.runtime.clock import Clock

FRESH_S = 1.0
ANSWER_S = 0.05
TENANTS_MAX = 10_000


class AsksEngine[Live](Protocol):
    """Asks the engine that leads; each raises a Refusal where none answers."""

    async def newcomers(self, tenant: str) -> Mapping[str, Live]:
        """Say for each queue what a contact that came now may expect."""
        ...

    async def place(self, tenant: str, case_id: str) -> Live:
        """Say where a case stands."""
        ...


@dataclass(slots=True)
class Asked[Live]:
    """A question to the engine, and how many were told its answer, by queue."""

    at_s: float
    answer: "asyncio.Task[Mapping[str, Live] | None]"
    told: Counter[str] = field(default_factory=Counter)


class Places[Live]:
    """What is known of the lines, tenant by tenant."""

    def __init__(self, engine: AsksEngine[Live], clock: Clock) -> None:
        """Ask `engine`."""
        self._engine = engine
        self._clock = clock
        self._asked: dict[str, Asked[Live]] = {}

    def ask(self, tenant: str) -> Asked[Live]:
        """Ask what contacts that come now may expect, or go by what was asked just now."""
        known = self._asked.get(tenant)
        now_s = self._clock.monotonic()
        if known is None or (known.answer.done() and now_s - known.at_s >= FRESH_S):
            if len(self._asked) >= TENANTS_MAX:
                self._asked.clear()
            task = asyncio.create_task(self._ask(tenant), name=f"lines of {tenant}")
            known = self._asked[tenant] = Asked(now_s, task)
        return known

    async def newcomer(self, asked: Asked[Live], queue: str) -> tuple[Live | None, int]:
        """Say what a contact to a queue may expect that was taken in after `asked`.

        None: nobody can tell. With it how many came between the two.
        """
        came = asked.told[queue]
        asked.told[queue] += 1
        left_s = asked.at_s + ANSWER_S - self._clock.monotonic()
        if not asked.answer.done() and left_s > 0:
            await asyncio.wait((asked.answer,), timeout=left_s)
        lines = asked.answer.result() if asked.answer.done() else None
        return None if lines is None else lines.get(queue), came

    async def place(self, tenant: str, case_id: str) -> Live | None:
        """Say where a case stands; None: nobody can tell."""
        try:
            return await self._engine.place(tenant, case_id)
        except Refusal:
            return None

    async def aclose(self) -> None:
        """Stop asking."""
        tasks = [one.answer for one in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, tenant: str) -> Mapping[str, Live] | None:
        try:
            return await self._engine.newcomers(tenant)
        except Refusal:
            return None
