"""Carries what somebody asks to the engine that leads, and says what the log says of it.

Whoever leads, the offer's id follows from the operation: so the log is looked at before each try
and after it. What may have happened is never told as refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from toldonce.kernel.errors import Refusal, Rejected, Unavailable
from toldonce.kernel.ids import customer_of, own_of
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.handler.declaring import Declaring
from toldonce.routing.handler.executor import DOUBT_S
from toldonce.routing.handler.past import Granted, Past
from toldonce.runtime.clock import Clock

ASK_S = 4.0  # less than a caller waits for an answer
PAUSE_S = 0.1
TRIES_MAX = 3
_GONE = frozenset({"NOT_WAITING", "OFFERED"})

type AskEngine = Callable[[OfferAsked], Awaitable[None]]
"""Ask the engine that leads, until the case is on offer as asked.

Raises a Refusal, of which Unavailable says nothing of what became of it.
"""

type Choose = Callable[[], Awaitable[str]]
"""Say which case (52 characters) is next; raises a Refusal, and changes nothing."""


class Steering:
    """Asks for offers until it is known what became of them."""

    def __init__(self, past: Past, declaring: Declaring, clock: Clock) -> None:
        """Look at `past`; note choices by `declaring`."""
        self._past = past
        self._declaring = declaring
        self._clock = clock

    async def offer(
        self, tenant: str, ask: OfferAsked, operation: str, engine: AskEngine
    ) -> Granted:
        """Have an offer made, once for an operation; raises a Refusal.

        Unavailable names the operation: perhaps it was done, and the same again tells. After a try
        without an answer, a refusal counts once whatever that try sent is too old for ownership.
        """
        until_s = self._clock.monotonic() + ASK_S
        sure_s = 0.0
        refused: Refusal | None = None
        while self._clock.monotonic() < until_s:
            done = await self._past.offered(tenant, ask.customer, ask.case, ask.offer)
            if done is not None:
                return done
            if refused is not None and self._clock.monotonic() >= sure_s:
                raise refused
            try:
                await engine(ask)
                refused = None
            except Unavailable:
                sure_s = self._clock.monotonic() + DOUBT_S
                await asyncio.sleep(PAUSE_S)
            except Refusal as no:
                refused = no
                await asyncio.sleep(PAUSE_S if sure_s else 0)
        raise Unavailable(
            "nobody knows yet whether it was done: ask again with the same operation id",
            operation_id=operation,
        )

    async def next(
        self, tenant: str, ask: OfferAsked, operation: str, choose: Choose, engine: AskEngine
    ) -> Granted:
        """Have the case that `choose` names offered, once for an operation; raises a Refusal.

        A choice is noted before it is asked for, so that the same again asks for the same. What is
        gone by then is chosen anew.
        """
        noted = await self._declaring.picked(tenant, ask.agent, operation)
        gone, tries = "", 0
        while True:
            if not noted or noted == gone:
                chosen = await choose()
                noted = await self._declaring.pick(
                    tenant, ask.agent, operation, chosen, instead_of=gone
                )
            tries += 1
            certain = replace(ask, customer=customer_of(noted), case=own_of(noted))
            try:
                return await self.offer(tenant, certain, operation, engine)
            except Rejected as no:
                if no.reason not in _GONE or tries >= TRIES_MAX:
                    raise
                gone = noted
