"""How queues stand and where a case stands in one.

How many wait is told about once a second and so kept as it changes; all else is asked rarely and
counted when asked.
"""

import hashlib
from collections.abc import Iterable

from toldonce.kernel.instants import instant, micros
from toldonce.routing.core.classes import ABSENT, UNAVAILABLE
from toldonce.routing.core.index import Index
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Item, Place
from toldonce.routing.core.types import QueueStanding


class Crowd:
    """How many cases of each queue have nobody yet; `see` whatever becomes of one."""

    def __init__(self) -> None:
        """Start empty."""
        self._counts: dict[str, int] = {}

    def see(self, item: Item, rules: Rules) -> None:
        """Count a case where it is now."""
        queue = _queue(item, rules) if item.alive and _has_nobody(item) else ""
        if queue == item.counted:
            return
        if item.counted:
            self._counts[item.counted] -= 1
        if queue:
            self._counts[queue] = self._counts.get(queue, 0) + 1
        item.counted = queue

    def put_back(self, item: Item) -> None:
        """Count a case again that was counted so in an engine before this one."""
        self._counts[item.counted] = self._counts.get(item.counted, 0) + 1

    def of(self, queue: str) -> int:
        """Say how many there are of a queue."""
        return self._counts.get(queue, 0)


def digest_of(ledger: Ledger) -> str:
    """Return a SHA-256 (hex) of what matters of agents and cases."""
    lines = [f"{a.name} {a.used} {a.klass} {a.order}" for a in ledger.agents.values()]
    lines += [
        f"{item.customer} {item.own} {item.place.name} {item.step} {sorted(item.offers)} "
        f"{item.debits}"
        for item in ledger.items()
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def queues_of(ledger: Ledger, index: Index, rules: Rules) -> tuple[QueueStanding, ...]:
    """Count cases and agents of each configured queue; a case of a handoff waits in its target."""
    waiting: dict[str, int] = {}
    offered: dict[str, int] = {}
    oldest: dict[str, int] = {}
    scheduled: dict[str, int] = {}
    for item in ledger.items():
        if item.place is Place.SCHEDULED:
            queue = _queue(item, rules)
            scheduled[queue] = scheduled.get(queue, 0) + 1
        if not _has_nobody(item):
            continue
        queue = _queue(item, rules)
        since_us = micros(item.case.enqueued_at)
        waiting[queue] = waiting.get(queue, 0) + 1
        offered[queue] = offered.get(queue, 0) + bool(item.offers)
        oldest[queue] = min(oldest.get(queue, since_us), since_us)
    return tuple(
        QueueStanding(
            queue=name,
            waiting=waiting.get(name, 0),
            offered=offered.get(name, 0),
            oldest_enqueued_at=instant(oldest[name]) if name in oldest else None,
            agents_free=_agents(index, name, free=True),
            agents_available=_agents(index, name, free=False),
            scheduled=scheduled.get(name, 0),
        )
        for name in rules.config.queues
    )


def free_by_queue(index: Index, rules: Rules) -> dict[str, bool]:
    """Say for each queue whether an agent who serves it could be offered something now."""
    ready = [kind for kind in index.agent_kinds.values() if kind.ready_count]
    everywhere = any(not kind.queues for kind in ready)
    served = {queue for kind in ready for queue in kind.queues}
    return {name: everywhere or name in served for name in rules.config.queues}


def position_of(waiting: Iterable[Item], mine: Item, now_us: int) -> int:
    """Count the cases of the same queue that come before this one, and add one."""
    rank = mine.rank_at(now_us)
    queue = mine.wants.queue
    same = (item for item in waiting if item.wants.queue == queue)
    return 1 + sum(1 for item in same if item.rank_at(now_us) < rank)


def _has_nobody(item: Item) -> bool:
    return item.waiting or bool(item.offers)


def _queue(item: Item, rules: Rules) -> str:
    return item.wants.queue or rules.asked(item.case).requirement.queue


def _agents(index: Index, queue: str, *, free: bool) -> int:
    count = 0
    for kind in index.agent_kinds.values():
        if kind.queues and queue not in kind.queues:
            continue
        there = (n for klass, n in kind.counts.items() if klass not in (ABSENT, UNAVAILABLE))
        count += kind.ready_count if free else sum(there)
    return count
