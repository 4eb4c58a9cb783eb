"""Several free agents and several waiting cases, matched as a whole instead of pair by pair.

As many pairs as can be, then those that are worth most together: what is best for one pair may
leave another case the second best, or nobody. Overdue cases come first, within a kind of work the
older, and of equals the agents in their order. Larger crowds are matched pair by pair: the gain
shrinks with the crowd and the effort grows (Kuhn 1955; at 200 a side 1 % and milliseconds).
"""

from collections.abc import Callable
from typing import Final

from toldonce.kernel.instants import MINUTE
from toldonce.routing.core.classes import fits
from toldonce.routing.core.index import Index
from toldonce.routing.core.kinds import OVERDUE, Pair, WorkKind
from toldonce.routing.core.state import Agent, Item

BATCH_MAX: Final = 200  # a side
_SPAN_BITS: Final = 19  # of what a pair is worth; the rest of 53 bits orders equals, and counts
_EQUALS: Final = 1 << 17  # more than the places of 200 agents and 200 cases add up to
_PAIR: Final = 1 << 45  # more than 200 pairs can be worth

type Solver = Callable[[list[list[int]]], list[tuple[int, int]]]


def together(index: Index, now_us: int, solve: Solver) -> list[tuple[Item, Agent]]:
    """Pair the free with those in line, as good as can be; nothing where one side is too large.

    `solve` gets a table of gains, a row an agent, and gives (row, column) of pairs whose gains add
    up to most, none of a row or column twice; 0 is no pair, and every gain is below 2**46.
    """
    agents = _free(index)
    if not 1 < len(agents) <= BATCH_MAX:
        return []
    found: list[tuple[Item, Agent]] = []
    for overdue in (True, False):
        cases = _in_line(agents, now_us, overdue=overdue)
        if cases:
            paired = _matched(agents, cases, now_us, solve)
            found += paired
            busy = {agent.name for _, agent in paired}
            agents = [agent for agent in agents if agent.name not in busy]
    return found


def _free(index: Index) -> list[Agent]:
    """Give those who have units left and nothing that is kept for them, in their order."""
    found: list[Agent] = []
    for kind in index.agent_kinds.values():
        if kind.ready_count and kind.active:
            for heap in kind.ready.values():
                found += [entry[5] for entry in heap if entry[5].stamp == entry[4]]
    return sorted([one for one in found if not one.hopes and not one.targeted], key=_order)


def _in_line(agents: list[Agent], now_us: int, *, overdue: bool) -> list[tuple[WorkKind, Item]]:
    """Give the first of each line that these may have, the older first; of many, the worthiest."""
    able: dict[WorkKind, int] = {}
    for agent in agents:
        for work in () if agent.kind is None else agent.kind.active:
            if work.batch and not work.special and fits(agent.klass, work):
                able[work] = able.get(work, 0) + 1
    found: list[tuple[WorkKind, Item]] = []
    for work, count in able.items():
        due_us = now_us - work.wait_max_us
        line = work.first(count)
        found += [(work, one) for one in line if (one.enqueued_us <= due_us) is overdue]
    found.sort(key=_age)
    if len(found) > BATCH_MAX:
        ranked = sorted([(-_most(*case, now_us), place) for place, case in enumerate(found)])
        found = [found[place] for place in sorted([place for _, place in ranked[:BATCH_MAX]])]
    return found


def _most(work: WorkKind, item: Item, now_us: int) -> int:
    """Say what a case is worth with whoever of the free suits it best."""
    free = [pair for pair in work.pairs if pair.agents.ready_count]
    return max([pair.worth(item.enqueued_us, now_us, now_us) for pair in free])


def _matched(
    agents: list[Agent], cases: list[tuple[WorkKind, Item]], now_us: int, solve: Solver
) -> list[tuple[Item, Agent]]:
    worths = [[_worth(agent, work, item, now_us) for work, item in cases] for agent in agents]
    told = [worth for row in worths for worth in row if worth is not None]
    if not told:
        return []
    least, shift = min(told), 0
    while max(told) - least >> shift >= 1 << _SPAN_BITS:
        shift += 1
    gains: list[list[int]] = []
    for place, row in enumerate(worths):
        older = len(agents) - place + len(cases)
        gains.append(
            [
                0 if worth is None else _PAIR + (worth - least >> shift) * _EQUALS + older - column
                for column, worth in enumerate(row)
            ]
        )
    chosen = [(row, column) for row, column in solve(gains) if gains[row][column]]
    return _older_first(agents, cases, chosen)


def _older_first(
    agents: list[Agent], cases: list[tuple[WorkKind, Item]], chosen: list[tuple[int, int]]
) -> list[tuple[Item, Agent]]:
    """Give each the oldest of the kind of work that was chosen for them."""
    lines: dict[WorkKind, list[Item]] = {}
    for work, item in reversed(cases):
        lines.setdefault(work, []).append(item)
    chosen.sort(key=_column)
    return [(lines[cases[column][0]].pop(), agents[row]) for row, column in chosen]


def _worth(agent: Agent, work: WorkKind, item: Item, now_us: int) -> int | None:
    """Say in thousandths of a point what a pair is worth; None: it is none."""
    pair: Pair | None = None if agent.kind is None else agent.kind.active.get(work)
    if pair is None or not fits(agent.klass, work):
        return None
    worth = pair.worth(item.enqueued_us, agent.idle_us, now_us)
    return None if worth < 0 else worth % OVERDUE // MINUTE


def _order(agent: Agent) -> tuple[int, int, int, str]:
    return agent.order


def _age(case: tuple[WorkKind, Item]) -> tuple[int, str, str]:
    return case[1].enqueued_us, case[1].own, case[1].customer


def _column(pair: tuple[int, int]) -> int:
    return pair[1]
