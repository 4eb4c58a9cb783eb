"""The timekeeper: plans timers as stories change, and tells ownership when their instant has come.

One loop a process. It plans a few stories, claims what is due, and waits; what was claimed is told
beside it, a story's timers in order, many stories at a time. A timer fires only when its story, as
this replica has read it, still wants it and both clocks, the store's and this process's, are past
its instant. Told twice is told once, so a claim whose end is not certain simply comes again.
"""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

from toldonce.client.commands import CommandDoor
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing, Refusal, Rejected, Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.feed import Feed
from toldonce.runtime.log import CLOCK_OFFSET_MAX_S, Log
from toldonce.runtime.logs import logger
from toldonce.runtime.open_rows import OpenStory
from toldonce.runtime.telemetry import (
    SLA_BREACHES,
    TIMERS_ARMED,
    TIMERS_FIRED,
    TIMERS_LATE_SECONDS,
    VIEW_REBUILDS,
    Meter,
)
from toldonce.sla.core import Act, Breach
from toldonce.sla.handler import Book, Leased, Plan, Settled, TimerStore, Verdict, Wiped
from toldonce.sla.wire import command, read_reply

POLL_S = 0.2
POLL_MIN_S = 0.005
PLAN_STORIES_MAX = 64
POLICY_STORIES_PER_S = 3_000
CLAIM_MAX = 512
CLAIM_MIN = 128
PROBE_MAX = 8
RETRY_S = 0.5
RETRY_MAX_S = 5.0
BEHIND_S = 0.5
REFUSED_S = 60.0
CONFIG_S = 5.0
_KNOWN_ENDS = frozenset({"CASE_CLOSED"})

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
    ) -> None:
        """Subscribe to `feed`; `run` must be running. `log` tells how far our clock is off."""
        self._timers = timers
        self._log = log
        self._door = door
        self._config = config
        self._clock = clock
        self._meter = meter
        self._poll_s = poll_s
        self._book = Book(feed.stopped)
        self._started = asyncio.Event()
        self._wake = asyncio.Event()
        self._inflight = 0
        self._ends: list[Settled] = []
        self._told = True
        self._poll_at_s = 0.0
        self._policy_at_s = 0.0
        self._group = asyncio.TaskGroup()
        for metric in (TIMERS_ARMED, TIMERS_FIRED, TIMERS_LATE_SECONDS):
            meter.declare(metric)
        config.on_change(self._policy_changed)
        feed.subscribe("timers", self)

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
        self._wake.clear()
        if self._book.soon or self._book.later:
            await self._plan()
        if self._ends:
            ends, self._ends = self._ends, []
            await self._timers.settle(ends)
        now_s = self._clock.monotonic()
        if now_s >= self._poll_at_s and self._room:
            await self._claim()
        wait_s = self._poll_at_s - self._clock.monotonic()
        if self._book.soon or (self._book.later and self._policy_at_s <= now_s):
            wait_s = 0
        elif self._book.later:
            wait_s = min(wait_s, self._policy_at_s - now_s)
        if wait_s <= 0 and self._room:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(max(wait_s, POLL_MIN_S)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _plan(self) -> None:
        """Plan some stories: those that changed first, the others at a bounded rate."""
        now_s = self._clock.monotonic()
        if not self._book.soon:
            if now_s < self._policy_at_s:
                return
            self._policy_at_s = now_s + PLAN_STORIES_MAX / POLICY_STORIES_PER_S
        now = self._clock.now()
        plans: list[Plan] = []
        for key in self._book.take(PLAN_STORIES_MAX):
            config = await self._config_of(key[0])
            if config is None:
                self._book.put_back([key])
                self._policy_at_s = now_s + CONFIG_S
                continue
            plan = self._book.plan(key, config, now)
            if plan is not None:
                plans.append(plan)
        if not plans:
            return
        self._meter.add(TIMERS_ARMED, by=await self._timers.plan(plans))
        for plan in plans:
            self._book.planned(plan)

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
        if not self._told:
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
        if len(claim.leased) >= limit:
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
            told: set[str] = set()
            for timer, acts in self._ordered(timers, config):
                again_at = await self._one(timer, acts, ahead, told)
                self._ends.append(Settled(timer, again_at))
        except Unavailable as away:
            self._stumble(away)
        finally:
            self._inflight -= len(timers)
            if self._room:
                self._wake.set()

    def _ordered(
        self, timers: Sequence[Leased], config: Config
    ) -> list[tuple[Leased, tuple[Act, ...] | Verdict]]:
        """Look up what each timer asks and put them in the order of their instants."""
        now = self._clock.now()
        found = [(timer, self._book.acts(timer, config, now)) for timer in timers]
        return sorted(found, key=lambda pair: _place(pair[1]))

    async def _one(
        self,
        timer: Leased,
        acts: tuple[Act, ...] | Verdict,
        ahead: timedelta,
        told: set[str],
    ) -> datetime | None:
        """Do one timer's acts; returns when it comes again by the store's clock, or None.

        `told` are the timers that ownership has just heard of.
        """
        match acts:
            case Verdict.GONE:
                return None
            case Verdict.BEHIND:
                return self._later(ahead, BEHIND_S)
            case _:
                fires_at = acts[-1].timer.fires_at
        if self._clock.now() < fires_at:
            return fires_at + max(ahead, timedelta())
        for act in acts:
            if act.timer.own in told:
                continue
            again_s = await self._tell(timer, act)
            if again_s is not None:
                return self._later(ahead, again_s)
            told.add(act.timer.own)
        return None

    async def _tell(self, timer: Leased, act: Act) -> float | None:
        """Tell ownership; returns None when that is settled, or after how many seconds again."""
        now = self._clock.now()
        data = command(timer.tenant, timer.customer, act, now)
        try:
            repeat = read_reply(await self._door.call(timer.tenant, data))
        except Unavailable:
            raise
        except Rejected as no:
            if no.reason in _KNOWN_ENDS:
                return None
            if no.reason == "TOO_EARLY":
                return BEHIND_S
            return _refused(timer, no.reason)
        except Refusal as no:
            return _refused(timer, type(no).__name__)
        self._told = True
        if not repeat:
            self._meter.add(TIMERS_FIRED)
            late_s = (now - act.timer.fires_at).total_seconds()
            self._meter.observe(TIMERS_LATE_SECONDS, late_s)
            if isinstance(act, Breach):
                self._meter.add(SLA_BREACHES, act.timer.clock.name.lower())
        return None

    def _later(self, ahead: timedelta, seconds: float) -> datetime:
        return self._clock.now() + ahead + timedelta(seconds=seconds)

    def _stumble(self, away: Unavailable) -> None:
        """Claim nothing for a while and then a few, until ownership answers again."""
        if self._told:
            _log.warning("timers not told, they come again", sentence=str(away))
        self._told = False
        self._poll_at_s = max(self._poll_at_s, self._clock.monotonic() + away.retry_s)


def _story(leased: Leased) -> tuple[str, str]:
    return leased.tenant, leased.customer


def _place(acts: tuple[Act, ...] | Verdict) -> tuple[int, datetime | None, int]:
    if isinstance(acts, Verdict):
        return 0, None, 0
    return 1, acts[-1].timer.fires_at, len(acts)


def _refused(timer: Leased, reason: str) -> float:
    _log.error(
        "ownership refuses a timer; it is asked again",
        tenant=timer.tenant,
        timer_id=timer.customer + timer.own,
        reason=reason,
        retry_s=REFUSED_S,
    )
    return REFUSED_S
