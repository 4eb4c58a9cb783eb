"""Work finds people and keeps finding them: offers, accepts, declines, silence and failover."""

import asyncio

import pytest

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Rejected
from toldonce.kernel.story.events import (
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipReleased,
)

from .world import close, world

pytestmark = pytest.mark.looptime


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def now_s():
    return asyncio.get_running_loop().time()


async def test_waiting_contact_is_offered_and_accepted_and_owned(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        case_id = await system.contact()
        ann = await system.agent(process, "ann")
        offer = await ann.offer()
        assert offer.case_id == case_id
        assert offer.trace.chosen_agent == "ann"
        assert offer.trace.policy_version.startswith("1-")
        assert {one.agent for one in offer.trace.candidates} == {"ann", "bob", "cat"}
        case = await ann.accept(offer)
        assert (case.owner, case.epoch) == ("ann", 1)
        changed = await ann.wait(lambda: ann.all("case_changed"))
        assert changed[-1].what == ["OfferAccepted"]
        assert changed[-1].case.owner == "ann"
        ended = ann.all("offer_ended")
        assert [one.reason for one in ended] == [types_pb2.OFFER_END_REASON_ACCEPTED]


async def test_agent_who_comes_first_gets_the_contact_at_once(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.wait(lambda: process.epoch)
        await asyncio.sleep(1)
        began_s = now_s()
        await system.contact()
        await ann.offer()
        assert now_s() - began_s < 0.1


async def test_declined_contact_goes_to_the_other_agent_at_its_old_age(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        offer = await ann.offer()
        bob = await system.agent(process, "bob")
        await ann.decline(offer)
        second = await bob.offer()
        assert second.case_id == case_id
        assert second.enqueued_at == offer.enqueued_at
        declined = [one.reason for one in ann.all("offer_ended")]
        assert declined == [types_pb2.OFFER_END_REASON_DECLINED]
        assert (await bob.accept(second)).owner == "bob"


async def test_ignored_offer_expires_and_goes_to_the_other_agent(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        offer = await ann.offer()
        bob = await system.agent(process, "bob")
        second = await bob.offer()
        assert second.case_id == case_id
        assert [one.reason for one in ann.all("offer_ended")] == [
            types_pb2.OFFER_END_REASON_EXPIRED
        ]
        with pytest.raises(Rejected) as late:
            await ann.accept(offer)
        assert late.value.reason.startswith("OFFER_")
        assert len(of(await system.events(case_id), OfferExpired)) == 1


async def test_vanished_owner_is_released_after_the_grace_and_the_next_one_gets_it(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        case = await ann.accept(await ann.offer())
        bob = await system.agent(process, "bob")
        await ann.vanish()
        gone_s = now_s()
        offer = await bob.offer()
        assert 5.0 <= now_s() - gone_s <= 8.0
        assert offer.case_id == case_id
        assert offer.epoch == case.epoch + 1
        assert (await bob.accept(offer)).epoch == case.epoch + 2
        released = of(await system.events(case_id), OwnershipReleased)
        assert [one.reason for one in released] == ["OWNER_GONE_REQUEUE"]


async def test_silent_agent_is_ended_and_counts_from_the_last_heartbeat(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        await ann.accept(await ann.offer())
        bob = await system.agent(process, "bob")
        ann.fall_silent()
        silent_s = now_s()
        offer = await bob.offer()
        assert 4.0 <= now_s() - silent_s <= 8.0
        assert offer.case_id == case_id
        await ann.wait(lambda: ann.over)
        assert "no heartbeat" in str(ann.ended)


async def test_vanished_agent_loses_an_offer_not_yet_taken(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        await ann.offer()
        await ann.vanish()
        bob = await system.agent(process, "bob")
        assert (await bob.offer()).case_id == case_id
        events = await system.events(case_id)
        assert of(events, OfferRevoked) or of(events, OfferExpired)


async def test_returning_owner_is_welcomed_with_their_cases_and_live_offers(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        await ann.accept(await ann.offer())
        session_id = ann.all("welcome")[0].session_id
        await ann.vanish()
        await asyncio.sleep(2)
        again = await system.agent(process, "ann", resume_session_id=session_id)
        welcome = again.all("welcome")[0]
        assert welcome.session_id == session_id
        assert [case.case_id for case in welcome.cases] == [case_id]
        assert welcome.cases[0].owner == "ann"
        await asyncio.sleep(30)
        assert not of(await system.events(case_id), OwnershipReleased)


async def test_live_offer_is_shown_again_after_a_reconnect(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        offer = await ann.offer()
        await ann.vanish()
        again = await system.agent(process, "ann")
        shown = await again.offer()
        assert shown.offer_id == offer.offer_id
        assert shown.trace.decision_id == offer.trace.decision_id
        assert (await again.accept(shown)).owner == "ann"


async def test_owner_hears_what_the_customer_adds(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        case = await ann.accept(await ann.offer())
        entry = ownership_pb2.AppendEntryRequest(
            case_id=case_id, epoch=case.epoch, kind=ownership_pb2.ENTRY_KIND_NOTE, text="noted"
        )
        done = await system.as_agent("ann", append_entry=entry)
        await ann.wait(
            lambda: [one for one in ann.all("case_changed") if one.what == ["EntryAppended"]]
        )
        assert ann.all("case_changed")[-1].sequence == done.sequence


async def test_agent_gets_no_more_than_their_capacity(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        cases = {await system.contact() for _ in range(3)}
        ann = await system.agent(process, "ann")
        offer = await ann.offer()
        await ann.accept(offer)
        await asyncio.sleep(20)
        assert len(ann.all("offer_issued")) == 1
        bob = await system.agent(process, "bob")
        assert (await bob.offer()).case_id in cases - {offer.case_id}


async def test_agent_who_is_away_gets_nothing_until_available(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann", availability=types_pb2.AVAILABILITY_AWAY)
        await system.contact()
        await asyncio.sleep(10)
        assert not ann.all("offer_issued")
        wanted = routing_pb2.SetAvailability(availability=types_pb2.AVAILABILITY_AVAILABLE)
        await ann.say(set_availability=wanted)
        await ann.offer()


async def test_declared_availability_outlives_the_session(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await ann.vanish()
        again = await system.agent(process, "ann", availability=types_pb2.AVAILABILITY_UNSPECIFIED)
        assert again.all("welcome")[0].availability == types_pb2.AVAILABILITY_AVAILABLE
        bob = await system.agent(process, "bob", availability=types_pb2.AVAILABILITY_UNSPECIFIED)
        assert bob.all("welcome")[0].availability == types_pb2.AVAILABILITY_AWAY


async def test_every_owner_was_chosen_once_in_a_crowd_of_contacts(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        agents = [await system.agent(process, name) for name in ("ann", "bob")]

        async def work(agent):
            for number in range(10):
                await close(system, await agent.accept(await agent.offer(number)))

        cases = [await system.contact() for _ in range(20)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(work(agent) for agent in agents))
        for case_id in cases:
            events = await system.events(case_id)
            assert len(of(events, OfferAccepted)) == 1
            assert len(of(events, Offered)) == 1
            assert not of(events, OfferDeclined)
