"""I11: nobody is offered more than they can hold: owned and offered work, a unit each.

The configuration of the simulation gives every channel the same cost, so that a contact that joins
on another channel changes nobody's load.
"""

from collections import Counter

from tests.sim.book import Book
from tests.sim.house import CAPACITY
from toldonce.kernel.story.events import Offered
from toldonce.kernel.story.types import Case

Found = list[tuple[str, str]]


def check(book: Book, checked: Counter[str]) -> Found:
    """Follow what each agent holds, owned and offered, through the whole log."""
    found: Found = []
    used: Counter[tuple[str, str]] = Counter()
    held: dict[tuple[str, str], list[str]] = {}
    for logged in book.all:
        record = logged.record
        key = (record.tenant, record.customer)
        for who in held.pop(key, ()):
            used[record.tenant, who] -= 1
        mine = held[key] = [who for case in record.head.cases for who in _holders(case)]
        for who in mine:
            used[record.tenant, who] += 1
        for who in {event.agent for event in record.events if isinstance(event, Offered)}:
            checked["capacities"] += 1
            if used[record.tenant, who] > CAPACITY[who]:
                found.append(
                    (
                        "I11",
                        f"{who} of {record.tenant} is offered unit {used[record.tenant, who]} of "
                        f"{CAPACITY[who]} at {logged.sequence}",
                    )
                )
    return found


def _holders(case: Case) -> list[str]:
    return [*([case.owner] if case.owner else ()), *(offer.agent for offer in case.offers)]
