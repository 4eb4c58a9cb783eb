"""Agents over real gRPC, with the real servers below: offered, accepted, explained, restarted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic

import grpc
import pytest

from tests.servers import eventually
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.routing.v1 import internal_pb2, routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.house import House, house
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.seen import Offer
from toldonce.intake.handler.places import FRESH_S
from toldonce.kernel.errors import Invalid, Missing, Refusal, Rejected
from toldonce.kernel.principal import Role
from toldonce.runtime.ids import new_id
from toldonce.runtime.names import lease_key

AGENT = "anouk"


@pytest.fixture
async def running(tmp_path) -> AsyncIterator[House]:
    async with house(tmp_path, metrics_port=None) as made:
        yield made


def client(running: House, role: Role, name: str) -> Client:
    return Client(running.address, running.token(role, name))


def contact(number: int) -> intake_pb2.SubmitContactRequest:
    request = intake_pb2.SubmitContactRequest(
        message_id=f"m-{number}",
        channel="chat",
        text="Waar blijft mijn pakket?",
        aliases=[
            types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value=f"joan{number}@shop.example")
        ],
    )
    request.made_at.FromDatetime(datetime.now(UTC))
    return request


async def submit(running: House, number: int = 1) -> str:
    """Submit a contact that `anouk` can take; gives the case."""
    async with client(running, Role.GATEWAY, "web") as gateway:
        return (await gateway.intake.SubmitContact(contact(number))).fixed.case_id


async def next_offer(session: AgentSession, within_s: float = 15.0) -> Offer:
    async with asyncio.timeout(within_s):
        async for news in session.news():
            if isinstance(news, Offer):
                return news
    raise AssertionError("the session ended")


async def test_contact_is_offered_within_a_moment_accepted_and_explained(running: House) -> None:
    async with client(running, Role.AGENT, AGENT) as desk, AgentSession(desk, AGENT) as anouk:
        warm = await submit(running, 0)
        offer = await next_offer(anouk)
        assert offer.case_id == warm
        took_s = []
        cases = [warm]
        for number in range(1, 4):
            began_s = monotonic()
            cases.append(await submit(running, number))
            offers = offer
            offer = await next_offer(anouk)
            took_s.append(monotonic() - began_s)
            taken = await anouk.accept(offers)
            assert taken.case.owner == AGENT
            await anouk.close_case(taken.case.case_id, "answered")
        assert min(took_s) < 0.5, took_s
        async with client(running, Role.SUPERVISOR, "sam") as boss:
            asked = routing_pb2.ExplainDecisionRequest(case_id=cases[0])
            traces = (await boss.routing.ExplainDecision(asked)).traces
            assert traces[0].chosen_agent == AGENT
            named = {one.agent for one in traces[0].candidates}
            assert len(named) > 30
            again = routing_pb2.ExplainDecisionRequest(decision_id=traces[0].decision_id)
            assert (await boss.routing.ExplainDecision(again)).traces[0] == traces[0]
            by_offer = routing_pb2.ExplainDecisionRequest(offer_id=offer.offer_id)
            assert (await boss.routing.ExplainDecision(by_offer)).traces[0].chosen_agent == AGENT


async def seen(boss: Client) -> bool:
    """Whether the engine that leads knows of a waiting case."""
    listed = await boss.routing.ListQueues(routing_pb2.ListQueuesRequest())
    return any(view.waiting for view in listed.queues)


async def test_waiting_case_has_a_place_a_queue_and_a_reason(running: House) -> None:
    case_id = await submit(running)
    async with client(running, Role.SUPERVISOR, "sam") as boss:
        await eventually(lambda: seen(boss))
        queues = (await boss.routing.ListQueues(routing_pb2.ListQueuesRequest())).queues
        assert sum(view.waiting for view in queues) == 1
        watch = boss.routing.WatchQueues(routing_pb2.WatchQueuesRequest(queues=["orders"]))
        async for now in watch:
            assert [view.queue for view in now.queues] == ["orders"]
            break
        watch.cancel()
        place = await boss.routing.GetPosition(routing_pb2.GetPositionRequest(case_id=case_id))
        assert (place.live.known, place.live.position, place.queue) == (True, 1, "orders")
        assert not place.live.estimated, "nothing was learned yet, and it says so"
        (orders,) = [view for view in queues if view.queue == "orders"]
        assert (orders.next_position, orders.estimated, orders.judged_cases) == (2, False, 0)
        why = await boss.routing.ExplainDecision(
            routing_pb2.ExplainDecisionRequest(case_id=case_id)
        )
        assert why.traces[0].chosen_agent == ""
        assert "connected" in why.traces[0].reason
        unknown = case_id[:26] + case_id[:26]
        for asked in (
            boss.routing.GetPosition(routing_pb2.GetPositionRequest(case_id=unknown)),
            boss.routing.ExplainDecision(routing_pb2.ExplainDecisionRequest(case_id=unknown)),
            boss.routing.ExplainDecision(routing_pb2.ExplainDecisionRequest(offer_id=unknown)),
        ):
            with pytest.raises(Missing):
                await asked
        with pytest.raises(Invalid):
            await boss.routing.GetPosition(routing_pb2.GetPositionRequest(case_id="*"))


async def test_first_in_line_is_told_so_and_the_next_that_they_are_second(running: House) -> None:
    await submit(running)
    async with client(running, Role.SUPERVISOR, "sam") as boss:
        await eventually(lambda: seen(boss))
    async with client(running, Role.GATEWAY, "web") as gateway:
        await asyncio.sleep(FRESH_S)
        told = [await gateway.intake.SubmitContact(contact(number)) for number in (2, 3, 4)]
        assert [(ack.live.known, ack.live.position) for ack in told] == [
            (True, 2),
            (True, 3),
            (True, 4),
        ], "one was there before them"


async def test_customer_is_told_their_place_and_how_long_once_that_is_known(
    running: House,
) -> None:
    """Two by two they come, one waits for the other to be served: after a while that is known."""
    async with (
        client(running, Role.AGENT, AGENT) as desk,
        AgentSession(desk, AGENT) as anouk,
        client(running, Role.GATEWAY, "web") as gateway,
        client(running, Role.SUPERVISOR, "sam") as boss,
    ):
        lines = running.ports.meter
        waiting = [await submit(running, number) for number in range(4)]
        for number in range(4, 4 + 60):
            taken = await anouk.accept(await next_offer(anouk))
            await anouk.close_case(taken.case.case_id, "answered")
            waiting.append(await submit(running, number))
        await eventually(lambda: told(boss))
        # an acknowledgement tells of the last second or two: that may be before the last came
        for number in range(90, 100):
            request = contact(number)
            ack = await gateway.intake.SubmitContact(request)
            if ack.live.estimated and ack.live.position > 1:
                break
            await asyncio.sleep(0.5)
        live = ack.live
        assert (live.known, live.estimated) == (True, True)
        assert live.position > 1
        assert 0 <= live.low_s <= live.estimate_s <= live.high_s
        assert f"nummer {live.position} in de rij" in live.text
        assert not (await gateway.intake.SubmitContact(request)).live.known, "a repeat"
        seen = intake_pb2.GetContactRequest(contact_id=ack.fixed.contact_id)
        await eventually(lambda: placed(gateway, seen))
        assert b"toldonce_wait_estimates_total" in lines.page()


async def told(boss: Client) -> bool:
    """Whether the engine knows how long a newcomer waits, and has been judged."""
    listed = await boss.routing.ListQueues(routing_pb2.ListQueuesRequest(queues=["orders"]))
    (view,) = listed.queues
    return bool(view.estimated and view.judged_cases)


async def placed(gateway: Client, asked: intake_pb2.GetContactRequest) -> bool:
    """Whether a contact that waits has a place."""
    view = await gateway.intake.GetContact(asked)
    return bool(view.live.known and view.live.position and view.live.estimated)


async def ended(stream) -> Refusal:
    """Read a session to its end and say why it ended."""
    try:
        async with asyncio.timeout(10):
            while await stream.read() is not grpc.aio.EOF:
                pass
    except Refusal as refusal:
        return refusal
    raise AssertionError("it ended without a word")


async def test_second_hello_ends_the_stream_with_its_reason(running: House) -> None:
    hello = routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello(agent=AGENT))
    async with client(running, Role.AGENT, AGENT) as desk:
        stream = desk.routing.AgentSession()
        await stream.write(hello)
        assert (await stream.read()).welcome.session_id
        await stream.write(hello)
        why = await ended(stream)
        assert isinstance(why, Rejected)
        assert why.reason == "ALREADY_SAID_HELLO"


async def test_second_connection_takes_over_from_the_first(running: House) -> None:
    hello = routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello(agent=AGENT))
    async with (
        client(running, Role.AGENT, AGENT) as desk,
        client(running, Role.AGENT, AGENT) as tab,
    ):
        first, second = desk.routing.AgentSession(), tab.routing.AgentSession()
        await first.write(hello)
        await first.read()
        await second.write(hello)
        assert (await second.read()).welcome.session_id
        why = await ended(first)
        assert isinstance(why, Rejected)
        assert why.reason == "TAKEN_OVER"
        second.cancel()


async def test_restarted_house_goes_on_where_it_was(tmp_path) -> None:
    async with house(tmp_path, metrics_port=None) as before:
        waiting = await submit(before)
        async with client(before, Role.AGENT, "bram") as desk, AgentSession(desk) as bram:
            taken = await bram.accept(await next_offer(bram))
            assert taken.case.case_id == waiting
        second = await submit(before, 2)
    async with (
        house(tmp_path, metrics_port=None) as after,
        client(after, Role.AGENT, "bram") as desk,
        AgentSession(desk) as bram,
    ):
        assert list(bram.cases) == [waiting]
        began_s = monotonic()
        assert (await next_offer(bram)).case_id == second
        assert monotonic() - began_s < 4.0, "a lease that was given back needs no wait"


async def test_lease_of_a_dead_holder_is_taken_over_within_ten_seconds(running: House) -> None:
    leases, key = running.ports.tables.leases, lease_key("engine", "demo")
    async with client(running, Role.AGENT, AGENT) as desk, AgentSession(desk, AGENT) as anouk:
        await submit(running, 1)
        first = await next_offer(anouk)
        await anouk.accept(first)
        row = await leases.get(key)
        lease = internal_pb2.Lease.FromString(row.value)
        lease.holder, lease.epoch, lease.counter = new_id(), lease.epoch + 1, 1
        await leases.put(key, lease.SerializeToString(), expected=None)
        died_s = monotonic()
        await asyncio.sleep(2)  # it hears of the other and stops
        await submit(running, 2)
        offer = await next_offer(anouk)
        assert 6.0 < monotonic() - died_s < 10.0
        assert offer.trace.engine_epoch > lease.epoch
        assert (await anouk.accept(offer)).case.owner == AGENT
