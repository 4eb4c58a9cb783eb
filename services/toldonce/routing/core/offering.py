"""Offers: the units are held, the alarm is set, and it says why.

Whatever leads to an offer, it is made here, so that the one ledger knows of it.
"""

from typing import Final, NamedTuple

from toldonce.kernel.ids import Own
from toldonce.kernel.instants import micros
from toldonce.routing.core.acts import Decision, MakeOffer
from toldonce.routing.core.batching import Solver
from toldonce.routing.core.explain import REASON_MAX, UNTOLD, Scene, brief, trace
from toldonce.routing.core.index import Index
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.preferring import decided
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.series import Series
from toldonce.routing.core.standing import Crowd
from toldonce.routing.core.state import NOWHERE, PLAIN, SPECIAL, Agent, Item
from toldonce.routing.core.timers import Alarm, Timers
from toldonce.routing.core.types import Arm, DecisionTrace

ALL_TRACED: Final = 1 << 62
TRACED_MAX: Final = 64  # agents of a desk whose offers carry a whole trace


class Claim(NamedTuple):
    """An offer that somebody asked for: its id, what to say of it, and what it overdraws."""

    offer: Own
    reason: str
    forced: bool
    overdraft: int


class Offers:
    """What waits and is offered. `epoch` 0 decides nothing."""

    def __init__(
        self,
        ledger: Ledger,
        index: Index,
        timers: Timers,
        traced_max: int = TRACED_MAX,
        solve: Solver | None = None,
    ) -> None:
        """Work on these; `solve` (see `batching`) finds the best of small batches.

        Desks of more than `traced_max` agents get the reason of an offer only; below 0 nobody does.
        """
        self.ledger = ledger
        self.index = index
        self.timers = timers
        self.waiting: dict[Item, None] = {}
        self.crowd = Crowd()
        self.epoch = 0
        self.decisions = 0
        self.begun: list[tuple[Item, int]] = []  # rounds, with the place of their first offer
        self.apart_us = 0  # when a pair that is left apart will be worth enough; 0: none is
        self.traced_max, self.solve = traced_max, solve
        self._led = 0
        self._series = Series("offer")
        self._scene: Scene | None = None

    def offer(
        self,
        item: Item,
        agent: Agent,
        rules: Rules,
        now_us: int,
        found: list[Decision],
        *,
        claim: Claim | None = None,
        batch: int = 0,
    ) -> None:
        """Offer a case that was arranged; `claim` when somebody asked for it.

        `batch` is how many pairs were found together.
        """
        self.decisions += 1
        own = self._next_own() if claim is None else claim.offer
        if rules.learning and not item.offers:  # a round has the part of its first offer
            self._draw(item, agent, rules, now_us, asked=claim is not None)
        why = self._why(item, agent, rules, now_us, own)
        if claim is not None:
            why = why._replace(reason=claim.reason[:REASON_MAX])
        elif batch > 1:
            why = why._replace(reason=f"best of all ways to match {batch} cases at once")
        self._displace(item)
        self._cease(item)
        case, queue = item.case, rules.queue(item.wants.queue)
        expires_us, handoff = now_us + queue.offer_us, case.handoff
        until_at = case.lapse.until_at if case.lapse is not None else None
        until_at = until_at if handoff is None else handoff.expires_at
        if until_at is not None and micros(until_at) < expires_us:
            expires_us, expires_at = micros(until_at), until_at
        else:
            expires_at = self.ledger.instant(now_us) + queue.offer_s
        live = self.ledger.reserve(item, agent, own, expires_us, why)
        live.forced = claim is not None and claim.forced
        self.timers.set(expires_us, Alarm.OFFER, live, own)
        self.index.refresh(agent, now_us)
        self.ledger.dirty_agents.pop(agent.name, None)
        if queue.round > 1 and claim is None and not item.is_for(agent.name, now_us):
            self.begun.append((item, len(found)))
        found.append(
            MakeOffer._make(  # at half the cost of naming the fields
                (
                    item.customer,
                    item.own,
                    case.epoch,
                    agent.name,
                    own,
                    expires_at,
                    Own("") if handoff is None else handoff.own,
                    why,
                    0 if claim is None else claim.overdraft,
                    live.forced,
                    1,
                )
            )
        )

    def _why(self, item: Item, agent: Agent, rules: Rules, now_us: int, own: Own) -> DecisionTrace:
        """Say why this agent, and, of a small desk, why not each other one."""
        scene = self._scene
        if scene is None or scene.rules is not rules or scene.engine_epoch != self.epoch:
            scene = self._scene = Scene(self.ledger, self.index, rules, self.epoch)
        if rules.known <= self.traced_max:
            self.index.refresh(agent, now_us)
            return trace(scene, item, agent, now_us, own)
        return UNTOLD if self.traced_max < 0 else brief(scene, item, agent, now_us, own)

    def _draw(self, item: Item, agent: Agent, rules: Rules, now_us: int, *, asked: bool) -> None:
        """Note of an offer which part success had in it; none where somebody asked for it."""
        outcomes, item.drawn = self.ledger.outcomes, None
        if not asked:
            item.drawn = decided(item, agent, rules, outcomes.successes, now_us)
        if item.drawn is not None and item.drawn.arm is Arm.SHADOW:
            policy = rules.queue(item.wants.queue).policy
            outcomes.effects.shadow(policy, otherwise=bool(item.drawn.would))

    def _next_own(self) -> Own:
        """Name the next offer: one series an epoch, as unlike others as hashes are."""
        if self._led != self.epoch:
            self._led, self._series = self.epoch, Series("offer", self.ledger.seed, self.epoch)
        return self._series.nth(self.decisions)

    def _displace(self, item: Item) -> None:
        if item.place is PLAIN or item.place is SPECIAL:
            self.index.take(item)
        if item.preferred:
            self.ledger.agent(item.preferred).hopes.pop(item, None)
        if item.target:
            self.ledger.agent(item.target).targeted.pop(item, None)
        item.place = NOWHERE

    def _cease(self, item: Item) -> None:
        if item in self.waiting:
            del self.waiting[item]
        item.waiting, item.wake_us = False, 0
