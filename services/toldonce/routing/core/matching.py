"""Matching: everything that was touched is looked at once, then nobody admitted is left idle.

The order is fixed. An agent who has room takes what is worth most of all work; a case that came
goes to whoever makes the pair worth most; who is named, or had the case before, precedes.
Where a policy leaves pairs apart that are worth less than nothing, the first of each class of the
free is looked at once more: how many wait or are free has changed, and so has what a pair is worth.
"""

from collections.abc import Collection
from typing import Final

from toldonce.kernel.instants import SECOND
from toldonce.routing.core.acts import CancelHandoff, Decision
from toldonce.routing.core.batching import together
from toldonce.routing.core.classes import klass_of
from toldonce.routing.core.offering import Offers
from toldonce.routing.core.overflow import AGAIN_US, goes_on, in_words
from toldonce.routing.core.placing import (
    no_receiver,
    place_of,
    scheduled_us,
    settle_wants,
    waits,
    wake_of,
)
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import NOWHERE, PLAIN, SPECIAL, Agent, Item, Place
from toldonce.routing.core.timers import Alarm
from toldonce.routing.core.types import CancelReason

_NOBODY: Final[list[Agent]] = []


class Matcher(Offers):
    """Puts cases and agents where they belong, and together."""

    def settle(self, rules: Rules, now_us: int, found: list[Decision]) -> None:
        """Look at everything that was touched, then match until nobody admitted is left idle."""
        ledger, index = self.ledger, self.index
        index.tidy()
        touched, ledger.dirty_agents = ledger.dirty_agents, {}
        agents = self._see(touched, rules, now_us) if touched else _NOBODY
        stirred, ledger.dirty_items = ledger.dirty_items, {}
        items: list[Item] = []
        for item in stirred:
            known = item.alive or item.counted or item.waiting
            if known and self.arrange(item, rules, now_us, found):
                items.append(item)
        if len(items) > 1:
            items = by_rank(items, now_us)
        if not self.epoch:
            for item in items:
                self._let_wait(item, rules, now_us)
            return
        batch = index.batched and len(agents) + len(items) > 1
        if agents or batch or not index.quick:  # what a pair is worth may count who is in line
            for item in items:
                self._let_wait(item, rules, now_us)
            if batch and self.solve is not None:
                pairs = together(index, now_us, self.solve)
                for item, agent in pairs:
                    self.offer(item, agent, rules, now_us, found, batch=len(pairs))
            for agent in by_order(agents) if len(agents) > 1 else agents:
                self._feed(agent, rules, now_us, found)
        for item in items:
            if not item.waiting:
                continue
            taker = self._taker(item, now_us)
            if taker is not None:
                self.offer(item, taker, rules, now_us, found)
            elif item.place is NOWHERE:
                self._let_wait(item, rules, now_us)
        if rules.overflowing:
            self._overflow(items, rules, now_us, found)
        if index.loose and (touched or stirred or 0 < self.apart_us <= now_us):
            self.look_again(rules, now_us, found)

    def _see(self, touched: dict[str, Agent], rules: Rules, now_us: int) -> list[Agent]:
        """Take over what has changed about agents; return who may take something.

        One who comes alone need not stand in line first: where worth does not depend on who is
        free, nobody else can be free for the same work.
        """
        index, ledger = self.index, self.ledger
        found: list[Agent] = []
        for agent in touched.values():
            if agent.kind is None and agent.rule is not None:
                index.enlist(agent, rules)
            for item in agent.hopes:
                ledger.stir(item)
            klass = klass_of(agent, now_us)
            if klass <= 0 or len(touched) > 1 or not self.epoch or not index.quick:
                index.refresh(agent, now_us)
            if klass > 0 and agent.kind is not None:
                found.append(agent)
        return found

    def look_again(self, rules: Rules, now_us: int, found: list[Decision]) -> None:
        """Match what was left apart and is worth enough now; note when time will do the rest.

        The first of each class of the free is asked, and then whom each case that bars somebody
        would find.
        """
        again = True
        while again:  # each round makes an offer, so it ends when nobody is free
            again = False
            for agent in list(self.index.idle()):
                item = self.index.item_for(agent, agent.klass, now_us)
                if item is not None:
                    taker = self._taker(item, now_us) or agent
                    self.offer(item, taker, rules, now_us, found)
                    again = True
        self._match(self.index.barred(), rules, now_us, found)
        at_us = self.index.admissible_us(now_us)
        if at_us and at_us != self.apart_us:
            self.timers.set(at_us, Alarm.APART, None, at_us)
        self.apart_us = at_us

    def open_up(
        self, queues: Collection[str], rules: Rules, now_us: int, found: list[Decision]
    ) -> None:
        """Match what waited for these queues to open; whom it is kept for comes first.

        The cost follows the agents, the kinds and what stands apart, not all that wait.
        """
        kept = [
            item
            for agent in self.ledger.agents.values()
            for item in agent.hopes
            if item.place is Place.HELD and item.wants.queue in queues
        ]
        self._match(kept, rules, now_us, found)
        self.look_again(rules, now_us, found)
        kinds = [work for work in self.index.work_kinds.values() if work.queue in queues]
        barred = [one.item for work in kinds for one in work.special]
        self._match(barred, rules, now_us, found)

    def _match(self, items: list[Item], rules: Rules, now_us: int, found: list[Decision]) -> None:
        for item in by_rank(items, now_us):
            taker = self._taker(item, now_us)
            if taker is not None:
                self.offer(item, taker, rules, now_us, found)

    def _overflow(
        self, items: list[Item], rules: Rules, now_us: int, found: list[Decision]
    ) -> None:
        """Send on who found nobody and their queue full or closed; the last in line first."""
        for item in reversed(items):
            going = goes_on(item, rules) if item.waiting else None
            if going is not None:
                found.append(going)
                self._displace(item)
                item.moving, item.retry_us = in_words(going), now_us + AGAIN_US
                self._let_wait(item, rules, now_us)

    def arrange(self, item: Item, rules: Rules, now_us: int, found: list[Decision]) -> bool:
        """Take a case out of wherever it stands; tell whether it waits."""
        if item.place is not NOWHERE or item.preferred or item.target:
            self._displace(item)
        item.waiting = item.alive and waits(item)
        if not item.waiting:
            self._cease(item)
            if item.counted or item.offers:
                self.crowd.see(item, rules)
            return False
        if item.case.not_before_at is not None and self._put_off(item, rules, now_us):
            return False
        settle_wants(item, rules, now_us)
        if item.counted != item.wants.queue:
            self.crowd.see(item, rules)
        work = item.work = None if item.target else self.index.work_kind(item, rules)
        if item.preferred and work is not None and work.tally.closed:
            item.hold_us = work.tally.opens_us + rules.queue(work.queue).prefer_owner_us
        self.waiting[item] = None
        handoff = item.case.handoff
        if handoff is None or not self.epoch:
            return True
        if item.target and item.declined == item.target:
            reason = CancelReason.DECLINED
        elif no_receiver(item, self.ledger, self.index, rules):
            reason = CancelReason.NO_RECEIVER
        else:
            return True
        if item.retry_us <= now_us:
            found.append(CancelHandoff(item.customer, item.own, handoff.own, reason))
            item.refused = f"{reason}, the handoff is being ended"
            item.retry_us = now_us + 5 * SECOND
        return True

    def _put_off(self, item: Item, rules: Rules, now_us: int) -> bool:
        """Keep a case that is scheduled for later where nobody looks until its time has come."""
        at_us = scheduled_us(item.case, now_us)
        if not at_us:
            return False
        known_us = item.wake_us
        settle_wants(item, rules, now_us)
        item.work = None
        self._cease(item)
        if item.counted:
            self.crowd.see(item, rules)
        if at_us != known_us:
            self.timers.set(at_us, Alarm.ITEM, item, at_us)
        item.place, item.wake_us = Place.SCHEDULED, at_us
        return True

    def _let_wait(self, item: Item, rules: Rules, now_us: int) -> None:
        """Put a case where it belongs until somebody, or time, comes for it."""
        place = place_of(item, self.ledger, now_us)
        if item.work is not None and (place is PLAIN or place is SPECIAL):
            self.index.put(item, item.work, place)
        elif place is Place.TARGETED:
            self.ledger.agent(item.target).targeted[item] = None
        item.place = place
        if item.preferred and now_us < item.hold_us:
            self.ledger.agent(item.preferred).hopes[item] = None
        wake_us = wake_of(item, rules, now_us)
        if wake_us is not None and wake_us != item.wake_us:
            self.timers.set(wake_us, Alarm.ITEM, item, wake_us)
        item.wake_us = wake_us or 0

    def _feed(self, agent: Agent, rules: Rules, now_us: int, found: list[Decision]) -> None:
        """Offer work to an agent who has room, until nothing is left that is theirs to take."""
        klass = klass_of(agent, now_us)
        while klass > 0:
            item = self.index.item_for(agent, klass, now_us)
            if item is None:
                self.index.refresh(agent, now_us)
                return
            taker = self._taker(item, now_us)
            if taker is not None and taker is not agent:  # both are free: it goes by their order
                self.index.refresh(agent, now_us)
                taker = self._taker(item, now_us)
            self.offer(item, taker or agent, rules, now_us, found)
            klass = agent.klass if taker is None else klass_of(agent, now_us)

    def _taker(self, item: Item, now_us: int) -> Agent | None:
        """Find the one who should have this case now: by name, by history, by order."""
        if item.retry_us > now_us or (item.work is not None and item.work.tally.closed):
            return None
        name = item.target or item.preferred
        if name and name in self.ledger.agents:
            agent = self.ledger.agents[name]
            able = item.work is None or any(pair.agents is agent.kind for pair in item.work.pairs)
            fits = agent.klass > 0 and agent.room(item) >= item.cost
            if able and fits and not item.bars(name, now_us):
                return agent
        if item.work is None or place_of(item, self.ledger, now_us) is Place.HELD:
            return None
        return self.index.agent_for(item, item.work, now_us)


def by_rank(items: list[Item], now_us: int) -> list[Item]:
    """Sort cases: overdue first, then points, then the older."""
    return sorted(items, key=lambda item: item.rank_at(now_us))


def by_order(agents: list[Agent]) -> list[Agent]:
    """Sort agents: without work first, then the longest idle."""
    return sorted(agents, key=lambda agent: agent.order)
