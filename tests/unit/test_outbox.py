"""An answer reaches its gateway at least once, until it is confirmed, whatever restarts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from tests.scribe import World, absorbed, answered, closed, confirmed, opened, world
from tests.servers import eventually
from tests.tellers import TENANT, customer, own
from toldonce.kernel.story.events import Moved
from toldonce.runtime.feed import Feed, OpenStory
from toldonce.runtime.outbox import Outbox, Pending
from toldonce.runtime.testing.log import FakeLog

pytestmark = pytest.mark.looptime


@contextlib.asynccontextmanager
async def _outbox(here: World) -> AsyncIterator[Outbox]:
    feed = Feed(here.log, here.open, meter=here.meter)
    outbox = Outbox(
        here.log, feed, clock=here.clock, meter=here.meter, again_s=30, overdue_s=60, tick_s=1
    )
    tasks = [asyncio.create_task(part.run()) for part in (feed, outbox)]
    try:
        yield outbox
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _take(
    outbox: Outbox, count: int, *, gateway: str = "web", after: int = 0
) -> list[Pending]:
    found: list[Pending] = []
    async with aclosing(outbox.watch(TENANT, gateway, after_sequence=after)) as answers:
        async for pending in answers:
            found.append(pending)
            if len(found) == count:
                break
    return found


async def test_a_gateway_gets_its_answers_as_they_are_written_and_nobody_elses() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    async with _outbox(here) as outbox:
        taking = asyncio.create_task(_take(outbox, 2))
        await here.scribe.tell("a", answered("a", 1))
        await here.scribe.tell("a", answered("a", 2, gateway="mail"))
        await here.scribe.tell("a", answered("a", 3))
        first, second = await taking
    assert (first.sequence, first.entry, first.customer) == (2, own("entry", "a", 1), customer("a"))
    assert (first.case, first.gateway, first.channel) == (own("case", "a", 1), "web", "chat")
    assert second.entry == own("entry", "a", 3)


async def test_a_gateway_that_comes_back_gets_every_unconfirmed_answer_in_order() -> None:
    here = world()
    async with here.process() as feed:
        for who in ("a", "b"):
            await here.scribe.tell(who, opened(who))
            await here.scribe.tell(who, answered(who, 1))
            await here.scribe.tell(who, answered(who, 2))
            await here.scribe.tell(who, closed(who))
        await here.scribe.tell("a", confirmed("a", 1))
        await feed.wait_for(here.scribe.last, 5)
        await eventually(lambda: _at(here))
    # a process that starts now has only the heads to begin with
    async with _outbox(here) as outbox:
        found = await _take(outbox, 3)
    assert [pending.sequence for pending in found] == sorted(p.sequence for p in found)
    assert {pending.entry for pending in found} == {
        own("entry", "a", 2),
        own("entry", "b", 1),
        own("entry", "b", 2),
    }


async def test_a_gateway_that_has_seen_some_gets_the_rest_first_and_those_again_later() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("a", answered("a", 1))
    await here.scribe.tell("a", answered("a", 2))
    async with _outbox(here) as outbox:
        await eventually(lambda: len(outbox.waiting(TENANT, "web")) == 2)
        start = here.clock.monotonic()
        later, again = await _take(outbox, 2, after=2)
        assert (later.sequence, again.sequence) == (3, 2)
        assert 29 < here.clock.monotonic() - start < 33


async def test_an_answer_is_given_again_until_it_is_confirmed() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"), answered("a"))
    async with _outbox(here) as outbox, aclosing(outbox.watch(TENANT, "web")) as answers:
        first = await anext(answers)
        assert await anext(answers) == first
        await here.scribe.tell("a", confirmed("a"))
        await eventually(lambda: outbox.waiting(TENANT, "web") == ())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300):
                await anext(answers)


async def test_an_answer_that_waits_too_long_is_counted_and_listed() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"), answered("a"))
    async with _outbox(here) as outbox:
        await asyncio.sleep(30)
        assert outbox.overdue(TENANT) == ()
        assert b"toldonce_outbox_overdue 0.0" in here.meter.page()
        await asyncio.sleep(35)
        assert [pending.entry for pending in outbox.overdue(TENANT)] == [own("entry", "a", 1)]
        assert outbox.overdue("other") == ()
        assert b"toldonce_outbox_overdue 1.0" in here.meter.page()
        await here.scribe.tell("a", confirmed("a"))
        await asyncio.sleep(3)
        assert outbox.overdue(TENANT) == ()
        assert b"toldonce_outbox_overdue 0.0" in here.meter.page()


async def test_an_answer_moves_with_its_story_and_is_still_found() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("a", answered("a"))
    await here.scribe.tell("b", opened("b"))
    async with _outbox(here) as outbox:
        await _take(outbox, 1)
        told = here.scribe.told[TENANT, customer("a")]
        moved = await here.scribe.tell("a", Moved(customer("b")))
        arrived = absorbed("a", replace(told, sequence=moved), at=here.clock.now())
        await here.scribe.tell("b", arrived)
        (found,) = await _take(outbox, 1)
        # the words are where they were written, so that is what a gateway's server must read
        assert (found.customer, found.sequence) == (customer("a"), 2)
        await here.scribe.tell("b", confirmed("a"))
        await eventually(lambda: outbox.waiting(TENANT, "web") == ())


async def test_an_answer_stays_when_the_story_it_left_is_seen_late() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("a", answered("a"))
    await here.scribe.tell("b", opened("b"))
    before = here.scribe.told[TENANT, customer("a")]
    moved = await here.scribe.tell("a", Moved(customer("b")))
    await here.scribe.tell("b", absorbed("a", replace(before, sequence=moved), at=here.clock.now()))
    after = here.scribe.told[TENANT, customer("b")]
    old = OpenStory(TENANT, customer("a"), before.head, before.sequence)
    new = OpenStory(TENANT, customer("b"), after.head, after.sequence)
    async with _outbox(here) as outbox:
        await _take(outbox, 1)
        await outbox.snapshot((old, new), new.sequence)
        await asyncio.sleep(3)
        await outbox.snapshot((new,), new.sequence)
        assert [one.entry for one in outbox.waiting(TENANT, "web")] == [own("entry", "a", 1)]
        await here.scribe.tell("b", confirmed("a"))
        await eventually(lambda: outbox.waiting(TENANT, "web") == ())


async def test_answers_are_found_when_the_log_answers_again() -> None:
    here = world()
    log = here.log
    assert isinstance(log, FakeLog)
    async with here.process() as feed:
        await here.scribe.tell("a", opened("a"), answered("a"))
        await feed.wait_for(1, 5)
        await eventually(lambda: _at(here))
    log.down = True
    async with _outbox(here) as outbox:
        await asyncio.sleep(5)
        assert outbox.waiting(TENANT, "web") == ()
        log.down = False
        assert len(await _take(outbox, 1)) == 1


async def test_a_story_that_cannot_be_read_keeps_its_answers_and_no_others() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"), answered("a"))
    told = here.scribe.told[TENANT, customer("a")]
    here.scribe.told[TENANT, customer("a")] = replace(told, digest=b"x" * 32)
    async with here.process() as feed:
        await here.scribe.tell("a", answered("a", 2))
        await here.scribe.tell("b", opened("b"), answered("b"))
        await feed.wait_for(3, 5)
        await eventually(lambda: _at(here))
    async with _outbox(here) as outbox:
        assert [pending.customer for pending in await _take(outbox, 1)] == [customer("b")]
        await asyncio.sleep(65)
        # its answers are counted all the same, so somebody looks
        assert b"toldonce_outbox_overdue 3.0" in here.meter.page()


async def _at(here: World) -> bool:
    return await here.place() >= here.scribe.last
