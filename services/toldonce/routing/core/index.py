"""Who can take what, kept by kinds: the cost of a decision follows the kinds, not the crowd.

Within a kind, agents and cases are ranked in heaps and lines whose dead entries are skipped. Cases
that somebody in particular may not have stand apart, so the head of a line is anybody's.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from toldonce.kernel.skills import meets
from toldonce.routing.core.choosing import admissible_us, by_lot, first_of, older, own_first
from toldonce.routing.core.classes import COOLING, HARD_BITS, SOFT_MASK, UNKNOWN, fits, klass_of
from toldonce.routing.core.kinds import (
    OVERDUE,
    SLACK_MAX,
    AgentKind,
    Pair,
    Ready,
    WorkKind,
)
from toldonce.routing.core.lacks import finding
from toldonce.routing.core.preferring import preferred
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import NOWHERE, PLAIN, SPECIAL, Agent, Item, Place
from toldonce.routing.core.success import Successes
from toldonce.routing.core.tallies import Count, Paces, Tallies

_WORK_KINDS_MAX: Final = 10_000


class Index:
    """All kinds of agents and of work.

    `loose`: some pair may be worth less than nothing. `quick`: none depends on who is free.
    `batched`: some work is matched as a whole where several come together.
    """

    def __init__(self, tallies: Tallies, paces: Paces, successes: Successes) -> None:
        """Start empty; count who waits in `tallies`, and know from `paces` how long it takes.

        `successes` is who resolves what.
        """
        self.agent_kinds: dict[object, AgentKind] = {}
        self.work_kinds: dict[object, WorkKind] = {}
        self.counts: dict[int, int] = {}
        self.free = Count()
        self._tallies = tallies
        self._paces = paces
        self._successes = successes
        self.loose = False
        self.quick = True
        self.batched = False
        self._groups: dict[str, Count] = {}
        self._stamp = 0

    def clear(self) -> None:
        """Forget everything: another configuration makes other kinds."""
        self.agent_kinds.clear()
        self.work_kinds.clear()
        self.counts.clear()
        self._groups.clear()
        self.free.own = 0
        self._tallies.nobody_waits()
        self.loose, self.quick, self.batched = False, True, False

    def enlist(self, agent: Agent, rules: Rules) -> None:
        """Give an agent the kind that the configuration says; it has no class yet."""
        rule = agent.rule
        agent.kind, agent.klass = None, UNKNOWN
        if rule is None:
            return
        key = (
            tuple(sorted(rule.skills.items())),
            tuple(sorted(rule.languages.items())),
            tuple(sorted(rule.queues)),
            rule.group,
        )
        kind = self.agent_kinds.get(key)
        if kind is None:
            free = self._groups.setdefault(rule.group, Count(self.free))
            kind = AgentKind(rule.skills, rule.languages, rule.queues, rule.group, free)
            self.agent_kinds[key] = kind
            for work in self.work_kinds.values():
                self._judge(work, kind, rules)
        agent.kind = kind

    def refresh(self, agent: Agent, now_us: int) -> None:
        """Put an agent where the facts of this moment say."""
        kind = agent.kind
        if kind is None:
            return
        klass = klass_of(agent, now_us)
        before, entry = agent.klass, (1 if agent.used else 0, agent.idle_us)
        if klass == before and (klass <= 0 or entry == agent.entry):
            return
        self._stamp += 1
        counts, everybody = kind.counts, self.counts
        if klass != before:
            if before != UNKNOWN:
                counts[before] -= 1
                everybody[before] -= 1
                kind.present_count -= before >= COOLING
                if before > 0:
                    kind.ready_count -= 1
                    kind.free.add(-1)
            counts[klass] = counts.get(klass, 0) + 1
            everybody[klass] = everybody.get(klass, 0) + 1
            kind.present_count += klass >= COOLING
            if klass > 0:
                kind.ready_count += 1
                kind.free.add(1)
        agent.klass, agent.entry, agent.stamp = klass, entry, self._stamp
        if klass > 0:
            heap = kind.ready.setdefault(klass, [])
            if len(heap) > 2 * counts[klass] + SLACK_MAX:
                heap[:] = [one for one in heap if one[5].stamp == one[4]]
                heapify(heap)
            heappush(heap, (*entry, agent.tie, agent.name, self._stamp, agent))

    def work_kind(self, item: Item, rules: Rules) -> WorkKind:
        """Find the kind of this work by what it wants now."""
        wants = item.wants
        priority = item.case.priority
        key = (wants.queue, wants.skills, wants.language, item.cost, priority, not item.soft)
        kind = self.work_kinds.get(key)
        if kind is None:
            tally = self._tallies.of(wants.queue)
            kind = WorkKind(key, wants, tally, rules.queue(wants.queue))
            self.work_kinds[key] = kind
            self.batched = self.batched or kind.batch
            for agents in self.agent_kinds.values():
                self._judge(kind, agents, rules)
        return kind

    def put(self, item: Item, work: WorkKind, place: Place) -> None:
        """Let a case wait among its kind."""
        self._stamp += 1
        item.place = place
        work.put(item, self._stamp, special=place is SPECIAL)
        work.tally.waiting.add(1)

    def take(self, item: Item) -> None:
        """Take a case out of the places where its kind waits."""
        work, place = item.work, item.place
        if work is None or not (place is PLAIN or place is SPECIAL):
            return
        self._stamp += 1
        work.take(item, self._stamp, special=place is SPECIAL)
        work.tally.waiting.add(-1)
        item.place = NOWHERE

    def agent_for(self, item: Item, work: WorkKind, now_us: int) -> Agent | None:
        """Return who should have this case, of those who may and have the units for it.

        Whoever has no work comes before those who have, then whoever makes the pair worth most,
        then the longest idle.
        """
        if work.success is not None:
            found = preferred(item, work, work.success, self._successes, now_us)
            if found is not None:
                return found
        if work.by_lot:
            return by_lot(item, work, now_us)
        best: tuple[int, int, Ready] | None = None
        for pair in work.pairs:
            kind = pair.agents
            if not kind.ready_count:
                continue
            for klass, heap in kind.ready.items():
                if not heap or not fits(klass, work) or not kind.counts.get(klass):
                    continue
                first = first_of(heap, item, now_us)
                if first is None:
                    continue
                worth = pair.worth(item.enqueued_us, first[1], now_us)
                if worth < 0:
                    continue
                choice = (first[0], -worth, first)
                if best is None or choice < best:
                    best = choice
        return None if best is None else best[2][5]

    def item_for(self, agent: Agent, klass: int, now_us: int) -> Item | None:
        """Return what an agent of this class should have, of all work they may have."""
        kind = agent.kind
        if kind is None or klass <= 0:
            return None
        best: Item | None = None
        best_worth = 0
        idle_us = agent.idle_us
        hard, soft = klass >> HARD_BITS, klass & SOFT_MASK
        for work, pair in kind.active.items():
            if (hard if work.hard else soft) < work.cost:
                continue
            head = work.first_for(agent.name, now_us) if work.special else work.head
            if head is None:
                continue
            if pair.quick:
                waited_us = now_us - (work.head_us if head is work.head else head.enqueued_us)
                worth = pair.base + pair.wait * waited_us
                if waited_us >= work.wait_max_us:
                    worth += OVERDUE
            else:
                worth = pair.worth(head.enqueued_us, idle_us, now_us)
            if worth >= 0 and (
                best is None or worth > best_worth or (worth == best_worth and older(head, best))
            ):
                best, best_worth = head, worth
        if agent.hopes or agent.targeted:
            return own_first(agent, best, now_us)
        return best

    def admissible_us(self, now_us: int) -> int:
        """Say when a pair that is left apart now will be worth enough by time alone; 0: none."""
        found = 0
        for kind in self.agent_kinds.values():
            if not kind.ready_count:
                continue
            for work, pair in kind.active.items():
                if pair.always:
                    continue
                for klass, heap in kind.ready.items():
                    if not heap or not fits(klass, work) or not kind.counts.get(klass):
                        continue
                    for at_us in admissible_us(pair, heap, now_us):
                        found = at_us if not found or at_us < found else found
        return found

    def idle(self) -> Iterator[Agent]:
        """Give the first of each kind and class who has units left and may be left apart."""
        for kind in self.agent_kinds.values():
            if not kind.ready_count or not kind.active:
                continue
            for klass, heap in sorted(kind.ready.items(), key=_klass):
                if kind.counts.get(klass):
                    while heap and heap[0][5].stamp != heap[0][4]:
                        heappop(heap)
                    if heap:
                        yield heap[0][5]

    def _judge(self, work: WorkKind, kind: AgentKind, rules: Rules) -> None:
        gate = meets(kind, work.wants)
        if gate is None:
            pace = self._paces.of(work.queue, kind.group)
            pair = Pair(work, kind, rules.queue(work.queue).weigh, pace)
            work.pairs.append(pair)
            self.loose = self.loose or not pair.always
            self.quick = self.quick and pair.quick
            if (work.count or work.special) and not work.tally.closed:
                kind.active[work] = pair
        else:
            work.barred.setdefault(finding(gate, kind.skills, work.wants), []).append(kind)

    def tidy(self) -> None:
        """Forget kinds of work of which nothing waits, when there are very many kinds."""
        if len(self.work_kinds) < _WORK_KINDS_MAX:
            return
        for key, kind in list(self.work_kinds.items()):
            if not kind.count and not kind.special:
                del self.work_kinds[key]

    def barred(self) -> list[Item]:
        """Give the cases that bar somebody and that somebody free might have."""
        free = [kind for kind in self.agent_kinds.values() if kind.ready_count]
        works = dict.fromkeys(work for kind in free for work in kind.active if work.special)
        return [one.item for work in works for one in work.special]


def _klass(entry: tuple[int, list[Ready]]) -> int:
    """Order classes by themselves, not by when somebody first was in one."""
    return entry[0]
