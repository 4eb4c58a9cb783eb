"""Counts the service of each channel as the log tells it, and exports the gap between them.

It is the work of `sla`, because what is counted is held against the targets, calendars and clocks
that this service keeps. It reads the log in order from a saved place, once for all replicas: one
has the turn. Every few seconds it writes each changed ledger with its own place, then the place up
to which all is counted. Whoever begins anew there meets some appends again, and each ledger leaves
out what it has; so a crash between any two writes counts nothing twice and leaves nothing out. The
first one ever begins as far back as the longest window reaches.
"""

import asyncio
import contextlib
from datetime import datetime

from toldonce.kernel.errors import Conflict, Invalid, Missing, Rejected, Unavailable
from toldonce.kernel.story.types import FOLD_VERSION
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_logged
from toldonce.runtime.history import TooNew
from toldonce.runtime.log import Log, Stored
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.table import Table
from toldonce.runtime.telemetry import (
    CHANNEL_COUNTED,
    CHANNEL_SHARE,
    CHANNEL_SHARE_GAP,
    CHANNEL_SHARE_HALF_WIDTH,
    CHANNEL_WAIT,
    CHANNEL_WAIT_GAP,
    CHANNEL_WAIT_HALF_WIDTH,
    CHANNELS_UPTO,
    UNREADABLE,
)
from toldonce.runtime.turn import STANDBY_S, Turn, rest_s
from toldonce.sla.core.counts import KEPT, Window
from toldonce.sla.core.gap import WAITS, Standing, table
from toldonce.sla.handler.counts import Ledgers, pack_place, unpack_place
from toldonce.sla.handler.stories import Remembered

SAVE_S = 3.0
RETRY_S = 2.0
NEWER_S = 60.0
STRIDE = 8
TENANTS_MAX = 64
_SHARE_METRICS = (CHANNEL_SHARE, CHANNEL_SHARE_GAP, CHANNEL_SHARE_HALF_WIDTH)
_WAIT_METRICS = (CHANNEL_WAIT, CHANNEL_WAIT_GAP, CHANNEL_WAIT_HALF_WIDTH)

_log = logger()


class ChannelCounter:
    """Counts the channels of every tenant; `run` must be running."""

    def __init__(
        self,
        *,
        log: Log,
        leases: Table,
        config: ConfigCache,
        clock: Clock,
        meter: Meter,
        save_s: float = SAVE_S,
        standby_s: float = STANDBY_S,
    ) -> None:
        """Read `log`; keep the counts in `leases` every `save_s`."""
        self._log = log
        self._config = config
        self._clock = clock
        self._meter = meter
        self._save_s = save_s
        self._turn = Turn(leases, names.COUNTING_KEY, standby_s=standby_s)
        self._ledgers = Ledgers(leases)
        self._stories = Remembered(log)
        self._position = 0
        self._late_s = 0.0
        meter.set(CHANNELS_UPTO, 0)

    @property
    def position(self) -> int:
        """The log sequence up to which this process has counted."""
        return self._position

    async def run(self) -> None:
        """Count for ever whenever it is this process's turn."""
        while True:
            try:
                await self._begin()
                await self._count()
            except Conflict:
                _log.info("another process counts the channels", position=self._position)
            except TooNew as error:
                _log.warning("counting is left to a newer process", sentence=str(error))
                await asyncio.sleep(NEWER_S)
            except Unavailable as error:
                _log.warning("counting pauses", sentence=str(error))
                await asyncio.sleep(RETRY_S)
            finally:
                self._unsay()

    async def _begin(self) -> None:
        """Take the turn and what was counted; raises Conflict when somebody was quicker."""
        place = unpack_place(await self._turn.free())
        last = (await self._log.info()).last
        epochs = await self._log.fresh()
        kept = next(one for one in epochs.all if not one.dropped)
        if place is None or place > last:  # counted by other formulas, or in another log
            place = await _before(self._log, self._clock.now() - KEPT, kept.first, last)
        self._position = max(place, kept.first - 1)
        self._stories.begin()
        await self._turn.keep(pack_place(self._position))
        await self._ledgers.begin(self._position, last)

    async def _count(self) -> None:
        """Follow the log until the turn is lost (Conflict) or something is away (Unavailable)."""
        _log.info("counting the channels", position=self._position)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._save(), name="counts of channels")
                group.create_task(self._follow(), name="channels")
        except BaseExceptionGroup as failed:
            first: BaseException = failed
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(self._save_s)
            position = self._position
            await self._ledgers.keep()
            await self._turn.keep(pack_place(position))
            await self._say(position)

    async def _follow(self) -> None:
        async with contextlib.aclosing(self._log.tail(after=self._position)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), STRIDE):
                    await self._stride(batch[start : start + STRIDE])

    async def _stride(self, some: list[Stored]) -> None:
        """Count some messages, then leave the process to others for a while."""
        began_s = self._clock.monotonic()
        for stored in some:
            await self._one(stored)
            self._position = stored.sequence
        ended_s = self._clock.monotonic()
        pause_s = rest_s(ended_s - began_s, self._late_s)
        await asyncio.sleep(pause_s)
        self._late_s = self._clock.monotonic() - ended_s - pause_s

    async def _one(self, stored: Stored) -> None:
        """Count what one message tells; one that nobody can read tells nothing.

        Raises TooNew where a newer process could.
        """
        try:
            key = names.story_of(stored.subject)
            logged = decode_logged(stored.payload, stored.sequence)
            if logged.record.head.fold_version > FOLD_VERSION:
                raise TooNew("a newer version leads this story")
            config = await self._config.of(key[0])
            marks = await self._stories.observe(logged, config)
        except UnknownFact as error:
            raise TooNew("a newer version wrote to this story") from error
        except Missing:
            return  # a tenant without a configuration has no channels
        except (Invalid, Garbled, Rejected) as error:
            self._meter.add(UNREADABLE, "not counted")
            _log.error("not counted", sequence=stored.sequence, error=type(error).__name__)
            return
        if marks and self._ledgers.of(key[0]).take(stored.sequence, marks):
            self._ledgers.changed(key[0])

    # ---- what is exported

    async def _say(self, position: int) -> None:
        """Export how the channels stand, all of it at once."""
        said: list[tuple[str, Window, Standing]] = []
        now = self._clock.now()
        for tenant, ledger in self._ledgers.all()[:TENANTS_MAX]:
            for window in Window:
                said += [(tenant, window, one) for one in table(ledger.of(window, now))]
            await asyncio.sleep(0)
        self._clear()
        for tenant, window, standing in said:
            self._export(tenant, window, standing)
        self._meter.set(CHANNELS_UPTO, position)

    def _export(self, tenant: str, window: Window, standing: Standing) -> None:
        labels = (tenant, standing.channel, standing.figure, window.value)
        metrics = _WAIT_METRICS if standing.figure in WAITS else _SHARE_METRICS
        values = (standing.value, standing.gap, standing.half_width)
        for metric, value in zip(metrics, values, strict=True):
            if value is not None:
                self._meter.set(metric, value, *labels)
        self._meter.set(CHANNEL_COUNTED, standing.count, *labels)

    def _unsay(self) -> None:
        """Export nothing any more: whoever has the turn now does."""
        self._meter.set(CHANNELS_UPTO, 0)
        self._clear()

    def _clear(self) -> None:
        for metric in (*_SHARE_METRICS, *_WAIT_METRICS, CHANNEL_COUNTED):
            self._meter.clear(metric)


async def _before(log: Log, at: datetime, first: int, last: int) -> int:
    """Find the log sequence before which everything was stored before `at`; raises Unavailable."""
    low, high = max(first, 1), last + 1
    while low < high:
        middle = (low + high) // 2
        stored = await log.get(middle)
        if stored is None or stored.stored_at < at:
            low = middle + 1
        else:
            high = middle
    return low - 1
