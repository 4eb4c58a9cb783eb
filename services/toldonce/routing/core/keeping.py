"""Ownership as a lease on presence: what becomes of what an agent holds and cannot see to.

An owner may be gone, off shift, or without the right to the case since the configuration changed.
After the grace of the channel the case is kept, offered to whoever stands in, or put back in its
queue; a lapse ends by the owner's return or by its own time. What the log does not show yet is
said again after a while. Every decision names its rule: the cause, then what was done.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from toldonce.kernel.config.owning import AbsentPolicy
from toldonce.kernel.config.types import Agent as AgentRule
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.skills import Requirement, meets, relaxed
from toldonce.kernel.story.types import Case, CaseState, Lapse
from toldonce.routing.core.absence import Absences
from toldonce.routing.core.acts import (
    Decision,
    LapseOwnership,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.core.ledger import Ledger, mark_extra
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item, Live
from toldonce.routing.core.types import (
    AGENT_DRAINED,
    AGENT_GONE,
    AGENT_OFF_SHIFT,
    FAILOVER,
    LOST_RIGHT,
)

AGAIN_US: Final = 5 * SECOND
_AT_ONCE: Final = frozenset({LOST_RIGHT, FAILOVER, AGENT_DRAINED})


class Cause(StrEnum):
    """Why an owner cannot see to a case; the first word of the rule's name."""

    LOST_RIGHT = "LOST_RIGHT"
    DRAINED = "DRAINED"
    OFF_SHIFT = "OWNER_OFF_SHIFT"
    GONE = "OWNER_GONE"


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a look works with."""

    ledger: Ledger
    rules: Rules
    frozen: bool
    now_us: int
    found: list[Decision]


@dataclass(frozen=True, slots=True)
class _Due:
    """What becomes of a case at `at_us`, because its owner cannot see to it since `since_us`."""

    at_us: int
    since_us: int
    why: Cause
    policy: AbsentPolicy


def in_trouble(agent: Agent) -> bool:
    """Tell whether what an agent holds has to be looked at; cheap, because it is asked often."""
    return (
        agent.absent_us is not None
        or agent.off_us is not None
        or agent.drained_us > 0
        or agent.rule is None
        or agent.ails
        or (agent.free + agent.soft < 0 and bool(agent.offers))
    )


def look(
    agent: Agent, ledger: Ledger, absences: Absences, now_us: int, found: list[Decision]
) -> int:
    """Decide about everything an agent holds; return when to look again, 0 for not by itself."""
    if ledger.rules is None:
        return 0
    desk = _Desk(ledger, ledger.rules, absences.frozen_us is not None, now_us, found)
    if agent.rule is None:
        agent.missing_us = agent.missing_us or now_us
    if agent.absent_us == 0:  # never seen: an absence counts only while we watch
        agent.absent_us = now_us
    ails = False
    again: list[int] = []
    for item in agent.owned:
        ails = ails or item.case.lapse is not None or bool(item.lost_us)
        again.append(_owned(agent, item, desk))
    mark_extra(agent)
    for live in agent.offers.values():
        ails = ails or live.lost or live.extra
        again.append(_offered(agent, live, desk))
    agent.ails = ails
    return min((at_us for at_us in again if at_us), default=0)


def kept(ledger: Ledger, rules: Rules, now_us: int) -> int:
    """Count the cases that wait for an absent owner because their channel keeps them."""
    return sum(
        _is_kept(agent, item, rules, now_us)
        for agent in ledger.agents.values()
        if agent.owned and in_trouble(agent)
        for item in agent.owned
    )


def _is_kept(agent: Agent, item: Item, rules: Rules, now_us: int) -> bool:
    rule = rules.owner_absent(item.case.channel)
    if rule.policy is not AbsentPolicy.KEEP or not _open(item.case):
        return False
    first = _first_due(agent, item, rules)
    if first is None or first.policy is not AbsentPolicy.KEEP:
        return False
    return now_us >= first.since_us + rules.grace_us(rule)


def recheck(agent: Agent, old: AgentRule | None, rules: Rules, now_us: int) -> None:
    """See what another configuration took from an agent, or gave back.

    Only what was theirs by right can be lost: a case given to them by name asks no skill.
    """
    new = agent.rule
    agent.missing_us = 0 if new is not None else agent.missing_us or now_us
    for item in agent.owned:
        asked = rules.plain(item.case)
        if new is None or not lacks(new, asked, rules):
            item.lost_us = 0
        elif not item.lost_us and old is not None and not lacks(old, asked, rules):
            item.lost_us = now_us
        agent.ails = agent.ails or bool(item.lost_us)
    for live in agent.offers.values():
        meant = rules.asked(live.item.case)
        asked = meant.requirement
        had = old is not None and not meant.target and not lacks(old, asked, rules)
        live.lost = new is None or (had and lacks(new, asked, rules))
        agent.ails = agent.ails or live.lost


def lacks(rule: AgentRule, asked: Requirement, rules: Rules) -> bool:
    """Tell whether somebody may not have work, even when it asks for the least it ever asks."""
    return meets(rule, relaxed(asked, rules.queue(asked.queue).steps, inf)) is not None


def stand_in(agent: Agent, ledger: Ledger, rules: Rules) -> str:
    """Name the first of the substitutes, one after the other, who is there to be asked, or ""."""
    for name in rules.stand_ins.after(agent.name):
        other = ledger.agents.get(name)
        if other is not None and other.routable:
            return name
    return ""


def _open(case: Case) -> bool:
    return case.state is not CaseState.CLOSED


def _causes(agent: Agent, item: Item) -> list[tuple[Cause, int]]:
    """Say why an owner cannot see to a case, each with since when."""
    since = {
        Cause.LOST_RIGHT: agent.missing_us if agent.rule is None else item.lost_us or None,
        Cause.DRAINED: agent.drained_us if agent.drained_us and agent.hands_back else None,
        Cause.OFF_SHIFT: agent.off_us,
        Cause.GONE: agent.absent_us,
    }
    return [(cause, at_us) for cause, at_us in since.items() if at_us is not None]


def _first_due(agent: Agent, item: Item, rules: Rules, frozen_us: int = 0) -> _Due | None:
    """Say which cause takes the case first: who is kept for, and loses the right, has lost it.

    A right never comes back by waiting, so what is kept for the absent is not kept for that. In a
    freeze nobody is gone before `frozen_us`.
    """
    rule = rules.owner_absent(item.case.channel)
    grace_us = rules.grace_us(rule)
    found: list[_Due] = []
    for why, since_us in _causes(agent, item):
        policy, at_us = rule.policy, since_us + grace_us
        if policy is AbsentPolicy.KEEP and why is Cause.LOST_RIGHT:
            policy = AbsentPolicy.REQUEUE
        elif policy is AbsentPolicy.KEEP:
            at_us += rule.keep_max_s * SECOND
        if why is Cause.GONE:
            at_us = max(at_us, frozen_us)
        found.append(_Due(at_us, since_us, why, policy))
    return min(found, key=lambda due: (due.at_us, due.since_us), default=None)


def _owned(agent: Agent, item: Item, desk: _Desk) -> int:
    """See to one owned case; a wrap-up and a handoff end by their own time."""
    case = item.case
    if not _open(case):
        return 0
    if case.lapse is not None:
        return _lapsed(agent, item, case.lapse, desk)
    due = _first_due(agent, item, desk.rules, desk.now_us + AGAIN_US if desk.frozen else 0)
    if due is None:
        return 0
    at_us = due.at_us
    if due.why is Cause.DRAINED:
        at_us = max(at_us, agent.taken_us + SECOND)
    if desk.now_us < at_us:
        return at_us
    if case.handoff is not None:
        return desk.now_us + AGAIN_US
    if desk.now_us < item.asked_us + AGAIN_US:
        return item.asked_us + AGAIN_US
    item.asked_us = agent.taken_us = desk.now_us
    name = f"{due.why}_{due.policy.name}"
    if due.policy is AbsentPolicy.BACKUP:
        desk.found.append(
            LapseOwnership(
                item.customer,
                case.own,
                agent.name,
                case.epoch,
                name,
                stand_in(agent, desk.ledger, desk.rules),
                desk.rules.owner_absent(case.channel).backup_s,
                desk.ledger.stories[item.customer][0],
            )
        )
    else:
        desk.found.append(_release(agent, item, name))
    return desk.now_us + AGAIN_US


def _lapsed(agent: Agent, item: Item, lapse: Lapse, desk: _Desk) -> int:
    """End a lapse: the owner is back, who stood in will not or cannot, or nobody came in time."""
    case, until_us = item.case, micros(lapse.until_at)
    back = not _causes(agent, item) and _ended_by_return(agent, item, lapse, desk.rules)
    named = lapse.backup
    over = desk.now_us >= until_us or (
        named != "" and (item.declined == named or _cannot_come(named, desk))
    )
    if not back and not over:
        return until_us if not named or item.offers else min(until_us, desk.now_us + AGAIN_US)
    if not back and desk.frozen and lapse.rule.startswith(Cause.GONE):
        return desk.now_us + AGAIN_US
    if desk.now_us < item.asked_us + AGAIN_US:
        return item.asked_us + AGAIN_US
    item.asked_us = desk.now_us
    if back:
        desk.found.append(
            ResumeOwnership(item.customer, case.own, agent.name, case.epoch, lapse.at)
        )
    else:
        desk.found.append(_release(agent, item, lapse.rule))
    return desk.now_us + AGAIN_US


def _cannot_come(name: str, desk: _Desk) -> bool:
    """Tell whether who stands in has left: an offer would be taken back from them by now."""
    other = desk.ledger.agents.get(name)
    if other is None or other.rule is None:
        return True
    since = (other.off_us, None if desk.frozen else other.absent_us)
    return any(at_us and desk.now_us >= at_us + desk.rules.gone_us for at_us in since)


def _ended_by_return(agent: Agent, item: Item, lapse: Lapse, rules: Rules) -> bool:
    """Tell whether the owner's being there ends this lapse: a lost right does not come back so."""
    if lapse.rule.startswith(Cause.LOST_RIGHT):
        return agent.rule is not None and not lacks(agent.rule, rules.plain(item.case), rules)
    return lapse.rule.startswith((Cause.GONE, Cause.OFF_SHIFT, Cause.DRAINED))


def _release(agent: Agent, item: Item, rule: str) -> ReleaseOwnership:
    return ReleaseOwnership(item.customer, item.case.own, agent.name, item.case.epoch, rule)


def _offered(agent: Agent, live: Live, desk: _Desk) -> int:
    """Take an offer back from somebody who cannot answer it any more."""
    causes = [
        (LOST_RIGHT, desk.now_us if live.lost else None),
        (FAILOVER, desk.now_us if live.extra else None),
        (AGENT_DRAINED, agent.drained_us if agent.drained_us and not live.forced else None),
        (AGENT_OFF_SHIFT, None if live.forced else agent.off_us),
        (AGENT_GONE, None if live.forced else agent.absent_us),
    ]
    again: list[int] = []
    for reason, since_us in causes:
        if since_us is None:
            continue
        due_us = since_us + (0 if reason in _AT_ONCE else desk.rules.gone_us)
        if desk.now_us < due_us:
            again.append(due_us)
            continue
        if desk.frozen and reason == AGENT_GONE:
            again.append(desk.now_us + AGAIN_US)
            continue
        if desk.now_us >= live.asked_us + AGAIN_US:
            live.asked_us = desk.now_us
            item = live.item
            desk.found.append(
                RevokeOffer(item.customer, item.case.own, live.own, agent.name, reason)
            )
        return live.asked_us + AGAIN_US
    return min(again, default=0)
