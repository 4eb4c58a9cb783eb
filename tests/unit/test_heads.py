"""OPEN holds the latest head of every open story, whoever writes it and whatever is in the way."""

import asyncio

import pytest

from tests.scribe import World, accepted, closed, opened, world
from tests.servers import eventually
from tests.tellers import TENANT, customer
from toldonce.kernel.errors import Exhausted
from toldonce.runtime import names
from toldonce.runtime.open_rows import pack_open, place_of
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime


async def test_open_holds_exactly_the_stories_with_something_to_wait_for() -> None:
    here = world()
    async with here.process():
        for number in range(50):
            await here.scribe.tell(f"c{number}", opened(f"c{number}"))
            await here.scribe.tell(f"c{number}", accepted(f"c{number}"))
            if number % 3 == 0:
                await here.scribe.tell(f"c{number}", closed(f"c{number}"))
        await eventually(lambda: _at(here, here.scribe.last))
    assert await here.rows() == here.scribe.open()
    assert len(await here.rows()) == 33


async def test_a_story_that_changes_many_times_at_once_is_written_once() -> None:
    here = world()
    async with here.process() as feed:
        await feed.wait_for(0, 1)
        for number in range(50):
            await here.scribe.tell("a", opened("a", number), closed("a", number))
        await here.scribe.tell("a", opened("a"))
        await eventually(lambda: _at(here, here.scribe.last))
    assert await here.open.last_revision() < 12
    assert await here.rows() == here.scribe.open()


async def test_the_end_of_a_story_is_a_tombstone_for_a_day_with_its_log_position() -> None:
    here = world()
    key = names.open_key(TENANT, customer("a"))
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await eventually(lambda: _at(here, 1))
        await here.scribe.tell("a", closed("a"))
        await eventually(lambda: _at(here, 2))
    row = await here.open.get(key)
    assert row is not None
    assert row.tombstone
    assert place_of(row.value) == 2
    await asyncio.sleep(23 * 3600)
    assert await here.open.get(key) is not None
    await asyncio.sleep(2 * 3600)
    assert await here.open.get(key) is None


async def test_a_slow_writer_never_puts_an_older_head_over_a_newer_one() -> None:
    here = world()
    key = names.open_key(TENANT, customer("a"))
    async with here.process():
        await here.scribe.tell("b", opened("b"))
        await eventually(lambda: _at(here, 1))
        # another process is ahead of this one
        revision = await here.open.put(key, pack_open(9, None), expected=0)
        await here.scribe.tell("a", opened("a"))
        await here.scribe.tell("b", closed("b"))
        await eventually(lambda: _at(here, 3))
    row = await here.open.get(key)
    assert row is not None
    assert (row.revision, row.value) == (revision, pack_open(9, None))


async def test_a_tombstone_of_another_writer_is_not_undone() -> None:
    here = world()
    async with here.process(seed=1), here.process(seed=2):
        for number in range(40):
            await here.scribe.tell("a", opened("a", number))
            await here.scribe.tell("a", closed("a", number))
            await asyncio.sleep(0.007)
        await eventually(lambda: _at(here, here.scribe.last))
        await asyncio.sleep(1)
    assert await here.rows() == {}


async def test_heads_are_written_when_the_table_comes_back() -> None:
    here = world()
    table = here.open
    assert isinstance(table, FakeTable)
    async with here.process() as feed:
        await here.scribe.tell("a", opened("a"))
        await eventually(lambda: _at(here, 1))
        table.down = True
        await here.scribe.tell("a", closed("a"))
        await here.scribe.tell("b", opened("b"))
        await feed.wait_for(3, 5)
        await asyncio.sleep(5)
        table.down = False
        await eventually(lambda: _at(here, 3))
    assert await here.rows() == here.scribe.open()


class Full(FakeTable):
    """A table whose disk is full for a while."""

    full = False

    async def put(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> int:
        if self.full:
            raise Exhausted("The table OPEN takes no more.")
        return await super().put(key, value, expected=expected, ttl_s=ttl_s, tombstone=tombstone)


async def test_the_position_stays_behind_what_could_not_be_written() -> None:
    here = world()
    table = here.open = Full(clock=here.clock)
    async with here.process() as feed:
        await here.scribe.tell("a", opened("a"))
        await eventually(lambda: _at(here, 1))
        table.full = True
        await here.scribe.tell("b", opened("b"))
        await feed.wait_for(2, 5)
        await asyncio.sleep(3)
        assert await here.place() == 1
        table.full = False
        await eventually(lambda: _at(here, 2))
    assert await here.rows() == here.scribe.open()


async def _at(here: World, position: int) -> bool:
    table = here.open
    assert isinstance(table, FakeTable)
    return not table.down and await here.place() >= position


async def test_a_row_is_not_left_behind_by_who_cannot_read_what_came_after_it() -> None:
    here, key = world(), (TENANT, customer("a"))
    row = names.open_key(*key)
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.scribe.write(key, b"\xff of a newer version", 1)
        await eventually(lambda: _at(here, 2))
        # a newer process reads the second message and writes its head; then it is gone
        standing = await here.open.get(row)
        assert standing is not None
        head = here.scribe.told[key].head
        await here.open.put(row, pack_open(2, head), expected=standing.revision)
        await here.scribe.write(key, b"\xff of a newer version too", 2)
        await eventually(lambda: _at(here, 3))
    left = await here.open.get(row)
    assert left is not None
    assert left.value == pack_open(2, None)


async def test_a_row_that_says_look_for_yourself_is_written_by_who_can_read_the_story() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    row = names.open_key(TENANT, customer("a"))
    await here.open.put(row, pack_open(0, None), expected=0)
    await here.open.put(names.OPEN_POSITION_KEY, pack_open(1, None), expected=0)
    async with here.process():
        await eventually(lambda: _written(here, row))
    assert await here.rows() == here.scribe.open()


async def test_a_mark_of_a_story_that_has_ended_becomes_a_tombstone() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("a", closed("a"))
    row = names.open_key(TENANT, customer("a"))
    await here.open.put(row, pack_open(1, None), expected=0)
    await here.open.put(names.OPEN_POSITION_KEY, pack_open(2, None), expected=0)
    async with here.process():
        await eventually(lambda: _buried(here, row))


async def _buried(here: World, row: str) -> bool:
    standing = await here.open.get(row)
    return standing is not None and standing.tombstone and place_of(standing.value) == 2


async def _written(here: World, row: str) -> bool:
    standing = await here.open.get(row)
    return standing is not None and place_of(standing.value) == 1
