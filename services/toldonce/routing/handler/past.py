"""What the history of a story says of decisions and contacts that the engine no longer knows."""

from collections.abc import AsyncIterator

from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import customer_of, own_of
from toldonce.kernel.story.events import ContactReceived, Offered
from toldonce.kernel.story.record import Logged
from toldonce.runtime import names
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_logged
from toldonce.runtime.log import Log

TRACES_MAX = 16


class Past:
    """Reads stories of the log."""

    def __init__(self, log: Log) -> None:
        """Read `log`."""
        self._log = log

    async def traces(self, tenant: str, case_id: str) -> list[bytes]:
        """Give the encoded traces of a case's offers, newest first, at most TRACES_MAX.

        Raises Missing when the story never heard of the case, Unavailable.
        """
        own, known = own_of(case_id), False
        found: list[bytes] = []
        async for logged in self._history(tenant, customer_of(case_id)):
            for event in logged.record.events:
                known = known or getattr(event, "case", "") == own
                if isinstance(event, Offered) and event.case == own:
                    found.append(event.trace)
        if not known:
            raise Missing("case", "there is no case of this id")
        return found[::-1][:TRACES_MAX]

    async def trace(self, tenant: str, offer_id: str) -> bytes:
        """Give the encoded trace of an offer; raises Missing and Unavailable."""
        own = own_of(offer_id)
        async for logged in self._history(tenant, customer_of(offer_id)):
            for event in logged.record.events:
                if isinstance(event, Offered) and event.offer == own:
                    return event.trace
        raise Missing("offer", "there is no offer of this id")

    async def case_of(self, tenant: str, contact_id: str) -> str:
        """Give the own part of the case a contact went to; raises Missing and Unavailable."""
        own = own_of(contact_id)
        async for logged in self._history(tenant, customer_of(contact_id)):
            for event in logged.record.events:
                if isinstance(event, ContactReceived) and event.contact == own:
                    return event.case
        raise Missing("contact", "there is no contact of this id")

    async def _history(self, tenant: str, customer: str) -> AsyncIterator[Logged]:
        for stored in await self._log.read(names.story(tenant, customer)):
            try:
                yield decode_logged(stored.payload, stored.sequence)
            except (UnknownFact, Garbled):
                continue
