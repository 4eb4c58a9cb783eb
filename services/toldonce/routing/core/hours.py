"""Which queues are closed at this moment, and when that changes next.

One alarm stands for all queues. While a queue is closed its kinds of work are on no agent's list,
so what a turn costs follows the kinds, however many wait. The gate holds for queues: work that is
somebody's stays theirs, an offer that is out stands, and what is meant for one agent by name (a
handoff to a person, a stand-in) goes to that agent. A handoff to a queue, and an escalation, wait
until that queue opens.
"""

from toldonce.kernel.calendar import Calendar, is_open, next_closed, next_open
from toldonce.kernel.closing import holidays_between
from toldonce.kernel.config.types import Config
from toldonce.kernel.instants import instant, micros
from toldonce.routing.core.index import Index
from toldonce.routing.core.tallies import Tallies


class Hours:
    """The opening hours of all queues; `next_us` is when one of them changes (0: none will)."""

    def __init__(self, index: Index, tallies: Tallies) -> None:
        """Start with every queue open."""
        self.next_us = 0
        self._index = index
        self._tallies = tallies
        self._hours: dict[str, Calendar] = {}
        self._changes: dict[str, int] = {}

    @property
    def closed(self) -> list[str]:
        """Name the queues that are closed."""
        return [name for name in self._hours if self._tallies.of(name).closed]

    def begin(self, config: Config, now_us: int) -> None:
        """Take over another configuration; no kind of work may be known yet."""
        for name in self._hours:
            self._tallies.of(name).open()
        self._hours = {name: config.hours_of(name) for name in config.queues}
        self._changes = {}
        for name in self._hours:
            self._look(name, now_us)
        self.next_us = min(self._changes.values(), default=0)

    def turn(self, now_us: int) -> tuple[set[str], set[str]]:
        """Open and close what is due; return what has opened and what has closed."""
        opened: set[str] = set()
        closed: set[str] = set()
        for name in [name for name, at_us in self._changes.items() if at_us <= now_us]:
            was_closed = bool(self._tallies.of(name).closed)
            self._look(name, now_us)
            is_closed = bool(self._tallies.of(name).closed)
            if is_closed != was_closed:
                (closed if is_closed else opened).add(name)
        for work in self._index.work_kinds.values():
            if work.queue in opened or work.queue in closed:
                work.list_for_agents()
        self.next_us = min(self._changes.values(), default=0)
        return opened, closed

    def _look(self, name: str, now_us: int) -> None:
        calendar, now, tally = self._hours[name], instant(now_us), self._tallies.of(name)
        self._changes.pop(name, None)
        if is_open(calendar, now):
            tally.open()
            closes_at = next_closed(calendar, now)
            if closes_at is not None:
                self._changes[name] = micros(closes_at)
            return
        opens_at = next_open(calendar, now)
        local = f"{opens_at.astimezone(calendar.zone):%Y-%m-%d %H:%M} {calendar.zone_name}"
        names = ", ".join(holidays_between(calendar, now, opens_at))
        why = f" ({names})" if names else ""
        tally.close(micros(opens_at), f"queue {name} is closed until {local}{why}")
        self._changes[name] = micros(opens_at)
