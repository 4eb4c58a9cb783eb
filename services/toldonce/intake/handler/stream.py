"""Many pieces of work on one stream: bounded, answered as they end, in order where that matters."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable

INFLIGHT_MAX = 256


async def in_turn[Item, Answer](
    items: AsyncIterator[Item],
    *,
    key: Callable[[Item], Hashable],
    work: Callable[[Item], Awaitable[Answer]],
    leave: asyncio.Event,
    inflight_max: int = INFLIGHT_MAX,
) -> AsyncGenerator[Answer]:
    """Give the answers of `work` as they come; items of one `key` one after the other.

    At most `inflight_max` are taken and not yet answered, so who does not read is not read from.
    When `items` end, or `leave` is set, the rest is answered; an error of `items` is raised then.
    `work` must not raise. Close the iterator (`contextlib.aclosing`) when leaving early.
    """
    line = _Line(items, key, work, inflight_max)
    reader = asyncio.create_task(line.read())
    leaver = asyncio.create_task(_when(leave, reader))
    closer = asyncio.create_task(line.close(reader))
    try:
        while (answered := await line.answers.get()) is not None:
            line.free.release()
            yield answered[0]
        if not reader.cancelled():
            reader.result()
    finally:
        tasks = (reader, leaver, closer, *line.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _when(leave: asyncio.Event, reader: asyncio.Task[None]) -> None:
    await leave.wait()
    reader.cancel()


class _Line[Item, Answer]:
    """What is under way on one stream; an answer of None says that no more come."""

    def __init__(
        self,
        items: AsyncIterator[Item],
        key: Callable[[Item], Hashable],
        work: Callable[[Item], Awaitable[Answer]],
        inflight_max: int,
    ) -> None:
        self.answers: asyncio.Queue[tuple[Answer] | None] = asyncio.Queue()
        self.free = asyncio.Semaphore(inflight_max)
        self.tasks: set[asyncio.Task[None]] = set()
        self._items = items
        self._key = key
        self._work = work
        self._last: dict[Hashable, asyncio.Task[None]] = {}

    async def read(self) -> None:
        """Start work on each item until they end."""
        await self.free.acquire()
        async for item in self._items:
            self._start(item)
            await self.free.acquire()

    async def close(self, reader: asyncio.Task[None]) -> None:
        """Say that no more answers come, once nothing is read and nothing under way."""
        await asyncio.wait((reader,))
        if self.tasks:
            await asyncio.wait(tuple(self.tasks))
        self.answers.put_nowait(None)

    def _start(self, item: Item) -> None:
        key = self._key(item)
        before = self._last.get(key)
        task = asyncio.create_task(self._one(item, before))
        self._last[key] = task
        self.tasks.add(task)
        task.add_done_callback(lambda done: self._ended(key, done))

    async def _one(self, item: Item, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        self.answers.put_nowait((await self._work(item),))

    def _ended(self, key: Hashable, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self._last.get(key) is task:
            del self._last[key]
