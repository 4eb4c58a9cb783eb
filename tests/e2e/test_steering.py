"""People steer the router over real gRPC: pick, assign, prioritise, move, drain."""

import json
from typing import Any

import pytest

from tests.e2e.shop import DOCUMENT, Person, Shop, customer, message, opened, refusal, tenant_name
from tests.e2e.test_cli import Ran, run
from tests.servers import eventually
from toldonce.cli.house import House
from toldonce.client.news import OfferOver
from toldonce.client.steering import Steering
from toldonce.kernel.errors import Denied, Missing, Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import OfferRevoked, OwnershipReleased, PrioritySet, QueueChanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = DOCUMENT.replace("{name: anna, capacity_units: 50", "{name: anna, capacity_units: 1")
PATIENT = DOCUMENT.replace("decline_cooldown_s: 1", "decline_cooldown_s: 60")
BRISK = DOCUMENT.replace(
    "queue: orders, first_response_s: 60}",
    "queue: orders, first_response_s: 60, owner_absent: {policy: requeue, grace_s: 5}}",
).replace("stale_s: 10, gone_s: 20", "stale_s: 5, gone_s: 20")


async def supervisor(shop: Shop) -> Steering:
    return Steering(await shop.client(Role.SUPERVISOR, "sam"))


async def contact(shop: Shop, name: str, text: str = "Where is my order?") -> str:
    web = await shop.gateway()
    ack = await web.submit(message(name, text, addresses=customer(name)))
    return ack.case_id


async def waits(shop: Shop, queue: str, count: int) -> None:
    """Wait until the engine knows of that many cases in a queue."""
    desk = await shop.desk()

    async def seen() -> bool:
        return any(one.queue == queue and one.waiting == count for one in await desk.queues())

    await eventually(seen)


async def owner(shop: Shop, name: str, *customers: str) -> tuple[Person, list[str]]:
    """Let an agent take a case of each customer."""
    person = await shop.agent(name)
    cases = [await contact(shop, one) for one in customers]
    for _ in cases:
        await person.take()
    return person, cases


async def test_supervisor_overdraws_an_agent_with_a_reason_that_all_can_read(
    running: House,
) -> None:
    async with opened(running, tenant_name(), SMALL) as shop:
        anna, _ = await owner(shop, "anna", "joan")
        case_id = await contact(shop, "kim")
        await waits(shop, "orders", 1)
        sam = await supervisor(shop)
        no = await refusal(sam.assign(case_id, "anna", "VIP"))
        assert isinstance(no, Rejected)
        assert (no.reason, str(no)) == ("BARRED", "CAPACITY: needs 1, free 0 of 1")
        case = await sam.assign(case_id, "anna", "VIP", past=["CAPACITY"])
        assert case.work == "OFFERED"
        offer = await anna.offered(case_id)
        assert "forced by sam (VIP)" in offer.trace.reason
        assert (await anna.session.accept(offer)).case.owner == "anna"
        traces = await (await shop.desk()).explain(case_id)
        assert "CAPACITY: needs 1, free 0 of 1" in traces[0].reason
        assert running.ports.meter.registry.get_sample_value(
            "toldonce_overdrafts_total", {"tenant": shop.tenant}
        )
        assert isinstance(await refusal(sam.assign(case_id, "nobody", "VIP")), Missing)


async def test_supervisor_takes_an_offer_from_one_and_gives_it_to_another(shop: Shop) -> None:
    anna = await shop.agent("anna")
    case_id = await contact(shop, "joan")
    offer = await anna.offered(case_id)
    bram = await shop.agent("bram")
    await (await supervisor(shop)).assign(case_id, "bram", "KNOWS_HER")
    assert (await anna.told(OfferOver)).offer_id == offer.offer_id
    assert (await bram.take(case_id)).owner == "bram"
    events = await shop.events(case_id[:26])
    assert [one.reason for one in events if isinstance(one, OfferRevoked)] == ["FORCED"]


async def test_agent_picks_a_case_and_the_next_of_a_queue_or_hears_why_not(
    running: House,
) -> None:
    async with opened(running, tenant_name(), PATIENT) as shop:
        carl = await shop.agent("carl", availability="DO_NOT_ROUTE")
        hard = await contact(shop, "joan", "My phone is broken")
        await waits(shop, "repairs", 1)
        mine = Steering(await shop.client(Role.AGENT, "carl"))
        no = await refusal(mine.pick(hard))
        assert isinstance(no, Rejected)
        assert no.reason == "BARRED"
        assert str(no).startswith("SKILL: ")
        empty = await refusal(mine.pick(queue="escalations"))
        assert isinstance(empty, Rejected)
        assert empty.reason == "NOT_WAITING"
        assert isinstance(await refusal(mine.pick(hard, agent="anna")), Denied)
        easy = await contact(shop, "kim")
        await waits(shop, "orders", 1)
        assert (await mine.pick(queue="orders")).case_id == easy
        offer = await carl.offered(easy)
        assert offer.trace.reason.startswith("carl asked for it")
        assert (await carl.session.accept(offer)).case.owner == "carl"


async def test_moved_case_waits_at_its_old_age_for_those_of_its_new_queue(shop: Shop) -> None:
    lena = await shop.agent("lena")
    case_id = await contact(shop, "joan")
    await waits(shop, "orders", 1)
    sam = await supervisor(shop)
    before = await (await shop.desk()).case(case_id)
    await sam.move(case_id, "escalations", "MISROUTED")
    offer = await lena.offered(case_id)
    assert (offer.queue, offer.enqueued_at) == ("escalations", before.enqueued_at)
    assert (await lena.session.accept(offer)).case.owner == "lena"
    events = await shop.events(case_id[:26])
    assert [one.queue for one in events if isinstance(one, QueueChanged)] == ["escalations"]
    owned = await refusal(sam.move(case_id, "orders", "MISROUTED"))
    assert isinstance(owned, Rejected)
    assert owned.reason == "OWNED"


async def test_case_that_counts_for_more_comes_before_older_ones(running: House) -> None:
    async with opened(running, tenant_name(), SMALL) as shop:
        anna, (first,) = await owner(shop, "anna", "joan")
        old = await contact(shop, "kim")
        new = await contact(shop, "lee")
        await waits(shop, "orders", 2)
        case = await (await supervisor(shop)).prioritise(new, 900, "VIP")
        assert case.priority == 900
        await anna.session.close_case(first, "solved")
        assert (await anna.take()).case_id == new
        await anna.session.close_case(new, "solved")
        assert (await anna.take()).case_id == old
        events = await shop.events(new[:26])
        assert [one.reason for one in events if isinstance(one, PrioritySet)] == ["VIP"]


async def test_drained_agent_hands_back_what_they_own_and_gets_work_again_at_its_end(
    running: House,
) -> None:
    async with opened(running, tenant_name(), BRISK) as shop:
        anna, cases = await owner(shop, "anna", "joan", "kim")
        sam = await supervisor(shop)
        drained = await sam.drain("anna", "TRAINING", hand_back=True)
        assert sorted(drained.case_ids) == sorted(cases)
        assert drained.drained_at is not None
        bram = await shop.agent("bram")
        taken = {(await bram.take(within_s=30)).case_id for _ in cases}
        assert taken == set(cases)
        events = [one for case_id in cases for one in await shop.events(case_id[:26])]
        released = [one.reason for one in events if isinstance(one, OwnershipReleased)]
        assert released == ["DRAINED_REQUEUE"] * 2
        await bram.leave()
        waiting = await contact(shop, "lee")
        await waits(shop, "orders", 1)
        traces = await (await shop.desk()).explain(waiting)
        gates = {one.agent: one.detail for one in traces[0].candidates}
        assert gates["anna"].startswith("drained since")
        assert (await sam.drain("anna", "BACK", end=True)).drained_at is None
        assert (await anna.take(waiting)).owner == "anna"


async def command(shop: Shop, *words: str, role: Role = Role.SUPERVISOR) -> Ran:
    name = "sam" if role is Role.SUPERVISOR else "anna"
    token = shop.house.token(role, name, shop.tenant)
    return await run(*words, "--address", shop.house.address, "--token", token, "--json")


async def test_commands_steer_and_say_what_became_of_it(running: House) -> None:
    async with opened(running, tenant_name(), SMALL) as shop:
        anna, _ = await owner(shop, "anna", "joan")
        case_id = await contact(shop, "kim", "My phone is broken")
        await waits(shop, "repairs", 1)

        async def done(*words: str) -> dict[str, Any]:
            ran = await command(shop, *words)
            assert not ran.code, ran.err
            return json.loads(ran.out)

        assert (await done("move", case_id, "orders", "--reason", "misrouted"))["queue"] == "orders"
        ranked = await done("prioritise", case_id, "7", "--reason", "second complaint")
        assert ranked["priority"] == 7
        no = await command(shop, "pick", "anna", case_id, role=Role.AGENT)
        assert no.code == 1
        assert "CAPACITY: needs 1, free 0 of 1" in no.err
        words = ("assign", case_id, "anna", "--reason", "vip callback", "--past", "capacity")
        assert (await done(*words))["work"] == "OFFERED"
        offer = await anna.offered(case_id)
        assert "forced by sam (VIP_CALLBACK)" in offer.trace.reason
        drained = await done("drain", "anna", "--reason", "training")
        assert len(drained["case_ids"]) == 1
        assert (await done("drain", "anna", "--reason", "back", "--end"))["drained_at"] is None
