"""Everything that is kept of a customer: their stories, append by append, with the words."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from toldonce.kernel.ids import CustomerId
from toldonce.kernel.story.events import Words
from toldonce.kernel.story.record import Logged, Placed
from toldonce.ownership.handler.handler import Ownership


@dataclass(frozen=True, slots=True)
class Exported:
    """A story's head, or one append with its words by event (None: forgotten)."""

    customer: CustomerId
    placed: Placed | None = None
    logged: Logged | None = None
    words: Mapping[int, Words] | None = None


async def export(ownership: Ownership, tenant: str, customer: str) -> AsyncGenerator[Exported]:
    """Give the stories of a customer, each head before its appends in log order.

    Raises Missing for a customer nobody knows, Unavailable.
    """
    for own in await ownership.forgetting.whole(tenant, customer):
        who, placed = await ownership.find(tenant, own)
        yield Exported(who, placed=placed)
        for logged in await ownership.stories.history(tenant, who, placed.sequence):
            yield Exported(who, logged=logged, words=await ownership.context.words(logged.record))
