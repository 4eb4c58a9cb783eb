"""The feed gives every subscriber everything, once and in order, whatever happens around it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from tests.scribe import Listener, World, answered, closed, confirmed, opened, world
from tests.servers import eventually
from tests.tellers import TENANT, customer
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.types import FOLD_VERSION
from toldonce.runtime import names
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.feed import Feed
from toldonce.runtime.log import Stored
from toldonce.runtime.open_rows import pack_open
from toldonce.runtime.testing.log import FakeLog

pytestmark = pytest.mark.looptime


async def test_a_subscriber_hears_each_append_once_and_in_order() -> None:
    here, listener = world(), Listener()
    async with here.process(listener) as feed:
        for number in range(300):
            await here.scribe.tell(f"c{number % 7}", opened(f"c{number % 7}", number))
        await feed.wait_for(300, 5)
    assert listener.snapshots == [0]
    assert listener.sequences() == list(range(1, 301))
    assert feed.position == 300


async def test_a_subscriber_that_starts_later_gets_the_heads_and_what_they_do_not_hold() -> None:
    here, listener = world(), Listener()
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.scribe.tell("b", opened("b"))
        await here.scribe.tell("b", closed("b"))
        await eventually(lambda: _at(here, 3))
    await here.scribe.tell("c", opened("c"))
    async with here.process(listener) as feed:
        await feed.wait_for(4, 5)
    assert listener.snapshots == [3]
    assert listener.sequences() == [4]
    assert listener.heads == here.scribe.open()


async def test_a_subscriber_is_not_told_again_what_a_head_contains() -> None:
    here, listener = world(), Listener()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("b", opened("b"))
    await here.scribe.tell("a", opened("a", 2))
    told = here.scribe.told[TENANT, customer("a")]
    # the head of one story is written already, the position not yet
    row = names.open_key(TENANT, customer("a"))
    await here.open.put(row, pack_open(told.sequence, told.head), expected=0)
    async with here.process(listener) as feed:
        await feed.wait_for(3, 5)
        await here.scribe.tell("a", closed("a"))
        await feed.wait_for(4, 5)
    assert listener.sequences() == [2, 4]
    assert listener.heads == here.scribe.open()


async def test_a_slow_subscriber_slows_the_feed_and_loses_nothing() -> None:
    here, quick, slow = world(), Listener(), Listener(pause_s=1.0)
    async with here.process(quick, slow) as feed:
        for number in range(60):
            await here.scribe.tell(f"c{number}", opened(f"c{number}"))
            await asyncio.sleep(0.01)
        await eventually(lambda: len(slow.heard) > 3)
        assert feed.position < 60
        await feed.wait_for(60, 200)
    assert slow.sequences() == quick.sequences() == list(range(1, 61))


async def test_a_reader_who_waits_for_too_much_is_told_so() -> None:
    here = world()
    async with here.process(Listener()) as feed:
        await here.scribe.tell("a", opened("a"))
        await feed.wait_for(1, 5)
        with pytest.raises(Unavailable, match="up to 2"):
            await feed.wait_for(2, 0.5)


@pytest.mark.parametrize("payload", [b"\xff\xfe no envelope", b""], ids=["garbled", "misplaced"])
async def test_a_message_nobody_can_read_stops_its_story_and_no_other(payload: bytes) -> None:
    here, listener = world(), Listener()
    key = (TENANT, customer("a"))
    async with here.process(listener) as feed:
        await here.scribe.tell("a", opened("a"))
        if payload:
            last = await here.scribe.write(key, payload, 1)
        else:
            elsewhere = here.log
            assert isinstance(elsewhere, FakeLog)
            stored = await elsewhere.get(1)
            assert stored is not None
            last = await here.scribe.write((TENANT, customer("z")), stored.payload, 0)
            key = (TENANT, customer("z"))
        await here.scribe.tell("b", opened("b"))
        await here.scribe.write(key, b"more", last)
        await here.scribe.tell("b", closed("b"))
        await feed.wait_for(5, 5)
        assert dict(feed.stopped) == {key: 2}
        assert dict(feed.unread) == {key: 4}
        assert listener.sequences() == [1, 3, 5]
        await eventually(lambda: _at(here, 5))
    assert b'toldonce_unreadable_messages_total{reason="' in here.meter.page()

    # who can read neither finds the story stopped again, although OPEN is past the message
    again = Listener()
    async with here.process(again) as feed:
        await feed.wait_for(5, 5)
        assert key in feed.stopped
        assert customer("b") not in again.heads


async def test_a_head_of_a_newer_version_is_left_to_who_can_read_it() -> None:
    here, listener = world(), Listener()
    await here.scribe.tell("a", opened("a"))
    head = replace(here.scribe.told[TENANT, customer("a")].head, fold_version=FOLD_VERSION + 1)
    row = names.open_key(TENANT, customer("elsewhere"))
    await here.open.put(row, pack_open(2, head), expected=0)
    async with here.process(listener) as feed:
        await feed.wait_for(1, 5)
    assert listener.heads == here.scribe.open()


async def test_a_head_of_an_older_version_is_taken_as_it_is_with_nothing_new_in_it() -> None:
    here, listener = world(), Listener()
    await here.scribe.tell("a", opened("a"))
    old = replace(here.scribe.told[TENANT, customer("a")].head, fold_version=FOLD_VERSION - 1)
    row = names.open_key(TENANT, customer("a"))
    await here.open.put(row, pack_open(1, old), expected=0)
    async with here.process(listener) as feed:
        await feed.wait_for(1, 5)
        assert not feed.stopped
    assert listener.heads[customer("a")].head == old


async def test_a_story_that_cannot_be_read_any_more_is_not_shown_as_it_was() -> None:
    here = world()
    key = (TENANT, customer("a"))
    async with here.process() as feed:
        await here.scribe.tell("a", opened("a"))
        await here.scribe.tell("b", opened("b"))
        await here.listed()
        await here.scribe.write(key, b"\xff\xfe no envelope", 1)
        await here.scribe.tell("b", closed("b"))
        await feed.wait_for(4, 5)
        page = await here.views.cases(TENANT, min_sequence=4, within_s=5)
        assert page.rows == ()
        with pytest.raises(Unavailable, match="cannot be read"):
            await here.views.story(*key, min_sequence=4, within_s=5)


class Holed(FakeLog):
    """A log whose tail breaks off once after the second message."""

    broke = False

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        async for batch in super().tail(after=after):
            for stored in batch:
                if stored.sequence == 3 and not self.broke:
                    self.broke = True
                    raise Unavailable("The stream has a hole.")
                yield [stored]


async def test_the_feed_begins_anew_when_the_log_breaks_off() -> None:
    here, listener = world(log=Holed(clock=LoopClock())), Listener()
    for number in range(4):
        await here.scribe.tell(f"c{number}", opened(f"c{number}"))
    async with here.process(listener) as feed:
        await feed.wait_for(4, 20)
    assert len(listener.snapshots) == 2
    assert listener.heads == here.scribe.open()


async def test_the_feed_waits_for_a_table_that_is_away() -> None:
    here, listener = world(), Listener()
    await here.scribe.tell("a", opened("a"))
    here.open.down = True  # type: ignore[attr-defined]  # the fake's
    async with here.process(listener) as feed:
        await asyncio.sleep(3)
        assert listener.snapshots == []
        here.open.down = False  # type: ignore[attr-defined]  # the fake's
        await feed.wait_for(1, 20)
    assert listener.heads == here.scribe.open()


async def test_a_subscriber_that_fails_ends_the_feed_with_its_own_error() -> None:
    here = world()

    class Failing(Listener):
        async def records(self, batch: object) -> None:
            raise LookupError("no")

    feed = Feed(here.log, here.open)
    feed.subscribe("failing", Failing())
    await here.scribe.tell("a", opened("a"))
    with pytest.raises(LookupError):
        await feed.run()


async def test_an_answer_keeps_a_story_open_until_it_is_confirmed() -> None:
    here = world()
    async with here.process() as feed:
        await here.scribe.tell("a", opened("a"), answered("a"))
        await here.scribe.tell("a", closed("a"))
        await feed.wait_for(2, 5)
        await eventually(lambda: _at(here, 2))
        assert set(await here.rows()) == {customer("a")}
        await here.scribe.tell("a", confirmed("a"))
        await eventually(lambda: _at(here, 3))
        assert await here.rows() == {}


async def _at(here: World, position: int) -> bool:
    return await here.place() >= position
