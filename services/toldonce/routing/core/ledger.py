"""The one ledger: who holds which units for which case, and what was touched since the last look.

Owned, wrapping and offered work is debited alike, whoever made the offer. An offer decided here
holds its units from the decision until the log, or a refusal, says that it is over.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.instants import EPOCH, instant, micros
from toldonce.kernel.story.types import Case
from toldonce.routing.core.outcomes import Outcomes
from toldonce.routing.core.rules import Rules, tie
from toldonce.routing.core.state import NO_OFFERS, Agent, Item, Live
from toldonce.routing.core.tallies import Paces, Tallies
from toldonce.routing.core.types import DecisionTrace

type Debit = tuple[str, int, int]


class Ledger:
    """Agents, cases and offers, with the units they hold."""

    def __init__(self, seed: str) -> None:
        """`seed` decides between agents who are equal in everything."""
        self.seed = seed
        self.epoch = 0  # under which this engine leads; 0 while it follows
        self.rules: Rules | None = None
        self.agents: dict[str, Agent] = {}
        self.stories: dict[str, tuple[int, tuple[Item, ...]]] = {}
        self.tallies = Tallies()
        self.paces = Paces()
        self.outcomes = Outcomes(seed)
        self.dirty_agents: dict[str, Agent] = {}
        self.dirty_items: dict[Item, None] = {}
        self.rounds: dict[Item, None] = {}  # cases that several are asked to take
        self._now, self._now_us = EPOCH, 0

    def look_up(self, now: datetime, now_us: int) -> None:
        """Take over what time it is, in both ways of saying it."""
        if now.tzinfo is UTC:
            self._now, self._now_us = now, now_us

    def instant(self, at_us: int) -> datetime:
        """Say which instant that is: at no cost when it is now."""
        return self._now if at_us == self._now_us else instant(at_us)

    def agent(self, name: str) -> Agent:
        """Return what is known of an agent, which may be nothing yet."""
        found = self.agents.get(name)
        if found is None:
            found = self.agents[name] = Agent(name, tie(self.seed, name))
            found.follow(None if self.rules is None else self.rules.agent(name))
        return found

    def item(self, customer: str, own: str) -> Item | None:
        """Return what is known of a case."""
        for item in self.stories.get(customer, (0, ()))[1]:
            if item.own == own:
                return item
        return None

    def items(self) -> Iterator[Item]:
        """Give every case."""
        for _, items in self.stories.values():
            yield from items

    def touch(self, agent: Agent) -> None:
        """Have an agent looked at again."""
        self.dirty_agents[agent.name] = agent

    def stir(self, item: Item) -> None:
        """Have a case looked at again."""
        self.dirty_items[item] = None

    def charge(self, item: Item) -> None:
        """Debit what the case holds now, and credit what it held before."""
        debits: tuple[Debit, ...] = ()
        if item.alive and item.case.owner:
            debits = ((item.case.owner, item.cost, item.soft),)
        if item.offers:
            debits += tuple(
                [(live.agent, item.cost, item.soft) for live in item.offers.values() if live.live]
            )
        if debits == item.debits:
            return
        agents, dirty = self.agents, self.dirty_agents
        for name, units, soft in item.debits:
            agent = dirty[name] = agents[name]
            agent.used -= units
            agent.soft -= soft
        for name, units, soft in debits:
            agent = dirty[name] = agents.get(name) or self.agent(name)
            agent.used += units
            agent.soft += soft
        item.debits = debits
        if debits:
            self._serve(item)
        elif item.held is not None:
            item.held.serving -= 1
            item.held = None

    def _serve(self, item: Item) -> None:
        if item.held is None:
            item.held = self.tallies.of(item.wants.queue or item.case.queue)
            item.held.serving += 1

    def price(self, item: Item) -> None:
        """Say what units the case takes by the configuration in force."""
        if self.rules is not None:
            item.cost, item.soft = self.rules.price(item.case.channel)

    def own(self, item: Item, before: str, at_us: int) -> None:
        """Note a change of owner: work was accepted by one and ended for the other."""
        owner = item.case.owner if item.alive else ""
        if owner == before:
            return
        item.lost_us = 0
        if before:
            agent = self.agent(before)
            agent.owned.pop(item, None)
            agent.worked_us = max(agent.worked_us, at_us)
            self.touch(agent)
        if owner:
            agent = self.agent(owner)
            agent.owned[item] = None
            owned_at = item.case.owned_at
            agent.worked_us = max(agent.worked_us, at_us if owned_at is None else micros(owned_at))
            self.touch(agent)

    def reserve(
        self, item: Item, agent: Agent, own: Own, expires_us: int, trace: DecisionTrace
    ) -> Live:
        """Hold an agent's units for an offer that was just decided."""
        live = Live(own, item, agent.name, expires_us, trace)
        if item.offers:
            self._join(live)
        else:
            item.offers = {own: live}
        agent.offers[own] = live
        item.debits = (*item.debits, (agent.name, item.cost, item.soft))
        agent.used += item.cost
        agent.soft += item.soft
        self._serve(item)
        return live

    def see_offers(self, item: Item, case: Case) -> list[Live]:
        """Take over what the log shows of a case's offers; return those it showed first."""
        shown = {offer.own: offer for offer in case.offers}
        for live in list(item.offers.values()):
            if live.own in shown:
                live.confirmed = True
            elif live.confirmed or live.case_epoch != case.epoch:
                self.end(live)
        new: list[Live] = []
        for own, offer in shown.items():
            if own in item.offers:
                continue
            live = Live(own, item, offer.agent, micros(offer.expires_at), None)
            live.foreign = 0 < offer.engine_epoch < self.epoch
            if item.offers:
                self._join(live)
            else:
                item.offers = {own: live}
            self.agent(offer.agent).offers[own] = live
            new.append(live)
        return new

    def _join(self, live: Live) -> None:
        """Put an offer beside those that stand."""
        item = live.item
        item.offers = {**item.offers, live.own: live}
        self.rounds[item] = None

    def end(self, live: Live) -> None:
        """Let go of an offer; its units are free once the case is charged again."""
        live.live = False
        item = live.item
        if len(item.offers) <= 1:
            item.offers = NO_OFFERS
        else:
            item.offers = {own: one for own, one in item.offers.items() if one is not live}
            if len(item.offers) == 1:
                self.rounds.pop(item, None)
        self.agent(live.agent).offers.pop(live.own, None)


def mark_extra(agent: Agent) -> None:
    """Mark the last of the offers that an engine before made beyond what an agent can hold.

    Two engines, each within bounds, can do that at a failover: an append may hang on its way.
    """
    lost = [live.item for live in agent.offers.values() if live.lost]
    over = -agent.free - agent.soft - sum(item.cost - item.soft for item in lost)
    for live in reversed(agent.offers.values()):
        hard = live.item.cost - live.item.soft
        live.extra = live.foreign and not live.forced and over > 0 and hard > 0
        over -= hard if live.extra else 0
