"""The receiver's side of a context: read the story page by page, hash what was read.

The hash is computed from the received items alone, in the canonical form that `kernel.context`
and `proto/README.md` give; it is never copied from anybody.
"""

from dataclasses import dataclass, field
from datetime import datetime

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client.card import Card, card_of
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, case_seen, instant, target_of, word
from toldonce.kernel.context import Item, context_hash
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import own_of

PAGES_MAX = 1_000
_MICROS = 1_000_000
_NANOS = 1_000


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the next owner has to know, in the words of the sender."""

    reason: str
    summary: str
    tried: str = ""
    promised: str = ""
    told_customer: str = ""
    mood: str = ""


@dataclass(frozen=True, slots=True)
class HandoffTold:
    """A handoff of the story with its words; `outcome` is "UNSPECIFIED" while it is pending.

    `ended_reason` is the code of an end without a new owner (TIMED_OUT, SENDER_RELEASED, ...).
    """

    handoff_id: str
    case_id: str
    sequence: int
    from_agent: str
    to: str
    begun_at: datetime | None
    outcome: str
    envelope: Envelope
    warm: bool = False
    ended_reason: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContextRead:
    """A story as it was read, up to log position `upto`; `case` is the one asked for.

    The hash runs over `items` alone: the card and the handoffs only repeat what stands there.
    """

    customer_id: str
    upto: int
    case: CaseSeen
    items: tuple[Item, ...]
    handoffs: tuple[HandoffTold, ...]
    card: Card = field(default_factory=Card)

    @property
    def hash(self) -> bytes:
        """Hash what was read (32 bytes); of use when it was read from the beginning."""
        return context_hash(self.items)


async def read_context(
    client: Client, case_id: str, *, upto: int = 0, after: int = 0, least: int = 0
) -> ContextRead:
    """Read the story of a case, all pages: after position `after`, up to `upto` (0: all of it).

    `least`: the answer must include this position. Raises Missing, Unavailable, Rejected BEHIND
    when the log has not come as far as `least`, Conflict when the story was joined with another
    while it was read.
    """
    request = ownership_pb2.GetContextRequest(
        case_id=case_id, upto_sequence=upto, after_sequence=after, min_sequence=least
    )
    items: list[Item] = []
    handoffs: list[HandoffTold] = []
    first: ownership_pb2.GetContextResponse | None = None
    for _ in range(PAGES_MAX):
        page = await again(lambda: client.ownership.GetContext(request))
        first = first or page
        if page.upto_sequence != first.upto_sequence:
            break
        items += [item_of(item) for item in page.items]
        handoffs += [_handoff(record) for record in page.handoffs]
        if not page.next_page_token:
            return ContextRead(
                customer_id=first.customer_id,
                upto=first.upto_sequence,
                case=case_seen(page.case),
                items=tuple(items),
                handoffs=tuple(handoffs),
                card=card_of(first.card),
            )
        request.page_token = page.next_page_token
    raise Unavailable("the pages of the story do not belong together; read it again")


def item_of(item: ownership_pb2.TimelineItem) -> Item:
    """Read one item into the form that is hashed."""
    return Item(
        sequence=item.sequence,
        index=item.index,
        event_id=item.event_id,
        at_us=item.at.seconds * _MICROS + item.at.nanos // _NANOS,
        type=item.type,
        case=own_of(item.case_id),
        channel=item.channel,
        actor=item.actor,
        text=item.text,
        attributes=tuple(sorted((one.name, one.value) for one in item.attributes)),
    )


def _handoff(record: ownership_pb2.HandoffRecord) -> HandoffTold:
    said = record.envelope
    return HandoffTold(
        handoff_id=record.handoff_id,
        case_id=record.case_id,
        sequence=record.sequence,
        from_agent=record.from_agent,
        to=target_of(record.target),
        begun_at=instant(record.begun_at),
        outcome=word(record, "outcome"),
        envelope=Envelope(
            reason=said.reason,
            summary=said.summary,
            tried=said.tried,
            promised=said.promised,
            told_customer=said.told_customer,
            mood=said.mood,
        ),
        warm=record.warm,
        ended_reason=record.ended_reason,
        ended_at=instant(record.ended_at),
    )
