"""All engines of one process: they share one feed, one watch of AGENTS and one ear on the bus."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial

from toldonce.client.commands import CommandDoor
from toldonce.kernel.config.types import Config
from toldonce.kernel.errors import Missing, Refusal, Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.routing.consumer.seat import MakeLease, Seat
from toldonce.routing.core.facts import AgentChanged, StoriesLoaded
from toldonce.routing.handler.facts import story_standing
from toldonce.routing.handler.words import Timing
from toldonce.routing.wire.tables import read_declared, read_sighting
from toldonce.runtime import names
from toldonce.runtime.bus import Bus
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.log import CLOCK_OFFSET_MAX_S, Log
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.table import Row, Table
from toldonce.runtime.trail import Trail

LOOK_S = 1.0
TENANTS_LOOK_S = 10.0
CONFIG_LOOK_S = 1.0
PAUSE_S = 0.5
MARKS_MAX = 64

_log = logger()


class Engines:
    """A subscriber of the feed (`snapshot`, `records`, `reached`) and a task (`run`)."""

    def __init__(
        self,
        *,
        tenants: Iterable[str],
        log: Log,
        agents: Table,
        documents: Table,
        bus: Bus,
        config: ConfigCache,
        door: CommandDoor,
        clock: Clock,
        meter: Meter,
        make_lease: MakeLease,
        draining: asyncio.Event,
        trail: Trail,
        holder: str,
        timing: Timing | None = None,
    ) -> None:
        """Lead `tenants`, and every other with a document in `documents` (CONFIG).

        `agents` is the table AGENTS; `draining` says that this process goes away. What is decided
        is journalled in `trail`; `holder` names this process.
        """
        self._log = log
        self._agents = agents
        self._documents = documents
        self._bus = bus
        self._config = config
        self._clock = clock
        self._draining = draining
        self._timing = timing or Timing()
        self._new_seat = partial(
            Seat,
            make_lease=make_lease,
            health=self._unwell,
            catch_up=self._catch_up,
            door=door,
            bus=bus,
            clock=clock,
            meter=meter,
            trail=trail,
            holder=holder,
        )
        self._seats: dict[str, Seat] = {}
        self._begun: asyncio.TaskGroup | None = None
        self._declared: dict[str, dict[str, AgentChanged]] = defaultdict(dict)
        self._agents_read = False
        self._loaded = False
        self._position = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS_MAX)
        self._looked_s = clock.monotonic()
        config.on_change(self._configure)
        for tenant in tenants:
            self.seat(tenant)

    def seat(self, tenant: str) -> Seat:
        """Give the engine of a tenant, which begins now if there was none."""
        known = self._seats.get(tenant)
        if known is not None:
            return known
        seat = self._seats[tenant] = self._new_seat(tenant)
        config = self._config.known(tenant)
        if config is not None:
            seat.configure(config)
        for fact in self._declared[tenant].values():
            seat.shell.declare(fact)
        if self._loaded:
            seat.load(StoriesLoaded(frozenset(), self._position))
        if self._begun is not None:
            self._begin(self._begun, seat)
        return seat

    # ---- the log

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `feed.Subscriber`."""
        standing: dict[str, set[str]] = defaultdict(set)
        for seat in self._seats.values():
            seat.waits.begin()
        for story in stories:
            seat = self.seat(story.tenant)
            seat.see_epoch(story.head.engine_epoch)
            seat.waits.stands(story.customer, story.head)
            fact = story_standing(story)
            if fact is not None:
                standing[story.tenant].add(story.customer)
                # a few at a time: all at once would hold everybody else up for seconds
                await seat.shell.put(fact)
        self._loaded = True
        for tenant, seat in tuple(self._seats.items()):
            seat.load(StoriesLoaded(frozenset(standing[tenant]), position))
        self._position = position

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `feed.Subscriber`."""
        for logged in batch:
            await self.seat(logged.record.tenant).take(logged)

    async def reached(self, position: int) -> None:
        """See `feed.Exact`."""
        self._position = position

    # ---- the task

    async def run(self) -> None:
        """Run every engine, for ever; cancelled, the leases are given back."""
        subscription = await self._bus.subscribe(names.EVERY_PRESENCE, self._hear)
        try:
            async with asyncio.TaskGroup() as group:
                self._begun = group
                for seat in tuple(self._seats.values()):
                    self._begin(group, seat)
                group.create_task(self._patiently(self._follow_agents), name="agents")
                group.create_task(self._patiently(self._follow_tenants), name="tenants")
                group.create_task(self._look(), name="log watch")
        finally:
            self._begun = None
            await subscription.close()

    def _begin(self, group: asyncio.TaskGroup, seat: Seat) -> None:
        for what, work in (
            ("engine", seat.shell.run()),
            ("journal", seat.shell.journal.run()),
            ("lease", seat.lease.run()),
            ("desk", seat.serve()),
            ("configuration", self._first_config(seat)),
            ("memory", seat.recall()),
        ):
            group.create_task(work, name=f"{what} of {seat.tenant}")

    async def _first_config(self, seat: Seat) -> None:
        """Ask for the configuration until there is one; from then on the cache follows it."""
        while self._config.known(seat.tenant) is None:
            try:
                await self._config.of(seat.tenant)
            except (Missing, Unavailable):
                await asyncio.sleep(CONFIG_LOOK_S)

    def _configure(self, tenant: str, config: Config) -> None:
        self.seat(tenant).configure(config)

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Refusal as refusal:
                _log.warning("routing begins to follow again", sentence=str(refusal))
            await asyncio.sleep(PAUSE_S)

    async def _follow_agents(self) -> None:
        revision = await self._agents.last_revision()
        for row in await self._agents.rows():
            self._declare(row)
        self._agents_read = True
        async with aclosing(self._agents.watch(after=revision)) as batches:
            async for batch in batches:
                for row in batch:
                    self._declare(row)

    async def _follow_tenants(self) -> None:
        for row in await self._documents.rows():
            self.seat(row.key.rpartition(".")[2])
        await asyncio.sleep(TENANTS_LOOK_S)

    def _declare(self, row: Row) -> None:
        declared = None if row.tombstone else read_declared(row.value)
        if declared is None:
            return
        fact = AgentChanged(
            declared.agent,
            declared.availability,
            declared.reason,
            declared.since_at,
            declared.schedule,
            declared.schedule_at,
            None if declared.drain is None else declared.drain.at,
            hands_back=declared.drain is not None and declared.drain.hands_back,
        )
        if self._declared[declared.tenant].get(declared.agent) == fact:
            return
        self._declared[declared.tenant][declared.agent] = fact
        self.seat(declared.tenant).shell.declare(fact)

    def _hear(self, _subject: str, data: bytes) -> None:
        seen = read_sighting(data)
        if seen is not None:
            self.seat(seen.tenant).shell.hear(seen)

    # ---- whether to lead

    async def _catch_up(self, seat: Seat) -> Callable[[], bool]:
        """Note where the log ends now; give what tells whether an engine has taken in all of that.

        What an old leader of the log leaves out is not waited for, unless it was seen before.
        """
        marks = [mark for _, mark in self._marks]
        end = max((await self._log.info()).last, *marks, self._position)
        line: int | None = None

        def caught_up() -> bool:
            nonlocal line
            if line is None and self._position >= end:
                line = seat.shell.put_in
            return line is not None and seat.shell.taken_in >= line

        return caught_up

    async def _look(self) -> None:
        """See about once a second where the log ends, to know how far behind we are."""
        while True:
            try:
                async with asyncio.timeout(2 * LOOK_S):
                    last = (await self._log.info()).last
            except (Refusal, TimeoutError):
                pass
            else:
                self._looked_s = self._clock.monotonic()
                if len(self._marks) < MARKS_MAX:
                    self._marks.append((self._looked_s, last))
            await asyncio.sleep(LOOK_S)

    def _unwell(self, seat: Seat) -> str | None:
        now_s = self._clock.monotonic()
        while self._marks and self._marks[0][1] <= self._position:
            self._marks.popleft()
        lag_max_s = self._timing.lag_max_s
        if self._draining.is_set():
            return "this process goes away"
        if self._log.halted is not None:
            return self._log.halted
        if abs(self._log.clock_offset_s) > CLOCK_OFFSET_MAX_S:
            return "this process's clock is not the log's"
        if not self._agents_read:
            return "what agents declared is not read yet"
        if seat.recalls and not seat.lease.held:
            return "what was learned of success is not recalled yet"
        if now_s - self._looked_s > lag_max_s + 2 * LOOK_S:
            return "the log does not answer"
        if self._marks and now_s - self._marks[0][0] > lag_max_s:
            return f"the log was read up to {self._position} only"
        return seat.shell.unwell(lag_max_s)
