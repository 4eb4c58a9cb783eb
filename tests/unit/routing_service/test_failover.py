"""One engine leads: whatever stops, stands still or comes back, nobody is offered work twice."""

import asyncio

import pytest

from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import customer_of
from toldonce.kernel.story.events import OfferAccepted, Offered, OfferRevoked
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.names import story

from .world import DOCUMENT, TENANT, close, world

pytestmark = pytest.mark.looptime
TWO = DOCUMENT.replace("offer_timeout_s: 4}", "offer_timeout_s: 30, round: 2}")


def now_s():
    return asyncio.get_running_loop().time()


async def offers_of(system, case_id):
    """The offers of a case with the instant they were written, oldest first."""
    stored = await system.servers.log.read(story(TENANT, customer_of(case_id)))
    records = [decode_record(one.payload) for one in stored]
    return [(record.at, e) for record in records for e in record.events if isinstance(e, Offered)]


async def both(system):
    """Two processes: one that leads, one that stands by."""
    leader = await system.process()
    await system.wait(lambda: leader.epoch)
    standby = await system.process()
    await asyncio.sleep(2)
    assert not standby.epoch
    return leader, standby


async def test_standby_takes_over_from_a_killed_leader_within_ten_seconds(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(standby, "ann")
        await leader.kill()
        killed_s = now_s()
        case_id = await system.contact()
        offer = await ann.offer()
        assert now_s() - killed_s < 10.0
        assert offer.case_id == case_id
        assert (await ann.accept(offer)).owner == "ann"


async def test_standby_takes_over_at_once_from_a_leader_who_stops(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(standby, "ann")
        await leader.stop()
        stopped_s = now_s()
        await system.contact()
        await ann.offer()
        assert now_s() - stopped_s < 1.5


async def test_standby_that_is_behind_decides_nothing_before_it_has_read_the_log(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(leader, "ann")
        go_on, take = asyncio.Event(), standby.engines.records

        async def held(batch):
            await go_on.wait()
            await take(batch)

        standby.engines.records = held
        await system.contact()
        await ann.offer()
        await leader.stop()
        await system.wait(lambda: standby.seat.lease.held)
        await asyncio.sleep(0.5)
        assert not standby.epoch, "it does not know yet that ann has been asked"
        go_on.set()
        await system.wait(lambda: standby.epoch, 1.0)


async def test_two_never_lead_and_the_paused_leader_offers_nothing(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        old_epoch = leader.epoch
        ann = await system.agent(standby, "ann")
        leader.cut()  # it still hears of everything, and nothing it says arrives
        while not standby.epoch:
            assert not (leader.epoch and standby.epoch)
            await asyncio.sleep(0.05)
        assert not leader.epoch
        leader.cut(off=False)
        for number in range(6):
            await system.contact()
            offer = await ann.offer(number)
            assert offer.trace.engine_epoch > old_epoch
            await close(system, await ann.accept(offer))
            await asyncio.sleep(1)
        assert not leader.epoch


async def test_new_leader_offers_nothing_before_lease_and_quiet_are_over(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(standby, "ann")
        bob = await system.agent(standby, "bob")
        case = await system.contact()
        await asyncio.sleep(0.5)
        holder = ann if ann.all("offer_issued") else bob
        await close(system, await holder.accept(await holder.offer()))
        last_s = now_s()
        await leader.kill()
        second = await system.contact()
        await system.wait(lambda: len(ann.all("offer_issued") + bob.all("offer_issued")) > 1)
        assert now_s() - last_s >= 4.0 + 2.5 - 1.5
        assert len(await offers_of(system, case)) == 1
        assert len(await offers_of(system, second)) == 1


async def test_accept_works_while_no_engine_leads(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(standby, "ann")
        await system.contact()
        offer = await ann.offer()
        await leader.kill()
        assert not standby.epoch
        case = await ann.accept(offer)
        assert case.owner == "ann"
        assert not standby.epoch


async def test_owner_is_not_released_by_a_new_leader_who_has_only_begun_to_watch(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(leader, "ann")
        case_id = await system.contact()
        await ann.accept(await ann.offer())
        await leader.kill()  # the session goes with it
        await ann.close()
        await system.wait(lambda: standby.epoch)
        led_s = now_s()
        again = await system.agent(standby, "ann")
        assert again.all("welcome")[0].cases[0].case_id == case_id
        await asyncio.sleep(20)
        assert again.all("welcome")[0].cases[0].owner == "ann"
        owners = [e for e in await system.events(case_id) if isinstance(e, OfferAccepted)]
        assert len(owners) == 1
        assert now_s() - led_s > 20


async def test_absence_counts_only_from_when_the_new_leader_watches(tmp_path):
    async with world(tmp_path) as system:
        leader, standby = await both(system)
        ann = await system.agent(leader, "ann")
        case_id = await system.contact()
        await ann.accept(await ann.offer())
        bob = await system.agent(standby, "bob")
        await leader.kill()
        await ann.close()
        await system.wait(lambda: standby.epoch)
        led_s = now_s()
        offer = await bob.offer()
        assert offer.case_id == case_id
        assert now_s() - led_s >= 5.5


async def test_offer_of_an_older_engine_is_not_shown(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        await close(system, await ann.accept(await ann.offer()))
        heads = process.sessions.heads
        heads._epochs[TENANT] = 99  # noqa: SLF001 - a newer engine was heard of
        await system.contact()
        await asyncio.sleep(3)
        assert len(ann.all("offer_issued")) == 1
        assert not heads.offers(TENANT, "ann")


async def test_lost_answer_of_ownership_makes_no_second_offer(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.wait(lambda: process.epoch)
        process.door.losing = 3
        case_id = await system.contact()
        offer = await ann.offer()
        await system.wait(lambda: not process.door.losing)
        assert (await ann.accept(offer)).owner == "ann"
        assert len(await offers_of(system, case_id)) == 1


async def test_new_leader_lets_the_round_stand_that_the_old_one_began(tmp_path):
    async with world(tmp_path, TWO) as system:
        leader, standby = await both(system)
        people = [await system.agent(standby, name) for name in ("ann", "bob")]
        first = await system.contact()
        offers = [await one.offer() for one in people]
        await leader.kill()
        await system.wait(lambda: standby.epoch)
        await asyncio.sleep(2)
        assert len(await offers_of(system, first)) == 2, "nobody was asked again"
        second = await system.contact()  # and whoever was asked beside the other is called back
        beside = await system.wait(
            lambda: next((one for one in people if one.all("offer_ended")), None)
        )
        assert (await beside.offer(1)).case_id == second
        other = people[people.index(beside) - 1]
        case = await other.accept(offers[people.index(other)])
        assert case.case_id == first
        revoked = [e for e in await system.events(first) if isinstance(e, OfferRevoked)]
        assert [e.reason for e in revoked] == ["NEEDED"]


async def test_of_a_round_one_accepts_while_no_engine_leads_and_the_other_is_told(tmp_path):
    async with world(tmp_path, TWO) as system:
        leader, standby = await both(system)
        people = [await system.agent(standby, name) for name in ("ann", "bob")]
        await system.contact()
        offers = [await one.offer() for one in people]
        await leader.kill()
        assert (await people[0].accept(offers[0])).owner == "ann"
        assert not standby.epoch
        (ended,) = await people[1].wait(lambda: people[1].all("offer_ended"))
        assert ended.offer_id == offers[1].offer_id
        assert ended.reason == types_pb2.OFFER_END_REASON_TAKEN
        with pytest.raises(Rejected, match="somebody else"):
            await people[1].accept(offers[1])
        await system.wait(lambda: standby.epoch)
        second = await system.contact()
        assert (await people[1].offer(1)).case_id == second


async def test_round_of_an_engine_that_was_deposed_gets_nobody_more(tmp_path):
    async with world(tmp_path, TWO) as system:
        leader, standby = await both(system)
        ann = await system.agent(standby, "ann")
        case_id = await system.contact()
        offer = await ann.offer()
        assert offer.asked == 1, "nobody else was there"
        leader.cut()
        await system.wait(lambda: standby.epoch)
        await system.agent(standby, "bob")
        leader.cut(off=False)
        await asyncio.sleep(2)
        assert len(await offers_of(system, case_id)) == 1
        assert (await ann.accept(offer)).owner == "ann"
