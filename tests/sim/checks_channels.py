"""P9: what sla counted of the channels, through kills and takeovers, is what the log tells."""

import asyncio
from collections import Counter

from tests.sim.book import Book
from tests.sim.house import TENANTS
from tests.sim.world import World
from toldonce.kernel.config import Config
from toldonce.runtime import names
from toldonce.sla.core.counts import Count, Ledger, Window
from toldonce.sla.core.known import NOTHING, Known
from toldonce.sla.core.served import observe
from toldonce.sla.handler.counts import kept_of, unpack_place

WITHIN_S = 60.0
Found = list[tuple[str, str]]


async def check(world: World, checked: Counter[str]) -> Found:
    """Wait until all is counted, and count it again from the log alone, from its first message."""
    leases, ends_s = world.house.servers.leases, world.loop.time() + WITHIN_S
    while world.loop.time() < ends_s:
        row = await leases.get(names.COUNTING_KEY)
        place = None if row is None else unpack_place(row.value)
        if place == world.house.servers.log.count:
            break
        await asyncio.sleep(1.0)
    else:
        return [("P9", f"the channels are counted up to {place}, not to the end of the log")]
    found: Found = []
    book = world.book.catch_up()
    for tenant in TENANTS:
        kept, again = await kept_of(leases, tenant), recounted(book, tenant, world.config())
        counted = again.of(Window.WEEK, world.house.clock.now()).values()
        checked["closings by channel"] += sum(counts[Count.CLOSED] for counts in counted)
        if kept.kept() != again.kept():
            found.append(("P9", f"the channels of {tenant} were counted otherwise than they stand"))
    return found


def recounted(book: Book, tenant: str, config: Config) -> Ledger:
    """Count a tenant's whole log in one go, every story held in memory."""
    ledger = Ledger()
    known: dict[str, Known] = {}
    for logged in book.all:
        record = logged.record
        if record.tenant != tenant:
            continue
        who = record.customer
        known[who], marks = observe(
            known.get(who, NOTHING), record, logged.sequence, config, lambda came: known[came]
        )
        if marks:
            ledger.take(logged.sequence, marks)
    return ledger
