"""Who of those in line comes first: for one case among the free, for one agent among the lines."""

from collections.abc import Iterator
from heapq import heappop, heappush

from toldonce.routing.core.classes import fits
from toldonce.routing.core.kinds import Pair, Ready, WorkKind
from toldonce.routing.core.rules import tie
from toldonce.routing.core.state import Agent, Item, Place


def by_lot(item: Item, work: WorkKind, now_us: int) -> Agent | None:
    """Draw one of those who come first but for idleness; a case always draws the same."""
    best: tuple[int, int] | None = None
    drawn: list[Agent] = []
    for pair in work.pairs:
        for klass, heap in pair.agents.ready.items():
            for entry in heap if fits(klass, work) else ():
                agent = entry[5]
                if agent.stamp != entry[4] or item.bars(agent.name, now_us):
                    continue
                worth = pair.worth(item.enqueued_us, entry[1], now_us)
                choice = (entry[0], -worth)
                if worth >= 0 and (best is None or choice < best):
                    best, drawn = choice, [agent]
                elif choice == best:
                    drawn.append(agent)
    drawn.sort(key=lambda agent: agent.name)
    return drawn[tie(item.own, item.customer) % len(drawn)] if drawn else None


def admissible_us(pair: Pair, heap: list[Ready], now_us: int) -> Iterator[int]:
    """Say when those who are left apart now will be a pair by time alone.

    They are the first of the line, and each case that bars somebody, with the first of the free
    whom they do not bar.
    """
    head = pair.work.head
    items = [one.item for one in pair.work.special]
    for item in items if head is None else [head, *items]:
        first = first_of(heap, item, now_us)
        if first is not None:
            worth = pair.worth(item.enqueued_us, first[1], now_us)
            if worth < 0:
                yield pair.admitted_us(worth, item.enqueued_us, now_us)


def own_first(agent: Agent, best: Item | None, now_us: int) -> Item | None:
    """Rank what is kept for this agent, or named for them, against the best of the rest.

    By priority and age alone: what their pairs with others are worth is not theirs to compare.
    """
    for item in (*agent.hopes, *agent.targeted):
        shut = item.work is not None and item.work.tally.closed
        kept = (item.place is Place.HELD and not shut) or item in agent.targeted
        if not kept or agent.room(item) < item.cost or item.bars(agent.name, now_us):
            continue
        if best is None or item.rank_at(now_us) < best.rank_at(now_us):
            best = item
    return best


def older(one: Item, other: Item) -> bool:
    """Tell whether one case came before another."""
    mine = (one.enqueued_us, one.own, one.customer)
    return mine < (other.enqueued_us, other.own, other.customer)


def first_of(heap: list[Ready], item: Item, now_us: int) -> Ready | None:
    """Peek at the first live entry whom the case does not bar; the barred are put back."""
    barred: list[Ready] = []
    found: Ready | None = None
    while heap:
        first = heap[0]
        if first[5].stamp != first[4]:
            heappop(heap)
        elif (item.excluded or item.cool) and item.bars(first[3], now_us):
            barred.append(heappop(heap))
        else:
            found = first
            break
    for entry in barred:
        heappush(heap, entry)
    return found
