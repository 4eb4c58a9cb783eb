"""Where a case that waits belongs at this instant, and when time alone will change that."""

from math import inf
from typing import Final

from toldonce.kernel.ids import Own
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.skills import meets, next_step_s, relaxed
from toldonce.kernel.story.types import Case, CaseState, WorkState
from toldonce.routing.core.index import Index
from toldonce.routing.core.kinds import POINT
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.rules import Rules, released
from toldonce.routing.core.state import PLAIN, SPECIAL, Agent, Item, Place

_CLOSED: Final = CaseState.CLOSED
_QUEUED: Final = WorkState.QUEUED
_OFFERED: Final = WorkState.OFFERED


def waits(item: Item) -> bool:
    """Tell whether a case needs somebody and nobody is being asked.

    It has no owner, or its owner hands it over or is absent; and no offer is out, in the log or on
    its way.
    """
    case = item.case
    if item.offers or case.state is _CLOSED:
        return False
    if case.handoff is not None or case.lapse is not None:
        return True
    work = case.work
    return not case.owner and (work is _QUEUED or work is _OFFERED)


def wait_began_us(case: Case) -> int:
    """Say when the search for somebody began: that of an owned case with its handoff or lapse."""
    if case.handoff is not None:
        return micros(case.handoff.begun_at)
    return micros(case.waits_from_at if case.lapse is None else case.lapse.at)


def scheduled_us(case: Case, now_us: int) -> int:
    """Say until when nobody is asked to take it; 0: it is not scheduled for later."""
    at = case.not_before_at
    if at is None or case.owner:
        return 0
    at_us = micros(at)
    return at_us if at_us > now_us else 0


def settle_wants(item: Item, rules: Rules, now_us: int) -> None:
    """Work out what the case asks for now, its rank, and whom it waits for."""
    case = item.case
    asked = rules.asked(case)
    wants = asked.requirement
    queue = rules.queue(wants.queue)
    item.asked = item.wants = wants
    item.target, item.preferred, item.excluded = asked.target, asked.preferred, asked.excluded
    item.step = 0
    item.enqueued_us, item.wait_max_us = micros(case.enqueued_at), queue.wait_max_us
    # so it is as long as nobody had it: then one of them tells both
    same = case.waiting_since == case.enqueued_at and case.not_before_at is None
    same = same and case.handoff is None and case.lapse is None
    item.began_us = item.enqueued_us if same else wait_began_us(case)
    item.points, item.wait = case.priority * POINT, queue.wait
    if queue.steps and not asked.target and case.widened:
        item.wants = relaxed(asked.requirement, queue.steps, inf)
        item.step = len(queue.steps)
    elif queue.steps and not asked.target:
        waited_us = now_us - item.began_us
        item.wants = relaxed(asked.requirement, queue.steps, waited_us / SECOND)
        item.step = sum(1 for step in queue.steps if step.after_s * SECOND <= waited_us)
    if asked.preferred:
        item.hold_us = item.began_us + queue.prefer_owner_us
    if case.last_owner and taken_from(case):
        until_us = micros(case.waiting_since) + queue.cool_us
        item.cool_down(case.last_owner, max(until_us, item.cool.get(case.last_owner, 0)))
    if item.cool:
        item.cool = {name: until for name, until in item.cool.items() if until > now_us}


def taken_from(case: Case) -> bool:
    """Tell whether the case was taken from its last owner: then it does not go straight back."""
    return bool(case.last_owner) and not case.owner and released(case)


def place_of(item: Item, ledger: Ledger, now_us: int) -> Place:
    """Say where a waiting case belongs."""
    if item.retry_us > now_us:
        return Place.BACK_OFF
    if item.target:
        return Place.TARGETED
    if item.preferred and now_us < item.hold_us:
        agent = ledger.agents.get(item.preferred)
        if agent is not None and worth_waiting_for(agent, item, now_us):
            return Place.HELD
    return SPECIAL if item.excluded or item.cool else PLAIN


def worth_waiting_for(agent: Agent, item: Item, now_us: int) -> bool:
    """Tell whether only units keep this agent from having the case."""
    return (
        agent.routable
        and agent.rule is not None
        and agent.cool_us <= now_us
        and item.cost <= agent.capacity
        and not item.bars(agent.name, now_us)
        and meets(agent.rule, item.wants) is None
    )


def relaxes_us(item: Item, rules: Rules, now_us: int) -> int | None:
    """Say when the next step takes effect, or None after the last."""
    steps = rules.queue(item.asked.queue).steps
    if not steps or item.target or item.case.widened:
        return None
    waiting_us = wait_began_us(item.case)
    after_s = next_step_s(steps, (now_us - waiting_us) / SECOND)
    return None if after_s is None else waiting_us + after_s * SECOND


def wake_of(item: Item, rules: Rules, now_us: int) -> int | None:
    """Say when the case has to be looked at again because time alone changes its place."""
    relax_us = relaxes_us(item, rules, now_us)
    if relax_us is None and not (item.retry_us or item.cool or item.preferred):
        return None
    wakes = [item.retry_us, *item.cool.values()]
    if relax_us is not None:
        wakes.append(relax_us)
    if item.preferred:
        wakes.append(item.hold_us)
    return min([at for at in wakes if at > now_us], default=None)


def no_receiver(item: Item, ledger: Ledger, index: Index, rules: Rules) -> bool:
    """Tell whether no agent of the configuration could ever take this handoff."""
    if item.case.handoff is None:
        return False
    if item.target:
        return item.target in item.excluded or rules.agent(item.target) is None
    last = relaxed(item.asked, rules.queue(item.asked.queue).steps, inf)
    out = [ledger.agents[name].kind for name in item.excluded if name in ledger.agents]
    return not any(
        meets(kind, last) is None and sum(kind.counts.values()) > out.count(kind)
        for kind in index.agent_kinds.values()
    )


def handoff_own(case: Case) -> Own:
    """Name the pending transfer, or ""."""
    return Own("") if case.handoff is None else case.handoff.own
