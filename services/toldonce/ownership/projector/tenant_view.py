"""One tenant's view of open cases: apply the exact successor, adopt what fits, else write anew."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.runtime.clock import Clock
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import pack_open
from toldonce.runtime.store import Store, Value
from toldonce.runtime.telemetry import VIEW_REBUILDS
from toldonce.runtime.view_keys import VIEW, ViewKeys, ms, places
from toldonce.runtime.view_queries import CHECK
from toldonce.runtime.view_scripts import APPLY, BEGIN, BUILDING, FILL, FLIP, row

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
        self._unread: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._since = 0  # every change after this log position is pending
        self._ahead = 0  # no row written here is newer than this log position
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
        self._pending, self._unread = {}, {}
        newest = max((story.sequence for story in self._open.values()), default=0)
        self._since = self._ahead = max(newest, position)
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
        self._unread.pop(record.customer, None)
        self._pending[record.customer] = self._ahead = logged.sequence

    def stop(self, customer: str, sequence: int) -> None:
        """Know that nobody here can read a story from `sequence` on: nobody is to be told of it."""
        if self._unread.get(customer) != sequence:
            self._open.pop(customer, None)
            self._pending[customer] = self._unread[customer] = sequence
            self._ahead = max(self._ahead, sequence)

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
            await self._look()
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
                status, what = await self._run_apply(to, some, max(self._ahead, position))
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

    async def _run_apply(self, to: int, who: Sequence[str], ahead: int) -> tuple[bytes, bytes]:
        of = self._keys()
        status, what = await self._store.run(
            APPLY,
            [of.pointer, of.meta, *of.rows],
            [
                self._generation,
                self._log_id,
                self._written,
                to,
                ahead if who else to,
                self._complete_at(to),
                *self._rows(who),
            ],
        )
        return status, what

    async def _adopt(self) -> bool:
        """Go on with the live generation if it holds all that is not pending here."""
        live = int(await self._store.get(self._keys().pointer) or 0)
        meta = await self._store.hgetall(ViewKeys(self._tenant, live).meta) if live else {}
        stored = meta.get(b"position", BUILDING.encode())
        if self._is_newer(meta) and not self._is_late(meta):
            raise Unavailable("a process of a newer version keeps this view")
        if self._broken or stored == BUILDING.encode():
            return False
        if meta.get(b"log") != self._log_id.encode():
            return False
        if int(stored) >= self._since:
            self._generation, self._written = live, int(stored)
            self._adopt_until_s = 0.0
            return True
        now_s = self._clock.monotonic()
        if self._is_late(meta):
            return False
        # somebody looks after it: let them catch up before writing it anew beside them
        self._adopt_until_s = self._adopt_until_s or now_s + ADOPT_S
        if now_s >= self._adopt_until_s:
            return False
        raise Unavailable("another process is a little behind")

    def _is_newer(self, meta: Mapping[bytes, bytes]) -> bool:
        """Tell whether a view of the same log was written by a newer version of this program."""
        log, _, fold = meta.get(b"log", b"").decode().rpartition("/")
        mine, _, my_fold = self._log_id.rpartition("/")
        return log == mine and int(fold) > int(my_fold)

    def _is_late(self, meta: Mapping[bytes, bytes]) -> bool:
        """Tell whether nobody seems to look after a view."""
        return self._now_ms() - int(meta.get(b"at", b"0")) > ALIVE_MS

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
        step = 0
        for who in itertools.batched((*self._open, *self._unread), ROWS_MAX):
            args = [generation, self._now_ms() + GIVE_UP_MS, step, *self._rows(who)]
            status, _ = await self._store.run(FILL, [of.old, of.meta, *of.rows], args)
            if status != b"ok":
                self._wake.set()
                return False
            step += 1
        ahead = max(position, self._ahead)
        at, now = self._complete_at(position), self._now_ms()
        status, _ = await self._store.run(
            FLIP,
            [of.pointer, of.old, of.meta],
            [before, generation, position, ahead, at, now, step],
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

    async def _look(self) -> None:
        """Look whether every list still has all that was put into it: a store may lose a key."""
        of = self._keys()
        names: list[bytes] = await self._store.call("HKEYS", of.rows[-1])
        for some in itertools.batched({of.every, *of.named(names)}, ROWS_MAX):
            status, *_ = await self._store.run(CHECK, [*of.head, *some], [self._generation])
            if status == b"gone":
                self._generation, self._broken = 0, True
                self._wake.set()
                return

    async def _sweep(self) -> None:
        """Drop generations that nobody reads or builds any more."""
        old = self._keys().old
        for name, _ in await self._store.zrange_by_score(
            old, 0, self._now_ms(), limit_max=_SWEEP_MAX
        ):
            of = ViewKeys(self._tenant, int(name))
            lists = await self._store.call("HKEYS", of.rows[-1])
            keys = [of.meta, *of.named(lists), *of.rows]
            for some in itertools.batched(keys, ROWS_MAX):
                await self._store.call("UNLINK", *some)
            await self._store.call("ZREM", old, name)

    def _rows(self, who: Iterable[str]) -> list[Value]:
        """Write the rows of some customers as they are now; an empty one for who has ended."""
        rows: list[Value] = []
        for customer in who:
            story = self._open.get(customer)
            if story is not None:
                value = story.row or pack_open(story.sequence, story.head)
                rows.append(row(customer, places(story.head), value))
            elif customer in self._unread:
                rows.append(row(customer, b"", pack_open(self._unread[customer], None)))
            else:
                rows.append(row(customer, b"", b""))
        return rows

    def _keys(self) -> ViewKeys:
        return ViewKeys(self._tenant, self._generation)

    def _now_ms(self) -> int:
        return ms(self._clock.now())

    def _draw(self) -> int:
        """Give a generation its number: later ones are greater, and no two makers draw the same."""
        return self._now_ms() << _DRAW_BITS | self._rng.getrandbits(_DRAW_BITS)
