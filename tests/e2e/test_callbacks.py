"""A caller hangs up and is called back in their place, or at a time, over real gRPC."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.shop import DOCUMENT, Shop, customer, message, opened, refusal, tenant_name
from tests.e2e.test_cli import Ran, run
from tests.servers import eventually
from toldonce.cli.house import House
from toldonce.client.context import read_context
from toldonce.client.gateway import Address
from toldonce.client.steering import Steering
from toldonce.kernel.errors import Denied, Invalid, Missing, Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseAbandoned,
    Offered,
    SlaBreached,
    SlaWarned,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ELSEWHERE = Address("PHONE", "020 123 4567", "NL")
RARELY = (
    DOCUMENT.replace("name: orders, policy", "name: orders, calendar: rarely, policy")
    + """\
calendars:
  - {name: rarely, zone: UTC, weekly: {monday: ["09:00-09:01"]}}
"""
)


async def queue(shop: Shop, *, waiting: int, scheduled: int) -> None:
    """Wait until the engine counts so many in the queue of orders."""
    desk = await shop.desk()

    async def seen() -> bool:
        counts = {one.queue: (one.waiting, one.scheduled) for one in await desk.queues()}
        return counts["orders"] == (waiting, scheduled)

    await eventually(seen)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_caller_hangs_up_and_is_called_back_before_who_came_later(shop: Shop) -> None:
    web = await shop.gateway()
    first = await web.submit(message(1, addresses=customer("joan")))
    before = (await (await shop.desk()).case(first.case_id)).enqueued_at
    asked = await web.call_back(first.contact_id, to=ELSEWHERE)
    assert (asked.state, asked.not_before_at) == ("WAITING", None)
    assert asked.callback_at is not None
    await web.cancel(first.contact_id)  # the line is down: that ends nothing
    second = await web.submit(message(2, addresses=customer("kim")))
    await queue(shop, waiting=2, scheduled=0)

    anna = await shop.agent("anna")
    offer = await anna.offered()
    assert offer.case_id == first.case_id
    assert (offer.enqueued_at, offer.callback_at) == (before, asked.callback_at)
    read = await read_context(await shop.client(Role.AGENT, "anna"), first.case_id)
    said = [dict(item.attributes) for item in read.items if item.type == "callback_requested"]
    assert [one["callback_to"] for one in said] == ["PHONE:+31201234567"]
    taken = await anna.session.accept(offer)
    assert taken.case.callback_at == asked.callback_at
    assert (await web.contact(first.contact_id)).state == "OWNED"
    assert (await anna.take(second.case_id)).callback_at is None
    events = await shop.events(first.case_id[:26])
    assert not [one for one in events if isinstance(one, CaseAbandoned)]


async def test_callback_asked_for_twice_is_one_and_taken_back_is_none(shop: Shop) -> None:
    web = await shop.gateway()
    ack = await web.submit(message(3, addresses=customer("lee")))
    one = await web.call_back(ack.contact_id)
    assert await web.call_back(ack.contact_id) == one
    events = await shop.events(ack.case_id[:26])
    assert len([event for event in events if isinstance(event, CallbackRequested)]) == 1
    await web.cancel(ack.contact_id, withdrawn=True)
    assert (await web.contact(ack.contact_id)).state == "CANCELLED"
    no = await refusal(web.call_back(ack.contact_id))
    assert isinstance(no, Rejected)
    assert no.reason == "CASE_CLOSED"


async def test_appointment_is_offered_at_its_time_and_not_before(shop: Shop) -> None:
    web = await shop.gateway()
    anna = await shop.agent("anna", availability="AWAY")
    early = await web.submit(message(4, addresses=customer("max")))
    at = soon(4)
    asked = await web.call_back(early.contact_id, not_before_at=at)
    assert asked.not_before_at == at
    late = await web.submit(message(5, addresses=customer("ned")))
    await queue(shop, waiting=1, scheduled=1)
    desk = await shop.desk()
    (why,) = await desk.explain(early.case_id)
    assert why.reason.startswith(f"scheduled for {at:%Y-%m-%d %H:%M:%S}")
    await anna.session.declare("AVAILABLE")
    assert (await anna.take()).case_id == late.case_id
    offer = await anna.offered(early.case_id)
    assert offer.not_before_at == at
    (offered,) = [
        one.record.at
        for one in await shop.story(early.case_id[:26])
        if any(isinstance(event, Offered) for event in one.record.events)
    ]
    assert offered >= at
    assert (await anna.session.accept(offer)).case.owner == "anna"


async def test_appointment_that_cannot_be_is_refused_by_name(running: House) -> None:
    async with opened(running, tenant_name(), RARELY) as shop:
        web = await shop.gateway()
        ack = await web.submit(message(6, addresses=customer("oda")))
        no = await refusal(web.call_back(ack.contact_id, not_before_at=soon(600)))
        assert isinstance(no, Rejected)
        assert no.reason == "CLOSED_THEN"
        assert "T09:00:00Z" in str(no)
        for wrong in (soon(-3_600), soon(31 * 86_400)):
            bad = await refusal(web.call_back(ack.contact_id, not_before_at=wrong))
            assert isinstance(bad, Invalid)
            assert bad.problems[0].field == "not_before_at"
        nowhere = await refusal(web.call_back(ack.contact_id, to=Address("PHONE", "12", "NL")))
        assert isinstance(nowhere, Invalid)
        assert nowhere.problems[0].field.startswith("to.")
        mail = await shop.gateway("mail")
        assert isinstance(await refusal(mail.call_back(ack.contact_id)), Missing)


async def test_owner_gives_back_until_later_and_is_asked_again_then(shop: Shop) -> None:
    web = await shop.gateway()
    anna = await shop.agent("anna")
    ack = await web.submit(message(7, addresses=customer("pia")))
    await anna.take(ack.case_id)
    bram = await shop.agent("bram")
    at = soon(3)
    back = await anna.session.call_later(ack.case_id, at, "NO_ANSWER")
    assert (back.owner, back.not_before_at) == ("", at)
    offer = await anna.offered(ack.case_id)
    assert datetime.now(UTC) >= at
    assert not bram.standing()
    assert offer.callback_at is not None
    stranger = Steering(await shop.client(Role.AGENT, "bram"))
    other = await web.submit(message(8, addresses=customer("quinn")))
    no = await refusal(stranger.schedule(other.case_id, soon(60), "NO"))
    assert isinstance(no, Rejected | Denied)


async def test_no_clock_of_an_appointment_runs_out_before_its_time(shop: Shop) -> None:
    web, desk = await shop.gateway(), await shop.desk()
    ack = await web.submit(message(9, "urgent: call me", addresses=customer("rob")))
    at = soon(3)
    await web.call_back(ack.contact_id, not_before_at=at)
    case = await desk.case(ack.case_id)
    assert {(one.kind, one.state) for one in case.clocks} == {
        ("QUEUE_WAIT", "PAUSED"),
        ("FIRST_RESPONSE", "PAUSED"),
    }

    async def breached() -> bool:
        events = await shop.events(ack.case_id[:26])
        return any(isinstance(one, SlaBreached) for one in events)

    await eventually(breached)
    due = [
        event.due_at
        for event in await shop.events(ack.case_id[:26])
        if isinstance(event, SlaBreached | SlaWarned)
    ]
    assert min(due) >= at + timedelta(seconds=1)


async def test_supervisor_puts_a_case_off_and_everybody_sees_when(shop: Shop) -> None:
    web = await shop.gateway()
    ack = await web.submit(message(10, addresses=customer("sam")))

    async def told(*words: str) -> Ran:
        token = shop.house.token(Role.SUPERVISOR, "sam", shop.tenant)
        ran = await run(*words, "--address", shop.house.address, "--token", token)
        assert not ran.code, ran.err
        return ran

    off = ("--only-wait", "--reason", "pays later")
    put_off = json.loads((await told("callback", ack.case_id, "--at", "2h", *off, "--json")).out)
    assert put_off["callback_at"] is None
    await queue(shop, waiting=0, scheduled=1)
    status = json.loads((await told("status", "--json")).out)
    assert {one["queue"]: one["scheduled"] for one in status["queues"]}["orders"] == 1
    shown = (await told("case", ack.case_id)).out
    assert "scheduled: nobody is asked before" in shown
    assert "PAYS_LATER" in shown

    now = ("callback", ack.case_id, "--to", "+31201234567", "--reason", "she asks")
    assert "It waits in orders" in (await told(*now)).out
    await queue(shop, waiting=1, scheduled=0)
    shown = (await told("case", ack.case_id)).out
    assert "to be called back" in shown
    assert "phone +31201234567" in shown
