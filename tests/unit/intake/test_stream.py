"""Work on a stream is bounded, answered as it ends, and in order where the key is the same."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

import pytest

from toldonce.intake.handler import in_turn


async def feed[T](items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


async def gathered(
    items: AsyncIterator[tuple[str, float]], leave: asyncio.Event | None = None, most: int = 256
) -> list[tuple[str, float]]:
    async def work(item: tuple[str, float]) -> tuple[str, float]:
        await asyncio.sleep(item[1])
        return item

    line = in_turn(
        items,
        key=lambda item: item[0],
        work=work,
        leave=leave or asyncio.Event(),
        inflight_max=most,
    )
    async with aclosing(line):
        return [answer async for answer in line]


@pytest.mark.looptime
async def test_answers_come_as_work_ends() -> None:
    assert [a for a, _ in await gathered(feed([("a", 3.0), ("b", 1.0), ("c", 2.0)]))] == [
        "b",
        "c",
        "a",
    ]


@pytest.mark.looptime
async def test_items_of_one_key_keep_their_order() -> None:
    items = [("a", 3.0), ("a", 1.0), ("b", 2.0), ("a", 0.5)]
    assert await gathered(feed(items)) == [items[2], items[0], items[1], items[3]]


@pytest.mark.looptime
async def test_stream_without_items_ends() -> None:
    assert await gathered(feed([])) == []


@pytest.mark.looptime
async def test_who_does_not_read_is_not_read_from() -> None:
    read = 0

    async def items() -> AsyncIterator[int]:
        nonlocal read
        for number in range(100):
            read += 1
            yield number

    async def work(item: int) -> int:
        await asyncio.sleep(0)
        return item

    line = in_turn(items(), key=lambda item: item, work=work, leave=asyncio.Event(), inflight_max=4)
    async with aclosing(line):
        await anext(line)
        await asyncio.sleep(60)
        assert read == 5
        assert len([answer async for answer in line]) == 99


@pytest.mark.looptime
async def test_leaving_answers_what_was_taken_and_takes_no_more() -> None:
    leave = asyncio.Event()

    async def items() -> AsyncIterator[tuple[str, float]]:
        yield ("a", 5.0)
        leave.set()
        await asyncio.sleep(3_600)
        yield ("b", 1.0)

    assert await gathered(items(), leave) == [("a", 5.0)]


@pytest.mark.looptime
async def test_leaving_before_the_first_item_ends_at_once() -> None:
    leave = asyncio.Event()
    leave.set()

    async def items() -> AsyncIterator[tuple[str, float]]:
        await asyncio.sleep(3_600)
        yield ("a", 1.0)

    assert await gathered(items(), leave) == []


@pytest.mark.looptime
async def test_error_of_the_stream_comes_after_the_answers() -> None:
    async def items() -> AsyncIterator[tuple[str, float]]:
        yield ("a", 5.0)
        raise ValueError("broken off")

    async def work(item: tuple[str, float]) -> str:
        await asyncio.sleep(item[1])
        return item[0]

    line = in_turn(items(), key=lambda item: item[0], work=work, leave=asyncio.Event())
    async with aclosing(line):
        assert await anext(line) == "a"
        with pytest.raises(ValueError, match="broken off"):
            await anext(line)


@pytest.mark.looptime
async def test_leaving_early_ends_what_is_under_way() -> None:
    ended = asyncio.Event()

    async def work(item: str) -> str:
        if item == "quick":
            return item
        try:
            await asyncio.sleep(3_600)
        finally:
            ended.set()
        return item

    line = in_turn(feed(["slow", "quick"]), key=lambda item: item, work=work, leave=asyncio.Event())
    async with aclosing(line):
        assert await anext(line) == "quick"
    assert ended.is_set()
