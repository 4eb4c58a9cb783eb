"""What the history of a story says of decisions and contacts that the engine no longer knows.

All of it raises Missing, Unavailable, or Rejected QUARANTINED when a story cannot be read.
"""

from dataclasses import dataclass

from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import customer_of, own_of
from toldonce.kernel.story.events import ContactReceived, Offered
from toldonce.kernel.story.types import Case
from toldonce.runtime.history import history_of
from toldonce.runtime.log import Log

TRACES_MAX = 16


@dataclass(frozen=True, slots=True)
class Granted:
    """A case that was put on offer as asked, as it stood at log position `sequence`."""

    customer: str
    case: Case
    sequence: int


class Past:
    """Reads stories of the log."""

    def __init__(self, log: Log) -> None:
        """Read `log`."""
        self._log = log

    async def traces(self, tenant: str, case_id: str) -> list[bytes]:
        """Give the encoded traces of a case's offers, newest first, at most TRACES_MAX.

        Missing: the story never heard of the case.
        """
        own, known = own_of(case_id), False
        found: list[bytes] = []
        for logged in await history_of(self._log, tenant, customer_of(case_id)):
            for event in logged.record.events:
                known = known or getattr(event, "case", "") == own
                if isinstance(event, Offered) and event.case == own:
                    found.append(event.trace)
        if not known:
            raise Missing("case", "there is no case of this id")
        return found[::-1][:TRACES_MAX]

    async def trace(self, tenant: str, offer_id: str) -> bytes:
        """Give the encoded trace of an offer."""
        own = own_of(offer_id)
        for logged in await history_of(self._log, tenant, customer_of(offer_id)):
            for event in logged.record.events:
                if isinstance(event, Offered) and event.offer == own:
                    return event.trace
        raise Missing("offer", "there is no offer of this id")

    async def offered(self, tenant: str, customer: str, own: str, offer: str) -> Granted | None:
        """Give a case as it stands if it was ever put on offer under this own id; None if not.

        Missing: the story never heard of the case.
        """
        known = False
        found: Granted | None = None
        for logged in await history_of(self._log, tenant, customer):
            record = logged.record
            known = known or record.head.case(own) is not None
            made = [
                event.case
                for event in record.events
                if isinstance(event, Offered) and event.offer == offer
            ]
            if not made and (found is None or record.customer != found.customer):
                continue
            case = record.head.case(made[0] if found is None else found.case.own)
            if case is not None:
                found = Granted(record.customer, case, logged.sequence)
        if not known:
            raise Missing("case", "there is no case of this id")
        return found

    async def case_of(self, tenant: str, contact_id: str) -> str:
        """Give the own part of the case a contact went to."""
        own = own_of(contact_id)
        for logged in await history_of(self._log, tenant, customer_of(contact_id)):
            for event in logged.record.events:
                if isinstance(event, ContactReceived) and event.contact == own:
                    return event.case
        raise Missing("contact", "there is no contact of this id")
