"""One tenant's view of open cases: apply the exact successor, adopt what fits, else write anew."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterable, Sequence

from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.runtime.clock import Clock
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.logs import logger
from toldonce.runtime.open_rows import pack_open
from toldonce.runtime.store import Store, Value
from toldonce.runtime.telemetry import VIEW_REBUILDS, Meter
from toldonce.runtime.view_keys import VIEW, ViewKeys, ms, places
from toldonce.runtime.view_scripts import APPLY, BEGIN, BUILDING, FILL, FLIP

ROWS_MAX = 200
JOIN_S = 0.005
RETRY_S = 0.2
ADOPT_S = 1.0
ALIVE_MS = 2_000
GIVE_UP_MS = 60_000
SWEEP_S = 5.0
_SWEEP_MAX = 4
_DRAW_BITS = 10

_log = logger()


class TenantView:
    """Writes the view of one tenant. Nothing in it waits for the store but `run`."""

    def __init__(
        self,
        tenant: str,
        store: Store,
        *,
        clock: Clock,
        complete_at: Callable[[int], int],
        meter: Meter,
        rng: random.Random,
    ) -> None:
        """`complete_at(position)`: up to when (ms) a view that holds the log so far is complete."""
        self._tenant = tenant
        self._store = store
        self._clock = clock
        self._complete_at = complete_at
        self._meter = meter
        self._rng = rng
        self._open: dict[str, OpenStory] = {}
        self._pending: dict[str, int] = {}
        self._since = 0  # every change after this log position is pending
        self._position = 0
        self._written = 0
        self._generation = 0
        self._log_id = ""
        self._era = 0
        self._broken = False
        self._adopt_until_s = 0.0
        self._sweep_at_s = 0.0
        self._wake = asyncio.Event()

    def begin(self, stories: Iterable[OpenStory], position: int) -> None:
        """Begin (again) with these stories."""
        self._open = {story.customer: story for story in stories}
        self._pending = {}
        self._since = max((story.sequence for story in self._open.values()), default=0)
        self._since = max(self._since, position)
        self._position = position
        self._generation = 0
        self._era += 1
        self._adopt_until_s = 0.0
        self._wake.set()

    def take(self, logged: Logged) -> None:
        """Take one append."""
        record = logged.record
        if record.head.terminal:
            self._open.pop(record.customer, None)
        else:
            self._open[record.customer] = OpenStory(
                record.tenant, record.customer, record.head, logged.sequence
            )
        self._pending[record.customer] = logged.sequence

    def reach(self, position: int) -> None:
        """Know that everything up to `position` was given."""
        self._position = position
        if self._pending:
            self._wake.set()

    def check(self, log_id: str) -> None:
        """Look at the store soon, even if nothing has changed."""
        self._log_id = log_id
        self._wake.set()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(JOIN_S)
            self._wake.clear()
            try:
                if self._log_id and self._era:
                    await self._step()
            except Unavailable as error:
                _log.warning("view not written", tenant=self._tenant, sentence=str(error))
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def _step(self) -> None:
        if not self._generation and not await self._adopt() and not await self._rebuild():
            return
        await self._apply()
        if self._generation and self._clock.monotonic() >= self._sweep_at_s:
            self._sweep_at_s = self._clock.monotonic() + SWEEP_S
            await self._sweep()

    async def _apply(self) -> None:
        """Bring the live generation to where the feed is, and say that it is looked after."""
        position = max(self._position, self._written)
        taken, self._pending = self._pending, {}
        try:
            while True:
                due = [who for who, sequence in taken.items() if sequence > self._written]
                some, last = due[:ROWS_MAX], len(due) <= ROWS_MAX
                to = position if last else self._written
                status, what = await self._run_apply(to, some)
                if status == b"ok":
                    for who in some:
                        del taken[who]
                    self._written = to
                    if last:
                        taken.clear()
                        self._since = to
                        return
                elif status == b"other" and int(what) > self._written:
                    # somebody else, or a try of ours whose answer was lost, was here
                    self._written = int(what)
                    position = max(position, self._written)
                else:
                    self._generation = 0
                    self._broken = status != b"moved" or not what
                    self._wake.set()
                    return
        finally:
            self._pending = taken | self._pending

    async def _run_apply(self, to: int, who: Sequence[str]) -> tuple[bytes, bytes]:
        of = self._keys()
        status, what = await self._store.run(
            APPLY,
            [of.pointer, of.meta, *of.rows],
            [
                self._generation,
                self._log_id,
                self._written,
                to,
                self._complete_at(to),
                *self._rows(of, who),
            ],
        )
        return status, what

    async def _adopt(self) -> bool:
        """Go on with the live generation if it holds all that is not pending here."""
        if self._broken:
            return False
        live = int(await self._store.get(self._keys().pointer) or 0)
        meta = await self._store.hgetall(ViewKeys(self._tenant, live).meta) if live else {}
        stored = meta.get(b"position", BUILDING.encode())
        if meta.get(b"log") != self._log_id.encode() or stored == BUILDING.encode():
            return False
        if int(stored) >= self._since:
            self._generation, self._written = live, int(stored)
            self._adopt_until_s = 0.0
            return True
        now_s = self._clock.monotonic()
        if ms(self._clock.now()) - int(meta[b"at"]) > ALIVE_MS:
            return False
        # somebody looks after it: let them catch up before writing it anew beside them
        self._adopt_until_s = self._adopt_until_s or now_s + ADOPT_S
        if now_s >= self._adopt_until_s:
            return False
        raise Unavailable("another process is a little behind")

    async def _rebuild(self) -> bool:
        """Write a new generation from the heads and make it the live one."""
        before = await self._store.get(self._keys().pointer) or b""
        generation = self._draw()
        of = ViewKeys(self._tenant, generation)
        await self._store.run(
            BEGIN, [of.old, of.meta], [generation, self._log_id, self._now_ms() + GIVE_UP_MS]
        )
        position, era, self._pending = self._position, self._era, {}
        self._since = position
        for who in itertools.batched(tuple(self._open), ROWS_MAX):
            args = [generation, self._now_ms() + GIVE_UP_MS, *self._rows(of, who)]
            status, _ = await self._store.run(FILL, [of.old, of.meta, *of.rows], args)
            if status != b"ok":
                self._wake.set()
                return False
        status, _ = await self._store.run(
            FLIP,
            [of.pointer, of.old, of.meta],
            [before, generation, position, self._complete_at(position), self._now_ms()],
        )
        self._broken = False
        self._adopt_until_s = 0.0
        if status != b"ok" or era != self._era:
            self._wake.set()
            return False
        self._generation, self._written = generation, position
        self._meter.add(VIEW_REBUILDS, VIEW)
        _log.info("view written anew", tenant=self._tenant, view=VIEW, position=position)
        return True

    async def _sweep(self) -> None:
        """Drop generations that nobody reads or builds any more."""
        old = self._keys().old
        for name, _ in await self._store.zrange_by_score(
            old, 0, self._now_ms(), limit_max=_SWEEP_MAX
        ):
            of = ViewKeys(self._tenant, int(name))
            lists = await self._store.call("SMEMBERS", of.rows[-1])
            keys = [of.meta, *(key.decode() for key in lists), *of.rows]
            for some in itertools.batched(keys, ROWS_MAX):
                await self._store.call("UNLINK", *some)
            await self._store.call("ZREM", old, name)

    def _rows(self, of: ViewKeys, who: Iterable[str]) -> list[Value]:
        """Write the rows of some customers as they are now; an empty one for who has ended."""
        rows: list[Value] = []
        for customer in who:
            story = self._open.get(customer)
            if story is None:
                rows += [customer, b"", b""]
            else:
                value = pack_open(story.sequence, story.head)
                rows += [customer, value, places(of, customer, story.head)]
        return rows

    def _keys(self) -> ViewKeys:
        return ViewKeys(self._tenant, self._generation)

    def _now_ms(self) -> int:
        return ms(self._clock.now())

    def _draw(self) -> int:
        """Give a generation its number: later ones are greater, and no two makers draw the same."""
        return self._now_ms() << _DRAW_BITS | self._rng.getrandbits(_DRAW_BITS)
