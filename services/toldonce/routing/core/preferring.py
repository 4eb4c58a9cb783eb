"""Who of the free resolves such work best: the first of each kind, ranked again by success.

Success decides between agents, never whether: a pair that is worth less than nothing stays apart
whatever its agent resolves, and whoever has no work still comes before those who have.
"""

from heapq import heappop, heappush
from typing import Final

from toldonce.kernel.config.success import Success
from toldonce.kernel.instants import MINUTE
from toldonce.routing.core.classes import fits
from toldonce.routing.core.cycles import draw
from toldonce.routing.core.kinds import AgentKind, Ready, WorkKind
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item
from toldonce.routing.core.success import MILLI, Successes, rate, subject_of
from toldonce.routing.core.types import Arm, Draw

CANDIDATES_MAX: Final = 32  # of a kind: those who would be first without it


def preferred(
    item: Item, work: WorkKind, rule: Success, successes: Successes, now_us: int
) -> Agent | None:
    """Return who should have a case by success; None where it does not count, or finds nobody."""
    if draw(rule, successes.seed, item.case, now_us).arm is not Arm.ON:
        return None
    return best(item, work, rule, successes, now_us)


def best(
    item: Item, work: WorkKind, rule: Success, successes: Successes, now_us: int
) -> Agent | None:
    """Return who should have a case, were success to count for it now."""
    subject = subject_of(item.case, rule.by)
    average = successes.of_subject(subject)
    found: tuple[int, int, Ready] | None = None
    for pair in work.pairs:
        kind = pair.agents
        if not kind.ready_count:
            continue
        prior = successes.of_group(subject, kind.group)
        for entry in _first_of_kind(kind, item, work, now_us):
            worth = pair.worth(item.enqueued_us, entry[1], now_us)
            if worth < 0:
                continue
            worth += points(rule, rate(successes.of(subject, entry[3], prior), average))
            choice = (entry[0], -worth, entry)
            if found is None or choice < found:
                found = choice
    return None if found is None else found[2][5]


def points(rule: Success, milli: int) -> int:
    """Say what so many thousandths of a resolved case are worth, in units of worth (`kinds`)."""
    return rule.weight * MINUTE * milli // MILLI


def decided(
    item: Item, agent: Agent, rules: Rules, successes: Successes, now_us: int
) -> Draw | None:
    """Say how the offer of a case to an agent is decided; None where success has no part in it.

    That is so where the case is meant for somebody by name, or had this agent before.
    """
    rule, work = rules.queue(item.wants.queue).success, item.work
    if rule is None or work is None or agent.name == item.preferred:
        return None
    drawn = draw(rule, successes.seed, item.case, now_us)
    if drawn.arm is not Arm.SHADOW:
        return drawn
    other = best(item, work, rule, successes, now_us)
    return drawn if other is None or other is agent else drawn._replace(would=other.name)


def _first_of_kind(kind: AgentKind, item: Item, work: WorkKind, now_us: int) -> list[Ready]:
    """Give the first of a kind who have the units and whom the case does not bar."""
    found: list[Ready] = []
    for klass, heap in kind.ready.items():
        if heap and fits(klass, work) and kind.counts.get(klass):
            found += _first_of_heap(heap, item, now_us)
    found.sort()
    return found[:CANDIDATES_MAX]


def _first_of_heap(heap: list[Ready], item: Item, now_us: int) -> list[Ready]:
    """Peek at the first live entries; whatever was taken out is put back."""
    found: list[Ready] = []
    taken: list[Ready] = []
    while heap and len(found) < CANDIDATES_MAX:
        first = heappop(heap)
        if first[5].stamp != first[4]:
            continue
        taken.append(first)
        if not item.bars(first[3], now_us):
            found.append(first)
    for entry in taken:
        heappush(heap, entry)
    return found
