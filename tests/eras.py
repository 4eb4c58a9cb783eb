"""A log of several epochs on fakes: rolled as an operator does, carried, dropped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import cast

from tests.tellers import START, Office, office, secrets
from toldonce.ownership.carrier import Carrier
from toldonce.runtime import names
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.epochs import SEEN_S, EpochLog, epoch_log, pack_epochs, unpack_epochs
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.log import Epoch, Epochs, Log, first_epochs
from toldonce.runtime.rolling import GAP_BITS, ROLL_WAIT_S
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.table import FakeTable


class Eras:
    """The streams of every epoch, the row that names them, the keys, and who reads them."""

    def __init__(self) -> None:
        """Begin with one epoch and nobody."""
        self.clock = LoopClock(START)
        self.leases, self.keys = FakeTable(clock=self.clock), FakeTable(clock=self.clock)
        self.secrets = secrets()
        self.streams = {1: FakeLog(epoch=1, clock=self.clock)}
        self.logs: list[EpochLog] = []
        self._stack = AsyncExitStack()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[Office]:
        """Open a first replica; all replicas close with it."""
        async with self._stack:
            yield await self.replica()

    async def replica(self) -> Office:
        """Open an ownership service that reads the log of all epochs."""
        log = await self._stack.enter_async_context(epoch_log(self.leases, self.clock, self._open))
        self.logs.append(log)
        ring = KeyRing(self.keys, self.secrets, self.clock)
        self._stack.push_async_callback(ring.close)
        return office(cast("FakeLog", log), ring)

    @asynccontextmanager
    async def _open(self, epoch: Epoch) -> AsyncIterator[Log]:
        yield self.streams[epoch.number]

    async def epochs(self) -> Epochs:
        """Read the row."""
        row = await self.leases.get(names.EPOCHS_KEY)
        return first_epochs() if row is None else unpack_epochs(row.value)

    async def say(self, epochs: Epochs) -> None:
        """Write the row."""
        await self.leases.put(names.EPOCHS_KEY, pack_epochs(epochs), expected=None)

    async def seal(self) -> None:
        """Make the next stream and seal the present one, as `rolling.roll` begins."""
        epochs = await self.epochs()
        old = epochs.current
        first = ((max(self.streams[old.number].count, old.first) >> GAP_BITS) + 2) << GAP_BITS
        made = Epoch(old.number + 1, first, carried=False)
        self.streams[made.number] = FakeLog(epoch=made.number, clock=self.clock, first=first)
        await self.say(Epochs((*epochs.all, made), opening=True))
        self.streams[old.number].sealed = True

    async def open(self) -> None:
        """Open the next epoch, as `rolling.roll` ends; that was waited for before."""
        epochs = await self.epochs()
        old = epochs.all[-2]
        ended = replace(old, last=self.streams[old.number].count)
        await self.say(Epochs((*epochs.all[:-2], ended, epochs.all[-1])))

    async def roll(self) -> None:
        """Let the log go on in a new epoch, whose stories are not carried yet."""
        await self.seal()
        await self.pass_time(ROLL_WAIT_S)
        await self.open()

    async def carry(self, house: Office) -> bool:
        """Carry every story that is left behind, and say so."""
        carrier = Carrier(house.log, house.ownership.find, self.leases)
        before = (await self.epochs()).before
        assert before is not None
        for log in self.logs:
            await log.look()
        if not await carrier.carry_all(before.number):
            return False
        await carrier._done()  # noqa: SLF001
        for log in self.logs:
            await log.look()
        return True

    async def drop(self, number: int) -> None:
        """Drop an epoch."""
        epochs = await self.epochs()
        gone = (replace(one, dropped=one.dropped or one.number == number) for one in epochs.all)
        await self.say(Epochs(tuple(gone)))
        for log in self.logs:
            await log.look()
        del self.streams[number]

    async def pass_time(self, seconds: float = 2 * SEEN_S) -> None:
        """Let time go by for everybody."""
        await asyncio.sleep(seconds)
