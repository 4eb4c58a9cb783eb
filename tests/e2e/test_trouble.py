"""When something breaks in a real house: people vanish, servers die, and nobody tells it twice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.e2e.shop import Person, Shop, check_history, customer, message, patiently, refusal
from tests.servers import eventually
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.client.gateway import Gateway
from toldonce.client.seen import Offer
from toldonce.client.submission import Ack, Submission
from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import ContactReceived, OfferAccepted, OwnershipReleased
from toldonce.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_case_of_an_agent_who_vanishes_goes_on_with_its_whole_story(hasty: Shop) -> None:
    web, anna = await hasty.gateway(), await hasty.agent("anna")
    ack = await web.submit(message(1))
    case = await anna.take(ack.case_id)
    await anna.session.note(case.case_id, "Waits for the carrier.")
    await anna.vanish()
    bram = await hasty.agent("bram")
    taken = await bram.take(ack.case_id)
    assert (taken.owner, taken.last_owner, taken.epoch) == ("bram", "anna", case.epoch + 2)
    assert taken.enqueued_at == case.enqueued_at
    read = await bram.session.read(ack.case_id)
    assert {"Where is my order?", "Waits for the carrier."} <= {item.text for item in read.items}
    story = await hasty.story(ack.customer_id)
    released = [e for one in story for e in one.record.events if isinstance(e, OwnershipReleased)]
    assert len(released) == 1

    back = await hasty.agent("anna")
    assert back.session.cases == {}
    late = pb.AppendEntryRequest(
        case_id=ack.case_id, epoch=case.epoch, kind=pb.ENTRY_KIND_MESSAGE, text="I am back"
    )
    no = await refusal((await hasty.client(Role.AGENT, "anna")).ownership.AppendEntry(late))
    assert isinstance(no, Rejected)
    assert no.reason in {"STALE_EPOCH", "NOT_OWNER"}
    assert len(await hasty.story(ack.customer_id)) == len(story)
    check_history(story)


async def test_agent_whose_stream_breaks_for_a_moment_keeps_their_cases(shop: Shop) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1))
    case = await anna.take(ack.case_id)
    await anna.vanish()
    back = await shop.agent("anna", resume=anna.session.session_id)
    assert [(one.case_id, one.epoch) for one in back.session.cases.values()] == [
        (ack.case_id, case.epoch)
    ]
    await back.session.reply(case.case_id, "Still with you.")
    assert (await back.session.close_case(case.case_id, "solved")).state == "CLOSED"


async def test_wiped_store_loses_nothing_and_lists_heal(shop: Shop) -> None:
    web, anna, desk = await shop.gateway(), await shop.agent("anna"), await shop.desk()
    acks: list[Ack] = []
    for n in range(24):
        if n % 8 == 4:
            await shop.house.ports.store.call("FLUSHALL")
        acks.append(await web.submit(message(n, addresses=customer(f"f{n}"))))
    for ack in acks[:6]:
        await anna.take(ack.case_id)
    wanted = {ack.case_id: "anna" if ack in acks[:6] else "" for ack in acks}

    async def healed() -> bool:
        return {case.case_id: case.owner for case in await desk.cases()} == wanted

    await eventually(healed)


async def test_store_that_dies_stops_no_contact_and_no_agent(shop: Shop) -> None:
    web, anna, desk = await shop.gateway(), await shop.agent("anna"), await shop.desk()
    first = await web.submit(message(1))
    await anna.take(first.case_id)
    valkey = shop.house.servers.valkey
    await valkey.kill()
    try:
        no = await refusal(desk.cases(tries_max=1))
        assert isinstance(no, Unavailable)
        assert no.retry_s > 0
        second = await web.submit(message(2, addresses=customer("jim")))
        assert (await anna.take(second.case_id)).owner == "anna"
    finally:
        await valkey.start()

    async def healed() -> bool:
        cases = await patiently(lambda: desk.cases(tries_max=1))
        return {case.case_id for case in cases} == {first.case_id, second.case_id}

    await eventually(healed, within_s=20.0)


async def test_log_that_dies_and_comes_back_doubles_nothing(shop: Shop) -> None:
    web, anna, desk = await shop.gateway(), await shop.agent("anna"), await shop.desk()
    client = await shop.client(Role.AGENT, "anna")
    before = await web.submit(message(0))
    case = await anna.take(before.case_id)
    nats = shop.house.servers.nats
    sent = [message(n, addresses=customer(f"n{n}")) for n in range(1, 41)]
    acks: list[Ack] = []
    submitting = asyncio.create_task(_submit_all(web, sent, acks))
    await eventually(lambda: len(acks) >= 10, poll_s=0)
    await nats.kill()
    try:
        entry = pb.AppendEntryRequest(
            operation_id=new_id(),
            case_id=case.case_id,
            epoch=case.epoch,
            kind=pb.ENTRY_KIND_NOTE,
            text="Once.",
        )
        assert len(acks) < len(sent)
        no = await refusal(client.ownership.AppendEntry(entry))
        assert isinstance(no, Unavailable)
        assert no.retry_s > 0
    finally:
        await nats.start()
    wrote = await patiently(lambda: client.ownership.AppendEntry(entry))
    assert await patiently(lambda: client.ownership.AppendEntry(entry)) == wrote
    await submitting
    again = [await web.submit(given) for given in sent]
    assert [ack.repeat for ack in again] == [True] * len(sent)
    assert {ack.contact_id for ack in again} == {ack.contact_id for ack in acks}
    for ack in acks:
        received = [e for e in await shop.events(ack.customer_id) if isinstance(e, ContactReceived)]
        assert len(received) == 1
    bram = await patiently(lambda: shop.agent("bram"))
    await _take_all([anna, bram], {ack.case_id for ack in acks})
    for ack in acks:
        story = await shop.story(ack.customer_id)
        check_history(story)
        accepted = [e for one in story for e in one.record.events if isinstance(e, OfferAccepted)]
        assert len(accepted) == 1
    assert (await desk.case(case.case_id)).owner == "anna"


async def test_decisions_explain_themselves_owned_or_waiting(shop: Shop) -> None:
    web, anna, desk = await shop.gateway(), await shop.agent("anna"), await shop.desk()
    await shop.agent("bram", availability="AWAY", reason="lunch")
    ack = await web.submit(message(1))
    await anna.take(ack.case_id)
    trace = (await desk.explain(ack.case_id))[0]
    gates = {one.agent: one.gate for one in trace.candidates}
    assert trace.chosen == "anna"
    assert trace.policy_version == anna.session.policy_version
    assert gates == {
        "anna": "NONE",
        "bram": "AVAILABILITY",
        "carl": "PRESENCE",
        "lena": "PRESENCE",
    }
    await anna.session.declare("AWAY", "training")

    async def nobody_there() -> bool:
        return not any(queue.agents_available for queue in await desk.queues())

    await eventually(nobody_there)  # the engine hears of it a moment later
    waiting = await web.submit(message(2, "It is broken", addresses=customer("kim")))

    async def said() -> dict[str, str]:
        now = (await desk.explain(waiting.case_id))[0]
        assert now.chosen == ""
        return {one.agent: one.gate for one in now.candidates}

    assert (await said())["anna"] == "AVAILABILITY"
    carl = await shop.agent("carl")
    await eventually(lambda: _is(said, "carl", "SKILL"))
    assert not [news for news in carl.heard if isinstance(news, Offer)]


async def _submit_all(web: Gateway, sent: list[Submission], acks: list[Ack]) -> None:
    """Submit with four at a time, each until it is acknowledged."""
    waiting = iter(sent)

    async def work() -> None:
        for given in waiting:
            ack = await patiently(lambda given=given: web.submit(given))
            acks.append(ack)

    await asyncio.gather(*(work() for _ in range(4)))


async def _is(said: Callable[[], Awaitable[dict[str, str]]], agent: str, gate: str) -> bool:
    return (await said()).get(agent) == gate


async def _take_all(people: list[Person], cases: set[str]) -> None:
    """Accept whatever is on offer until all cases have an owner."""
    tried: set[str] = set()

    async def take(person: Person, offer: Offer) -> None:
        with suppress(Rejected):
            cases.discard((await person.session.accept(offer)).case.case_id)

    async def done() -> bool:
        for person in people:
            fresh = [offer for offer in person.standing() if offer.offer_id not in tried]
            tried.update(offer.offer_id for offer in fresh)
            await asyncio.gather(*(take(person, offer) for offer in fresh))
        return not cases

    await eventually(done, within_s=20.0)
