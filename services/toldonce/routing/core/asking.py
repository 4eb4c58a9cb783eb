"""Asks: somebody wants a certain case offered to a certain agent now.

A pick passes the gates that any offer passes; only its turn is not waited for, and who picks for
themselves takes back their own word: that nothing be routed to them, that they had declined.
Whoever forces passes over what is policy (whose turn it is, cool-downs, who is preferred), and over
the gates they name. Either way it ends in an offer, or in an answer that names what is in the way.
"""

from heapq import heapify, heappop
from typing import Final

from toldonce.kernel.errors import Missing, Rejected
from toldonce.kernel.ids import Own
from toldonce.kernel.instants import SECOND, wall
from toldonce.routing.core.acts import AnswerAsk, Decision, RevokeOffer
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.core.gates import gates_failed, keeper_of, not_yet
from toldonce.routing.core.keeping import AGAIN_US
from toldonce.routing.core.lacks import Finding
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.matching import Matcher
from toldonce.routing.core.offering import Claim
from toldonce.routing.core.placing import taken_from, waits
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item
from toldonce.routing.core.types import Availability, Gate

FORCED: Final = "FORCED"
NOT_LEADING: Final = "NOT_LEADING"
OVERRIDABLE: Final = frozenset(
    {Gate.PRESENCE, Gate.AVAILABILITY, Gate.CAPACITY, Gate.QUEUE, Gate.SKILL, Gate.LANGUAGE}
)
_POLICY: Final = frozenset({Gate.COOL_DOWN, Gate.OWNER_PREFERRED})
_NONE: Final[frozenset[Gate]] = frozenset()
_OWN_COOL_DOWN: Final = frozenset({Gate.COOL_DOWN})
_PATIENCE_US: Final = 3 * SECOND  # while another's offer is being taken back
_LOOKS_MAX: Final = 256


class Asks:
    """The asks that are not answered yet."""

    def __init__(self, ledger: Ledger, matcher: Matcher) -> None:
        """Look at `ledger`, and have `matcher` make the offers."""
        self._ledger = ledger
        self._matcher = matcher
        self.open: dict[Own, tuple[OfferAsked, int]] = {}

    def take(self, ask: OfferAsked, now_us: int) -> None:
        """Take in an ask; the same again changes nothing."""
        self.open.setdefault(ask.offer, (ask, now_us + _PATIENCE_US))

    def settle(self, rules: Rules, now_us: int, found: list[Decision]) -> None:
        """Answer every ask, but those for which another's offer is being taken back."""
        for own, (ask, until_us) in list(self.open.items()):
            if self._settled(ask, until_us, rules, now_us, found):
                del self.open[own]

    def _settled(
        self, ask: OfferAsked, until_us: int, rules: Rules, now_us: int, found: list[Decision]
    ) -> bool:
        agent = self._ledger.agents.get(ask.agent)
        if not self._matcher.epoch:
            return _no(found, ask, NOT_LEADING, "no engine leads here: ask again")
        if agent is None or agent.rule is None:
            return _no(found, ask, "MISSING", "no agent of this name is configured")
        live = agent.offers.get(ask.offer)
        if live is not None:  # asked before; one that the log does not show yet ends by itself
            if live.confirmed:
                found.append(AnswerAsk(ask.offer, live.item.customer, live.item.own, "", ""))
            return True
        item = self._ledger.item(ask.customer, ask.case)
        if item is None or not item.alive:
            return _no(found, ask, "NOT_WAITING", "no case of this id is open here")
        if item.offers:
            return self._offered(ask, item, until_us, now_us, found)
        if later := not_yet(item):
            return _no(found, ask, "BARRED", _said((Gate.NOT_YET, later)))
        if not waits(item):
            owner = item.case.owner
            sentence = f"{owner} owns it, and hands it to nobody" if owner else "it is over"
            return _no(found, ask, "NOT_WAITING", sentence)
        self._grant(ask, item, rules, now_us, found)
        return True

    def _offered(
        self, ask: OfferAsked, item: Item, until_us: int, now_us: int, found: list[Decision]
    ) -> bool:
        """Have the offer to somebody else taken back for one who forces, or say who has it."""
        theirs = [live for live in item.offers.values() if live.agent == ask.agent]
        (first, *_) = theirs or item.offers.values()
        sentence = f"it is on offer to {first.agent} until {wall(first.expires_us)}"
        if not ask.forced or first.agent == ask.agent or now_us >= until_us:
            return _no(found, ask, "OFFERED", sentence)
        for live in item.offers.values():
            if now_us >= live.asked_us + AGAIN_US:
                live.asked_us = now_us
                found.append(
                    RevokeOffer(item.customer, item.case.own, live.own, live.agent, FORCED)
                )
        return False

    def _grant(
        self, ask: OfferAsked, item: Item, rules: Rules, now_us: int, found: list[Decision]
    ) -> None:
        """Offer a case that waits, or say which gate is in the way."""
        ledger, matcher = self._ledger, self._matcher
        agent = ledger.agents[ask.agent]
        matcher.arrange(item, rules, now_us, found)
        keeper = keeper_of(item, ledger.agents, now_us)
        failed = list(gates_failed(agent, item, now_us, keeper=keeper))
        passed = _passed(ask, agent, item, now_us)
        bar = next((one for one in failed if one[0] not in passed), None)
        if bar is not None:
            ledger.stir(item)
            _no(found, ask, "BARRED", _said(bar))
            return
        claim = Claim(
            offer=ask.offer,
            reason=_why(ask, failed),
            forced=bool(ask.forced),
            overdraft=max(0, item.cost - agent.room(item)),
        )
        matcher.offer(item, agent, rules, now_us, found, claim=claim)
        ledger.touch(agent)  # there may be room for more

    def next_of(self, queue: str, name: str, by: str, now_us: int) -> Item:
        """Find the first case of a queue that `by` may pick for this agent; promises nothing.

        Raises Missing for an agent that nobody configured, Rejected NOT_WAITING, or BARRED with the
        gate in the way of the very first.
        """
        agents, first = self._ledger.agents, None
        agent = agents.get(name)
        if agent is None or agent.rule is None:
            raise Missing("agent", "no agent of this name is configured")
        line = [
            (item.rank_at(now_us), item)
            for item in self._matcher.waiting
            if item.wants.queue == queue
        ]
        heapify(line)
        for _ in range(min(len(line), _LOOKS_MAX)):
            item = heappop(line)[1]
            passed = _own_word(agent, item, now_us) if by == name else _NONE
            failed = gates_failed(agent, item, now_us, keeper=keeper_of(item, agents, now_us))
            bar = next((one for one in failed if one[0] not in passed), None)
            if bar is None:
                return item
            first = first or bar
        if first is not None:
            raise Rejected("BARRED", f"of the oldest, {_said(first)}")
        raise Rejected("NOT_WAITING", f"nothing waits in {queue}")


def _passed(ask: OfferAsked, agent: Agent, item: Item, now_us: int) -> frozenset[Gate]:
    """Name the gates that do not count for an ask."""
    if ask.forced:
        return (ask.override & OVERRIDABLE) | _POLICY
    return _own_word(agent, item, now_us) if ask.by == ask.agent else _NONE


def _own_word(agent: Agent, item: Item, now_us: int) -> frozenset[Gate]:
    """Name the gates that stand by nothing but this agent's own word."""
    taken = taken_from(item.case) and item.case.last_owner == agent.name
    passed: frozenset[Gate] = _NONE if taken or item.retry_us > now_us else _OWN_COOL_DOWN
    here = agent.off_us is None and not agent.drained_us
    if here and agent.availability is Availability.DO_NOT_ROUTE:
        passed |= {Gate.AVAILABILITY}
    return passed


def _no(found: list[Decision], ask: OfferAsked, reason: str, sentence: str) -> bool:
    found.append(AnswerAsk(ask.offer, ask.customer, ask.case, reason, sentence))
    return True


def _said(bar: Finding) -> str:
    return f"{bar[0].name}: {bar[1]}"


def _why(ask: OfferAsked, failed: list[Finding]) -> str:
    """Say of an offer that was asked for who did, why, and what it passes over."""
    over = "; ".join(_said(one) for one in failed)
    although = f", although {over}" if over else ""
    if ask.forced:
        return f"forced by {ask.by} ({ask.forced}){although}"
    whose = "" if ask.by == ask.agent else f" for {ask.agent}"
    return f"{ask.by} asked for it{whose}{although}"
