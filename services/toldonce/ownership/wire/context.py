"""The pages of a context: at most 240 KiB each, the whole story in order."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.context import Item
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import customer_of, parse_whole, whole
from toldonce.runtime.mapping import at_us

PAGE_BYTES_MAX = 240 * 1024
_TOKEN = re.compile(r"([0-9]{1,18}) ([0-9]{1,18})")
_ENVELOPE = "envelope_"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of whose context: items after `after`, up to `upto`, from place `start` on."""

    case_id: str
    customer: str
    min_sequence: int
    upto: int
    after: int
    start: int


def parse_context_request(request: ownership_pb2.GetContextRequest) -> Wanted:
    """Check a request; raises Invalid."""
    parse_whole("case_id", request.case_id)
    start, upto = 0, request.upto_sequence
    if request.page_token:
        start, upto = _read_token(request.page_token)
    return Wanted(
        request.case_id,
        customer_of(request.case_id),
        request.min_sequence,
        upto,
        request.after_sequence,
        start,
    )


def context_page(
    wanted: Wanted, customer: str, timeline: Sequence[Item], upto: int, case: types_pb2.CaseView
) -> ownership_pb2.GetContextResponse:
    """Fill one page from place `wanted.start` of the timeline."""
    page = ownership_pb2.GetContextResponse(upto_sequence=upto, customer_id=customer, case=case)
    size = page.ByteSize()
    for place in range(wanted.start, len(timeline)):
        item = timeline_item(customer, timeline[place])
        size += item.ByteSize() + 8
        if size > PAGE_BYTES_MAX and page.items:
            page.next_page_token = _token(place, upto)
            break
        page.items.append(item)
    if not page.next_page_token:
        page.handoffs.extend(_handoffs(customer, timeline))
    return page


def _token(start: int, upto: int) -> str:
    return base64.urlsafe_b64encode(f"{start} {upto}".encode()).decode()


def _read_token(token: str) -> tuple[int, int]:
    try:
        found = _TOKEN.fullmatch(base64.urlsafe_b64decode(token).decode())
    except ValueError:
        found = None
    if found is None:
        raise Invalid("page_token", "not a token this service gave out")
    return int(found[1]), int(found[2])


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


def _handoffs(customer: str, timeline: Sequence[Item]) -> list[ownership_pb2.HandoffRecord]:
    made: dict[str, ownership_pb2.HandoffRecord] = {}
    for item in timeline:
        facts = dict(item.attributes)
        own = facts.get("handoff", "")
        match item.type:
            case "handoff_begun":
                made[own] = _handoff(customer, item, facts)
            case "handoff_cancelled" if own in made:
                made[own].outcome = _OUTCOMES.get(
                    facts.get("reason", ""), types_pb2.HANDOFF_OUTCOME_CANCELLED
                )
            case "offer_accepted" if own in made:
                made[own].outcome = types_pb2.HANDOFF_OUTCOME_ACCEPTED
            case _:
                pass
    return list(made.values())


_OUTCOMES = {
    "DECLINED": types_pb2.HANDOFF_OUTCOME_DECLINED,
    "TIMED_OUT": types_pb2.HANDOFF_OUTCOME_EXPIRED,
    "REPLACED": types_pb2.HANDOFF_OUTCOME_REPLACED,
}


def _handoff(customer: str, item: Item, facts: dict[str, str]) -> ownership_pb2.HandoffRecord:
    kind, name = facts.get("target_kind", ""), facts.get("target", "")
    to = types_pb2.HandoffTarget()
    match kind:
        case "AGENT":
            to.agent = name
        case "TIER":
            to.tier = name
        case _:
            to.queue = name
    record = ownership_pb2.HandoffRecord(
        handoff_id=whole(customer, facts.get("handoff", "")),
        case_id=whole(customer, item.case),
        sequence=item.sequence,
        from_agent=facts.get("from_agent", ""),
        target=to,
        envelope=types_pb2.HandoffEnvelope(
            **{
                name.removeprefix(_ENVELOPE): value
                for name, value in facts.items()
                if name.startswith(_ENVELOPE)
            }
        ),
    )
    record.begun_at.FromDatetime(at_us(item.at_us))
    return record
