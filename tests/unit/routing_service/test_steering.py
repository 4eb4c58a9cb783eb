"""What supervisors and agents ask of the engine: done once, by whichever engine leads."""

import asyncio

import pytest

from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.retry import again
from toldonce.kernel.errors import Denied, Invalid, Missing, Rejected, Unavailable
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import Offered, OfferRevoked, PrioritySet
from toldonce.routing.handler.declaring import Declaring
from toldonce.routing.wire.tables import read_declared, write_declared
from toldonce.runtime.ids import new_id

from .world import DOCUMENT, close, world

pytestmark = pytest.mark.looptime

FORCE, PICK = "ForceAssign", "PickWork"
PRIORITY, MOVE, DRAIN = "SetPriority", "MoveWork", "DrainAgent"


def force(case_id, agent, *override, reason="VIP", operation=""):
    return routing_pb2.ForceAssignRequest(
        case_id=case_id,
        agent=agent,
        reason=reason,
        operation_id=operation or new_id(),
        override=[types_pb2.Gate.Value(f"GATE_{gate}") for gate in override],
    )


def pick(case_id="", agent="", queue="", operation=""):
    return routing_pb2.PickWorkRequest(
        case_id=case_id, agent=agent, queue=queue, operation_id=operation or new_id()
    )


async def offers(system, case_id):
    return [event for event in await system.events(case_id) if isinstance(event, Offered)]


def counted(process) -> float:
    found = process.meter.registry.get_sample_value("toldonce_overdrafts_total", {"tenant": "demo"})
    return found or 0.0


async def test_forced_overdraft_is_offered_accepted_explained_and_counted(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        await ann.accept(await ann.offer())
        case_id = await system.contact()
        await system.wait(lambda: process.seat.shell.engine.waiting)
        with pytest.raises(Rejected) as no:
            await process.call(Role.SUPERVISOR, "sam", FORCE, force(case_id, "ann"))
        assert (no.value.reason, str(no.value)) == ("BARRED", "CAPACITY: needs 1, free 0 of 1")
        request = force(case_id, "ann", "CAPACITY")
        case = await process.call(Role.SUPERVISOR, "sam", FORCE, request)
        assert [one.agent for one in case.offers] == ["ann"]
        offer = await ann.offer(1)
        assert offer.trace.reason == (
            "forced by sam (VIP), although CAPACITY: needs 1, free 0 of 1"
        )
        assert counted(process) == 1
        repeat = await process.call(Role.SUPERVISOR, "sam", FORCE, request)
        assert repeat.offers == case.offers
        assert (await ann.accept(offer)).owner == "ann"
        late = await process.call(Role.SUPERVISOR, "sam", FORCE, request)
        assert late.owner == "ann", "the same operation is answered with what became of it"
        assert len(await offers(system, case_id)) == 1
        assert counted(process) == 1


async def test_force_takes_the_offer_from_another_and_pick_leaves_it(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        case_id = await system.contact()
        await ann.offer()
        bob = await system.agent(process, "bob")
        with pytest.raises(Rejected) as no:
            await process.call(Role.AGENT, "bob", PICK, pick(case_id))
        assert no.value.reason == "OFFERED"
        await process.call(Role.SUPERVISOR, "sam", FORCE, force(case_id, "bob"))
        assert (await bob.offer()).case_id == case_id
        (ended,) = await ann.wait(lambda: ann.all("offer_ended"))
        assert ended.reason == types_pb2.OFFER_END_REASON_REVOKED
        revoked = [one for one in await system.events(case_id) if isinstance(one, OfferRevoked)]
        assert [one.reason for one in revoked] == ["FORCED"]


async def test_agent_picks_the_next_of_a_queue_or_hears_why_not(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        away = types_pb2.AVAILABILITY_AWAY
        ann = await system.agent(process, "ann", availability=away)
        case_id = await system.contact()
        await system.wait(lambda: process.seat.shell.engine.waiting)
        with pytest.raises(Rejected) as no:
            await process.call(Role.AGENT, "ann", PICK, pick(queue="help"))
        assert "AVAILABILITY: away" in str(no.value)
        with pytest.raises(Denied):
            await process.call(Role.AGENT, "ann", PICK, pick(case_id, "bob"))
        with pytest.raises(Missing):
            await process.call(Role.SUPERVISOR, "sam", PICK, pick(case_id, "nobody"))
        unknown = pick(case_id[:26] + case_id[:26])
        with pytest.raises(Missing):
            await process.call(Role.AGENT, "ann", PICK, unknown)
        with pytest.raises(Invalid):
            await process.call(Role.AGENT, "ann", PICK, pick())
        with pytest.raises(Invalid):
            await process.call(Role.SUPERVISOR, "s", FORCE, force(case_id, "ann", reason="the vip"))
        with pytest.raises(Invalid):
            await process.call(Role.SUPERVISOR, "s", FORCE, force(case_id, "ann", "EXCLUDED"))
        assert not ann.all("offer_issued")


async def test_ask_between_two_engines_is_answered_by_the_next_and_done_once(tmp_path):
    async with world(tmp_path) as system:
        leader = await system.process()
        await system.wait(lambda: leader.epoch)
        standby = await system.process()
        ann = await system.agent(standby, "ann", availability=types_pb2.AVAILABILITY_AWAY)
        case_id = await system.contact()
        await asyncio.sleep(1)
        request = force(case_id, "ann", "AVAILABILITY")
        leader.cut()  # it hears the ask and cannot act
        with pytest.raises(Unavailable) as later:
            await standby.call(Role.SUPERVISOR, "sam", FORCE, request)
        assert later.value.operation_id == request.operation_id
        case = await again(lambda: standby.call(Role.SUPERVISOR, "sam", FORCE, request))
        assert [one.agent for one in case.offers] == ["ann"]
        leader.cut(off=False)
        await asyncio.sleep(2)
        assert (await ann.offer()).trace.engine_epoch > 1
        assert len(await offers(system, case_id)) == 1


async def test_answer_that_was_lost_is_found_in_the_log_whoever_leads(tmp_path):
    async with world(tmp_path) as system:
        leader = await system.process()
        await system.wait(lambda: leader.epoch)
        standby = await system.process()
        ann = await system.agent(standby, "ann")
        case_id = await system.contact()
        await ann.decline(await ann.offer())
        await asyncio.sleep(1)
        request = force(case_id, "ann")
        await leader.call(Role.SUPERVISOR, "sam", FORCE, request)
        await ann.accept(await ann.offer(1))
        await leader.kill()
        found = await standby.call(Role.SUPERVISOR, "sam", FORCE, request)
        assert found.owner == "ann"
        assert len(await offers(system, case_id)) == 2


async def test_supervisor_sets_a_priority_up_and_down_once_for_an_operation(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        case_id = await system.contact()
        up = routing_pb2.SetPriorityRequest(
            case_id=case_id, priority=900, reason="VIP", operation_id=new_id()
        )
        assert (await process.call(Role.SUPERVISOR, "sam", PRIORITY, up)).priority == 900
        down = routing_pb2.SetPriorityRequest(case_id=case_id, priority=1, reason="MISTAKE")
        assert (await process.call(Role.SUPERVISOR, "sam", PRIORITY, down)).priority == 1
        await process.call(Role.SUPERVISOR, "sam", PRIORITY, up)
        events = [one for one in await system.events(case_id) if isinstance(one, PrioritySet)]
        assert [(one.priority, one.reason) for one in events] == [(900, "VIP"), (1, "MISTAKE")]
        wrong = routing_pb2.SetPriorityRequest(case_id=case_id, priority=1001, reason="VIP")
        with pytest.raises(Invalid):
            await process.call(Role.SUPERVISOR, "sam", PRIORITY, wrong)
        wrong = routing_pb2.SetPriorityRequest(case_id=case_id, priority=1, reason="")
        with pytest.raises(Invalid):
            await process.call(Role.SUPERVISOR, "sam", PRIORITY, wrong)


async def test_moved_work_waits_elsewhere_at_its_old_age(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        cat = await system.agent(process, "cat")
        case_id = await system.contact()
        before = await ann.offer()
        move = routing_pb2.MoveWorkRequest(
            case_id=case_id, queue="desk", reason="MISROUTED", operation_id=new_id()
        )
        case = await process.call(Role.SUPERVISOR, "sam", MOVE, move)
        assert case.queue == "desk"
        (ended,) = await ann.wait(lambda: ann.all("offer_ended"))
        assert ended.reason == types_pb2.OFFER_END_REASON_REVOKED
        offer = await cat.offer()
        assert (offer.case_id, offer.queue) == (case_id, "desk")
        assert offer.enqueued_at == before.enqueued_at
        await cat.accept(offer)
        assert (await process.call(Role.SUPERVISOR, "sam", MOVE, move)).case_id == case_id
        back = routing_pb2.MoveWorkRequest(case_id=case_id, queue="help", reason="MISROUTED")
        with pytest.raises(Rejected) as no:
            await process.call(Role.SUPERVISOR, "sam", MOVE, back)
        assert no.value.reason == "OWNED"
        nowhere = routing_pb2.MoveWorkRequest(case_id=case_id, queue="nowhere", reason="MISROUTED")
        with pytest.raises(Invalid):
            await process.call(Role.SUPERVISOR, "sam", MOVE, nowhere)


async def test_drain_holds_over_declarations_reconnects_and_a_failover_until_it_is_ended(tmp_path):
    async with world(tmp_path) as system:
        leader = await system.process()
        await system.wait(lambda: leader.epoch)
        standby = await system.process()
        ann = await system.agent(standby, "ann")
        owned = await system.contact()
        case = await ann.accept(await ann.offer())
        begin = routing_pb2.DrainAgentRequest(agent="ann", reason="TRAINING", operation_id=new_id())
        drained = await leader.call(Role.SUPERVISOR, "sam", DRAIN, begin)
        assert list(drained.case_ids) == [owned]
        again_ = await standby.call(Role.SUPERVISOR, "sam", DRAIN, begin)
        assert again_ == drained
        await close(system, case)
        await ann.vanish()
        ann = await system.agent(standby, "ann")
        await leader.kill()
        case_id = await system.contact()
        await system.wait(lambda: standby.epoch)
        await asyncio.sleep(1)
        assert not ann.all("offer_issued")
        end = routing_pb2.DrainAgentRequest(
            agent="ann", reason="BACK", end=True, operation_id=new_id()
        )
        over = await standby.call(Role.SUPERVISOR, "sam", DRAIN, end)
        assert not over.HasField("drained_at")
        assert (await ann.offer()).case_id == case_id
        late = await standby.call(Role.SUPERVISOR, "sam", DRAIN, begin)
        assert not late.HasField("drained_at"), "the first drain was done once, and is over"
        unknown = routing_pb2.DrainAgentRequest(agent="nobody", reason="BACK")
        with pytest.raises(Missing):
            await standby.call(Role.SUPERVISOR, "sam", DRAIN, unknown)
        both = routing_pb2.DrainAgentRequest(agent="ann", reason="BACK", end=True, hand_back=True)
        with pytest.raises(Invalid):
            await standby.call(Role.SUPERVISOR, "sam", DRAIN, both)


async def test_pick_of_the_next_that_was_not_answered_asks_for_the_same_case_again(tmp_path):
    async with world(tmp_path) as system:
        leader = await system.process()
        await system.wait(lambda: leader.epoch)
        standby = await system.process()
        shy = types_pb2.AVAILABILITY_DO_NOT_ROUTE
        ann = await system.agent(standby, "ann", availability=shy)
        first = await system.contact()
        await asyncio.sleep(0.1)
        second = await system.contact()
        await asyncio.sleep(1)
        request = pick(queue="help")
        leader.cut()
        with pytest.raises(Unavailable):
            await standby.call(Role.AGENT, "ann", PICK, request)
        case = await again(lambda: standby.call(Role.AGENT, "ann", PICK, request))
        assert case.case_id == first
        await close(system, await ann.accept(await ann.offer()))
        leader.cut(off=False)
        once = await leader.call(Role.AGENT, "ann", PICK, request)
        assert once.case_id == first, "the same again is told what became of the first"
        assert not await offers(system, second)
        other = await standby.call(Role.AGENT, "ann", PICK, pick(queue="help"))
        assert other.case_id == second


async def test_next_that_is_gone_when_it_is_asked_for_is_chosen_anew(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        shy = types_pb2.AVAILABILITY_DO_NOT_ROUTE
        ann = await system.agent(process, "ann", availability=shy)
        first = await system.contact()
        await asyncio.sleep(0.1)
        second = await system.contact()
        await system.wait(lambda: process.seat.shell.engine.waiting == 2)
        request = pick(queue="help")
        rows = Declaring(system.servers.agents, system.clock, read_declared, write_declared)
        await rows.pick("demo", "ann", request.operation_id, first)
        bob = await system.agent(process, "bob")
        assert (await bob.accept(await bob.offer())).case_id == first
        case = await process.call(Role.AGENT, "ann", PICK, request)
        assert case.case_id == second
        assert (await ann.offer()).case_id == second


async def test_offer_forced_upon_the_absent_is_left_alone_by_the_standby_that_takes_over(tmp_path):
    async with world(tmp_path, DOCUMENT.replace("offer_timeout_s: 4", "offer_timeout_s: 60")) as it:
        leader = await it.process()
        await it.wait(lambda: leader.epoch)
        standby = await it.process()
        case_id = await it.contact()
        await asyncio.sleep(1)
        request = force(case_id, "ann", "PRESENCE", "AVAILABILITY")
        await leader.call(Role.SUPERVISOR, "sam", FORCE, request)
        await leader.kill()
        await it.wait(lambda: standby.epoch)
        await asyncio.sleep(20)
        ann = await it.agent(standby, "ann")
        assert (await ann.accept(await ann.offer())).owner == "ann"
        assert [one.forced for one in await offers(it, case_id)] == [True]
