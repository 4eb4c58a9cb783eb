"""An agent's session: hello, offers, answers, and what happens when things go wrong."""

from typing import Any, cast

import pytest

from tests.unit.client.desktop import CASE, OFFER, FakeServer, case_view, offer
from tests.unit.client.test_context import item, pages
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client import Client
from toldonce.client.agent import AgentSession
from toldonce.client.context import Envelope
from toldonce.client.news import CaseNews
from toldonce.client.seen import Offer
from toldonce.kernel.context import context_hash
from toldonce.kernel.errors import Invalid, Rejected, Unavailable


async def opened(server: FakeServer, *cases: types_pb2.CaseView) -> AgentSession:
    server.welcome(*cases)
    session = AgentSession(cast("Client", server), "anna")
    await session.open()
    hello = await server.stream.hear("hello")
    assert hello.hello.agent == "anna"
    assert hello.hello.availability == types_pb2.AVAILABILITY_AVAILABLE
    return session


async def offered(session: AgentSession) -> Offer:
    news = await anext(aiter(session.news()))
    assert isinstance(news, Offer)
    return news


def page(view: types_pb2.CaseView, upto: int) -> ownership_pb2.GetContextResponse:
    """Show a story of one item and its case."""
    found = pages([item(1)], upto)[0]
    found.case.CopyFrom(view)
    return found


async def test_an_agent_takes_an_offer_and_owns_the_case() -> None:
    server = FakeServer()
    session = await opened(server)
    server.stream.say(offer_issued=offer())
    got = await offered(session)
    server.answer(2, case_view())
    taken = await session.accept(got)
    sent = (await server.stream.hear("accept")).accept
    assert (sent.offer_id, sent.epoch, sent.context_hash) == (OFFER, 0, b"")
    assert taken.case.owner == "anna"
    assert CASE in session.cases
    await session.close()
    assert server.stream.cancelled


async def test_an_agent_who_comes_back_says_what_they_hold_and_hears_what_they_lost() -> None:
    server = FakeServer()
    lost = routing_pb2.LostCase(case_id=CASE, owner="bram", epoch=3)
    server.stream.say(welcome=routing_pb2.Welcome(session_id="s" * 26, lost=[lost]))
    session = AgentSession(cast("Client", server), "anna", held={CASE: 1})
    await session.open()
    (held,) = (await server.stream.hear("hello")).hello.held
    assert (held.case_id, held.epoch) == (CASE, 1)
    assert session.lost == {CASE: "bram"}
    assert session.cases == {}
    await session.close()


async def test_an_agent_hashes_the_context_of_a_handoff_before_accepting() -> None:
    timeline = [item(1), item(2)]
    server = FakeServer(pages(timeline, 2))
    session = await opened(server)
    handoff = routing_pb2.OfferedHandoff(handoff_id=OFFER, from_agent="bram", context_sequence=2)
    server.stream.say(offer_issued=offer(handoff=handoff))
    got = await offered(session)
    server.answer(2, case_view())
    taken = await session.accept(got)
    sent = (await server.stream.hear("accept")).accept
    assert sent.context_hash == taken.context_hash == context_hash(timeline)
    await session.close()


async def test_an_agent_hears_why_an_accept_was_refused() -> None:
    server = FakeServer()
    session = await opened(server)
    server.stream.say(offer_issued=offer())
    got = await offered(session)
    server.refuse(2, Rejected("OFFER_EXPIRED", "too late"))
    with pytest.raises(Rejected) as no:
        await session.accept(got)
    assert no.value.reason == "OFFER_EXPIRED"
    await session.close()


async def test_an_agent_quotes_only_what_was_read_here_before_closing() -> None:
    newer = case_view(last_customer_entry_id=CASE[:26] + "9" * 26, sequence=12)
    server = FakeServer([page(newer, 12)])
    session = await opened(server, case_view())
    closed = await session.close_case(CASE, "answered")
    assert closed.closed
    assert [one.seen_entry_id for one in server.closes] == [newer.last_customer_entry_id]
    assert [one.after_sequence for one in server.reads] == [0]
    assert session.cases == {}
    await session.close()


async def test_an_agent_reads_what_the_customer_added_meanwhile_and_closes_then() -> None:
    server = FakeServer([page(case_view(), 12)])
    server.refuse_closes = 1
    session = await opened(server, case_view())
    await session.close_case(CASE, "answered", re_told=False)
    first, second = server.closes
    assert first.operation_id != second.operation_id
    assert (second.HasField("re_told"), second.HasField("resolved_first_owner")) == (True, False)
    assert [one.after_sequence for one in server.reads] == [0, 12]
    await session.close()


async def test_an_agent_told_of_news_has_not_read_them_yet() -> None:
    server = FakeServer([page(case_view(), 7)])
    session = await opened(server, case_view())
    await session.read(CASE)
    newer = case_view(last_customer_entry_id=CASE[:26] + "9" * 26, sequence=9)
    server.stream.say(case_changed=routing_pb2.CaseChanged(case=newer))
    await anext(aiter(session.news()))
    await session.close_case(CASE, "answered")
    assert [one.after_sequence for one in server.reads] == [0, 7]
    await session.close()


async def test_an_agent_keeps_a_case_whose_customer_was_linked_to_another() -> None:
    server = FakeServer([page(case_view(), 7)])
    session = await opened(server, case_view())
    moved = case_view(case_id="1" * 26 + CASE[26:], customer_id="1" * 26, epoch=2, sequence=9)
    server.stream.say(case_changed=routing_pb2.CaseChanged(case=moved))
    await anext(aiter(session.news()))
    assert list(session.cases) == [moved.case_id]
    await session.close_case(CASE, "answered")
    assert server.closes[0].epoch == 2
    assert session.cases == {}
    await session.close()


async def test_an_agent_names_one_receiver_of_a_handoff() -> None:
    session = await opened(FakeServer(), case_view())
    both: dict[str, Any] = {"agent": "bram", "queue": "orders"}
    for whom in ({}, both):
        with pytest.raises(Invalid, match="one agent, one queue or one tier"):
            await session.hand_over(CASE, Envelope("r", "s"), **whom)
    await session.close()


async def test_an_agent_knows_the_case_although_the_answer_to_a_repeat_holds_none() -> None:
    server = FakeServer([page(case_view(), 12)])
    server.forgets = True
    session = await opened(server, case_view())
    closed = await session.close_case(CASE, "answered")
    assert (closed.case_id, closed.epoch, closed.closed) == (CASE, 1, True)
    assert session.cases == {}
    await session.close()


async def test_an_agent_loses_a_case_that_somebody_else_owns_now() -> None:
    server = FakeServer()
    session = await opened(server, case_view())
    server.stream.say(case_changed=routing_pb2.CaseChanged(case=case_view(owner="", sequence=9)))
    news = await anext(aiter(session.news()))
    assert isinstance(news, CaseNews)
    assert session.cases == {}
    await session.close()


async def test_an_agent_hears_that_the_session_has_ended() -> None:
    server = FakeServer()
    session = await opened(server)
    server.stream.say(Unavailable("this server goes down"))
    with pytest.raises(Unavailable, match="goes down"):
        await anext(aiter(session.news()))
    with pytest.raises(Unavailable):
        await session.declare("AWAY")
    await session.close()


async def test_an_agent_sends_heartbeats() -> None:
    server = FakeServer()
    session = await opened(server)
    await server.stream.hear("heartbeat")
    await session.vanish()
    assert server.stream.cancelled
    assert not server.stream.ended
