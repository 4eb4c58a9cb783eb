"""Timers that wait as alarms on JetStream: the second `TimerStore`.

For each story a row says what its timers were planned from, so an older plan never replaces a newer
one. For each timer an alarm waits under a key that names its instant: a timer that moves gets
another alarm, and the one before comes to nothing, by its row. Alarms are armed before the row that
names them is written: a plan that breaks off has armed in vain, but no row stands without its
alarms. What came out is ours under a lease of the server's, and comes again until it is settled.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from toldonce.kernel.errors import Conflict, Unavailable
from toldonce.runtime import names
from toldonce.runtime.alarms import Alarms, Due
from toldonce.runtime.mapping import at_us, to_us
from toldonce.runtime.streams import StreamInfo
from toldonce.sla.handler.rows import Alarm, Row, Rows, Story
from toldonce.sla.handler.timers import LEASE_S, MARGIN_S, Claim, Leased, Plan, Settled, Wiped

AT_ONCE_MAX = 64
TRIES_MAX = 8
LATE_S = 0.5  # the server looks four times a second at most for what is due
LOOK_S = 0.05
INSTANTS_MAX = 1 << 20


class _Held(NamedTuple):
    """A claim of ours, until `ends_s` by the loop's clock."""

    receipt: str
    fires_us: int
    until_at: datetime
    ends_s: float


class _Stands(NamedTuple):
    """The stream as it was last seen, and what the loop's clock showed before we asked."""

    created_at: datetime
    mark: int
    last: int
    now: datetime
    asked_s: float


class ScheduledTimers:
    """`TimerStore` on JetStream. One caller at a time for `begin`, `plan` and `claim`."""

    def __init__(
        self, alarms: Alarms, replica: str, *, lease_s: float = LEASE_S, margin_s: float = MARGIN_S
    ) -> None:
        """`replica` names this process and no other; the lease must be the same for all of them."""
        self._alarms = alarms
        self._replica = replica
        self._lease = timedelta(seconds=lease_s)
        self._margin_us = round(margin_s * 1_000_000)
        self._begun = 0
        self._fit = False
        self._stands: _Stands | None = None
        self._rows = Rows(alarms.rows, self._expect)
        self._held: dict[tuple[str, str, str], _Held] = {}
        self._instants: list[int] = []
        self._late_until_us = 0

    async def begin(self) -> str:
        """See `TimerStore.begin`; what was known stays known where nothing was lost."""
        self._fit = False
        asked_s = _loop_s()
        info = await self._alarms.begin(lease_s=self._lease.total_seconds())
        generation, mark = await self._mark(info)
        before = self._stands
        same = before is not None and (generation, mark) == (self._rows.generation, before.mark)
        if not same or self._lost(info):
            self._rows.forget()
            self._held.clear()
            self._instants.clear()
        self._rows.generation = generation
        self._stands = _Stands(info.created_at, mark, info.last, info.server_now, asked_s)
        self._fit = True
        return generation

    async def plan(self, plans: Sequence[Plan]) -> int:
        """See `TimerStore.plan`."""
        await self._step()
        stories: dict[Story, list[Plan]] = {}
        for plan in plans:
            stories.setdefault((plan.tenant, plan.customer), []).append(plan)
        counts: list[int] = []

        async def story(line: list[Plan]) -> None:
            for plan in line:
                count = await self._planned(plan)
                counts.append(count)

        await _each(story, stories.values())
        self._fit = True
        return sum(counts)

    async def claim(self, limit_max: int) -> Claim:
        """See `TimerStore.claim`; `next_at` is the next that this replica knows of.

        What the server lets out in one look comes in the order in which it was planned, so with
        more due than `limit_max` the earliest may not be among them.
        """
        await self._step()
        until_at, ends_s = self._now() + self._lease, _loop_s() + self._lease.total_seconds()
        taken = [(names.due_of(due.key), due) for due in await self._alarms.take(limit_max)]
        rows: dict[Story, Row | None] = {}

        async def read(story: Story) -> None:
            rows[story] = await self._rows.read(story)

        await _each(read, {(tenant, customer) for (tenant, customer, _, _), _ in taken})
        leased: list[tuple[int, Leased]] = []
        for (tenant, customer, own, us), due in taken:
            sequence = await self._wanted(due, rows[tenant, customer], own, us)
            if sequence is not None:
                self._held[tenant, customer, own] = _Held(due.receipt, us, until_at, ends_s)
                leased.append((us, Leased(tenant, customer, own, sequence, until_at)))
        leased.sort(key=lambda pair: pair[0])
        next_at = self._next_at(found=bool(leased))
        self._fit = True
        return Claim(tuple(one for _, one in leased), self._now(), next_at)

    async def settle(self, ends: Sequence[Settled]) -> int:
        """See `TimerStore.settle`; counts by what this replica knows of newer plans."""
        settled = 0
        for end in ends:
            one = end.leased
            held = self._held.get((one.tenant, one.customer, one.own))
            if held is None or held.until_at != one.until_at:
                continue
            del self._held[one.tenant, one.customer, one.own]
            if held.ends_s <= _loop_s():
                continue
            row = self._rows.seen((one.tenant, one.customer))
            moved = row is not None and row.fires_us(one.own) != held.fires_us
            if moved or end.again_at is None:
                await self._alarms.done(held.receipt)
            else:
                delay_s = (end.again_at - self._now()).total_seconds()
                await self._alarms.later(held.receipt, delay_s)
            settled += not moved
        return settled

    # ---- the store as a whole

    async def _mark(self, info: StreamInfo) -> tuple[str, int]:
        """Find the mark after which everything of this generation was written, or make it."""
        key, rows = names.TIMERS_GENERATION_KEY, self._alarms.rows
        found = await rows.get(key)
        if found is None:
            self._begun += 1
            made = f"{self._replica}-{self._begun}-{to_us(info.server_now)}"
            with suppress(Conflict):
                return made, await rows.put(key, made.encode(), expected=0)
            found = await rows.get(key)
        if found is None:
            raise Unavailable("The stream of timers is being emptied.", retry_s=0.5)
        return found.value.decode(), found.revision

    async def _step(self) -> None:
        """Look whether the store is as we left it; who fails after this has to begin again."""
        fit, self._fit = self._fit, False
        before, asked_s = self._stands, _loop_s()
        if not fit or before is None:
            raise Wiped
        info = await self._alarms.look()
        if info is None or info.first > before.mark or self._lost(info):
            raise Wiped
        self._stands = before._replace(last=info.last, now=info.server_now, asked_s=asked_s)

    def _lost(self, info: StreamInfo) -> bool:
        """Say whether it is another stream than before, or the same as it was in the past."""
        if self._stands is None:
            return True
        last = max(self._stands.last, self._rows.written)
        return info.created_at != self._stands.created_at or info.last < last

    def _now(self) -> datetime:
        """Say what the server's clock shows, or will when it hears of this."""
        if self._stands is None:
            raise Wiped
        return self._stands.now + timedelta(seconds=_loop_s() - self._stands.asked_s)

    def _seconds_to(self, us: int) -> float:
        return (at_us(us) - self._now()).total_seconds()

    # ---- planning

    async def _planned(self, plan: Plan) -> int:
        """Make one plan stand unless a newer one does; returns how many timers were set."""
        story = (plan.tenant, plan.customer)
        wanted = {own: to_us(fires_at) for own, fires_at in plan.timers}
        last_s = self._seconds_to(max(wanted.values(), default=0))
        for _ in range(TRIES_MAX):
            row = await self._rows.get(story)
            if row is None and not wanted:
                return 0
            if row is not None and row.place >= (plan.sequence, plan.revision):
                return 0
            stands = row.timers if row is not None else {}
            kept = {
                own: alarm for own, alarm in stands.items() if wanted.get(own) == alarm.fires_us
            }
            fresh = await self._armed(plan, sorted(wanted.items() - _instants(kept), key=_instant))
            timers = {own: kept.get(own) or fresh[own] for own in wanted}
            if await self._rows.put(
                story, Row(plan.sequence, plan.revision, timers), last_s=last_s
            ):
                self._expect(alarm.fires_us for alarm in fresh.values())
                await self._disarm(story, stands.items() - kept.items())
                return len(fresh)
        raise Unavailable("The timers of a story are planned by too many at once.", retry_s=0.5)

    async def _armed(self, plan: Plan, timers: Sequence[tuple[str, int]]) -> dict[str, Alarm]:
        """Arm alarms, the earliest first; what is due already comes out at once."""
        value = f"{plan.sequence} {plan.revision}".encode()
        armed: dict[str, Alarm] = {}

        async def arm(timer: tuple[str, int]) -> None:
            own, us = timer
            name = (plan.tenant, plan.customer, own, us)
            at = at_us(us + self._margin_us)
            if at > self._now():
                keys = names.alarm_key(*name), names.due_key(*name)
                armed[own] = Alarm(us, await self._alarms.arm(*keys, value, at))
            else:
                await self._alarms.rows.put(names.due_key(*name), value, expected=None)
                armed[own] = Alarm(us, 0)

        await _each(arm, timers)
        return armed

    async def _disarm(self, story: Story, timers: Iterable[tuple[str, Alarm]]) -> None:
        """Take away alarms that nothing wants; one that stays comes to nothing by its row."""
        for own, alarm in timers:
            if alarm.revision and self._seconds_to(alarm.fires_us) > 0:
                key = names.alarm_key(*story, own, alarm.fires_us)
                with suppress(Conflict, Unavailable):
                    await self._alarms.disarm(key, alarm.revision)

    # ---- claiming

    async def _wanted(self, due: Due, row: Row | None, own: str, us: int) -> int | None:
        """Say from what sequence a timer that came out is planned; None: it is not to fire now.

        Where its row is older than itself, its own plan is still being written.
        """
        sequence, revision = map(int, due.value.split())
        if row is not None and row.place >= (sequence, revision):
            sequence = row.sequence
            if row.fires_us(own) != us:
                await self._alarms.done(due.receipt)
                return None
        early_s = self._seconds_to(us + self._margin_us)
        if early_s > 0:
            await self._alarms.later(due.receipt, early_s)
            return None
        return sequence

    def _expect(self, instants: Iterable[int]) -> None:
        for us in instants:
            heapq.heappush(self._instants, us)
        if len(self._instants) > INSTANTS_MAX:
            self._instants = heapq.nsmallest(INSTANTS_MAX // 2, self._instants)

    def _next_at(self, *, found: bool) -> datetime | None:
        """Say when to look again: often for a moment once an instant has come, until it is out."""
        now = self._now()
        now_us = to_us(now) - self._margin_us
        while self._instants and self._instants[0] <= now_us:
            passed = heapq.heappop(self._instants)
            self._late_until_us = max(self._late_until_us, passed + round(LATE_S * 1_000_000))
        if found:
            self._late_until_us = 0
        if now_us < self._late_until_us:
            return now + timedelta(seconds=LOOK_S)
        return at_us(self._instants[0] + self._margin_us) if self._instants else None


async def _each[T](work: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Do something with each, begun in order, some at a time; raises the first failure."""
    line = tuple(items)
    left = iter(line)

    async def worker() -> None:
        for item in left:
            await work(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(AT_ONCE_MAX, len(line)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for one in workers:
            one.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _instants(timers: dict[str, Alarm]) -> set[tuple[str, int]]:
    return {(own, alarm.fires_us) for own, alarm in timers.items()}


def _instant(timer: tuple[str, int]) -> tuple[int, str]:
    return timer[1], timer[0]


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
