"""Matching: everything that was touched is looked at once, then nobody admitted is left idle.

The order is fixed. An agent who has room takes the first in line of all work; a case that came goes
to the first in line of all agents; who is named by a handoff, or had the case before, precedes.
"""

from toldonce.kernel.ids import Own, derive
from toldonce.kernel.instants import SECOND, instant, micros
from toldonce.routing.core.explain import Scene, trace
from toldonce.routing.core.index import Index
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.placing import (
    handoff_own,
    no_receiver,
    place_of,
    settle_wants,
    waits,
    wake_of,
)
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.standing import Crowd
from toldonce.routing.core.state import Agent, Item, ItemKey, Place
from toldonce.routing.core.timers import Alarm, Timers
from toldonce.routing.core.types import CancelHandoff, CancelReason, Decision, MakeOffer


class Matcher:
    """Puts cases and agents where they belong, and together. `epoch` 0 decides nothing."""

    def __init__(self, ledger: Ledger, index: Index, timers: Timers) -> None:
        """Work on these."""
        self.ledger = ledger
        self.index = index
        self.timers = timers
        self.waiting: dict[ItemKey, Item] = {}
        self.crowd = Crowd()
        self.epoch = 0
        self.decisions = 0

    def settle(self, rules: Rules, now_us: int, found: list[Decision]) -> None:
        """Look at everything that was touched, then match until nobody admitted is left idle."""
        ledger, index = self.ledger, self.index
        touched, ledger.dirty_agents = ledger.dirty_agents, {}
        for agent in touched.values():
            if agent.kind is None and agent.rule is not None:
                index.enlist(agent)
            index.refresh(agent, now_us)
            for item in agent.hopes:
                ledger.stir(item)
        stirred, ledger.dirty_items = ledger.dirty_items, {}
        items = [item for item in stirred if self._arrange(item, rules, now_us, found)]
        items.sort(key=lambda item: item.rank_at(now_us))
        agents = [agent for agent in touched.values() if agent.klass > 0] if self.epoch else []
        if agents or not self.epoch:
            for item in items:
                self._let_wait(item, rules, now_us)
        for agent in sorted(agents, key=lambda one: one.order):
            self._feed(agent, rules, now_us, found)
        for item in items if self.epoch else ():
            if not item.waiting:
                continue
            taker = self._taker(item, now_us)
            if taker is not None:
                self._offer(item, taker, rules, now_us, found)
            elif item.place is Place.NOWHERE:
                self._let_wait(item, rules, now_us)

    def _arrange(self, item: Item, rules: Rules, now_us: int, found: list[Decision]) -> bool:
        """Take a case out of wherever it stands; tell whether it waits."""
        self._displace(item)
        item.waiting = item.alive and waits(item)
        if not item.waiting:
            self._cease(item)
            self.crowd.see(item, rules)
            return False
        settle_wants(item, rules, now_us)
        self.crowd.see(item, rules)
        item.work = None if item.target else self.index.work_kind(item)
        self.waiting[item.key] = item
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
            found.append(CancelHandoff(item.customer, item.case.own, handoff.own, reason))
            item.refused = f"{reason}, the handoff is being ended"
            item.retry_us = now_us + 5 * SECOND
        return True

    def _displace(self, item: Item) -> None:
        if item.place in (Place.PLAIN, Place.SPECIAL):
            self.index.take(item)
        if item.preferred:
            self.ledger.agent(item.preferred).hopes.pop(item, None)
        if item.target:
            self.ledger.agent(item.target).targeted.pop(item, None)
        item.place = Place.NOWHERE

    def _cease(self, item: Item) -> None:
        item.waiting, item.wake_us = False, 0
        if self.waiting.get(item.key) is item:
            del self.waiting[item.key]

    def _let_wait(self, item: Item, rules: Rules, now_us: int) -> None:
        """Put a case where it belongs until somebody, or time, comes for it."""
        place = place_of(item, self.ledger, now_us)
        if place in (Place.PLAIN, Place.SPECIAL):
            self.index.put(item, place)
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
        while agent.klass > 0:
            item = self.index.item_for(agent, now_us)
            if item is None:
                return
            self._offer(item, self._taker(item, now_us) or agent, rules, now_us, found)

    def _taker(self, item: Item, now_us: int) -> Agent | None:
        """Find the one who should have this case now: by name, by history, by order."""
        if item.retry_us > now_us:
            return None
        agents = self.ledger.agents
        name = item.target or item.preferred
        if name and name in agents:
            agent = agents[name]
            able = item.work is None or agent.kind in item.work.kinds
            fits = agent.klass >= item.cost and not item.bars(name, now_us)
            if able and fits:
                return agent
        if item.target or place_of(item, self.ledger, now_us) is Place.HELD:
            return None
        return self.index.agent_for(item, now_us)

    def _offer(
        self, item: Item, agent: Agent, rules: Rules, now_us: int, found: list[Decision]
    ) -> None:
        self.decisions += 1
        own = Own(derive("offer", self.epoch, self.decisions))
        scene = Scene(self.ledger, self.index, rules, self.epoch)
        why = trace(scene, item, agent, now_us, own)
        self._displace(item)
        self._cease(item)
        expires_us = now_us + rules.queue(item.wants.queue).offer_us
        case = item.case
        if case.handoff is not None:
            expires_us = min(expires_us, micros(case.handoff.expires_at))
        elif case.lapse is not None:
            expires_us = min(expires_us, micros(case.lapse.until_at))
        live = self.ledger.reserve(item, agent, own, expires_us, why)
        self.timers.set(expires_us, Alarm.OFFER, live, own)
        self.index.refresh(agent, now_us)
        self.ledger.dirty_agents.pop(agent.name, None)
        found.append(
            MakeOffer(
                customer=item.customer,
                case=item.case.own,
                case_epoch=item.case.epoch,
                agent=agent.name,
                offer=own,
                expires_at=instant(expires_us),
                handoff=handoff_own(item.case),
                trace=why,
            )
        )
