"""The scrubber: reads the whole log in order, from its first message, and believes none of it.

One replica does so at a time: it has the turn, whose row says how far the log is checked. The work
takes a twentieth of the process, or half of one with nothing else to do.
What is found broken is quarantined; half a move or a forgetting is completed, and the row never
goes past one that is not.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from toldonce.kernel.errors import Conflict, Refusal, Unavailable
from toldonce.kernel.story.events import Absorbed, Forgotten, Moved
from toldonce.ownership.handler.quarantine import Quarantine
from toldonce.ownership.handler.scrubbing import Inspected, Inspector
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.log import Log, Stored
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import StoryKey, place_of
from toldonce.runtime.table import Table
from toldonce.runtime.telemetry import OWNERSHIP_CONFLICTS, SCRUBBED, SCRUBBED_UPTO
from toldonce.runtime.turn import Turn, rest_s

STRIDE = 8
SAVE_S = 3.0
RETRY_S = 2.0
HALF_S = 5.0
HALF_AGAIN_S = 60.0
_PLACE_BYTES = 8

_log = logger()

type Complete = Callable[[str, str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Half:
    """The first half of something at this log sequence; its time counts from `seen_s`."""

    sequence: int
    seen_s: float
    complete: Complete


class Scrubber:
    """Scrubs one log; `run` must be running."""

    def __init__(
        self,
        log: Log,
        table: Table,
        *,
        quarantine: Quarantine,
        complete_move: Complete,
        complete_forget: Complete,
        clock: Clock,
        meter: Meter,
        inspector: Inspector | None = None,
    ) -> None:
        """`table` is LEASES; what `complete_...` does is done once, however often it is asked."""
        self._log = log
        self._turn = Turn(table, names.SCRUBBER_KEY)
        self._quarantine = quarantine
        self._complete_move = complete_move
        self._complete_forget = complete_forget
        self._clock = clock
        self._meter = meter
        self._inspector = inspector or Inspector(log)
        self._halves: dict[StoryKey, _Half] = {}
        self._position = 0
        self._late_s = 0.0
        meter.declare(OWNERSHIP_CONFLICTS)
        meter.declare(SCRUBBED)
        meter.set(SCRUBBED_UPTO, 0)

    @property
    def position(self) -> int:
        """The log sequence up to which this process has checked."""
        return self._position

    async def run(self) -> None:
        """Scrub for ever whenever it is this process's turn."""
        while True:
            try:
                await self._take_turn()
                await self._scrub()
            except Conflict:
                self._meter.set(SCRUBBED_UPTO, 0)
                _log.info("another process scrubs", position=self._position)
            except Unavailable as error:
                _log.warning("scrubbing pauses", sentence=str(error))
                await asyncio.sleep(RETRY_S)

    async def _take_turn(self) -> None:
        """Wait until nobody else scrubs; raises Conflict when somebody was quicker, Unavailable."""
        self._position = place_of(await self._turn.free())
        if self._position > (await self._log.info()).last:
            self._position = 0  # the log is another one: the guard says so too
        epochs = await self._log.fresh()
        kept = next(one for one in epochs.all if not one.dropped)
        self._position = max(self._position, kept.first - 1)
        self._halves.clear()
        self._inspector.begin()
        await self._save()

    async def _scrub(self) -> None:
        """Follow the log until the turn is lost (Conflict) or the log is away (Unavailable)."""
        _log.info("scrubbing the log", position=self._position)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_turn(), name="scrubber's turn")
                group.create_task(self._follow(), name="scrubber")
        except* Conflict:
            raise Conflict("another process has the turn") from None
        except* Unavailable as failed:
            raise Unavailable(str(_first(failed))) from None

    async def _keep_turn(self) -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            await self._complete_halves()
            await self._save()

    async def _follow(self) -> None:
        async with contextlib.aclosing(self._log.tail(after=self._position)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), STRIDE):
                    await self._stride(batch[start : start + STRIDE])

    async def _stride(self, some: list[Stored]) -> None:
        """Check some messages, then leave the process to others for a while."""
        began_s = self._clock.monotonic()
        for stored in some:
            await self._found(stored, await self._inspector.inspect(stored))
            self._position = stored.sequence
        self._meter.add(SCRUBBED, by=len(some))
        self._meter.set(SCRUBBED_UPTO, self._position)
        ended_s = self._clock.monotonic()
        pause_s = rest_s(ended_s - began_s, self._late_s)
        await asyncio.sleep(pause_s)
        self._late_s = self._clock.monotonic() - ended_s - pause_s

    async def _found(self, stored: Stored, seen: Inspected) -> None:
        if seen.key is None:
            _log.error("a message of nobody's story", sequence=stored.sequence, reason=seen.fault)
            return
        if seen.conflicts:
            self._meter.add(OWNERSHIP_CONFLICTS, by=seen.conflicts)
            _log.error("two owners", tenant=seen.key[0], sequence=stored.sequence)
        if seen.fault:
            await self._quarantine.hold(seen.key, stored.sequence, seen.fault)
        for event in seen.events:
            match event:
                case Moved():
                    self._begun(seen.key, stored.sequence, self._complete_move)
                case Forgotten():
                    self._begun(seen.key, stored.sequence, self._complete_forget)
                case Absorbed(source):
                    self._halves.pop((seen.key[0], source), None)
                case _:
                    pass

    def _begun(self, key: StoryKey, sequence: int, complete: Complete) -> None:
        self._halves[key] = _Half(sequence, self._clock.monotonic(), complete)

    async def _complete_halves(self) -> None:
        """Complete what was left half done; what cannot be now is tried again."""
        oldest_s = self._clock.monotonic() - HALF_S
        for key, half in tuple(self._halves.items()):
            if half.seen_s > oldest_s:
                continue
            try:
                await half.complete(*key)
            except Refusal as error:
                _log.warning("half is not completed", tenant=key[0], sentence=str(error))
                again_s = self._clock.monotonic() + HALF_AGAIN_S - HALF_S
                self._halves[key] = replace(half, seen_s=again_s)
            else:
                self._halves.pop(key, None)

    async def _save(self) -> None:
        """Say how far the log is checked; raises Conflict when somebody else has the turn."""
        open_from = min((half.sequence for half in self._halves.values()), default=None)
        reached = self._position if open_from is None else min(self._position, open_from - 1)
        value = reached.to_bytes(_PLACE_BYTES, "big")
        await self._turn.keep(value)


def _first(failed: BaseExceptionGroup) -> BaseException:
    found: BaseException = failed
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
