"""I11: nobody is offered more than they can hold: owned and offered work, a unit each.

The configuration of the simulation gives every channel the same cost, so that a contact that joins
on another channel changes nobody's load. Between the two appends of a move no head holds its cases,
so the engine counts them free for that long: units that moved a moment ago are told apart. So is an
offer of an old engine that hung on its way and came after a newer one had decided; the newer takes
it back.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.sim.book import Book
from tests.sim.house import CAPACITY
from toldonce.kernel.story.events import Moved, Offered
from toldonce.kernel.story.types import Case

Found = list[tuple[str, str]]
MOVING = timedelta(seconds=10)
CORRECTED = timedelta(seconds=5)


@dataclass(slots=True)
class _Late:
    """Who was offered too much at `sequence`, and when the engine that leads must have mended it.

    The five seconds begin anew when another engine leads: it has to see it first.
    """

    who: tuple[str, str]
    sequence: int
    by: datetime


def check(book: Book, checked: Counter[str]) -> Found:
    """Follow what each agent holds, owned and offered, through the whole log."""
    found: Found = []
    used: Counter[tuple[str, str]] = Counter()
    moved: list[tuple[str, str, datetime]] = []
    held: dict[tuple[str, str], list[str]] = {}
    newest: Counter[str] = Counter()
    late: list[_Late] = []
    for logged in book.all:
        record = logged.record
        key = (record.tenant, record.customer)
        before = held.pop(key, [])
        for who in before:
            used[record.tenant, who] -= 1
        if any(isinstance(event, Moved) for event in record.events):
            moved += [(record.tenant, who, record.at) for who in before]
        mine = held[key] = [who for case in record.head.cases for who in _holders(case)]
        for who in mine:
            used[record.tenant, who] += 1
        late = [one for one in late if used[one.who] > CAPACITY[one.who[1]]]
        for one in late:
            if one.who[0] != record.tenant or record.engine_epoch < newest[record.tenant]:
                continue
            if record.engine_epoch > newest[record.tenant]:
                one.by = record.at + CORRECTED
            elif record.at > one.by:
                said = f"is still offered too much since {one.sequence}, at {logged.sequence}"
                found.append(("I11", f"{one.who[1]} of {one.who[0]} {said}"))
        newest[record.tenant] = max(newest[record.tenant], record.engine_epoch)
        for who in {event.agent for event in record.events if isinstance(event, Offered)}:
            checked["capacities"] += 1
            excused = sum(
                (tenant, name) == (record.tenant, who) and record.at - at < MOVING
                for tenant, name, at in moved
            )
            over = used[record.tenant, who] > CAPACITY[who]
            if 0 < record.engine_epoch < newest[record.tenant]:
                excused += 1
                checked["capacity excused by a failover"] += over
                if over:
                    late.append(_Late((record.tenant, who), logged.sequence, record.at + CORRECTED))
            else:
                checked["capacity excused by a move"] += over
            if used[record.tenant, who] > CAPACITY[who] + excused:
                units = f"unit {used[record.tenant, who]} of {CAPACITY[who]}"
                said = f"{who} of {record.tenant} is offered {units} at {logged.sequence}"
                found.append(("I11", said))
    return found


def _holders(case: Case) -> list[str]:
    return [*([case.owner] if case.owner else ()), *(offer.agent for offer in case.offers)]
