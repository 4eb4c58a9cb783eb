"""Rounds: several agents are asked for one case at once, and whoever accepts first has it.

A round is filled at the end of the step that made its first offer, from those who are free then:
nothing that waits is theirs. The first is asked as ever; the others are asked beside them, at
nobody's cost. What waits later and could be theirs comes before a round: their offer is taken back,
and its units are free when the log says so, as of any offer. A round is not topped up: those who
are left stand, and when the last offer has ended the case is sought anew.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from toldonce.kernel.instants import SECOND
from toldonce.routing.core.acts import Decision, MakeOffer, RevokeOffer
from toldonce.routing.core.choosing import own_first
from toldonce.routing.core.classes import fits, klass_of
from toldonce.routing.core.kinds import WorkKind
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.matching import Matcher
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item, Live
from toldonce.routing.core.timers import Alarm
from toldonce.routing.core.types import NEEDED, Candidate, Gate

_AGAIN_US: Final = 5 * SECOND
_NTH: Final = ("first", "second", "third", "fourth", "fifth")


def see_to_rounds(matcher: Matcher, rules: Rules, now_us: int, found: list[Decision]) -> None:
    """Fill the rounds that began in this step; call back who is asked beside others and needed."""
    while matcher.begun:  # each turn asks somebody, so it ends when nobody is free
        _fill(matcher, rules, now_us, found)
    if matcher.epoch and matcher.waiting and matcher.ledger.rounds:
        _call_back(matcher, now_us, found)


def _fill(matcher: Matcher, rules: Rules, now_us: int, found: list[Decision]) -> None:
    """Ask others for the cases offered in this step whose policy asks several at once."""
    begun, matcher.begun = matcher.begun, []
    for item, at in begun:
        places = [at]
        for agent in _others(matcher, item, rules.queue(item.wants.queue).round - 1, now_us):
            places.append(len(found))
            matcher.offer(item, agent, rules, now_us, found)
        if len(places) > 1:
            _tell(item, places, found)
    matcher.begun.clear()  # those asked beside somebody begin no round
    if matcher.index.loose:  # how many are free has changed, and so has what a pair is worth
        matcher.look_again(rules, now_us, found)


def _others(matcher: Matcher, item: Item, count: int, now_us: int) -> list[Agent]:
    """Choose up to so many who are free for a case that is on offer to somebody."""
    agents: list[Agent] = []
    work, excluded = item.work, item.excluded
    out = {live.agent for live in item.offers.values()}
    while work is not None and len(agents) < count:
        item.excluded = excluded | out
        agent = matcher.index.agent_for(item, work, now_us)
        if agent is None:
            break
        agents.append(agent)
        out.add(agent.name)
    item.excluded = excluded
    return agents


def _tell(item: Item, places: list[int], found: list[Decision]) -> None:
    """Say in each offer of a round that it is one."""
    made = [one for one in [found[place] for place in places] if isinstance(one, MakeOffer)]
    names = [one.agent for one in made]
    for number, (place, one) in enumerate(zip(places, made, strict=True)):
        why = one.trace.reason
        if number:
            why = f"{one.agent} is asked beside {names[0]}"
        told = one.trace._replace(asked=len(made))
        if one.trace.reason:
            told = told._replace(
                reason=f"{why}; {_NTH[number]} of {len(made)} asked at once",
                candidates=tuple([_asked(line, one.agent, names) for line in told.candidates]),
            )
        found[place] = one._replace(trace=told, round=len(made))
        item.offers[one.offer].trace = told


def _asked(line: Candidate, chosen: str, names: list[str]) -> Candidate:
    if line.agent == chosen or line.agent not in names:
        return line
    return replace(line, gate=Gate.ASKED)


class _Needs(NamedTuple):
    """What is looked for: how many agents are on their way to each kind of work."""

    matcher: Matcher
    now_us: int
    coming: dict[WorkKind, int]
    apart_us: list[int]


def _call_back(matcher: Matcher, now_us: int, found: list[Decision]) -> None:
    """Take offers back from those asked beside others for whom something waits now.

    Of each agent only as many offers as it takes, and for each case that waits one agent. What a
    policy leaves apart until later is looked at again then.
    """
    beside = _beside(matcher.ledger)
    needs = _Needs(matcher, now_us, {}, [])
    for agent, lives in sorted(beside, key=_longest_idle):
        for live in _in_the_way(agent, lives, needs):
            if now_us >= live.asked_us + _AGAIN_US:
                live.asked_us = now_us
                item = live.item
                found.append(RevokeOffer(item.customer, item.own, live.own, agent.name, NEEDED))
    at_us = min(needs.apart_us, default=0)
    if at_us and not 0 < matcher.apart_us <= at_us:
        matcher.apart_us = at_us
        matcher.timers.set(at_us, Alarm.APART, None, at_us)


def _beside(ledger: Ledger) -> list[tuple[Agent, list[Live]]]:
    """Give who is asked beside others, with these offers: what is taken back already first."""
    found: dict[str, list[Live]] = {}
    for item in ledger.rounds:
        for live in tuple(item.offers.values())[1:]:
            found.setdefault(live.agent, []).append(live)
    for lives in found.values():
        lives.sort(key=_latest)
    return [(ledger.agents[name], lives) for name, lives in found.items()]


def _latest(live: Live) -> tuple[bool, int, str]:
    return not live.asked_us, -live.expires_us, live.own


def _longest_idle(one: tuple[Agent, list[Live]]) -> tuple[bool, int, int, str]:
    agent, lives = one
    return not lives[0].asked_us, agent.idle_us, agent.tie, agent.name


def _in_the_way(agent: Agent, lives: list[Live], needs: _Needs) -> list[Live]:
    """Name the offers without which this agent would have something that waits."""
    used, soft = agent.used, agent.soft
    back: list[Live] = []
    for live in lives:
        agent.used -= live.item.cost
        agent.soft -= live.item.soft
        back.append(live)
        if _is_needed(agent, needs):
            break
    else:
        back = []
    agent.used, agent.soft = used, soft
    return back


def _is_needed(agent: Agent, needs: _Needs) -> bool:
    """Tell whether something waits that an agent would have; note that they are coming."""
    now_us = needs.now_us
    klass = klass_of(agent, now_us)
    if klass <= 0 or agent.kind is None:
        return False
    if own_first(agent, None, now_us) is not None:
        return True
    best: WorkKind | None = None
    best_rank = (0, 0, "", "")
    for work, pair in agent.kind.active.items():
        waiting = work.count + len(work.special) - needs.coming.get(work, 0)
        head = work.first_for(agent.name, now_us) if waiting > 0 and fits(klass, work) else None
        if head is None:
            continue
        worth = pair.worth(head.enqueued_us, agent.idle_us, now_us)
        if worth < 0:
            needs.apart_us.append(pair.admitted_us(worth, head.enqueued_us, now_us))
            continue
        rank = (-worth, head.enqueued_us, head.own, head.customer)
        if best is None or rank < best_rank:
            best, best_rank = work, rank
    if best is not None:
        needs.coming[best] = needs.coming.get(best, 0) + 1
    return best is not None
