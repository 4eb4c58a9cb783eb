"""A session keeps to its manners: one hello, one session an agent, every refusal answered."""

import asyncio

import pytest

from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import (
    Denied,
    Exhausted,
    Invalid,
    Missing,
    Rejected,
    Unavailable,
)
from toldonce.kernel.ids import derive, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.routing.session.stream import LINE_MAX
from toldonce.routing.wire.queries import ask_case, ask_position, ask_queues, read_answer
from toldonce.runtime.names import engine
from toldonce.runtime.rpc import from_status

from .world import TENANT, Agent, close, handoff_to_agent, world

pytestmark = pytest.mark.looptime

HELLO = routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello())


def opened(system, process, name="ann", tenant=TENANT):
    agent = Agent(process.sessions.open(Principal(tenant, Role.AGENT, name)))
    system._stack.push_async_callback(agent.close)  # noqa: SLF001 - the world ends its agents
    return agent


async def test_second_hello_ends_the_session(tmp_path):
    async with world(tmp_path) as system:
        ann = await system.agent(await system.process(), "ann")
        await ann.session.receive(HELLO)
        await ann.wait(lambda: ann.over)
        assert isinstance(ann.ended, Rejected)
        assert ann.ended.reason == "ALREADY_SAID_HELLO"


async def test_first_message_that_is_no_hello_ends_the_session(tmp_path):
    async with world(tmp_path) as system:
        ann = opened(system, await system.process())
        beat = routing_pb2.AgentSessionRequest(heartbeat=routing_pb2.Heartbeat())
        await ann.session.receive(beat)
        await ann.wait(lambda: ann.over)
        assert isinstance(ann.ended, Invalid)


@pytest.mark.parametrize(
    ("name", "hello", "kind"),
    [
        ("ann", {"agent": "bob"}, Denied),
        ("nobody", {}, Missing),
        ("ann", {"agent": "a b"}, Invalid),
        ("ann", {"resume_session_id": "*"}, Invalid),
        ("ann", {"availability": 99}, Invalid),
        ("ann", {"reason": "x" * 200}, Invalid),
    ],
)
async def test_hello_that_cannot_be_is_refused(tmp_path, name, hello, kind):
    async with world(tmp_path) as system:
        agent = opened(system, await system.process(), name)
        await agent.session.receive(
            routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello(**hello))
        )
        await agent.wait(lambda: agent.over)
        assert isinstance(agent.ended, kind)
        assert not agent.came


async def test_agent_of_a_tenant_without_configuration_is_refused(tmp_path):
    async with world(tmp_path) as system:
        agent = opened(system, await system.process(), tenant="other")
        await agent.session.receive(HELLO)
        await agent.wait(lambda: agent.over)
        assert isinstance(agent.ended, Missing)


async def test_later_session_takes_over_and_the_older_one_is_told(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        again = await system.agent(process, "ann")
        await ann.wait(lambda: ann.over)
        assert ann.all("drain")
        assert ann.ended.reason == "TAKEN_OVER"
        await ann.close()
        await system.contact()
        await again.offer()


async def test_later_session_in_another_process_takes_over_too(tmp_path):
    async with world(tmp_path) as system:
        first, second = await system.process(), await system.process()
        ann = await system.agent(first, "ann")
        await asyncio.sleep(0.5)
        again = await system.agent(second, "ann")
        await ann.wait(lambda: ann.over)
        assert ann.ended.reason == "TAKEN_OVER"
        await ann.close()
        await system.contact()
        await again.offer()
        assert not again.over


async def test_refused_request_is_answered_and_leaves_the_session_up(tmp_path):
    async with world(tmp_path) as system:
        ann = await system.agent(await system.process(), "ann")
        who = derive("nobody")
        unknown = whole(who, derive("nothing"))
        reply = await ann.say(accept=routing_pb2.Accept(offer_id=unknown, epoch=1))
        assert isinstance(from_status(reply.error), Rejected | Missing)
        reply = await ann.say(accept=routing_pb2.Accept(offer_id="*", epoch=1))
        assert isinstance(from_status(reply.error), Invalid)
        reply = await ann.say(heartbeat=routing_pb2.Heartbeat())
        assert reply.WhichOneof("result") == "ok"
        assert not ann.over


async def test_stale_epoch_is_refused_and_the_offer_stays(tmp_path):
    async with world(tmp_path) as system:
        ann = await system.agent(await system.process(), "ann")
        await system.contact()
        offer = await ann.offer()
        stale = routing_pb2.Accept(offer_id=offer.offer_id, epoch=offer.epoch + 7)
        reply = await ann.say(accept=stale)
        assert from_status(reply.error).reason == "STALE_EPOCH"
        assert (await ann.accept(offer)).owner == "ann"


async def test_accepting_twice_is_accepting_once(tmp_path):
    async with world(tmp_path) as system:
        ann = await system.agent(await system.process(), "ann")
        await system.contact()
        offer = await ann.offer()
        first = await ann.accept(offer)
        second = await ann.accept(offer)
        assert (first.owner, first.epoch) == (second.owner, second.epoch)


async def test_accept_of_somebody_elses_offer_is_refused(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        offer = await ann.offer()
        bob = await system.agent(process, "bob")
        with pytest.raises(Rejected) as refused:
            await bob.accept(offer)
        assert refused.value.reason == "OFFER_NOT_YOURS"


async def test_agent_who_does_not_read_loses_the_session(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        session = process.sessions.open(Principal(TENANT, Role.AGENT, "ann"))
        await session.receive(HELLO)
        beat = routing_pb2.AgentSessionRequest(ref=1, heartbeat=routing_pb2.Heartbeat())
        for _ in range(LINE_MAX + 1):
            await session.receive(beat)
        with pytest.raises(Exhausted, match="read faster"):
            async for _ in session.answers():
                pass
        await session.close()


async def test_draining_process_says_goodbye_and_lets_nobody_in(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        process.sessions._draining.set()  # noqa: SLF001 - the process begins to go away
        await ann.wait(lambda: ann.all("drain"))
        with pytest.raises(Unavailable):
            process.sessions.open(Principal(TENANT, Role.AGENT, "bob"))


async def test_handed_over_case_keeps_its_sender_until_the_receiver_accepts(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        case = await ann.accept(await ann.offer())
        bob = await system.agent(process, "bob")
        begun = await system.as_agent("ann", begin_handoff=handoff_to_agent(case, "bob"))
        assert begun.case.owner == "ann"
        offer = await bob.offer()
        assert offer.handoff.from_agent == "ann"
        with pytest.raises(Rejected, match="not what was handed over"):
            await bob.accept(offer, b"x" * 32)
        taken = await bob.accept(offer, begun.case.handoff.context_hash)
        assert (taken.owner, taken.hops) == ("bob", 1)
        ended = await ann.wait(lambda: ann.all("handoff_ended"))
        assert ended[0].outcome == types_pb2.HANDOFF_OUTCOME_ACCEPTED
        assert ended[0].new_owner == "bob"
        assert ann.all("case_changed")[-1].case.owner == "bob"


async def test_declined_handoff_leaves_the_case_with_its_sender(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        case = await ann.accept(await ann.offer())
        bob = await system.agent(process, "bob")
        await system.as_agent("ann", begin_handoff=handoff_to_agent(case, "bob"))
        await bob.decline(await bob.offer())
        ended = await ann.wait(lambda: ann.all("handoff_ended"))
        assert ended[0].outcome == types_pb2.HANDOFF_OUTCOME_DECLINED
        assert ended[0].new_owner == "ann"
        assert (await close(system, ann.all("case_changed")[-1].case)).disposition == "done"


async def test_handoff_nobody_takes_times_out_and_the_sender_keeps_the_case(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        ann = await system.agent(process, "ann")
        await system.contact()
        case = await ann.accept(await ann.offer())
        await system.as_agent("ann", begin_handoff=handoff_to_agent(case, "bob"))
        ended = await ann.wait(lambda: ann.all("handoff_ended"))
        assert ended[0].outcome == types_pb2.HANDOFF_OUTCOME_EXPIRED
        assert ended[0].new_owner == "ann"


async def test_leader_says_how_queues_stand_and_why_a_case_waits(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        await system.wait(lambda: process.epoch)
        await system.agent(process, "ann")
        first = await system.contact("desk")
        await asyncio.sleep(1)
        second = await system.contact("desk")
        await asyncio.sleep(1)

        async def asked(data):
            return read_answer(await system.servers.bus.request(engine(TENANT), data, timeout_s=1))

        queues = (await asked(ask_queues(TENANT, ["desk"]))).queues.queues
        assert [(view.queue, view.waiting) for view in queues] == [("desk", 2)]
        place = (await asked(ask_position(TENANT, second))).position
        assert (place.queue, place.live.position, place.live.known) == ("desk", 2, True)
        trace = (await asked(ask_case(TENANT, first))).explain.traces[0]
        assert trace.chosen_agent == ""
        gates = {one.agent: one.first_failing_gate for one in trace.candidates}
        assert gates["cat"] == types_pb2.GATE_PRESENCE
        assert gates["ann"] == types_pb2.GATE_QUEUE


async def test_nobody_was_idle_while_a_contact_they_could_have_waited(tmp_path):
    async with world(tmp_path) as system:
        process = await system.process()
        agents = [await system.agent(process, name) for name in ("ann", "bob")]
        for number in range(5):
            await system.contact()
            await system.contact()
            for agent in agents:
                await close(system, await agent.accept(await agent.offer(number)))
        await asyncio.sleep(3)
        assert process.seat.shell.engine.eligible_idle_s == 0
