"""Moving stories and following them; whoever meets half a move completes it."""

import asyncio
from collections.abc import Awaitable, Callable

from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.kernel.ids import CustomerId, Own, derive
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import EntryWords, Moved
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Placed
from toldonce.kernel.story.types import EMPTY
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import Absorb, MoveOut
from toldonce.ownership.core.moves import survivor
from toldonce.ownership.handler.recorder import Ask
from toldonce.ownership.handler.stories import Stories
from toldonce.ownership.handler.writer import Done
from toldonce.runtime.history import SOURCES_MAX

MOVES_MAX = 8


class Moves:
    """Finds where a story goes on, and joins two."""

    def __init__(self, stories: Stories, do: Callable[[Ask], Awaitable[Done]]) -> None:
        """Write through `do`."""
        self._stories = stories
        self._do = do

    async def find(self, tenant: str, customer: str) -> tuple[CustomerId, Placed]:
        """Read a story through the leader, following where it moved; half a move is completed."""
        who = CustomerId(customer)
        placed = await self._stories.load(tenant, who)
        for _ in range(SOURCES_MAX + 1):
            to = CustomerId(placed.story.moved_to)
            if not to:
                return who, placed
            target = await self._stories.load(tenant, to)
            if who not in target.story.absorbed:
                await self._complete_move(tenant, who, to)
                target = await self._stories.load(tenant, to)
            who, placed = to, target
        raise Unavailable("the story is being moved; ask again")

    async def link(
        self, tenant: str, customers: tuple[str, str], by: Asked, proof: str = ""
    ) -> CustomerId:
        """Join two stories: the lesser one is frozen and what it held goes to the other.

        `proof` is kept with the words of the frozen one. Once begun it runs to its end, even when
        the asker goes away.
        """
        return await asyncio.shield(self._link(tenant, customers, by, EntryWords(proof, ())))

    async def _link(
        self, tenant: str, customers: tuple[str, str], by: Asked, proof: EntryWords
    ) -> CustomerId:
        for _ in range(MOVES_MAX):
            first, one = await self.find(tenant, customers[0])
            second, two = await self.find(tenant, customers[1])
            if first == second:
                return first
            to = CustomerId(survivor((first, one.story), (second, two.story)))
            source, target = (second, two) if to == first else (first, one)
            stays = one if to == first else two
            move = MoveOut(
                source=source,
                to=to,
                to_empty=not stays.story.messages,
                arriving=len(stays.story.cases),
                stories=1 + len(stays.story.absorbed) + len(target.story.absorbed),
            )
            try:
                await self._do(Ask(tenant, source, move, by, proof if proof.text else None))
            except Rejected as no:
                if no.reason not in {"MOVE_RACE", "MOVED"}:
                    raise
                continue
            await self._complete_move(tenant, source, to)
            return to
        raise Unavailable("these stories change too quickly; ask again", operation_id=by.operation)

    async def _complete_move(self, tenant: str, source: str, to: str) -> None:
        """Write the counterpart of a `Moved`, once, whoever meets it."""
        story, at = EMPTY, None
        for logged in await self._stories.history(tenant, source):
            record = logged.record
            if record.customer != source:
                continue
            if any(isinstance(event, Moved) for event in record.events):
                operation = Own(derive("absorb", source, logged.sequence))
                absorb = Absorb(source, logged.sequence, at or record.at, story)
                by = Asked(operation, Principal(tenant, Role.SERVICE, "ownership"))
                await self._do(Ask(tenant, to, absorb, by))
                return
            story, at = apply(story, record), record.at
