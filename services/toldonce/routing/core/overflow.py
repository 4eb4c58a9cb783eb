"""Which waiting cases go to another queue because theirs is full or closed.

Only one that nobody has had or is being asked to take, and that has not been in another queue: so
what overflowed once stays where it came to. Whoever waits in line stays there when it fills up; it
is the last to come, or to come back from an offer that was not taken, who goes on. A case that is
kept for somebody counts when that is over.
"""

from typing import Final

from toldonce.routing.core.acts import ChangeQueue
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Item, Place

FULL, CLOSED = "OVERFLOW_FULL", "OVERFLOW_CLOSED"
AGAIN_US: Final = 5_000_000
_WORDS: Final = {FULL: "full", CLOSED: "closed"}


def goes_on(item: Item, rules: Rules) -> ChangeQueue | None:
    """Say where a case goes that waits in line now, and why; None: it stays."""
    case, work = item.case, item.work
    if work is None or item.place not in (Place.PLAIN, Place.SPECIAL):
        return None
    rule = rules.queue(work.queue).overflow
    if rule is None or case.owner or case.former_queues or work.queue != case.queue:
        return None
    if rule.when_closed and work.tally.closed:
        reason = CLOSED
    elif rule.waiting_max is not None and work.tally.waiting.own > rule.waiting_max:
        reason = FULL
    else:
        return None
    return ChangeQueue(item.customer, item.own, case.epoch, work.queue, rule.to, reason)


def in_words(going: ChangeQueue) -> str:
    """Say it for people."""
    return f"overflows from {going.from_queue} to {going.queue}: {_WORDS[going.reason]}"


def came_from(item: Item) -> str:
    """Name the queue where a case that nobody has had waited before; "" for none."""
    case = item.case
    return case.former_queues[-1] if case.former_queues and not case.epoch else ""
