"""Kinds of agents and of work, and what each pair of them is worth.

Agents of a kind have the same skills, languages, queues and group; work of a kind asks for the
same, costs the same and has the same priority, so that whoever came first is first in its line.
What a pair is worth is affine in wait, idleness and how many there are (see `Weights`): one unit is
a thousandth of a point a minute, times a microsecond.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

from toldonce.kernel.config.weighing import MILLI, Weighing
from toldonce.kernel.instants import MINUTE
from toldonce.kernel.skills import Requirement
from toldonce.routing.core.lacks import Finding
from toldonce.routing.core.rules import QueueRules
from toldonce.routing.core.state import Agent, Item
from toldonce.routing.core.tallies import Count, Pace, Tally

POINT: Final = MILLI * MINUTE  # one point in units of worth
OVERDUE: Final = 1 << 100  # more than anything else is ever worth
SLACK_MAX: Final = 64

type Ready = tuple[int, int, int, str, int, Agent]
type WorkKey = tuple[str, tuple[tuple[str, int], ...], str, int, int, bool]


class Waiter:
    """A case's place in a line; it is left when the case has another `stamp`."""

    __slots__ = ("enqueued_us", "item", "own", "stamp")

    def __init__(self, item: Item, stamp: int) -> None:
        """Take the place that the case's age gives it."""
        self.enqueued_us, self.own, self.stamp, self.item = item.enqueued_us, item.own, stamp, item

    def __lt__(self, other: "Waiter") -> bool:
        if self.enqueued_us != other.enqueued_us:
            return self.enqueued_us < other.enqueued_us
        if self.own != other.own:
            return self.own < other.own
        return self.stamp < other.stamp


class AgentKind:
    """Agents who can do the same. `counts` tells how many are in which class (see `index`)."""

    name = ""

    def __init__(
        self,
        skills: Mapping[str, int],
        languages: Mapping[str, int],
        queues: frozenset[str],
        group: str,
        free: Count,
    ) -> None:
        """Start empty; `free` counts who of the group can be asked for something."""
        self.skills = skills
        self.languages = languages
        self.queues = queues
        self.group = group
        self.free = free
        self.counts: dict[int, int] = {}
        self.ready: dict[int, list[Ready]] = {}
        self.ready_count = 0
        self.present_count = 0  # connected and available, cooling or full or not
        self.active: dict[WorkKind, Pair] = {}


class WorkKind:
    """Work that asks for the same and costs the same; `hard` work is not interruptible."""

    def __init__(self, key: WorkKey, wants: Requirement, tally: Tally, rules: QueueRules) -> None:
        """Start empty, for work of the queue that is routed by these rules."""
        self.queue, _, _, self.cost, priority, self.hard = key
        self.wants = wants
        self.tally = tally
        self.wait_max_us = rules.wait_max_us
        self.by_lot, self.batch = rules.weigh.by_lot, rules.weigh.batch
        self.success = rules.active
        self.priority = priority * POINT
        self.pairs: list[Pair] = []
        self.barred: dict[Finding, list[AgentKind]] = {}
        self.count = 0  # of those in line whom anybody may have
        self.head: Item | None = None  # the first of these
        self.head_us = 0
        self.special: list[Waiter] = []
        self._line: deque[Waiter] = deque()  # in the order in which they came
        self._late: list[Waiter] = []  # a heap of those who came back and are older than the last

    def put(self, item: Item, stamp: int, *, special: bool) -> None:
        """Let a case wait in line; `special` are those that somebody may not have."""
        item.stamp = stamp
        if not self.count and not self.special and not self.tally.closed:
            for pair in self.pairs:
                pair.agents.active[self] = pair
        entry = Waiter(item, stamp)
        if special:
            insort(self.special, entry)
            return
        self.count += 1
        line = self._line
        if not line or line[-1] < entry:
            line.append(entry)
        else:
            heappush(self._late, entry)
        if len(line) + len(self._late) > 2 * self.count + SLACK_MAX:
            self._line = deque([one for one in line if one.item.stamp == one.stamp])
            self._late = [one for one in self._late if one.item.stamp == one.stamp]
            heapify(self._late)
        head = self.head  # it may be one who came back, and younger than this one
        if (
            head is None
            or item.enqueued_us < self.head_us
            or (item.enqueued_us == self.head_us and item.own < head.own)
        ):
            self._behead()

    def take(self, item: Item, stamp: int, *, special: bool) -> None:
        """Take a case out of the line."""
        if special:
            del self.special[bisect_left(self.special, Waiter(item, item.stamp))]
            item.stamp = stamp
        else:
            self.count -= 1
            item.stamp = stamp
            if item is self.head:
                self._behead()
        if not self.count and not self.special:
            self._line.clear()
            self._late.clear()
            for pair in self.pairs:
                pair.agents.active.pop(self, None)

    def list_for_agents(self) -> None:
        """Be on the list of whoever can do it while some of it waits and the queue is open."""
        listed = (self.count or self.special) and not self.tally.closed
        for pair in self.pairs:
            if listed:
                pair.agents.active[self] = pair
            else:
                pair.agents.active.pop(self, None)

    def first_for(self, agent: str, now_us: int) -> Item | None:
        """Return the first in line that this agent may have."""
        head = self.head
        for one in self.special:
            if head is not None and (self.head_us, head.own) < (one.enqueued_us, one.own):
                break
            if not one.item.bars(agent, now_us):
                return one.item
        return head

    def first(self, count: int) -> list[Item]:
        """Give the first of those in line whom anybody may have, at most `count`."""
        found = [one for one in self._late if one.item.stamp == one.stamp]
        ahead = 0
        for one in self._line:
            if ahead == count:
                break
            if one.item.stamp == one.stamp:
                ahead += 1
                found.append(one)
        return [one.item for one in sorted(found)[:count]]

    def _behead(self) -> None:
        """Find the first of those in line whom anybody may have."""
        line, late = self._line, self._late
        first: Waiter | None = None
        while line:
            first = line[0]
            if first.item.stamp == first.stamp:
                break
            line.popleft()
            first = None
        while late and late[0].item.stamp != late[0].stamp:
            heappop(late)
        if late and (first is None or late[0] < first):
            first = late[0]
        if first is None:
            self.head, self.head_us = None, 0
        else:
            self.head, self.head_us = first.item, first.enqueued_us


class Pair:
    """A kind of work and a kind of agents who can do it.

    `quick`: worth depends on the work's wait alone. `always`: it is never less than nothing.
    """

    __slots__ = (
        "agents",
        "always",
        "base",
        "in_time",
        "pace",
        "paced",
        "quick",
        "rest",
        "wait",
        "within_us",
        "work",
    )

    def __init__(
        self, work: WorkKind, agents: AgentKind, weighing: Weighing, pace: Pace | None
    ) -> None:
        """Weigh them by the policy of the work's queue; `pace` is what is learned of them."""
        weights = weighing.of(agents.group)
        self.work, self.agents = work, agents
        fit = weights.fit * _surplus(agents, work.wants) if weights.fit else 0
        self.base = (weights.base + fit) * MINUTE + work.priority
        self.wait = weights.wait
        self.rest = (
            weights.idle,
            weights.spare * MINUTE,
            weights.spare_all * MINUTE,
            weights.queue * MINUTE,
            weights.queue_all * MINUTE,
            weights.serving * MINUTE,
        )
        self.in_time, self.within_us = weights.in_time * MINUTE, weighing.within_ms * MILLI
        self.pace, self.paced = pace, weights.pace * MINUTE if pace is not None else 0
        least = min(self.wait, self.in_time, self.paced, *self.rest)
        self.quick = not (any(self.rest) or self.in_time or self.paced)
        self.always = self.base >= 0 and least >= 0

    def worth(self, enqueued_us: int, idle_us: int, now_us: int) -> int:
        """Say what the pair is worth now, for work of that age and an agent idle since then."""
        waited_us = now_us - enqueued_us
        worth = self.base + self.wait * waited_us
        if not self.quick:
            idle, spare, spare_all, queue, queue_all, serving = self.rest
            free, tally = self.agents.free, self.work.tally
            worth += (
                idle * max(0, now_us - idle_us)
                + spare * free.own
                + spare_all * free.all.own
                + queue * tally.waiting.own
                + queue_all * tally.waiting.all.own
                + serving * tally.serving
            )
            if self.in_time and waited_us < self.within_us:
                worth += self.in_time
            if self.pace is not None and self.paced:
                worth += self.paced * self.pace.per_minute() // MILLI * tally.waiting.own
        return worth + OVERDUE if waited_us >= self.work.wait_max_us else worth

    def admitted_us(self, worth: int, enqueued_us: int, now_us: int) -> int:
        """Say when time alone makes up for a worth below nothing; how many there are stays."""
        overdue_us = enqueued_us + self.work.wait_max_us
        slope = self.wait + self.rest[0]
        return min(overdue_us, now_us - worth // slope) if slope > 0 else overdue_us


def _surplus(agents: AgentKind, wants: Requirement) -> int:
    """Count the levels above what is asked."""
    over = sum(agents.skills.get(name, 0) - level for name, level in wants.skills)
    return over + agents.languages.get(wants.language, 0)
