"""What a newcomer may expect is asked for once a second, and never waited for long."""

import asyncio

import pytest

from toldonce.api.types.v1 import types_pb2
from toldonce.intake.core import expectation
from toldonce.intake.handler import Places
from toldonce.intake.handler.places import ANSWER_S, FRESH_S
from toldonce.intake.wire import newcomer
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.clock import LoopClock

from .desk import NOW

pytestmark = pytest.mark.looptime


class Engine:
    """An engine that answers after a while, or not at all."""

    def __init__(self, after_s=0.001):
        self.after_s = after_s
        self.asked = 0
        self.leads = True

    async def newcomers(self, tenant):
        self.asked += 1
        await asyncio.sleep(self.after_s)
        if not self.leads:
            raise Unavailable("nobody leads")
        return {"orders": f"{tenant} {self.asked}"}

    async def place(self, tenant, case_id):
        if not self.leads:
            raise Unavailable("nobody leads")
        return f"{tenant} {case_id}"


def places(engine):
    return Places(engine, LoopClock(NOW))


async def told(lines, tenant="shop", queue="orders"):
    """Give what a newcomer is told."""
    live, _ = await lines.newcomer(lines.ask(tenant), queue)
    return live


async def test_whoever_came_since_the_engine_was_asked_is_counted():
    lines = places(Engine())
    asked = lines.ask("shop")
    assert lines.ask("shop") is asked
    assert [await lines.newcomer(asked, "orders") for _ in range(3)] == [
        ("shop 1", came) for came in range(3)
    ]
    assert await lines.newcomer(asked, "nowhere") == (None, 0)
    await asyncio.sleep(FRESH_S)
    assert await lines.newcomer(lines.ask("shop"), "orders") == ("shop 2", 0)
    await lines.aclose()


async def test_contact_that_takes_long_is_told_what_was_known_before_it_came():
    lines = places(Engine())
    asked = lines.ask("shop")
    await asyncio.sleep(2 * FRESH_S)
    assert await lines.newcomer(asked, "orders") == ("shop 1", 0)
    await lines.aclose()


def test_place_is_behind_whoever_came_since_but_an_offer_is_an_offer():
    waits, free = (types_pb2.LiveAcknowledgement(known=True, position=at) for at in (3, 0))
    assert (newcomer(waits, 2, "en").position, newcomer(free, 2, "en").position) == (5, 0)
    assert newcomer(waits, 2, "en").text == "You are number 5 in line."


async def test_engine_is_asked_once_a_second_however_many_come():
    engine = Engine()
    lines = places(engine)
    found = await asyncio.gather(*(told(lines) for _ in range(50)))
    assert (set(found), engine.asked) == ({"shop 1"}, 1)
    await asyncio.sleep(FRESH_S)
    assert await told(lines) == "shop 2"
    assert await told(lines, "other") == "other 3"
    assert await told(lines, queue="nowhere") is None
    await lines.aclose()


async def test_nobody_waits_long_for_an_engine_that_does_not_answer():
    engine = Engine(after_s=5.0)
    lines = places(engine)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert await told(lines) is None
    assert loop.time() - began_s == pytest.approx(ANSWER_S, abs=0.01)
    for _ in range(20):
        assert await told(lines) is None
    assert loop.time() - began_s == pytest.approx(ANSWER_S, abs=0.01)
    assert engine.asked == 1
    await lines.aclose()


async def test_nothing_is_known_while_no_engine_leads():
    engine = Engine()
    lines = places(engine)
    engine.leads = False
    assert await told(lines) is None
    assert await lines.place("shop", "case") is None
    engine.leads = True
    assert await lines.place("shop", "case") == "shop case"
    await lines.aclose()


async def test_customer_is_told_place_and_wait_in_their_language():
    assert expectation("en", 0, 5.0, 60.0) == ""
    assert expectation("en", 1, 0.0, 0.0) == "You are next in line."
    assert expectation("en", 3, 130.0, 290.0).endswith(
        "number 3 in line. It will probably take 2 to 5 minutes."
    )
    assert expectation("en", 3, 20.0, 290.0).endswith("probably take less than 5 minutes.")
    assert expectation("en", 3, 20.0, 50.0).endswith("probably take less than a minute.")
    assert expectation("en", 3, 4_000.0, 15_000.0).endswith("probably take 1 to 5 hours.")
    assert expectation("nl", 2, 130.0, 290.0).startswith("U bent nummer 2 in de rij. Dat duurt")
    assert "2 bis 5 Minuten" in expectation("de", 2, 130.0, 290.0)
    assert "de 2 à 5 minutes" in expectation("fr", 2, 130.0, 290.0)
    assert expectation("xx", 1, 0.0, 0.0) == expectation("en", 1, 0.0, 0.0)
