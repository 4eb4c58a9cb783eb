"""A second opinion, about once a second: no admitted agent may be free while a case waits.

It asks the plain facts (`gates`), never the index, and looks at a bounded number of pairs in turn.
The time until the next step counts as idle if it finds such a pair. By construction it never does.
It also counts the cases that wait for longer than their policy allows though somebody able is free:
kept for another, say, or refused again and again by the log.
"""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

from toldonce.kernel.instants import SECOND, micros
from toldonce.routing.core.gates import able_and_free, closed, first_gate, keeper_of
from toldonce.routing.core.state import Agent, Item

AGENTS_LOOKED_AT_MAX: Final = 2_000
ITEMS_LOOKED_AT_MAX: Final = 16
NEVER_US: Final = 1 << 62
_EVERY_US: Final = SECOND


class Audit:
    """Counts the microseconds in which somebody admitted was idle while a case waited.

    `overlong` counts the cases found to wait beyond their policy's bound while capacity existed.
    """

    def __init__(self, *, audited: bool = True) -> None:
        """Start at nothing; one that is not `audited` never looks."""
        self.idle_us = 0
        self.overlong = 0
        self.due_us = 0 if audited else NEVER_US  # when it is worth a look again
        self._idle_since_us: int | None = None
        self._from = 0

    def count(self, now_us: int) -> None:
        """Close the time since the last look, if that look found something."""
        if self._idle_since_us is not None:
            self.idle_us += max(0, now_us - self._idle_since_us)
            self._idle_since_us = now_us

    def look(self, agents: Mapping[str, Agent], waiting: Collection[Item], now_us: int) -> None:
        """Look for such a pair, unless that was done less than a second ago and was fine."""
        if now_us < self.due_us:
            return
        idle = self._any_idle(agents, waiting, now_us)
        self._idle_since_us = now_us if idle else None
        self.due_us = 0 if idle else now_us + _EVERY_US

    def _any_idle(
        self, agents: Mapping[str, Agent], waiting: Collection[Item], now_us: int
    ) -> bool:
        free = [
            agent
            for agent in islice(agents.values(), AGENTS_LOOKED_AT_MAX)
            if agent.routable and agent.free + agent.soft > 0
        ]
        if not free:
            return False
        self._from = self._from + ITEMS_LOOKED_AT_MAX if self._from < len(waiting) else 0
        some = islice(waiting, self._from, self._from + ITEMS_LOOKED_AT_MAX)
        found = False
        for item in (*islice(waiting, ITEMS_LOOKED_AT_MAX), *some):
            if closed(item):
                continue  # nobody is admitted, and that needs no asking of each
            self._see_bound(item, free, now_us)
            if not found:
                keeper = keeper_of(item, agents, now_us)
                found = any(
                    first_gate(agent, item, now_us, keeper=keeper) is None for agent in free
                )
        return found

    def _see_bound(self, item: Item, free: list[Agent], now_us: int) -> None:
        """Count a case, once, that waits for longer than it may while somebody could have it."""
        if item.overlong or now_us - item.enqueued_us <= item.wait_max_us:
            return
        from_at = item.case.not_before_at
        if from_at is not None and now_us - micros(from_at) <= item.wait_max_us:
            return
        if any(able_and_free(agent, item, now_us) for agent in free):
            item.overlong = True
            self.overlong += 1
