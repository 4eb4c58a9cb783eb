"""Asks of people under way in one engine: each waits until the log, or the engine, answers it.

That it was done is said only when the log shows the offer; that it was not, only when the engine
or ownership has refused it. Anything else is nobody's knowledge: the asker asks the same again.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from toldonce.kernel.errors import Missing, Refusal, Rejected, Unavailable
from toldonce.kernel.ids import Own, whole
from toldonce.routing.core.acts import Act, AnswerAsk, Decision, MakeOffer
from toldonce.routing.core.asking import NOT_LEADING
from toldonce.routing.core.facts import Fact, OfferAsked, OfferFailed, StoryChanged
from toldonce.routing.core.types import ENDED
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import OVERDRAFTS

ASKS_MAX = 256
AGAIN_S = 0.2
_UNKNOWN = frozenset({ENDED, NOT_LEADING})


@dataclass(slots=True)
class _Waiting:
    """How many wait for one offer."""

    done: asyncio.Future[AnswerAsk]
    askers: int = 0


class Asking:
    """The asks of one engine that somebody waits for."""

    def __init__(self, tenant: str, meter: Meter) -> None:
        """Nobody has asked yet; overdrafts of `tenant` are counted in `meter`."""
        self._tenant = tenant
        self._meter = meter
        self._waiting: dict[Own, _Waiting] = {}
        self._overdrafts: set[Own] = set()  # decided, and not seen in the log yet

    async def wait(self, ask: OfferAsked, within_s: float) -> str:
        """Wait until an ask is granted, and give the case (52 characters); raises a Refusal."""
        known = self._waiting.get(ask.offer)
        if known is None:
            if len(self._waiting) >= ASKS_MAX:
                raise Unavailable("too many ask for work at once", retry_s=AGAIN_S)
            known = self._waiting[ask.offer] = _Waiting(asyncio.Future())
        known.askers += 1
        try:
            async with asyncio.timeout(within_s):
                answer = await asyncio.shield(known.done)
        except TimeoutError:
            raise Unavailable(
                "it is not decided yet: ask the same again", retry_s=AGAIN_S
            ) from None
        finally:
            known.askers -= 1
            if not known.askers and self._waiting.get(ask.offer) is known:
                del self._waiting[ask.offer]
        if answer.reason:
            raise _refusal(answer.reason, answer.sentence)
        return whole(answer.customer, answer.case)

    def heard(self, facts: Iterable[Fact]) -> None:
        """See what became of the offers: the log shows one, or it certainly is not there."""
        if not self._waiting and not self._overdrafts:
            return
        for fact in facts:
            match fact:
                case StoryChanged(customer, _, _, cases):
                    for case in cases:
                        for offer in case.offers:
                            self._end(AnswerAsk(offer.own, customer, case.own, "", ""))
                            if offer.own in self._overdrafts:
                                self._overdrafts.discard(offer.own)
                                self._meter.add(OVERDRAFTS, self._tenant)
                case OfferFailed(customer, case_own, own, reason):
                    sentence = f"ownership refused the offer: {reason}"
                    self._end(AnswerAsk(Own(own), customer, case_own, reason, sentence))
                    self._overdrafts.discard(Own(own))
                case _:
                    pass

    def decided(self, decisions: Iterable[Decision]) -> tuple[Act, ...]:
        """Take the engine's answers out of what it decided; the rest is to be carried out."""
        acts: list[Act] = []
        for decision in decisions:
            match decision:
                case AnswerAsk():
                    self._end(decision)
                case MakeOffer(offer=own, overdraft=overdraft) if overdraft:
                    self._overdrafts.add(own)
                    acts.append(decision)
                case _:
                    acts.append(decision)
        return tuple(acts)

    def _end(self, answer: AnswerAsk) -> None:
        waiting = self._waiting.get(answer.offer)
        if waiting is not None and not waiting.done.done():
            waiting.done.set_result(answer)


def _refusal(reason: str, sentence: str) -> Refusal:
    if reason == "MISSING":
        return Missing("agent", sentence)
    if reason == Missing.__name__:
        return Rejected("NOT_WAITING", "the case is over")
    if reason in _UNKNOWN or not reason.isupper():
        return Unavailable("nobody knows yet whether it was done: ask again", retry_s=AGAIN_S)
    return Rejected(reason, sentence)
