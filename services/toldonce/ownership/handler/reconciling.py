"""Putting back what is stuck: the remedy is given to the one handler, as anybody would."""

from collections.abc import Callable

from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.bounds import Bound, Waiting
from toldonce.kernel.story.events import Forgotten
from toldonce.kernel.story.types import Story
from toldonce.ownership.core import Asked
from toldonce.ownership.core.reconciling import operation_of, remedy
from toldonce.ownership.handler.handler import Ownership
from toldonce.ownership.handler.recorder import Ask

type Nudge = Callable[[str, str, int], None]


class Reconciling:
    """Ends stuck things; doing it twice, or on two replicas at once, is doing it once."""

    def __init__(self, ownership: Ownership, *, nudge: Nudge) -> None:
        """`nudge(tenant, customer, sequence)` tells who waits for a story to look again."""
        self._ownership = ownership
        self._nudge = nudge

    async def put_back(
        self, tenant: str, customer: str, head: Story, sequence: int, bound: Bound
    ) -> bool:
        """End a stuck thing; False when its keeper could only be told to look again.

        Raises what `Ownership.do` does: a Refusal means that it has changed meanwhile.
        """
        if bound.kind is Waiting.MOVE:
            await self._ownership.find(tenant, customer)
            return True
        if bound.kind is Waiting.FORGET:
            await self.complete_forget(tenant, customer)
            return True
        command = remedy(bound, head)
        if command is None:
            self._nudge(tenant, customer, sequence)
            return False
        by = Asked(operation_of(bound), Principal(tenant, Role.SERVICE, "reconciler"))
        await self._ownership.do(Ask(tenant, customer, command, by))
        return True

    async def complete_forget(self, tenant: str, customer: str) -> None:
        """Destroy what keys a forgotten story had; those destroyed already stay so."""
        history = await self._ownership.stories.history(tenant, customer)
        for logged in history:
            for event in logged.record.events:
                if isinstance(event, Forgotten):
                    await self._ownership.forgetting.complete(tenant, event)
