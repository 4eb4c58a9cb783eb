"""From a story to the messages that callers see."""

from collections.abc import Iterable

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.ids import whole
from toldonce.kernel.story.events import ContactReceived
from toldonce.kernel.story.types import Case, CaseState
from toldonce.ownership.handler import Received
from toldonce.runtime.case_views import case_view, stamp


def listed(
    rows: Iterable[tuple[str, Case, int]],
    request: ownership_pb2.ListCasesRequest,
    next_page_token: str = "",
) -> ownership_pb2.ListCasesResponse:
    """Show a page of cases that are in the states asked for; unset: any that is not closed."""
    states = {request.state} if request.state else set(CaseState) - {CaseState.CLOSED}
    return ownership_pb2.ListCasesResponse(
        cases=[
            case_view(customer, case, sequence)
            for customer, case, sequence in rows
            if case.state in states and request.work_state in {0, case.work}
        ],
        next_page_token=next_page_token,
    )


def acknowledgement(received: Received) -> types_pb2.FixedAcknowledgement:
    """Repeat exactly what the channel was told at once: it stands in the first append."""
    event, customer = received.event, received.customer
    case = next((c for c in received.logged.record.head.cases if c.own == event.case), None)
    return types_pb2.FixedAcknowledgement(
        contact_id=whole(customer, event.contact),
        case_id=whole(customer, event.case),
        customer_id=customer,
        joined=event.joined,
        new_case=not event.joined,
        queue=case.queue if case else "",
        promised_by=stamp(event.promised_at),
        text=received.words.acknowledgement if received.words else "",
        received_at=stamp(received.logged.record.at),
    )


def contact_facts(
    customer: str, event: ContactReceived, made_at_us: int
) -> internal_pb2.ContactFacts:
    """Show how a contact came in."""
    return internal_pb2.ContactFacts(
        contact_id=whole(customer, event.contact),
        gateway=event.gateway,
        channel=event.channel,
        contact_made_at_us=made_at_us,
    )
