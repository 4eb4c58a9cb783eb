"""Why this agent and why not each other one, short enough to travel with the offer.

Up to 64 agents are listed one by one, best first. Beyond that, or when the words would not fit,
agents are counted by gate and by what was compared; whoever the case treats alone keeps a line.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from toldonce.kernel.instants import EPOCH, SECOND, instant, wall
from toldonce.kernel.skills import meets
from toldonce.routing.core.classes import ABSENT, COOLING, UNAVAILABLE, room_of
from toldonce.routing.core.gates import (
    asked_in_words,
    closed,
    first_gate,
    keeper_of,
    left_apart,
    meant_for,
    not_yet,
    on_its_way,
    pair_of,
    standing_gate,
)
from toldonce.routing.core.index import Index
from toldonce.routing.core.kinds import Pair
from toldonce.routing.core.lacks import Finding, finding
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.overflow import came_from
from toldonce.routing.core.placing import relaxes_us, wait_began_us
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.scores import part_of, score
from toldonce.routing.core.state import Agent, Item, Place
from toldonce.routing.core.types import GATE_ORDER, Candidate, DecisionTrace, Gate

LISTED_MAX: Final = 64
TRACE_BYTES_MAX: Final = 4_096
_LINES_BYTES_MAX: Final = 3_000  # what is left is for the rest of the trace
_LINE_BYTES: Final = 12  # numbers, tags and lengths of one line
_DETAIL_MAX: Final = 96
REASON_MAX: Final = 400
_LATER: Final = {gate: place for place, gate in enumerate(GATE_ORDER)}


UNTOLD: Final = DecisionTrace("", "", 0, 0, EPOCH, "", 0, None, 0.0, 0, (), "")


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything an explanation looks at."""

    ledger: Ledger
    index: Index
    rules: Rules
    engine_epoch: int


def trace(
    scene: Scene,
    item: Item,
    chosen: Agent | None,
    now_us: int,
    decision: str,
    *,
    whole: bool = False,
) -> DecisionTrace:
    """Explain `decision` at the instant it is made; `chosen` None while the case waits.

    `whole` lists each agent whatever the size.
    """
    rules, agents = scene.rules, scene.ledger.agents
    keeper = keeper_of(item, agents, now_us)
    waits = chosen is not None or item.waiting
    lines: tuple[Candidate, ...] = ()
    known = len(rules.config.agents)
    later = item.place is Place.SCHEDULED
    if (waits or later) and (whole or known <= LISTED_MAX):
        everybody = [agents[name] for name in rules.config.agents]
        lines = _one_by_one(scene, everybody, item, chosen, now_us, keeper=keeper)
    if not whole and (known > LISTED_MAX or _bytes(lines) > _LINES_BYTES_MAX):
        lines = _counted(scene, item, chosen, keeper, now_us) if waits else ()
    relax_us = relaxes_us(item, rules, now_us)
    why = _why(item, chosen, lines) if chosen else _why_not(scene, item, keeper, now_us)
    if item.case.priority:
        why = f"{why} (priority {item.case.priority})"
    if chosen is not None:
        why += part_of(item.drawn)
    if before := came_from(item):
        why = f"{why} (came from {before})"
    return DecisionTrace(
        decision_id=decision,
        policy_version=rules.policy_version,
        revision=rules.config.revision,
        engine_epoch=scene.engine_epoch,
        at=instant(now_us),
        chosen="" if chosen is None else chosen.name,
        step=item.step,
        relaxes_at=None if relax_us is None else instant(relax_us),
        waited_s=max(0, now_us - wait_began_us(item.case)) / SECOND,
        considered=known,
        candidates=lines,
        reason=why[:REASON_MAX],
    )


def brief(scene: Scene, item: Item, chosen: Agent, now_us: int, decision: str) -> DecisionTrace:
    """Say who and why, without the others: what they lacked is told on demand."""
    rules, name = scene.rules, chosen.name
    relax_us = relaxes_us(item, rules, now_us)
    if item.target:
        reason = meant_for(item)[1]
    else:
        reason = "had the case before" if name == item.preferred else "first in line"
    if item.drawn is not None:
        reason += part_of(item.drawn)
    return DecisionTrace._make(  # at half the cost of naming the fields
        (
            decision,
            rules.policy_version,
            rules.revision,
            scene.engine_epoch,
            scene.ledger.instant(now_us),
            name,
            item.step,
            None if relax_us is None else instant(relax_us),
            max(0, now_us - item.began_us) / SECOND,
            rules.known,
            (),
            reason,
            1,
        )
    )


def _one_by_one(
    scene: Scene,
    agents: Iterable[Agent],
    item: Item,
    chosen: Agent | None,
    now_us: int,
    *,
    keeper: Agent | None,
) -> tuple[Candidate, ...]:
    admitted: list[tuple[Agent, int, str]] = []
    others: list[Candidate] = []
    for agent in agents:
        found = None if agent is chosen else first_gate(agent, item, now_us, keeper=keeper)
        if item.offers and agent is not chosen and _is_asked(agent, item):
            found = Gate.ASKED, "is asked too"
        if found is None:
            admitted.append(
                (agent, *score(item, agent, scene.rules, scene.ledger.outcomes.successes, now_us))
            )
        else:
            others.append(Candidate(agent.name, found[0], found[1][:_DETAIL_MAX]))
    admitted.sort(key=lambda row: (row[0] is not chosen, row[0].used > 0, -row[1], row[0].order))
    others.sort(key=lambda line: -_LATER[line.gate])
    ranked = [
        _ranked(agent, chosen, place, now_us, parts)
        for place, (agent, _, parts) in enumerate(admitted, 1)
    ]
    return (*ranked, *others)


def _is_asked(agent: Agent, item: Item) -> bool:
    return any(live.agent == agent.name for live in item.offers.values())


def _ranked(agent: Agent, chosen: Agent | None, rank: int, now_us: int, parts: str) -> Candidate:
    idle = f"idle {_seconds(now_us - agent.idle_us)}"
    if agent.used:
        idle = f"has work, last change {_seconds(now_us - agent.idle_us)} ago"
    gate = Gate.NONE if agent is chosen else Gate.OUTRANKED
    detail = f"{idle}; {parts}" if parts else idle
    return Candidate(agent.name, gate, detail[:_DETAIL_MAX], rank)


def _seconds(us: int) -> str:
    return f"{max(0, us) // SECOND} s"


def _bytes(lines: Iterable[Candidate]) -> int:
    return sum(len(line.agent) + len(line.detail) + _LINE_BYTES for line in lines)


def _counted(
    scene: Scene, item: Item, chosen: Agent | None, keeper: Agent | None, now_us: int
) -> tuple[Candidate, ...]:
    agents = scene.ledger.agents
    asked = [live.agent for live in item.offers.values()]
    alone = {*item.excluded, *item.cool, *asked, item.target, item.preferred} - {""}
    single = [agents[name] for name in sorted(alone) if name in scene.rules.config.agents]
    if chosen is not None and chosen.name not in alone:
        single.append(chosen)
    crowd_counts = _crowd(scene.index, item, scene.rules, keeper, now_us)
    for agent in single:  # they are listed by name, so they leave the crowd
        if agent.kind is not None:
            lack = _of_kind(agent, item)
            apart = None if lack or item.work is None else pair_of(agent, item.work)
            gate = _crowd_gate(agent.klass, lack, item, keeper, _apart_until(apart, item, now_us))
            crowd_counts[gate] -= 1
    first = list(_one_by_one(scene, single, item, chosen, now_us, keeper=keeper))
    left = _LINES_BYTES_MAX - _bytes(first)
    crowd = sorted(crowd_counts.items(), key=lambda row: (-_LATER[row[0][0]], -row[1], row[0][1]))
    rest = 0
    for (why, detail), count in crowd:
        line = Candidate("", why, detail[:_DETAIL_MAX], 0, count)
        left -= _bytes([line])
        if count > 0 and left > 0 and len(first) < LISTED_MAX:
            first.append(line)
        elif count > 0:
            rest += count
    if rest:
        first.append(
            Candidate("", Gate.OUTRANKED if item.target else Gate.SKILL, "others", 0, rest)
        )
    return tuple(first)


def _crowd(
    index: Index, item: Item, rules: Rules, keeper: Agent | None, now_us: int
) -> Counter[Finding]:
    """Count everybody by gate; the cost follows the kinds of agents."""
    counts: Counter[Finding] = Counter()
    for klass in (ABSENT, UNAVAILABLE):
        counts[_crowd_gate(klass, None, item, keeper)] += index.counts.get(klass, 0)
    if item.target:
        counts[meant_for(item)] += sum(kind.present_count for kind in index.agent_kinds.values())
        return counts
    work = index.work_kind(item, rules)
    for lack, kinds in work.barred.items():
        counts[lack] += sum(kind.present_count for kind in kinds)
    for pair in work.pairs:
        kind, until_us = pair.agents, _apart_until(pair, item, now_us)
        for klass, count in kind.counts.items() if kind.present_count else ():
            if klass >= COOLING:
                counts[_crowd_gate(klass, None, item, keeper, until_us)] += count
    return counts


def _apart_until(pair: Pair | None, item: Item, now_us: int) -> int:
    """Say until when a kind of agents is left apart from a case, taken as idle from now on."""
    if pair is None or pair.always:
        return 0
    worth = pair.worth(item.enqueued_us, now_us, now_us)
    return 0 if worth >= 0 else pair.admitted_us(worth, item.enqueued_us, now_us)


def _of_kind(agent: Agent, item: Item) -> Finding | None:
    """Name what everybody of this agent's kind lacks, as `_crowd` counted it."""
    if item.target:
        return meant_for(item)
    gate = None if agent.rule is None else meets(agent.rule, item.wants)
    if agent.rule is None or gate is None:
        return None
    return finding(gate, agent.rule.skills, item.wants)


def _crowd_gate(
    klass: int, gate: Finding | None, item: Item, keeper: Agent | None, apart_us: int = 0
) -> Finding:
    if klass == ABSENT:
        return Gate.PRESENCE, "not connected"
    if klass == UNAVAILABLE:
        return Gate.AVAILABILITY, "not available"
    if gate is not None:
        return gate
    if shut := closed(item):
        return Gate.CALENDAR, shut
    if klass == COOLING:
        return Gate.COOL_DOWN, "let an offer expire"
    if room_of(klass, item) < item.cost:
        return Gate.CAPACITY, f"needs {item.cost}, free {room_of(klass, item)}"
    if keeper is not None:
        return Gate.OWNER_PREFERRED, f"kept for {keeper.name} until {wall(item.hold_us)}"
    if apart_us:
        return Gate.APART, left_apart(apart_us)
    return Gate.OUTRANKED, "later in line"


def _why(item: Item, chosen: Agent, lines: tuple[Candidate, ...]) -> str:
    if item.target:
        return meant_for(item)[1]
    if chosen.name == item.preferred:
        return f"{chosen.name} had the case before"
    others = sum(line.count for line in lines if line.gate is Gate.OUTRANKED)
    if not others:
        return f"{chosen.name} is the only one who can take it now"
    return f"{chosen.name} is first in line of {others + 1} who can take it now"


def _why_not(scene: Scene, item: Item, keeper: Agent | None, now_us: int) -> str:
    """Say in one sentence why nobody has it: among those able to, what stands in the way."""
    whom = f"agent {asked_in_words(item, scene.rules)}"
    if item.offers:
        return f"offered to {', '.join(live.agent for live in item.offers.values())}"
    if item.case.owner and item.case.handoff is None and item.case.lapse is None:
        return f"{item.case.owner} owns it"
    if later := not_yet(item):
        return f"{later}, and asks nobody before" + (
            " (a callback)" if item.case.callback_at else ""
        )
    if going := on_its_way(item, now_us):
        return going
    if shut := closed(item):
        return shut
    if item.retry_us > now_us:
        return f"the last offer was refused ({item.refused}), again at {wall(item.retry_us)}"
    counts: Counter[str] = Counter()
    for name in scene.rules.config.agents:
        agent = scene.ledger.agents[name]
        if standing_gate(agent, item) is None:
            found = first_gate(agent, item, now_us, keeper=keeper)
            counts["free" if found is None else _STATES[found[0]]] += 1
    if not counts:
        return f"no {whom} is configured"
    told = ", ".join(f"{counts[word]} {word}" for word in _TOLD if counts[word])
    if counts["not connected"] == counts.total():
        return f"no {whom} is connected: {told}"
    if keeper is not None:
        return f"kept for {keeper.name} until {wall(item.hold_us)}, then for any {whom}"
    return f"no {whom} is free: {told}"


_STATES: Final = {
    Gate.PRESENCE: "not connected",
    Gate.AVAILABILITY: "away",
    Gate.COOL_DOWN: "cooling down",
    Gate.CAPACITY: "busy",
    Gate.OWNER_PREFERRED: "free",
    Gate.APART: "kept for other work",
}
_TOLD: Final = ("busy", "kept for other work", "cooling down", "away", "not connected", "free")
