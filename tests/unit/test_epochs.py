"""The log of all epochs as one: read across a seal, refused on it, never told a lie after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.epochs import (
    LOOK_S,
    EpochLog,
    epoch_log,
    pack_epochs,
    unpack_epochs,
)
from toldonce.runtime.log import Committed, Epoch, Epochs, Log, Refused
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.table import FakeTable

FIRST = 1 << 33
pytestmark = pytest.mark.looptime
WHO = ("demo", "0" * 26)
ONE, TWO = names.story(*WHO, 1), names.story(*WHO, 2)
OPENING = Epochs((Epoch(1, 1), Epoch(2, FIRST, carried=False)), opening=True)


def opened(last: int) -> Epochs:
    return Epochs((Epoch(1, 1, last), Epoch(2, FIRST, carried=False)))


class Streams:
    """Two streams, the row that names them, and one process that reads it."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.table = FakeTable(clock=self.clock)
        self.logs = {
            1: FakeLog(epoch=1, clock=self.clock),
            2: FakeLog(epoch=2, clock=self.clock, first=FIRST),
        }
        self.open: list[int] = []

    @asynccontextmanager
    async def one(self, epoch: Epoch) -> AsyncIterator[Log]:
        self.open.append(epoch.number)
        yield self.logs[epoch.number]
        self.open.remove(epoch.number)

    async def say(self, epochs: Epochs) -> None:
        await self.table.put(names.EPOCHS_KEY, pack_epochs(epochs), expected=None)


async def write(log: EpochLog, subject: str, expected: int, name: str) -> object:
    return await log.append(
        subject, name.encode(), expected=expected, message_id=name, fence=lambda: b"fence"
    )


async def test_log_without_a_roll_is_its_one_epoch() -> None:
    streams = Streams()
    async with epoch_log(streams.table, streams.clock, streams.one) as log:
        assert await write(log, ONE, 0, "a") == Committed(1, duplicate=False)
        assert (await log.info()).last == 1
        assert (await log.fresh()).current.number == 1
        with pytest.raises(Unavailable):
            await write(log, TWO, 0, "b")
    assert streams.open == []


async def test_writer_waits_while_an_epoch_is_opened_and_goes_on_in_the_next() -> None:
    streams = Streams()
    async with epoch_log(streams.table, streams.clock, streams.one) as log:
        await write(log, ONE, 0, "a")
        await streams.say(OPENING)
        streams.logs[1].sealed = True
        with pytest.raises(Unavailable, match="being opened"):
            await write(log, ONE, 1, "b")
        await streams.say(opened(1))
        await asyncio.sleep(2 * LOOK_S)
        assert await write(log, ONE, 1, "b") == Refused(1, sealed=True)
        assert await write(log, TWO, 0, "b") == Committed(FIRST, duplicate=False)
        assert [one.payload for one in await log.read(ONE)] == [b"a"]
        got = [await log.get(sequence) for sequence in (1, FIRST)]
        assert [one and one.payload for one in got] == [b"a", b"b"]
        assert (await log.info()).last == FIRST


async def test_process_that_slept_looks_before_it_reads() -> None:
    streams = Streams()
    log = EpochLog(streams.table, streams.clock, streams.one)
    await log.look()
    assert (await log.fresh()).current.number == 1
    await streams.say(opened(0))
    await asyncio.sleep(60)
    assert (await log.fresh()).current.number == 2
    await log.close()


@pytest.mark.parametrize("start", [0, 1, 2])
async def test_reader_follows_across_the_seal(start: int) -> None:
    streams = Streams()
    async with epoch_log(streams.table, streams.clock, streams.one) as log:
        await write(log, ONE, 0, "a")
        await write(log, ONE, 1, "b")
        seen: list[int] = []

        async def follow() -> None:
            async with aclosing(log.tail(after=start)) as batches:
                async for batch in batches:
                    seen.extend(one.sequence for one in batch)

        following = asyncio.create_task(follow())
        await asyncio.sleep(1)
        await streams.say(opened(2))
        streams.logs[1].sealed = True
        await asyncio.sleep(3)
        await write(log, TWO, 0, "c")
        await asyncio.sleep(1)
        following.cancel()
    assert seen == [*range(start + 1, 3), FIRST]


async def test_reader_of_a_dropped_epoch_begins_with_the_next() -> None:
    streams = Streams()
    gone = Epochs((Epoch(1, 1, 2, dropped=True), Epoch(2, FIRST)))
    await streams.say(gone)
    async with epoch_log(streams.table, streams.clock, streams.one) as log:
        await write(log, TWO, 0, "c")
        async with aclosing(log.tail(after=0)) as batches:
            assert [one.sequence for one in await anext(batches)] == [FIRST]
        assert await log.get(1) is None
        assert streams.open == [2]
        with pytest.raises(Unavailable):
            await log.last(ONE)


def test_row_of_epochs_is_read_as_it_was_written() -> None:
    assert unpack_epochs(pack_epochs(OPENING)) == OPENING
    with pytest.raises(Unavailable):
        unpack_epochs(b"[]")
