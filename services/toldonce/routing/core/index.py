"""Who can take what, kept by kinds: the cost of a decision follows the kinds, not the crowd.

Agents of a kind have the same skills, languages and queues; work of a kind asks for the same and
costs the same. Within a kind, agents and cases are ranked in heaps whose dead entries are skipped.
Cases that somebody in particular may not have stand apart, so the head of a heap is anybody's.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

from toldonce.kernel.skills import meets
from toldonce.routing.core.lacks import Finding, finding
from toldonce.routing.core.state import Agent, Item, Place, Rank

ABSENT = -3
UNAVAILABLE = -2
COOLING = -1
_UNKNOWN = -9
_SLACK_MAX = 64
_WORK_KINDS_MAX = 10_000

type _Ready = tuple[int, int, int, str, int, Agent]
type WorkKey = tuple[str, tuple[tuple[str, int], ...], str, int]


class AgentKind:
    """Agents who can do the same. `counts` tells how many are in which class.

    A class is ABSENT, UNAVAILABLE, COOLING or the free units of somebody who can be asked.
    """

    name = ""

    def __init__(
        self, skills: Mapping[str, int], languages: Mapping[str, int], queues: frozenset[str]
    ) -> None:
        """Start empty."""
        self.skills = skills
        self.languages = languages
        self.queues = queues
        self.counts: dict[int, int] = {}
        self.ready: dict[int, list[_Ready]] = {}
        self.ready_count = 0
        self.present_count = 0  # connected and available, cooling or full or not
        self.active: dict[WorkKind, None] = {}


class WorkKind:
    """Work that asks for the same and costs the same."""

    def __init__(self, item: Item) -> None:
        """Start empty, for work like this."""
        self.queue = item.wants.queue
        self.wants = item.wants
        self.cost = item.cost
        self.kinds: list[AgentKind] = []
        self.barred: dict[Finding, list[AgentKind]] = {}
        self.plain: list[tuple[Rank, int, Item]] = []
        self.plain_count = 0
        self.special: list[tuple[Rank, int, Item]] = []

    def best(self, agent: str, now_us: int) -> Item | None:
        """Return the first in line that this agent may have."""
        plain = self.plain
        while plain and plain[0][2].stamp != plain[0][1]:
            heappop(plain)
        first = plain[0] if plain else None
        for entry in self.special:
            if first is not None and first[0] < entry[0]:
                break
            if not entry[2].bars(agent, now_us):
                return entry[2]
        return None if first is None else first[2]


class Index:
    """All kinds of agents and of work."""

    def __init__(self) -> None:
        """Start empty."""
        self.agent_kinds: dict[object, AgentKind] = {}
        self.work_kinds: dict[WorkKey, WorkKind] = {}
        self.counts: dict[int, int] = {}
        self._stamp = 0

    def clear(self) -> None:
        """Forget everything: another configuration makes other kinds."""
        self.agent_kinds.clear()
        self.work_kinds.clear()
        self.counts.clear()

    def enlist(self, agent: Agent) -> None:
        """Give an agent the kind that the configuration says; it has no class yet."""
        rule = agent.rule
        agent.kind, agent.klass = None, _UNKNOWN
        if rule is None:
            return
        key = (
            tuple(sorted(rule.skills.items())),
            tuple(sorted(rule.languages)),
            tuple(sorted(rule.queues)),
        )
        kind = self.agent_kinds.get(key)
        if kind is None:
            kind = self.agent_kinds[key] = AgentKind(rule.skills, rule.languages, rule.queues)
            for work in self.work_kinds.values():
                _judge(work, kind)
        agent.kind = kind

    def refresh(self, agent: Agent, now_us: int) -> None:
        """Put an agent where the facts of this moment say."""
        kind = agent.kind
        if kind is None:
            return
        klass, entry = _klass(agent, now_us), agent.order[:2]
        if klass == agent.klass and (klass <= 0 or entry == agent.entry):
            return
        self._stamp += 1
        if agent.klass != _UNKNOWN:
            kind.counts[agent.klass] -= 1
            kind.ready_count -= agent.klass > 0
            kind.present_count -= agent.klass >= COOLING
            self.counts[agent.klass] -= 1
        kind.counts[klass] = kind.counts.get(klass, 0) + 1
        kind.present_count += klass >= COOLING
        self.counts[klass] = self.counts.get(klass, 0) + 1
        agent.klass, agent.entry, agent.stamp = klass, entry, self._stamp
        if klass > 0:
            kind.ready_count += 1
            heap = kind.ready.setdefault(klass, [])
            if len(heap) > 2 * kind.counts[klass] + _SLACK_MAX:
                heap[:] = [one for one in heap if one[5].stamp == one[4]]
                heapify(heap)
            heappush(heap, (*entry, agent.tie, agent.name, self._stamp, agent))

    def work_kind(self, item: Item) -> WorkKind:
        """Find the kind of this work by what it wants now."""
        key = (item.wants.queue, item.wants.skills, item.wants.language, item.cost)
        kind = self.work_kinds.get(key)
        if kind is None:
            if len(self.work_kinds) >= _WORK_KINDS_MAX:
                self._sweep()
            kind = self.work_kinds[key] = WorkKind(item)
            for agents in self.agent_kinds.values():
                _judge(kind, agents)
        return kind

    def put(self, item: Item, place: Place) -> None:
        """Let a case wait among its kind."""
        work = item.work or self.work_kind(item)
        self._stamp += 1
        item.work, item.place, item.stamp = work, place, self._stamp
        if not work.plain_count and not work.special:
            for kind in work.kinds:
                kind.active[work] = None
        entry = (item.rank, item.stamp, item)
        if place is Place.SPECIAL:
            insort(work.special, entry)
            return
        work.plain_count += 1
        if len(work.plain) > 2 * work.plain_count + _SLACK_MAX:
            work.plain = [one for one in work.plain if one[2].stamp == one[1]]
            heapify(work.plain)
        heappush(work.plain, entry)

    def take(self, item: Item) -> None:
        """Take a case out of the places where its kind waits."""
        work, place = item.work, item.place
        if work is None or place not in (Place.PLAIN, Place.SPECIAL):
            return
        if place is Place.SPECIAL:
            del work.special[bisect_left(work.special, (item.rank, item.stamp, item))]
        else:
            work.plain_count -= 1
        self._stamp += 1
        item.stamp, item.place = self._stamp, Place.NOWHERE
        if not work.plain_count and not work.special:
            work.plain.clear()
            for kind in work.kinds:
                kind.active.pop(work, None)

    def agent_for(self, item: Item, now_us: int) -> Agent | None:
        """Return the first in line of those who may have this case and have the units for it."""
        work = item.work or self.work_kind(item)
        item.work = work
        best: _Ready | None = None
        for kind in work.kinds:
            if not kind.ready_count:
                continue
            for free, heap in kind.ready.items():
                if free < work.cost or not kind.counts.get(free):
                    continue
                first = _first(heap, item, now_us)
                if first is not None and (best is None or first < best):
                    best = first
        return None if best is None else best[5]

    def item_for(self, agent: Agent, now_us: int) -> Item | None:
        """Return the first in line of all work that this agent may have and has units for."""
        kind, free = agent.kind, agent.klass
        if kind is None or free <= 0:
            return None
        best: Item | None = None
        best_rank: Rank | None = None
        for item in _heads(kind, agent, now_us):
            if item.cost > free:
                continue
            rank = item.rank_at(now_us)
            if best_rank is None or rank < best_rank:
                best, best_rank = item, rank
        return best

    def _sweep(self) -> None:
        for key, kind in list(self.work_kinds.items()):
            if not kind.plain_count and not kind.special:
                del self.work_kinds[key]


def _heads(kind: AgentKind, agent: Agent, now_us: int) -> Iterator[Item]:
    for work in kind.active:
        if work.cost <= agent.klass:
            head = work.best(agent.name, now_us)
            if head is not None:
                yield head
    for item in agent.hopes:
        if item.place is Place.HELD:
            yield item
    for item in agent.targeted:
        if not item.bars(agent.name, now_us):
            yield item


def _first(heap: list[_Ready], item: Item, now_us: int) -> _Ready | None:
    """Peek at the first live entry whom the case does not bar; the barred are put back."""
    barred: list[_Ready] = []
    found: _Ready | None = None
    while heap:
        first = heap[0]
        if first[5].stamp != first[4]:
            heappop(heap)
        elif item.bars(first[3], now_us):
            barred.append(heappop(heap))
        else:
            found = first
            break
    for entry in barred:
        heappush(heap, entry)
    return found


def _klass(agent: Agent, now_us: int) -> int:
    if agent.absent_us is not None:
        return ABSENT
    if not agent.routable:
        return UNAVAILABLE
    return COOLING if agent.cool_us > now_us else max(agent.free, 0)


def _judge(work: WorkKind, kind: AgentKind) -> None:
    gate = meets(kind, work.wants)
    if gate is None:
        work.kinds.append(kind)
    else:
        work.barred.setdefault(finding(gate, kind.skills, work.wants), []).append(kind)
