"""The pages of a context: at most 256 KiB each, the card first, then the whole story in order."""

import base64
import re
from dataclasses import dataclass

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.card import Card, Earlier, Promise
from toldonce.kernel.context import Item
from toldonce.kernel.errors import Invalid
from toldonce.kernel.handoffs import ACCEPTED, Handed
from toldonce.kernel.ids import own_of, parse_whole, whole
from toldonce.kernel.story.events import Alias
from toldonce.ownership.handler.context import Told
from toldonce.runtime.case_views import commitment_view, stamp, target
from toldonce.runtime.mapping import at_us

PAGE_BYTES_MAX = 240 * 1024  # the rest of 256 KiB is for an item that is alone too large, framing
_FRAMING = 8
_TOKEN = re.compile(
    r"([0-9]{1,18}) ([0-9]{1,18}) ([0-9]{1,18}) ([0-7][0-9a-z]{25}) ([0-7][0-9a-z]{25})"
)
_OUTCOMES = {
    "": types_pb2.HANDOFF_OUTCOME_UNSPECIFIED,
    ACCEPTED: types_pb2.HANDOFF_OUTCOME_ACCEPTED,
    "DECLINED": types_pb2.HANDOFF_OUTCOME_DECLINED,
    "TIMED_OUT": types_pb2.HANDOFF_OUTCOME_EXPIRED,
    "REPLACED": types_pb2.HANDOFF_OUTCOME_REPLACED,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of whose context: items after `after`, up to `upto`, from place `start` on.

    `customer` is whose story the page before was of; empty on the first.
    """

    case_id: str
    customer: str = ""
    min_sequence: int = 0
    upto: int = 0
    after: int = 0
    start: int = 0


def parse_context_request(request: ownership_pb2.GetContextRequest) -> Wanted:
    """Check a request; raises Invalid."""
    parse_whole("case_id", request.case_id)
    upto, least = request.upto_sequence, request.min_sequence
    if 0 < upto < least:
        raise Invalid("min_sequence", "lies after upto_sequence")
    if not request.page_token:
        return Wanted(request.case_id, "", least, upto, request.after_sequence)
    start, until, after, customer, own = _read_token(request.page_token)
    if (after, own) != (request.after_sequence, own_of(request.case_id)) or 0 < upto < until:
        raise Invalid("page_token", "a token of another request")
    return Wanted(request.case_id, customer, least, until, after, start)


def context_page(
    wanted: Wanted, told: Told, view: types_pb2.CaseView
) -> ownership_pb2.GetContextResponse:
    """Fill one page from place `wanted.start` on."""
    page = ownership_pb2.GetContextResponse(
        upto_sequence=told.upto, customer_id=told.customer, case=view
    )
    if not wanted.start:
        page.card.CopyFrom(_card(told.customer, told.card))
    later = [item for item in told.items if item.sequence > wanted.after]
    begun = {str(one.begun.handoff): one for one in told.handoffs}
    size = page.ByteSize()
    for place in range(wanted.start, len(later)):
        item = timeline_item(told.customer, later[place])
        handed = begun.get(_begun(later[place]))
        record = _handoff(told.customer, handed) if handed else None
        size += item.ByteSize() + _FRAMING + (record.ByteSize() + _FRAMING if record else 0)
        if size > PAGE_BYTES_MAX and page.items:
            page.next_page_token = _token(wanted, told, place)
            break
        page.items.append(item)
        if record is not None:
            page.handoffs.append(record)
    return page


def _token(wanted: Wanted, told: Told, start: int) -> str:
    own = own_of(wanted.case_id)
    words = f"{start} {told.upto} {wanted.after} {told.customer} {own}"
    return base64.urlsafe_b64encode(words.encode()).decode()


def _read_token(token: str) -> tuple[int, int, int, str, str]:
    try:
        found = _TOKEN.fullmatch(base64.urlsafe_b64decode(token).decode())
    except ValueError:
        found = None
    if found is None:
        raise Invalid("page_token", "not a token this service gave out")
    return int(found[1]), int(found[2]), int(found[3]), found[4], found[5]


def timeline_item(customer: str, item: Item) -> ownership_pb2.TimelineItem:
    """Write one item."""
    made = ownership_pb2.TimelineItem(
        sequence=item.sequence,
        index=item.index,
        event_id=item.event_id,
        type=item.type,
        case_id=whole(customer, item.case) if item.case else "",
        channel=item.channel,
        actor=item.actor,
        text=item.text,
        attributes=[
            ownership_pb2.Attribute(name=name, value=value) for name, value in item.attributes
        ],
    )
    made.at.FromDatetime(at_us(item.at_us))
    return made


def _begun(item: Item) -> str:
    return dict(item.attributes).get("handoff", "") if item.type == "handoff_begun" else ""


def _handoff(customer: str, handed: Handed) -> ownership_pb2.HandoffRecord:
    begun, said, outcome = handed.begun, handed.envelope, handed.outcome
    return ownership_pb2.HandoffRecord(
        handoff_id=whole(customer, begun.handoff),
        case_id=whole(customer, begun.case),
        sequence=handed.sequence,
        from_agent=begun.from_agent,
        target=target(begun.target_kind, begun.target),
        envelope=types_pb2.HandoffEnvelope(
            reason=said.reason,
            summary=said.summary,
            tried=said.tried,
            promised=said.promised,
            told_customer=said.told_customer,
            mood=said.mood,
        )
        if said
        else None,
        begun_at=stamp(handed.begun_at),
        outcome=_OUTCOMES.get(outcome, types_pb2.HANDOFF_OUTCOME_CANCELLED),
        warm=begun.warm,
        ended_reason="" if outcome == ACCEPTED else outcome,
        ended_at=stamp(handed.ended_at),
    )


def _card(customer: str, card: Card) -> ownership_pb2.CustomerCard:
    return ownership_pb2.CustomerCard(
        aliases=[
            types_pb2.Alias(
                kind=types_pb2.AliasKind.Value(f"ALIAS_KIND_{one.kind}"), value=one.value
            )
            for one in card.aliases
        ],
        name=card.name,
        language=card.language,
        preferred_channel=card.preferred_channel,
        preferred_agent=card.preferred_agent,
        earlier_cases=[_earlier(customer, one) for one in card.earlier],
        bad_experiences=card.bad_experiences,
        commitments=[_promise(customer, one) for one in card.promises],
        incident=card.incident,
        contacts_total=card.contacts_total,
        handoffs_total=card.handoffs_total,
        forgotten=card.forgotten,
    )


def _alias(alias: Alias) -> types_pb2.Alias:
    known = types_pb2.AliasKind.DESCRIPTOR.values_by_name.get(f"ALIAS_KIND_{alias.kind}")
    number = types_pb2.ALIAS_KIND_OTHER if known is None else known.number
    return types_pb2.Alias(kind=types_pb2.AliasKind.ValueType(number), value=alias.value)


def _earlier(customer: str, one: Earlier) -> ownership_pb2.EarlierCase:
    return ownership_pb2.EarlierCase(
        case_id=whole(customer, one.case),
        topic=one.topic,
        channel=one.channel,
        queue=one.queue,
        agent=one.agent,
        disposition=one.disposition,
        opened_at=stamp(one.opened_at),
        ended_at=stamp(one.ended_at),
    )


def _promise(customer: str, one: Promise) -> ownership_pb2.CommitmentRecord:
    return ownership_pb2.CommitmentRecord(
        commitment=commitment_view(customer, one.commitment), text=one.text
    )
