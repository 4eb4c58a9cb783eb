"""What the log says of stories, taken over into the ledger."""

from toldonce.kernel.instants import micros
from toldonce.kernel.story.types import Case
from toldonce.routing.core.alarms import paperwork_ends_us
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.state import Item
from toldonce.routing.core.timers import Alarm, Timers
from toldonce.routing.core.types import StoryChanged


def apply_story(ledger: Ledger, timers: Timers, fact: StoryChanged) -> None:
    """Take over one story; an older fact than the one known changes nothing."""
    known, before = ledger.stories.get(fact.customer, (0, ()))
    if fact.sequence <= known:
        return
    at_us = micros(fact.at)
    cases = {case.own: case for case in fact.cases}
    for own in before:
        if own not in cases:
            _forget(ledger, ledger.items[fact.customer, own], at_us)
    if cases:
        ledger.stories[fact.customer] = (fact.sequence, tuple(cases))
    else:
        ledger.stories.pop(fact.customer, None)
    for case in cases.values():
        _take_over(ledger, timers, fact.customer, case, at_us)
    _untaken(ledger, timers, fact)


def keep_only(ledger: Ledger, customers: frozenset[str], position: int, at_us: int) -> None:
    """Let go of the stories of all others, but for what is known from after `position`.

    A log never goes back: where one did, the process that saw it is halted.
    """
    for customer, (sequence, owns) in list(ledger.stories.items()):
        if customer not in customers and sequence <= position:
            del ledger.stories[customer]
            for own in owns:
                _forget(ledger, ledger.items[customer, own], at_us)


def _forget(ledger: Ledger, item: Item, at_us: int) -> None:
    """Let go of a case that is over: everything it held is free."""
    before = item.case.owner
    del ledger.items[item.key]
    item.alive = False
    for live in list(item.offers.values()):
        ledger.end(live)
    ledger.own(item, before, at_us)
    ledger.charge(item)
    ledger.stir(item)


def _take_over(ledger: Ledger, timers: Timers, customer: str, case: Case, at_us: int) -> None:
    key = (customer, case.own)
    item = ledger.items.get(key)
    before = ""
    old: Case | None = None
    if item is None:
        item = ledger.items[key] = Item(customer, case, case.own)
    else:
        old, before = item.case, item.case.owner
        item.case = case
        if old != case:
            item.retry_us = item.retries = item.asked_us = 0
    ledger.price(item)
    new = ledger.see_offers(item, case) if case.offers or item.offers else ()
    if before != case.owner or not item.alive:
        ledger.own(item, before, at_us)
    ledger.charge(item)
    ledger.stir(item)
    for live in new:
        timers.set(live.expires_us, Alarm.OFFER, live, live.own)
    lapse, before_it = case.lapse, None if old is None else old.lapse
    if lapse != before_it:
        _ask_anew(item, "" if lapse is None else lapse.backup)
    if case != old and (lapse or before_it):
        _ail(ledger, item)
    _watch(timers, item, old)


def _ask_anew(item: Item, agent: str) -> None:
    """Forget who declined: it was another question, and whom this one names has not heard it."""
    item.declined = ""
    item.cool.pop(agent, None)


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
        item = ledger.items.get((fact.customer, said.case))
        if item is not None:
            cool_us = rules.queue(item.case.queue).cool_us
            item.cool[said.agent] = micros(said.at) + cool_us
            item.declined = said.agent
            if item.case.lapse is not None:
                _ail(ledger, item)
    for missed in fact.expiries:
        item = ledger.items.get((fact.customer, missed.case))
        cool_us = rules.queue("" if item is None else item.case.queue).cool_us
        agent = ledger.agent(missed.agent)
        agent.cool_us = max(agent.cool_us, micros(missed.at) + cool_us)
        ledger.touch(agent)
        timers.set(agent.cool_us, Alarm.AGENT, agent, agent.cool_us)
