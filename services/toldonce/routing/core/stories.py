"""What the log says of stories, taken over into the ledger."""

from datetime import datetime
from typing import Final

from toldonce.kernel.instants import micros
from toldonce.kernel.story.types import Case
from toldonce.routing.core.alarms import paperwork_ends_us
from toldonce.routing.core.facts import StoryChanged
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.state import Item
from toldonce.routing.core.timers import Alarm, Timers

_NONE: Final[tuple[Item, ...]] = ()


def apply_story(ledger: Ledger, timers: Timers, fact: StoryChanged) -> None:
    """Take over one story; an older fact than the one known changes nothing."""
    customer, sequence, at, cases, declines, expiries, _, _ = fact
    told = ledger.stories.get(customer)
    known = _NONE if told is None else told[1]
    if told is not None and sequence <= told[0]:
        return
    rules = ledger.rules
    if rules is not None and rules.learning:
        ledger.outcomes.hear(fact, known, rules, ledger.agents, leads=ledger.epoch > 0)
    if known:
        owns = [case.own for case in cases]
        for item in known:
            if item.own not in owns:
                _forget(ledger, item, at)
    if cases:
        items = [_take_over(ledger, timers, fact, case, _named(known, case.own)) for case in cases]
        ledger.stories[customer] = (sequence, tuple(items))
    elif told is not None:
        del ledger.stories[customer]
    if declines or expiries:
        _untaken(ledger, timers, fact)


def _named(items: tuple[Item, ...], own: str) -> Item | None:
    for item in items:
        if item.own == own:
            return item
    return None


def keep_only(ledger: Ledger, customers: frozenset[str], position: int, at: datetime) -> None:
    """Let go of the stories of all others, but for what is known from after `position`.

    A log never goes back: where one did, the process that saw it is halted.
    """
    for customer, (sequence, items) in list(ledger.stories.items()):
        if customer not in customers and sequence <= position:
            del ledger.stories[customer]
            for item in items:
                _forget(ledger, item, at)


def _forget(ledger: Ledger, item: Item, at: datetime) -> None:
    """Let go of a case that is over: everything it held is free."""
    item.alive = False
    for live in list(item.offers.values()):
        ledger.end(live)
    if item.case.owner:
        at_us = micros(at)
        _learn(ledger, item.case, at_us)
        ledger.own(item, item.case.owner, at_us)
    if item.debits:
        ledger.charge(item)
    ledger.stir(item)


def _learn(ledger: Ledger, case: Case, at_us: int) -> None:
    """Note how long an owner took for a case that is over, paperwork included."""
    agent = ledger.agent(case.owner)
    if case.owned_at is not None and agent.rule is not None:
        ledger.paces.of(case.queue, agent.rule.group).see(max(0, at_us - micros(case.owned_at)))


def _take_over(
    ledger: Ledger, timers: Timers, fact: StoryChanged, case: Case, item: Item | None
) -> Item:
    before = ""
    old: Case | None = None
    if item is None:
        item = Item(fact.customer, case)
    else:
        old, before = item.case, item.case.owner
        item.case = case
        if old != case:
            item.retry_us = item.retries = item.asked_us = 0
            item.moving = ""
    ledger.price(item)
    if case.offers or item.offers:
        for live in ledger.see_offers(item, case):
            live.forced = live.own in fact.forced
            item.drawn = None  # another engine decided it
            timers.set(live.expires_us, Alarm.OFFER, live, live.own)
    if before != case.owner:
        ledger.own(item, before, micros(fact.at))
    if item.debits or case.owner or item.offers:
        ledger.charge(item)
    ledger.dirty_items[item] = None
    lapse, before_it = case.lapse, None if old is None else old.lapse
    if lapse is not None or before_it is not None:
        if lapse != before_it:
            _ask_anew(item, "" if lapse is None else lapse.backup)
        if case != old:
            _ail(ledger, item)
    if case.handoff is not None or case.wrap_until is not None:
        _watch(timers, item, old)
    return item


def _ask_anew(item: Item, agent: str) -> None:
    """Forget who declined: it was another question, and whom this one names has not heard it."""
    item.declined = ""
    if agent in item.cool:
        item.cool = {name: until for name, until in item.cool.items() if name != agent}


def _ail(ledger: Ledger, item: Item) -> None:
    """Have what the owner of a case holds looked at."""
    if item.case.owner:
        owner = ledger.agent(item.case.owner)
        owner.ails = True
        ledger.touch(owner)


def _watch(timers: Timers, item: Item, old: Case | None) -> None:
    handoff, ends_us = item.case.handoff, paperwork_ends_us(item.case)
    if handoff is not None and (old is None or old.handoff != handoff):
        _ask_anew(item, handoff.target)
        timers.set(micros(handoff.expires_at), Alarm.HANDOFF, item, handoff.own)
    if ends_us is not None and (old is None or paperwork_ends_us(old) != ends_us):
        timers.set(ends_us, Alarm.WRAP_UP, item, ends_us)


def _untaken(ledger: Ledger, timers: Timers, fact: StoryChanged) -> None:
    """Who declined is not asked for this case for a while; who let it expire, for none."""
    rules = ledger.rules
    if rules is None:
        return
    for said in fact.declines:
        item = ledger.item(fact.customer, said.case)
        if item is not None:
            cool_us = rules.queue(item.case.queue).cool_us
            item.cool_down(said.agent, micros(said.at) + cool_us)
            item.declined = said.agent
            if item.case.lapse is not None:
                _ail(ledger, item)
    for missed in fact.expiries:
        item = ledger.item(fact.customer, missed.case)
        cool_us = rules.queue("" if item is None else item.case.queue).cool_us
        agent = ledger.agent(missed.agent)
        agent.cool_us = max(agent.cool_us, micros(missed.at) + cool_us)
        ledger.touch(agent)
        timers.set(agent.cool_us, Alarm.AGENT, agent, agent.cool_us)
