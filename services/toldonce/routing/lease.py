"""The engine's lease of one tenant: who leads, judged by nobody's clock but one's own.

The row in LEASES holds no end. A holder leads for `lease_s` counted from before it sent its last
renewal; a challenger takes over once it has seen no change for `lease_s`, and decides nothing
until `quiet_s` after that. Even then it first takes in everything that is in the log: the last
offers of the old holder hold units too. The epoch grows with every holder: it is above the table
revision and the epoch it was won over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from toldonce.kernel.errors import Refusal
from toldonce.routing.handler.words import Health, LeaseRecord, Timing
from toldonce.routing.wire.tables import read_lease, write_lease
from toldonce.runtime.clock import Clock
from toldonce.runtime.logs import logger
from toldonce.runtime.table import Row, Table

_log = logger()


class Lease:
    """One tenant's lease as this process sees it. `run` keeps it; cancelled, it gives it back."""

    def __init__(
        self,
        table: Table,
        key: str,
        holder: str,
        clock: Clock,
        *,
        health: Health,
        settle: Callable[[], Awaitable[bool]],
        catch_up: Callable[[], Awaitable[Callable[[], bool]]],
        changed: Callable[[], None],
        floor: Callable[[], int] = lambda: 0,
        timing: Timing | None = None,
    ) -> None:
        """`table` is LEASES, `holder` this process (26 characters).

        `settle` waits a little for what was sent under the lease and tells whether all of it has
        ended; only then is the lease given back rather than left to run out. `catch_up` notes where
        the log ends and gives what tells whether all of it was taken in; nothing is decided before.
        `changed` is called when leading or deciding begins or ends. `floor` is an epoch
        that a new one must be above.
        """
        self._table = table
        self._key = key
        self._holder = holder
        self._clock = clock
        self._health = health
        self._settle = settle
        self._catch_up = catch_up
        self._changed = changed
        self._floor = floor
        self.timing = timing or Timing()
        self._mine: LeaseRecord | None = None
        self._revision = 0
        self._sent_s: dict[int, float] = {}
        self._valid_s = 0.0
        self._decides_s = 0.0
        self._decides = False
        self._caught_up: Callable[[], bool] | None = None
        self._unsure = False
        self._seen = (-1, 0.0)

    @property
    def held(self) -> int:
        """The epoch held at this instant, whether or not it may decide already; 0 for none."""
        mine = self._mine
        return mine.epoch if mine is not None and self._now_s() < self._valid_s else 0

    @property
    def epoch(self) -> int:
        """See `Leadership.epoch`."""
        return self.held if self._decides else 0

    async def run(self) -> None:
        """Keep the lease, or wait for it, for ever."""
        late_s = 0.0
        try:
            while True:
                unwell = self._unwell(late_s)
                try:
                    await self._turn(unwell)
                except (Refusal, TimeoutError) as error:
                    said = "the lease table or the log does not answer"
                    _log.warning(said, error=type(error).__name__)
                pause_s = self._pause_s(unwell)
                asked_s = self._now_s()
                await asyncio.sleep(pause_s)
                late_s = self._now_s() - asked_s - pause_s
        finally:
            await self._give_back("this process stops")

    def _pause_s(self, unwell: str | None) -> float:
        look_s = self.timing.look_s
        if unwell is not None:
            return look_s / 10
        if self._mine is None or self._decides:
            return look_s
        return max(look_s / 10, min(look_s, self._decides_s - self._now_s()))

    def _unwell(self, late_s: float) -> str | None:
        if late_s > self.timing.loop_delay_max_s:
            return f"this process was late by {late_s:.1f} s"
        return self._health()

    async def _turn(self, unwell: str | None) -> None:
        if self._mine is not None and not self.held:
            self._step_down("it could not be renewed in time")
        if unwell is not None:
            self._seen = (-1, 0.0)
            await self._give_back(unwell)
            return
        if self._mine is None:
            await self._look()
        else:
            await self._keep()
        if self._mine is not None and not self._decides and self._now_s() >= self._decides_s:
            await self._begin_to_decide()

    async def _keep(self) -> None:
        if self._unsure:
            await self._read_again()
        mine = self._mine
        if mine is not None and self._now_s() >= self._sent_s[mine.counter] + self.timing.renew_s:
            await self._renew(mine)

    async def _begin_to_decide(self) -> None:
        if self._caught_up is None:
            async with asyncio.timeout(self.timing.renew_s):
                self._caught_up = await self._catch_up()
        self._decides = self._caught_up()
        if self._decides:
            self._changed()

    async def _renew(self, mine: LeaseRecord) -> None:
        counter = max(self._sent_s) + 1
        record = replace(mine, counter=counter, renewed_at=self._clock.now())
        sent_s = self._sent_s[counter] = self._now_s()
        try:
            revision = await self._put(record)
        except (Refusal, TimeoutError):
            self._unsure = True
            await self._read_again()
            return
        self._hold(record, revision, sent_s)

    async def _read_again(self) -> None:
        """After an answer that was lost: see whether the row is still ours, and since when."""
        row = await self._row()
        found = None if row is None else read_lease(row.value)
        mine = self._mine
        if mine is None or row is None or found is None:
            self._step_down("its row is gone")
        elif (found.holder, found.epoch) != (self._holder, mine.epoch):
            self._step_down("somebody else has it")
        elif found.counter in self._sent_s:
            self._hold(found, row.revision, self._sent_s[found.counter])

    async def _look(self) -> None:
        row = await self._row()
        found = None if row is None else read_lease(row.value)
        now_s = self._now_s()
        decides_s = now_s
        if row is not None and found is not None and found.holder:
            revision, seen_s = self._seen
            if row.revision != revision:
                self._seen = (row.revision, now_s)
                return
            if now_s - seen_s < self.timing.lease_s:
                return
            decides_s = seen_s + self.timing.lease_s + self.timing.quiet_s
        await self._challenge(row, found, decides_s)

    async def _challenge(
        self, row: Row | None, found: LeaseRecord | None, decides_s: float
    ) -> None:
        over = 0 if row is None else row.revision
        epoch = 1 + max(over, 0 if found is None else found.epoch, self._floor())
        record = LeaseRecord(self._holder, epoch, 1, self._clock.now())
        sent_s = self._now_s()
        self._revision = over
        try:
            revision = await self._put(record)
        except (Refusal, TimeoutError):
            return  # if it was written all the same, it runs out like anybody's
        self._sent_s = {1: sent_s}
        self._decides_s = decides_s
        self._hold(record, revision, sent_s)
        _log.info("leading", key=self._key, epoch=epoch, wait_s=max(0.0, decides_s - sent_s))
        self._changed()

    def _hold(self, record: LeaseRecord, revision: int, sent_s: float) -> None:
        self._mine, self._revision, self._unsure = record, revision, False
        self._valid_s = sent_s + self.timing.lease_s
        for counter in [old for old in self._sent_s if old < record.counter]:
            del self._sent_s[counter]

    def _step_down(self, why: str) -> LeaseRecord | None:
        mine, self._mine = self._mine, None
        self._unsure = self._decides = False
        self._caught_up = None
        self._valid_s = 0.0
        self._seen = (-1, 0.0)
        if mine is not None:
            _log.warning("not leading any more", key=self._key, epoch=mine.epoch, sentence=why)
            self._changed()
        return mine

    async def _give_back(self, why: str) -> None:
        held = self.held
        mine = self._step_down(why)
        if mine is None or not held or not await self._settle():
            return
        record = replace(mine, holder="", counter=mine.counter + 1, renewed_at=self._clock.now())
        with suppress(Refusal, TimeoutError):
            await self._put(record)

    async def _put(self, record: LeaseRecord) -> int:
        async with asyncio.timeout(self.timing.lease_s / 2):
            return await self._table.put(self._key, write_lease(record), expected=self._revision)

    async def _row(self) -> Row | None:
        async with asyncio.timeout(self.timing.lease_s / 2):
            return await self._table.get(self._key)

    def _now_s(self) -> float:
        return self._clock.monotonic()
