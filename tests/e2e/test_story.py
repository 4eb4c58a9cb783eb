"""What a customer goes through, over real gRPC in a real house: told once, answered once."""

import asyncio
from contextlib import aclosing

import pytest

from tests.e2e.shop import (
    Outbox,
    Person,
    Shop,
    check_history,
    customer,
    message,
    refusal,
    same,
)
from tests.servers import eventually
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.client.context import Envelope, read_context
from toldonce.client.news import CaseNews, HandoffOver, OfferOver
from toldonce.client.seen import Offer, case_seen
from toldonce.kernel.errors import Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    ContactReceived,
    DeliveryConfirmed,
    HandoffBegun,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
)
from toldonce.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENVELOPE = Envelope("needs another eye", "parcel lost twice", "called the carrier", "", "a while")
LONG = "A very long tale. " * 2_600


async def test_customer_tells_once_and_everybody_after_knows_it(shop: Shop) -> None:
    web, outbox = await shop.gateway(), Outbox()
    delivering = asyncio.create_task(web.deliver(outbox.deliver))
    anna = await shop.agent("anna")
    ack = await web.submit(message(1))
    assert (ack.queue, ack.joined, ack.repeat) == ("orders", False, False)

    case = await anna.take(ack.case_id)
    assert (case.owner, case.epoch, case.ownership) == ("anna", 1, "OWNED")
    entry = await anna.session.reply(case.case_id, "It left us this morning.")
    await eventually(lambda: [answer.entry_id for answer in outbox.answers] == [entry])
    assert outbox.answers[0].text == "It left us this morning."
    assert outbox.answers[0].to.value == "joan@shop.example"
    await eventually(lambda: _confirmed(shop, ack.customer_id))

    more = await web.submit(message(2, "It is still not here! " + LONG))
    assert (more.joined, more.case_id) == (True, ack.case_id)
    await anna.told(CaseNews, case=case.case_id, what="ContactReceived")
    for number in range(3, 9):
        await web.submit(message(number, LONG))

    bram = await shop.agent("bram")
    pending = await anna.session.hand_over(case.case_id, ENVELOPE, agent="bram")
    assert (pending.owner, pending.ownership) == ("anna", "HANDOFF_PENDING")
    assert pending.handoff is not None
    offer = await bram.offered(case.case_id)
    assert offer.handoff is not None
    assert offer.handoff.from_agent == "anna"
    before = await read_context(await shop.client(Role.AGENT, "bram"), case.case_id)
    assert [told.envelope for told in before.handoffs] == [ENVELOPE]
    taken = await bram.session.accept(offer)
    assert (taken.case.owner, taken.case.epoch, taken.case.hops) == ("bram", 2, 1)
    assert taken.context is not None
    assert [item.text for item in taken.context.items if item.text.startswith("Where")]
    over = await anna.told(HandoffOver, case=case.case_id)
    assert (over.outcome, over.new_owner) == ("ACCEPTED", "bram")
    begun = next(e for e in await shop.events(ack.customer_id) if isinstance(e, HandoffBegun))
    assert taken.context_hash == begun.context_hash

    closed = await bram.session.close_case(case.case_id, "solved")
    assert (closed.state, closed.disposition) == ("CLOSED", "solved")
    sam = await shop.client(Role.SUPERVISOR, "sam")
    again = case_seen(
        await sam.ownership.ReopenCase(
            pb.ReopenCaseRequest(case_id=case.case_id, reason="CAME_BACK", operation_id=new_id())
        )
    )
    assert (again.state, again.last_owner) == ("OPEN", "bram")
    assert (await bram.take(case.case_id)).epoch > closed.epoch
    check_history(await shop.story(ack.customer_id))
    delivering.cancel()


async def test_story_of_many_pages_has_one_hash_on_both_sides(shop: Shop) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(0, LONG))
    for number in range(1, 8):
        await web.submit(message(number, LONG))
    case = await anna.take(ack.case_id)
    client = await shop.client(Role.AGENT, "bram")
    pages, token = [], ""
    while not pages or token:
        request = pb.GetContextRequest(case_id=case.case_id, page_token=token)
        pages.append(await client.ownership.GetContext(request))
        token = pages[-1].next_page_token
    assert len(pages) > 1
    whole = await read_context(client, case.case_id)
    assert [item.event_id for item in whole.items] == [
        item.event_id for page in pages for item in page.items
    ]
    bram = await shop.agent("bram")
    begun = await anna.session.hand_over(case.case_id, ENVELOPE, agent="bram")
    offer = await bram.offered(case.case_id)
    wrong = pb.AcceptOfferRequest(
        offer_id=offer.offer_id, epoch=offer.epoch, context_hash=bytes(32)
    )
    no = await refusal(client.ownership.AcceptOffer(wrong))
    assert isinstance(no, Rejected)
    assert no.reason == "CONTEXT_MISMATCH"
    taken = await bram.session.accept(offer)
    assert taken.context is not None
    assert begun.handoff is not None
    assert taken.context.upto == begun.handoff.context_sequence
    upto = begun.handoff.context_sequence
    assert taken.context_hash == (await read_context(client, case.case_id, upto=upto)).hash


async def test_gateway_that_repeats_hears_the_very_same_words(shop: Shop) -> None:
    web, other, given = await shop.gateway(), await shop.gateway(), message(1)
    first = await web.submit(given)
    written = len(await shop.story(first.customer_id))
    acks = [await gateway.submit(given) for gateway in (web, other, web)]
    assert [ack.repeat for ack in acks] == [True] * 3
    assert same([first, *acks])
    assert len(await shop.story(first.customer_id)) == written


async def test_repeats_under_load_from_two_connections_create_nothing(shop: Shop) -> None:
    gateways = [await shop.gateway(), await shop.gateway()]
    await shop.agent("anna")
    sent = [message(n, addresses=customer(f"c{n % 40}")) for n in range(120)]

    async def storm(gateway: int) -> dict[str, list[object]]:
        heard: dict[str, list[object]] = {}
        async with aclosing(gateways[gateway].submit_many(sent[:: 1 - 2 * gateway])) as answers:
            async for given, ack in answers:
                heard.setdefault(given.message_id, []).append(ack)
        return heard

    one, two = await asyncio.gather(storm(0), storm(1))
    assert set(one) == set(two) == {given.message_id for given in sent}
    for given in sent:
        acks = [*one[given.message_id], *two[given.message_id]]
        assert same(acks)
        assert sum(not ack.repeat for ack in acks) == 1
    contacts = [
        event.contact
        for who in {ack.customer_id for acks in one.values() for ack in acks}
        for event in await shop.events(who)
        if isinstance(event, ContactReceived)
    ]
    assert len(contacts) == len(set(contacts)) == len(sent)


async def test_two_contacts_of_one_customer_at_one_instant_are_one_case(shop: Shop) -> None:
    gateways = [await shop.gateway() for _ in range(4)]
    acks = await asyncio.gather(
        *(gateway.submit(message(n)) for n, gateway in enumerate(gateways * 2))
    )
    assert len({ack.case_id for ack in acks}) == 1
    assert sum(not ack.joined for ack in acks) == 1
    assert len({ack.contact_id for ack in acks}) == len(acks)
    check_history(await shop.story(acks[0].customer_id))


async def test_of_two_agents_who_race_for_a_case_one_gets_it(shop: Shop) -> None:
    web = await shop.gateway()
    people = {name: await shop.agent(name) for name in ("anna", "bram")}
    acks = [await web.submit(message(n, addresses=customer(f"r{n}"))) for n in range(12)]
    for ack in acks:
        offer = await _first_offer(people, ack.case_id)
        tries = [person.session.accept(offer) for person in (*people.values(), *people.values())]
        ends = await asyncio.gather(*tries, return_exceptions=True)
        won = [end.case.owner for end in ends if not isinstance(end, BaseException)]
        lost = [end for end in ends if isinstance(end, BaseException)]
        assert len(won) == len(lost) == 2
        assert len(set(won)) == 1
        assert {end.reason for end in lost} <= {"OFFER_NOT_YOURS", "OFFER_GONE", "OFFER_TAKEN"}
    for ack in acks:
        accepted = [e for e in await shop.events(ack.customer_id) if isinstance(e, OfferAccepted)]
        assert len(accepted) == 1


async def test_agent_who_answers_too_late_loses_to_the_next(hasty: Shop) -> None:
    web, anna = await hasty.gateway(), await hasty.agent("anna")
    ack = await web.submit(message(1))
    late = await anna.offered(ack.case_id)
    bram = await hasty.agent("bram")
    assert (await anna.told(OfferOver, case=ack.case_id)).reason == "EXPIRED"
    offer = await bram.offered(ack.case_id)
    ends = await asyncio.gather(
        anna.session.accept(late), bram.session.accept(offer), return_exceptions=True
    )
    assert isinstance(ends[0], Rejected)
    assert ends[0].reason in {"OFFER_EXPIRED", "OFFER_GONE"}
    assert not isinstance(ends[1], BaseException)
    events = await hasty.events(ack.customer_id)
    assert [e.agent for e in events if isinstance(e, OfferExpired)] == ["anna"]
    assert [e.agent for e in events if isinstance(e, OfferAccepted)] == ["bram"]


async def test_declined_offer_goes_to_the_next_at_its_old_age(shop: Shop) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1))
    offer = await anna.offered(ack.case_id)
    bram = await shop.agent("bram")
    await anna.session.decline(offer, "LUNCH")
    second = await bram.offered(ack.case_id)
    assert second.enqueued_at == offer.enqueued_at
    assert (await bram.session.accept(second)).case.owner == "bram"
    declined = [e for e in await shop.events(ack.customer_id) if isinstance(e, OfferDeclined)]
    assert [(e.agent, e.reason) for e in declined] == [("anna", "LUNCH")]


async def test_sender_keeps_the_case_when_a_handoff_is_declined(shop: Shop) -> None:
    web, anna, bram = await shop.gateway(), await shop.agent("anna"), await shop.agent("bram")
    ack = await web.submit(message(1))
    people = {"anna": anna, "bram": bram}
    offer = await _first_offer(people, ack.case_id)
    sender = next(p for p in people.values() if offer in p.heard)
    receiver = bram if sender is anna else anna
    case = (await sender.session.accept(offer)).case
    await sender.session.hand_over(case.case_id, ENVELOPE, agent=receiver.name)
    await receiver.session.decline(await receiver.offered(case.case_id), "NO_TIME")
    over = await sender.told(HandoffOver, case=case.case_id)
    assert (over.outcome, over.new_owner) == ("DECLINED", sender.name)
    kept = await (await shop.desk()).case(case.case_id)
    assert (kept.owner, kept.epoch, kept.ownership) == (sender.name, case.epoch, "OWNED")
    assert (await sender.session.close_case(case.case_id, "solved")).state == "CLOSED"


async def _confirmed(shop: Shop, who: str) -> bool:
    return any(isinstance(event, DeliveryConfirmed) for event in await shop.events(who))


async def _first_offer(people: dict[str, Person], case: str) -> Offer:
    """Wait until one of them is offered the case."""
    found: list[Offer] = []

    def there() -> bool:
        found[:] = [
            news
            for person in people.values()
            for news in person.heard
            if isinstance(news, Offer) and news.case_id == case
        ]
        return bool(found)

    await eventually(there)
    return found[-1]
