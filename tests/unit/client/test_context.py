"""The receiver reads all pages and computes the very hash the sender computed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tests.unit.client.desktop import CASE, CUSTOMER, FakeServer, case_view
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client import Client
from toldonce.client.context import read_context
from toldonce.kernel.card import Card
from toldonce.kernel.context import Item, context_hash
from toldonce.kernel.errors import Unavailable
from toldonce.ownership.handler.context import Told
from toldonce.ownership.wire.context import Wanted, context_page, timeline_item

AT_US = 1_767_603_600_123_456


def item(number: int, text: str = "Waar is mijn pakket?", case: str = CASE[26:]) -> Item:
    return Item(
        sequence=number,
        index=0,
        event_id="e" * 26,
        at_us=AT_US + number,
        type="contact_received",
        case=case,
        channel="chat",
        actor="gateway:web",
        text=text,
        attributes=(("alias_0", "EMAIL:jo@example.org"), ("name", "Jo")),
    )


def told(timeline: list[Item], upto: int) -> Told:
    """A story of these items and nothing else; of the card and the case only what is asked."""
    nothing: Any = None
    card = Card((), "Jo", "nl", "chat", "", (), 0, (), "", 1, 0, forgotten=False)
    return Told(CUSTOMER, upto, upto, nothing, (), tuple(timeline), card, ())


def pages(timeline: list[Item], upto: int) -> list[ownership_pb2.GetContextResponse]:
    """Page as ownership does, with tokens the fake server counts by."""
    made, start = [], 0
    while True:
        wanted = Wanted(CASE, CUSTOMER, upto=upto, start=start)
        page = context_page(wanted, told(timeline, upto), case_view())
        made.append(page)
        start += len(page.items)
        if not page.next_page_token:
            return made
        page.next_page_token = str(len(made))


async def read(timeline: list[Item], upto: int = 99) -> Any:
    server = FakeServer(pages(timeline, upto))
    return await read_context(cast("Client", server), CASE, upto=upto)


async def test_a_receiver_computes_the_hash_the_sender_computed() -> None:
    timeline = [item(1), item(2, "", case=""), item(3, "Café — 10 €\nen meer")]
    got = await read(timeline)
    assert got.items == tuple(timeline)
    assert got.hash == context_hash(timeline)
    assert got.upto == 99


async def test_a_receiver_reads_every_page() -> None:
    timeline = [item(number, "x" * 40_000) for number in range(1, 30)]
    assert len(pages(timeline, 99)) > 3
    got = await read(timeline)
    assert got.hash == context_hash(timeline)


async def test_a_receiver_notices_a_changed_word() -> None:
    got = await read([item(1, "No")])
    assert got.hash != context_hash([item(1, "Yes")])


async def test_a_receiver_refuses_pages_that_do_not_belong_together() -> None:
    made = pages([item(number, "x" * 40_000) for number in range(1, 30)], 99)
    made[1].upto_sequence = 98
    with pytest.raises(Unavailable, match="do not belong together"):
        await read_context(cast("Client", FakeServer(made)), CASE)


def test_an_item_keeps_its_microseconds_on_the_wire() -> None:
    wire = timeline_item(CUSTOMER, item(1))
    assert wire.at.ToDatetime(tzinfo=UTC) == datetime.fromtimestamp(AT_US // 10**6, UTC).replace(
        microsecond=123_457
    )


async def test_a_receiver_reads_the_card_of_the_first_page() -> None:
    got = await read([item(number, "x" * 40_000) for number in range(1, 30)])
    assert (got.card.name, got.card.preferred_channel, got.card.contacts_total) == ("Jo", "chat", 1)


def changes() -> list[tuple[str, Callable[[Any], None]]]:
    """A change of each field an item has on the wire, and of each part of an attribute."""

    def set_to(field: str, value: Any) -> Callable[[Any], None]:
        return lambda one: setattr(one, field, value)

    def at(one: Any) -> None:
        one.at.nanos += 1_000

    def more(one: Any) -> None:
        one.attributes.add(name="zz", value="")

    def fewer(one: Any) -> None:
        del one.attributes[0]

    def named(one: Any) -> None:
        one.attributes[1].name = "nam"

    def valued(one: Any) -> None:
        one.attributes[1].value = "Jo "

    return [
        ("sequence", set_to("sequence", 9)),
        ("index", set_to("index", 1)),
        ("event_id", set_to("event_id", "f" * 26)),
        ("at", at),
        ("type", set_to("type", "entry_appended")),
        ("case_id", set_to("case_id", CUSTOMER + "9" * 26)),
        ("channel", set_to("channel", "mail")),
        ("actor", set_to("actor", "gateway:shop")),
        ("text", set_to("text", "Waar is mijn pakket")),
        ("attributes", more),
        ("attributes", fewer),
        ("attributes", named),
        ("attributes", valued),
    ]


@pytest.mark.parametrize(("field", "change"), changes())
async def test_a_receiver_notices_a_change_of_any_field_of_any_item(
    field: str, change: Callable[[Any], None]
) -> None:
    timeline = [item(1), item(2), item(3)]
    for place in range(3):
        made = pages(timeline, 99)
        change(made[0].items[place])
        got = await read_context(cast("Client", FakeServer(made)), CASE)
        assert got.hash != context_hash(timeline), field


def test_no_field_of_an_item_is_forgotten_above() -> None:
    fields = {field.name for field in ownership_pb2.TimelineItem.DESCRIPTOR.fields}
    assert {field for field, _ in changes()} == fields
