"""The log of all epochs as one: an old stream is sealed, the next goes on after it.

An epoch's stream begins at a sequence the one before can never reach, so a log sequence names its
epoch, and all positions go on rising. A sealed stream takes nothing any more and every story in it
stands still at once; it can be read until it is dropped. Which epochs there are stands in one row
of LEASES. Each process looks at it again after SEEN_S at the latest (by its own clock, before it
answers a read), and a roll waits longer than that between the seal and the opening: nobody reads
an old stream when the next has begun.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.log import (
    READ_MAX,
    Epoch,
    Epochs,
    Fence,
    Log,
    LogInfo,
    Outcome,
    Refused,
    Stored,
    first_epochs,
)
from toldonce.runtime.table import Table

SEEN_S = 2.0
LOOK_S = 1.0
AGAIN_S = 0.5
_OPENING = "A new epoch of the log is being opened."


def pack_epochs(epochs: Epochs) -> bytes:
    """Write the row of LEASES."""
    said = {"opening": epochs.opening, "all": [asdict(one) for one in epochs.all]}
    return json.dumps(said).encode()


def unpack_epochs(value: bytes) -> Epochs:
    """Read the row of LEASES; raises Unavailable when it is none."""
    try:
        said = json.loads(value)
        return Epochs(tuple(Epoch(**one) for one in said["all"]), bool(said["opening"]))
    except (ValueError, TypeError, KeyError) as error:
        raise Unavailable("The row that names the epochs of the log cannot be read.") from error


class OpenLog(Protocol):
    """How the stream of one epoch is opened and watched: sealed once the epoch has a `last`."""

    def __call__(self, epoch: Epoch) -> AbstractAsyncContextManager[Log]:
        """Open it; raises Unavailable."""
        ...


@contextlib.asynccontextmanager
async def epoch_log(table: Table, clock: Clock, open_log: OpenLog) -> AsyncIterator["EpochLog"]:
    """Open the log of all epochs; raises Unavailable. `table` is LEASES."""
    log = EpochLog(table, clock, open_log)
    looking: asyncio.Task[None] | None = None
    try:
        await log.look()
        looking = asyncio.create_task(log.run(), name="epochs of the log")
        yield log
    finally:
        if looking is not None:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
        await log.close()


@dataclass(frozen=True, slots=True)
class _Opened:
    """The log of an epoch, how the epoch was when it was opened, and what closes it."""

    epoch: Epoch
    log: Log
    stack: AsyncExitStack


class EpochLog:
    """`runtime.log.Log` over all epochs."""

    def __init__(self, table: Table, clock: Clock, open_log: OpenLog) -> None:
        """Use `epoch_log`, which looks first and goes on looking."""
        self._table = table
        self._clock = clock
        self._open_log = open_log
        self._opened: dict[int, _Opened] = {}
        self._opening = asyncio.Lock()
        self._looked_s = float("-inf")
        self._changed = asyncio.Event()
        self._epochs = first_epochs()

    async def fresh(self) -> Epochs:
        """See `Log.fresh`. While an epoch is being opened only a look of this moment will do."""
        if self._epochs.opening or self._clock.monotonic() - self._looked_s > SEEN_S:
            await self.look()
        return self._epochs

    async def look(self) -> None:
        """Read which epochs there are; raises Unavailable."""
        asked_s = self._clock.monotonic()
        row = await self._table.get(names.EPOCHS_KEY)
        found = first_epochs() if row is None or not row.value else unpack_epochs(row.value)
        for one in found.all:
            if one.dropped:
                await self._close(one.number)
            elif one.number in self._opened or one == found.current:
                await self._log(one)
        if found != self._epochs:
            self._epochs = found
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
        self._looked_s = asked_s

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(Unavailable):
                await self.look()

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        """See `Log.append`; Unavailable between the seal of one epoch and the opening of the next.

        Refused when the subject's epoch is sealed: read again, the story goes on in the next.
        """
        epoch = await self._epoch_of(subject)
        if epoch.last is not None:
            return Refused(expected, sealed=True)
        if self._epochs.opening:
            raise Unavailable(_OPENING, retry_s=AGAIN_S)
        log = await self._log(epoch)
        outcome = await log.append(
            subject, payload, expected=expected, message_id=message_id, fence=fence
        )
        if isinstance(outcome, Refused) and outcome.sealed:
            await self.look()
            if self._epochs.opening or self._epochs.current == epoch:
                raise Unavailable(_OPENING, retry_s=AGAIN_S)
        return outcome

    async def last(self, subject: str) -> Stored | None:
        """See `Log.last`."""
        return await (await self._log_of(subject)).last(subject)

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        """See `Log.read`."""
        log = await self._log_of(subject)
        return await log.read(subject, after=after, upto=upto, limit_max=limit_max)

    async def get(self, sequence: int) -> Stored | None:
        """See `Log.get`; None for what was dropped."""
        await self.fresh()
        epoch = self._epochs.of(sequence)
        return None if epoch.dropped else await (await self._log(epoch)).get(sequence)

    async def info(self) -> LogInfo:
        """See `Log.info`: how the current epoch stands; an empty one ends where the last ended."""
        await self.fresh()
        epochs = self._epochs
        info = await (await self._log(epochs.current)).info()
        if info.messages:
            return info
        older = epochs.all[: epochs.all.index(epochs.current)]
        return replace(info, last=older[-1].last or 0 if older else 0)

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        """See `Log.tail`: the messages of a sealed epoch, then those of the next."""
        await self.fresh()
        position = after
        while True:
            epoch = self._epochs.of(position + 1)
            if epoch.last is not None and position >= epoch.last:
                epoch = self._epochs.all[self._epochs.all.index(epoch) + 1]
                position = epoch.first - 1
            if epoch.dropped:  # whatever was open in it is in the next
                position = max(position, epoch.last or 0)
                continue
            log = await self._log(epoch)
            async with contextlib.aclosing(log.tail(after=position)) as batches:
                async for batch in self._until_sealed(batches, epoch, position):
                    position = batch[-1].sequence
                    yield batch

    async def latest(self, epoch: int) -> AsyncGenerator[list[Stored]]:
        """See `NatsLog.latest`: the last message of every subject of an epoch, then the end."""
        found = self._epochs.number(epoch)
        if found is None or found.dropped:
            raise Unavailable(f"There is no epoch {epoch} here.")
        log = await self._log(found)
        async with contextlib.aclosing(log.latest(epoch)) as batches:
            async for batch in batches:
                yield batch

    @property
    def settled(self) -> bool:
        """See `Log.settled`."""
        return all(one.log.settled for one in self._opened.values())

    @property
    def halted(self) -> str | None:
        """See `Log.halted`: an older epoch that is not whole halts too."""
        if self._epochs.opening:
            return None
        every = (one.log.halted for one in self._opened.values())
        return next((why for why in every if why is not None), None)

    @property
    def clock_offset_s(self) -> float:
        """See `Log.clock_offset_s`."""
        every = (one.log.clock_offset_s for one in self._opened.values())
        return max(every, key=abs, default=0.0)

    async def _until_sealed(
        self, batches: AsyncGenerator[list[Stored]], epoch: Epoch, position: int
    ) -> AsyncIterator[list[Stored]]:
        """Give what comes, until the epoch turns out to be sealed and everything was given."""
        coming: asyncio.Future[list[Stored]] | None = None
        try:
            while True:
                changed = self._changed
                now = self._epochs.number(epoch.number)
                if now is not None and now.last is not None and position >= now.last:
                    return
                coming = coming or asyncio.ensure_future(anext(batches))
                waking = asyncio.ensure_future(changed.wait())
                either: set[asyncio.Future[Any]] = {coming, waking}
                try:
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waking.cancel()
                if coming.done():
                    batch, coming = coming.result(), None
                    position = batch[-1].sequence
                    yield batch
        finally:
            if coming is not None:
                coming.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Unavailable):
                    await coming

    async def _epoch_of(self, subject: str) -> Epoch:
        await self.fresh()
        epoch = self._epochs.number(names.epoch_of(subject))
        if epoch is None or epoch.dropped:
            raise Unavailable("That epoch of the log is not here.")
        return epoch

    async def _log_of(self, subject: str) -> Log:
        return await self._log(await self._epoch_of(subject))

    async def _log(self, epoch: Epoch) -> Log:
        """Give the log of an epoch, opened anew when it was sealed meanwhile."""
        async with self._opening:
            found = self._opened.get(epoch.number)
            if found is None or found.epoch.last != epoch.last:
                stack = AsyncExitStack()
                log = await stack.enter_async_context(self._open_log(epoch))
                self._opened[epoch.number] = _Opened(epoch, log, stack)
                if found is not None:
                    await found.stack.aclose()
            return self._opened[epoch.number].log

    async def close(self) -> None:
        """Close every log that was opened."""
        for number in tuple(self._opened):
            await self._close(number)

    async def _close(self, number: int) -> None:
        found = self._opened.pop(number, None)
        if found is not None:
            await found.stack.aclose()
