"""Telling a story to who asks about a case: not before the log is as far as they know it to be."""

import asyncio

from toldonce.kernel.errors import Conflict, Rejected
from toldonce.kernel.ids import customer_of, own_of
from toldonce.ownership.handler.context import Told
from toldonce.ownership.handler.handler import Ownership
from toldonce.ownership.handler.stories import Stories

BEHIND_S = 1.0
LOOK_S = 0.05


async def tell(
    ownership: Ownership, tenant: str, case_id: str, *, upto: int = 0, least: int = 0, of: str = ""
) -> Told:
    """Tell the story of a case up to log sequence `upto` (0: all), including `least`.

    Raises Missing, Unavailable, Rejected BEHIND when the log has not reached `least` after
    BEHIND_S seconds, or Conflict when the story is no longer that of customer `of` (if given).
    """
    customer, placed = await ownership.find(tenant, customer_of(case_id))
    if placed.sequence < least:
        await _reached(ownership.stories, least)
        customer, placed = await ownership.find(tenant, customer)
    if of not in {"", customer}:
        raise Conflict("the story was joined with another meanwhile; read it from the beginning")
    return await ownership.context.tell(tenant, customer, placed, own_of(case_id), upto)


async def _reached(stories: Stories, least: int) -> None:
    """Wait until the log holds position `least`, whoever's it is."""
    for _ in range(int(BEHIND_S / LOOK_S)):
        if await stories.position() >= least:
            return
        await asyncio.sleep(LOOK_S)
    raise Rejected("BEHIND", "the log has not reached min_sequence; ask for what there is")
