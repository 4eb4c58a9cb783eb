"""Forgetting a customer: the log says so first, then the keys to the words are destroyed.

In that order, so that nothing is ever unreadable without a reason in the log; whoever meets a
`Forgotten` whose keys are still there (a retry, the scrubber) completes it. Stories that were
linked are one story by now, and are forgotten with it. So are those that hold this customer's
contacts because their own was full, unless they were linked to somebody else since; what came under
an address shared by many is not: who wrote that is not known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from toldonce.kernel.ids import CustomerId, Own, derive
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import Diverted, Forgotten
from toldonce.kernel.story.record import Logged, Placed
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import Forget
from toldonce.ownership.handler.recorder import Ask
from toldonce.ownership.handler.stories import Stories
from toldonce.ownership.handler.writer import Done

FULL = "TOO_MANY_CASES"

type Do = Callable[[Ask], Awaitable[Done]]
type Find = Callable[[str, str], Awaitable[tuple[CustomerId, Placed]]]
type Destroy = Callable[[str, Iterable[KeyRef]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Forgot:
    """Who was forgotten, and when the log first said so."""

    customer: CustomerId
    at: datetime
    repeated: bool


class Forgetting:
    """Forgets customers; a repeat answers what the first answered."""

    def __init__(self, stories: Stories, *, do: Do, find: Find, destroy: Destroy) -> None:
        """Write through `do`; `destroy(tenant, refs)` ends keys, once, and may be asked again."""
        self._stories = stories
        self._do = do
        self._find = find
        self._destroy = destroy

    async def forget(self, tenant: str, customer: str, reason: str, by: Asked) -> Forgot:
        """Forget a customer; once begun it runs to its end, even when the asker goes away.

        Raises Missing for one nobody knows, Unavailable when it is not certain that it is done.
        """
        return await asyncio.shield(self._forget(tenant, customer, reason, by))

    async def whole(self, tenant: str, customer: str) -> tuple[CustomerId, ...]:
        """Name the stories that are this customer's alone, the main one first; raises Missing."""
        who, placed = await self._find(tenant, customer)
        if not placed.story.messages:
            raise self._stories.missing("customer", "nobody here has heard of this customer")
        found = [who]
        elsewhere = set(_diverted(await self._stories.history(tenant, who))) - {who}
        for to in sorted(elsewhere):
            home, other = await self._find(tenant, to)
            if home == to and other.story.messages and elsewhere.issuperset(other.story.absorbed):
                found.append(home)
        return tuple(found)

    async def complete(self, tenant: str, forgotten: Forgotten) -> None:
        """Destroy the keys that a story's `Forgotten` names; those already gone stay gone."""
        await self._destroy(tenant, forgotten.keys)

    async def _forget(self, tenant: str, customer: str, reason: str, by: Asked) -> Forgot:
        who, *others = await self.whole(tenant, customer)
        await self._elsewhere(tenant, others, reason, by)
        forgot = await self._one(tenant, who, reason, by)
        # what was read before that append may have come from an old leader, who knew less
        _, *now = await self.whole(tenant, who)
        await self._elsewhere(tenant, sorted(set(now).difference(others)), reason, by)
        return forgot

    async def _elsewhere(
        self, tenant: str, others: Iterable[CustomerId], reason: str, by: Asked
    ) -> None:
        for other in others:
            operation = Own(derive("forget", by.operation, other))
            await self._one(tenant, other, reason, replace(by, operation=operation))

    async def _one(self, tenant: str, who: CustomerId, reason: str, by: Asked) -> Forgot:
        done = await self._do(Ask(tenant, who, Forget(reason), by))
        who, _ = await self._find(tenant, who)
        at = done.placed.story.at if done.logged is None else done.logged.record.at
        for logged in await self._stories.history(tenant, who):
            for event in logged.record.events:
                if isinstance(event, Forgotten):
                    await self.complete(tenant, event)
                    at = logged.record.at if done.logged is None else at
        if at is None:
            raise self._stories.missing("customer", "nobody here has heard of this customer")
        return Forgot(who, at, done.repeated)


def _diverted(history: Iterable[Logged]) -> Iterable[str]:
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, Diverted) and event.reason == FULL:
                yield event.to
