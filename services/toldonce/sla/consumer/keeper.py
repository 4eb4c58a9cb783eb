"""The timekeeper: plans timers as stories change, claims what is due, and has it told.

One loop a process. It plans some stories, claims what is due by the store's clock, and waits; what
was claimed is told beside it, a story's timers in order, many stories at a time. Told twice is told
once, so a claim whose end is not certain simply comes again.
"""

import asyncio
import itertools
import random
from collections.abc import Sequence
from datetime import timedelta

from toldonce.client.commands import CommandDoor
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing, Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.feed import Feed
from toldonce.runtime.log import CLOCK_OFFSET_MAX_S, Log
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import OpenStory
from toldonce.runtime.telemetry import TIMERS_ARMED, VIEW_REBUILDS
from toldonce.sla.consumer.teller import Teller
from toldonce.sla.handler import Book, Leased, Plan, Settled, TimerStore, Wiped
from toldonce.sla.handler.book import TOGETHER, Stands

POLL_S = 0.2
POLL_MIN_S = 0.005
TURN_S = 0.02  # between two turns: what comes together is planned, claimed and settled together
PLAN_STORIES_MAX = TOGETHER
PLANS_TOGETHER = 16  # before anything is told, when all is planned anew: what is lost cannot fire
POLICY_STORIES_PER_S = 3_000
CLAIM_MAX = 512
CLAIM_MIN = 128
PROBE_MAX = 8
LOOK_S = 0.25  # after once or twice that it is seen whether others have planned what they told
RETRY_S = 0.5
RETRY_MAX_S = 5.0
CONFIG_S = 5.0

_log = logger()


class Timekeeper:
    """Keeps the timers of every tenant; one replica of any number."""

    def __init__(
        self,
        *,
        timers: TimerStore,
        log: Log,
        feed: Feed,
        door: CommandDoor,
        config: ConfigCache,
        clock: Clock,
        meter: Meter,
        poll_s: float = POLL_S,
        rng: random.Random | None = None,
    ) -> None:
        """Subscribe to `feed`; `run` must be running. `log` tells how far our clock is off.

        `rng`: see `Book`.
        """
        self._timers = timers
        self._log = log
        self._config = config
        self._clock = clock
        self._meter = meter
        self._poll_s = poll_s
        self._book = Book(feed.stopped, rng=rng)
        self._teller = Teller(book=self._book, door=door, clock=clock, meter=meter)
        self._started = asyncio.Event()
        self._wake = asyncio.Event()
        self._inflight = 0
        self._ends: list[Settled] = []
        self._ahead: list[Plan] = []
        self._turn_at_s = 0.0
        self._poll_at_s = 0.0
        self._policy_at_s = 0.0
        self._look_at_s = 0.0
        self._full = False
        self._group = asyncio.TaskGroup()
        meter.declare(TIMERS_ARMED)
        config.on_change(self._policy_changed)
        feed.subscribe("timers", self)

    @property
    def book(self) -> Book:
        """What this replica knows."""
        return self._book

    @property
    def behind(self) -> bool:
        """Whether timers need all the time there is: what can wait should."""
        return (self._full and self._room > 0) or bool(self._ahead) or self._book.soon > 0

    # ---- the feed

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`."""
        self._book.begin(stories, position)
        self._started.set()
        self._wake.set()

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""
        self._book.learn(batch)
        if self._book.soon:
            self._wake.set()

    async def reached(self, position: int) -> None:
        """See `Exact.reached`."""
        self._book.reached(position)

    def _policy_changed(self, tenant: str, config: Config) -> None:
        _log.info("timers follow another policy", tenant=tenant, revision=config.revision)
        self._book.policy_changed(tenant)
        self._wake.set()

    # ---- the loop

    async def run(self) -> None:
        """Keep the timers for ever; a store that is away or wiped is begun anew."""
        await self._started.wait()
        pause_s, generation = RETRY_S, ""
        async with self._group:
            while True:
                try:
                    before, generation = generation, await self._timers.begin()
                    self._book.anew()
                    self._ahead = []
                    if before:
                        self._meter.add(VIEW_REBUILDS, "timers")
                        _log.warning(
                            "timers are planned anew",
                            generation=generation,
                            count=self._book.stories,
                        )
                    while True:
                        await self._turn()
                        pause_s = RETRY_S
                except Wiped:
                    continue
                except Unavailable as away:
                    _log.warning("timers wait for their store", sentence=str(away), retry_s=pause_s)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def _turn(self) -> None:
        await asyncio.sleep(max(0.0, self._turn_at_s - self._clock.monotonic()))
        self._wake.clear()
        now_s = self._clock.monotonic()
        self._turn_at_s = now_s + TURN_S
        if now_s >= self._look_at_s:
            self._book.ripen()
            self._look_at_s = now_s + LOOK_S
        for _ in range(PLANS_TOGETHER if self._book.again else 1):
            if not (self._ahead or self._book.soon or self._book.later):
                break
            await self._plan()
        if self._ends:
            ends, self._ends = self._ends, []
            await self._timers.settle(ends)
        now_s = self._clock.monotonic()
        if now_s >= self._poll_at_s and self._room:
            await self._claim()
        wait_s = self._poll_at_s - self._clock.monotonic()
        if self._ahead or self._book.soon or (self._book.later and self._policy_at_s <= now_s):
            wait_s = 0
        elif self._book.later:
            wait_s = min(wait_s, self._policy_at_s - now_s)
        if self._book.theirs:
            wait_s = min(wait_s, self._look_at_s - now_s)
        if wait_s <= 0 and self._room:
            return
        try:
            async with asyncio.timeout(max(wait_s, POLL_MIN_S)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _plan(self) -> None:
        """Plan some stories, and make the plans of the next while the store takes these."""
        plans, self._ahead = self._ahead or await self._made(), []
        if not plans:
            return
        taking = asyncio.create_task(self._timers.plan(plans))
        try:
            await asyncio.sleep(0)
            if self._book.soon:
                self._ahead = await self._made()
            armed = await taking
        finally:
            taking.cancel()
        self._meter.add(TIMERS_ARMED, by=armed)
        for plan in plans:
            self._book.stands(plan)

    async def _made(self) -> list[Plan]:
        """Make plans: of those that changed first, of the others at a bounded rate."""
        now_s = self._clock.monotonic()
        if not self._book.soon:
            if now_s < self._policy_at_s:
                return []
            self._policy_at_s = now_s + PLAN_STORIES_MAX / POLICY_STORIES_PER_S
        plans: list[Plan] = []
        keys, stands = self._book.take(PLAN_STORIES_MAX)
        places: Sequence[tuple[int, int] | None] = [None] * len(keys)
        if stands is not Stands.NOT:
            places = await self._timers.standing(keys, now=stands is Stands.BY_OTHERS)
        policies = {tenant: await self._config_of(tenant) for tenant in {key[0] for key in keys}}
        for key, place in zip(keys, places, strict=True):
            config = policies[key[0]]
            if config is None:
                self._book.put_back([key])
                self._policy_at_s = now_s + CONFIG_S
                continue
            if self._book.stood(key, place, config):
                continue
            plan = self._book.plan(key, config)
            if plan is not None:
                plans.append(plan)
        return plans

    async def _config_of(self, tenant: str) -> Config | None:
        try:
            return await self._config.of(tenant)
        except (Missing, Unavailable) as no:
            _log.warning("no policy to plan by", tenant=tenant, sentence=str(no), retry_s=CONFIG_S)
            return None

    # ---- firing

    @property
    def _room(self) -> int:
        """How many timers may be claimed now.

        None while this process's clock is off or too many are told now; few at a time while
        ownership does not answer.
        """
        if abs(self._log.clock_offset_s) > CLOCK_OFFSET_MAX_S:
            return 0
        if not self._teller.answered:
            return 0 if self._inflight else PROBE_MAX
        room = CLAIM_MAX - self._inflight
        return room if room >= CLAIM_MIN else 0

    async def _claim(self) -> None:
        limit = self._room
        claim = await self._timers.claim(limit)
        ahead = claim.now - self._clock.now()
        stories = itertools.groupby(sorted(claim.leased, key=_story), key=_story)
        for _, timers in stories:
            mine = list(timers)
            self._inflight += len(mine)
            self._group.create_task(self._fire(mine, ahead))
        wait_s = self._poll_s
        self._full = len(claim.leased) >= limit
        if self._full:
            wait_s = 0.0
        elif claim.next_at is not None:
            wait_s = min(wait_s, max((claim.next_at - claim.now).total_seconds(), POLL_MIN_S))
        self._poll_at_s = self._clock.monotonic() + wait_s

    async def _fire(self, timers: Sequence[Leased], ahead: timedelta) -> None:
        """Do what a story's timers ask; `ahead`: the store's clock before this process's."""
        try:
            config = await self._config_of(timers[0].tenant)
            if config is None:
                return
            await self._teller.tell(timers, config, ahead, self._ends.append)
        except Unavailable as away:
            self._stumble(away)
        finally:
            self._inflight -= len(timers)
            if self._room:
                self._wake.set()

    def _stumble(self, away: Unavailable) -> None:
        """Claim nothing for a while and then a few, until ownership answers again."""
        if self._teller.answered:
            _log.warning("timers not told, they come again", sentence=str(away))
        self._teller.answered = False
        self._poll_at_s = max(self._poll_at_s, self._clock.monotonic() + away.retry_s)


def _story(leased: Leased) -> tuple[str, str]:
    return leased.tenant, leased.customer
