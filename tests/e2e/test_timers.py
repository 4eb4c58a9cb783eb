"""Time in a real house: a case warns, breaches and climbs once, never early, with its story."""

from pathlib import Path

import pytest

from tests.e2e.shop import DOCUMENT, Shop, check_history, message, opened, tenant_name
from tests.servers import eventually
from toldonce.cli.house import house
from toldonce.client.context import read_context
from toldonce.client.news import HandoffOver
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import Escalated, PriorityRaised, SlaBreached, SlaWarned
from toldonce.kernel.story.record import Logged
from toldonce.runtime import names

pytestmark = pytest.mark.asyncio(loop_scope="module")

URGENT = "This is urgent, please help"
type Timed = SlaWarned | SlaBreached


async def test_case_that_waits_too_long_rises_then_climbs_with_its_story(shop: Shop) -> None:
    await _rises_then_climbs(shop)


async def test_case_rises_and_climbs_where_timers_wait_on_jetstream(tmp_path: Path) -> None:
    async with (
        house(tmp_path, document=DOCUMENT, metrics_port=None, timers="jetstream") as running,
        opened(running, tenant_name()) as shop,
    ):
        assert running.ports.alarms is not None
        await _rises_then_climbs(shop)
        assert await running.ports.store.call("EXISTS", names.redis_timers("generation")) == 0


async def _rises_then_climbs(shop: Shop) -> None:
    web = await shop.gateway()
    ack = await web.submit(message(1, URGENT))
    assert ack.queue == "timed"
    lena = await shop.agent("lena")
    offer = await lena.offered(ack.case_id)
    assert (offer.queue, offer.priority) == ("escalations", 100)
    story = await shop.story(ack.customer_id)
    kinds = [type(event) for one in story for event in one.record.events]
    order = [kinds.index(kind) for kind in (SlaWarned, SlaBreached, PriorityRaised, Escalated)]
    assert order == sorted(order)
    _check_timers(story)
    taken = await lena.session.accept(offer)
    assert (taken.case.owner, taken.case.rung) == ("lena", 1)
    told = await lena.session.read(ack.case_id)
    assert [item.text for item in told.items if item.text] == [URGENT]


async def test_owner_who_does_not_answer_stays_owner_until_the_next_tier_accepts(
    shop: Shop,
) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT))
    case = await anna.take(ack.case_id)
    lena = await shop.agent("lena")
    offer = await lena.offered(ack.case_id)
    assert offer.handoff is not None
    assert offer.handoff.from_agent == "anna"
    standing = await (await shop.desk()).case(ack.case_id)
    assert (standing.owner, standing.ownership) == ("anna", "HANDOFF_PENDING")
    taken = await lena.session.accept(offer)
    assert (taken.case.owner, taken.case.epoch) == ("lena", case.epoch + 1)
    assert (await anna.told(HandoffOver, case=ack.case_id)).new_owner == "lena"
    client = await shop.client(Role.AGENT, "lena")
    read = await read_context(client, ack.case_id, upto=offer.handoff.context_sequence)
    assert read.hash == taken.context_hash
    story = await shop.story(ack.customer_id)
    _check_timers(story)
    check_history(story)


async def test_answer_in_time_ends_the_clock_and_nothing_fires(shop: Shop) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT))
    case = await anna.take(ack.case_id)
    await anna.session.reply(case.case_id, "We are on our way.")
    other = await web.submit(message(2, URGENT, addresses=()))

    async def breached() -> bool:
        return any(isinstance(event, SlaBreached) for event in await shop.events(other.customer_id))

    await eventually(breached)
    seen = await (await shop.desk()).case(ack.case_id)
    assert {clock.state for clock in seen.clocks} == {"MET"}
    timed = [e for e in await shop.events(ack.customer_id) if isinstance(e, SlaBreached)]
    assert timed == []


async def test_wiped_store_loses_doubles_and_hastens_no_timer(shop: Shop) -> None:
    web = await shop.gateway()
    acks = [await web.submit(message(n, URGENT, addresses=())) for n in range(10)]
    for _ in range(3):
        await shop.house.ports.store.call("FLUSHALL")
        acks += [await web.submit(message(len(acks), URGENT, addresses=()))]

    async def climbed() -> bool:
        events = [await shop.events(ack.customer_id) for ack in acks]
        return all(any(isinstance(e, Escalated) for e in found) for found in events)

    await eventually(climbed)
    for ack in acks:
        _check_timers(await shop.story(ack.customer_id))


def _check_timers(story: list[Logged]) -> None:
    """See that the wait's clock warned and breached once each, and not before its instant."""
    opened_at = story[0].record.at
    fired = [
        (event, one.record.at)
        for one in story
        for event in one.record.events
        if isinstance(event, SlaWarned | SlaBreached)
    ]
    assert len({event.timer for event, _ in fired}) == len(fired)
    for event, at in fired:
        target_s = 1.0 if event.clock is ClockKind.QUEUE_WAIT else 3.0
        share = 0.5 if isinstance(event, SlaWarned) else 1.0
        assert (at - opened_at).total_seconds() >= share * target_s
