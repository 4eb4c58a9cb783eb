"""What an engine that leads heard and decided, on its way into the journal.

The engine never waits for it. Its line is bounded: what does not fit, or cannot be written, is lost
and counted, and nothing more is written until there is a snapshot to go on from. A snapshot is
taken when the engine begins to lead, after a loss, and whenever as many facts came since the last
one as it was large (but not oftener than EVERY_S): so the cost of snapshots follows that of facts.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from toldonce.kernel.errors import Denied, Refusal
from toldonce.kernel.instants import micros
from toldonce.routing.core.acts import Decision
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import Fact
from toldonce.routing.core.record import Body, Piece, Step, Steps, told
from toldonce.routing.core.snapshot import Head, Snapshot
from toldonce.runtime import garbage
from toldonce.runtime.clock import Clock
from toldonce.runtime.logs import frames, logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import JOURNAL_LOST

LINE_MAX = 32_768  # facts and decisions
PIECE_MAX = 256  # of them in one piece
STORIES_MAX = 250_000  # an engine with more is not journalled
FACTS_MIN = 4_096
EVERY_S = 60.0
AGAIN_S = 5.0
BATCH_S = 0.2

_log = logger()

type _Entry = tuple[int, Snapshot | Step, bool]  # under which epoch; whether something is missing


class Keep(Protocol):
    """Where pieces are kept."""

    async def __call__(self, piece: Piece) -> int:
        """Keep a piece, whole, and say where it begins; raises a Refusal when it could not be."""
        ...


class Journal:
    """One tenant's journal as the process that leads writes it."""

    def __init__(self, tenant: str, keep: Keep, clock: Clock, meter: Meter) -> None:
        """Write through `keep`."""
        self._tenant = tenant
        self._keep = keep
        self._clock = clock
        self._meter = meter
        self._line: deque[_Entry] = deque()
        self._weight = 0
        self._woken = asyncio.Event()
        self._closed = False
        self._epoch = 0
        self._leads = False
        self._whole = False  # whether what comes now can be gone through from a snapshot
        self._lost = False
        self._facts = self._size = 0
        self._next_s = 0.0
        self._number = self._base = 0
        self._written_epoch = 0

    def begin_step(self, engine: Engine, epoch: int) -> None:
        """Take the engine down ahead of a step under `epoch`, if that is due."""
        if self._closed:
            return
        if not epoch:
            self._leads = False
            return
        now_s = self._clock.monotonic()
        if not self._leads or epoch != self._epoch:
            # what it heard while it followed is not here, even if it leads under its old epoch
            self._lost = epoch == self._epoch
            self._epoch, self._leads, self._whole, self._next_s = epoch, True, False, now_s
        due = not self._whole or self._facts >= max(FACTS_MIN, self._size)
        if due and now_s >= self._next_s and self._weight < LINE_MAX // 2:
            self._take_down(engine)
            self._next_s = now_s + (EVERY_S if self._whole else AGAIN_S)

    def end_step(
        self, epoch: int, engine: Engine, facts: Sequence[Fact], decisions: tuple[Decision, ...]
    ) -> None:
        """Note what went in at the engine's instant and what came out."""
        if not epoch or self._closed:
            return
        if not self._whole or self._weight >= LINE_MAX:
            self._lose(1)
            return
        self._facts += len(facts)
        self._put((epoch, Step(micros(engine.now), tuple(facts), decisions), False))

    async def run(self) -> None:
        """Write what is in line, for ever."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(BATCH_S)
            self._woken.clear()
            while self._line:
                await self._write()

    def _take_down(self, engine: Engine) -> None:
        if engine.stories > STORIES_MAX:
            return
        with garbage.kept():
            snapshot = engine.snapshot()
        self._put((self._epoch, snapshot, self._lost))
        self._facts, self._size = 0, len(snapshot.agents) + len(snapshot.stories)
        self._whole, self._lost = True, False

    def _put(self, entry: _Entry) -> None:
        self._line.append(entry)
        self._weight += _weight(entry[1])
        self._woken.set()

    def _lose(self, steps: int) -> None:
        self._whole, self._lost = False, True
        self._meter.add(JOURNAL_LOST, self._tenant, by=steps)

    async def _write(self) -> None:
        """Write a snapshot, or some steps; give everything in line up when that cannot be done."""
        epoch, first, gap = self._line[0]
        if epoch != self._written_epoch:
            self._written_epoch, self._number, self._base = epoch, 0, 0
        if isinstance(first, Snapshot):
            self._pop()
            bodies: Iterator[Body] = told(first)
            at = (first.head.now_us, first.head.now_us)
        else:
            steps = self._some_steps(epoch)
            bodies, at = iter((Steps(steps),)), (steps[0].now_us, steps[-1].now_us)
        try:
            for body in bodies:
                await self._write_body(epoch, body, at, gap=gap and isinstance(body, Head))
                await asyncio.sleep(0)
        except Denied:
            self._closed = True
            self._give_up()
        except Refusal as refusal:
            _log.warning("the journal has a gap", tenant=self._tenant, sentence=str(refusal))
            self._give_up()
        except Exception as fault:  # noqa: BLE001 - whatever it is, decisions go on without it
            _log.error("the journal failed", error=type(fault).__name__, frames=frames(fault))
            self._give_up()

    async def _write_body(self, epoch: int, body: Body, at: tuple[int, int], *, gap: bool) -> None:
        begins = isinstance(body, Head)
        self._number += 1
        base = 0 if begins else self._base
        where = await self._keep(Piece(epoch, self._number, base, gap, *at, body))
        if begins:
            self._base = where

    def _some_steps(self, epoch: int) -> tuple[Step, ...]:
        found: list[Step] = []
        room = PIECE_MAX
        while self._line and room > 0:
            of, step, _ = self._line[0]
            if isinstance(step, Snapshot) or of != epoch:
                break
            found.append(step)
            room -= _weight(step)
            self._pop()
        return tuple(found)

    def _pop(self) -> None:
        self._weight -= _weight(self._line.popleft()[1])

    def _give_up(self) -> None:
        """Lose what is in line: it cannot be gone through without what is missing."""
        steps = sum(isinstance(entry, Step) for _, entry, _ in self._line)
        self._line.clear()
        self._weight = 0
        self._next_s = self._clock.monotonic() + AGAIN_S
        self._lose(steps + 1)


def _weight(entry: Snapshot | Step) -> int:
    return 1 if isinstance(entry, Snapshot) else 1 + len(entry.facts) + len(entry.decisions)
