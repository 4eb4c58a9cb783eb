"""Timers that wait as alarms on JetStream: the second `TimerStore`.

For each story a row says what its timers were planned from, so an older plan never replaces a newer
one. For each timer an alarm waits under a key that names its instant: a timer that moves gets
another alarm, and the one before is taken away, or comes to nothing by its row. A row and its
alarms are written as one, many stories at a time. What came out is ours under a lease of the
server's, and comes again until it is settled.
"""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from toldonce.kernel.errors import Conflict, Unavailable
from toldonce.runtime import names
from toldonce.runtime.alarms import WRITES_MAX, Alarms, Due
from toldonce.runtime.mapping import at_us, to_us
from toldonce.runtime.streams import StreamInfo
from toldonce.sla.handler.drafts import Draft, drafted, parcels, place_of
from toldonce.sla.handler.rows import Row, Rows, Story
from toldonce.sla.handler.timers import LEASE_S, MARGIN_S, Claim, Leased, Plan, Settled, Wiped

TRIES_MAX = 8
TRIES_TOGETHER_MAX = 2
LATE_S = 0.5  # the server looks four times a second at most for what is due
LOOK_S = 0.05
BUSY_S = 0.02
HELD_MAX = 4_096
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
        generation, mark, empty = await self._mark(info)
        before = self._stands
        same = before is not None and (generation, mark) == (self._rows.generation, before.mark)
        if not same or self._lost(info):
            self._rows.forget(empty=empty)
            self._held.clear()
            self._instants.clear()
        self._rows.generation = generation
        self._stands = _Stands(info.created_at, mark, info.last, info.server_now, asked_s)
        self._fit = True
        return generation

    async def plan(self, plans: Sequence[Plan]) -> int:
        """See `TimerStore.plan`."""
        await self._step()
        newest: dict[Story, Plan] = {}
        for plan in sorted(plans, key=place_of):
            newest[plan.tenant, plan.customer] = plan
        left, count = list(newest.values()), 0
        for number in range(TRIES_MAX):
            made, left = await self._round(
                left, parcel_max=WRITES_MAX if number < TRIES_TOGETHER_MAX else 1
            )
            count += made
            if not left:
                self._fit = True
                return count
            await asyncio.sleep(BUSY_S * number)
        raise Unavailable("The timers of a story are planned by too many at once.", retry_s=0.5)

    async def standing(
        self, stories: Sequence[Story], *, now: bool = False
    ) -> Sequence[tuple[int, int] | None]:
        """See `TimerStore.standing`."""
        await (self._rows.read(stories) if now else self._rows.know(stories))
        rows = map(self._rows.seen, stories)
        return [None if row is None else row.place for row in rows]

    async def claim(self, limit_max: int) -> Claim:
        """See `TimerStore.claim`; `next_at` is the next that this replica knows of.

        What the server lets out in one look comes in the order in which it was planned, so with
        more due than `limit_max` the earliest may not be among them.
        """
        await self._step()
        until_at, ends_s = self._now() + self._lease, _loop_s() + self._lease.total_seconds()
        taken = [(names.due_of(due.key), due) for due in await self._alarms.take(limit_max)]
        await self._rows.read((tenant, customer) for (tenant, customer, _, _), _ in taken)
        if len(self._held) > HELD_MAX:  # what was never settled comes again
            now_s = _loop_s()
            self._held = {name: one for name, one in self._held.items() if one.ends_s > now_s}
        leased: list[tuple[int, Leased]] = []
        for (tenant, customer, own, us), due in taken:
            sequence = await self._wanted(due, self._rows.seen((tenant, customer)), own, us)
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
            moved = row is not None and row.timers.get(one.own) != held.fires_us
            if moved or end.again_at is None:
                await self._alarms.done(held.receipt)
            else:
                delay_s = (end.again_at - self._now()).total_seconds()
                await self._alarms.later(held.receipt, delay_s)
            settled += not moved
        return settled

    # ---- the store as a whole

    async def _mark(self, info: StreamInfo) -> tuple[str, int, bool]:
        """Find the mark after which everything of this generation was written, or make it.

        Returns the generation, the mark's revision, and whether it was made just now.
        """
        key, rows = names.TIMERS_GENERATION_KEY, self._alarms.rows
        found = await rows.get(key)
        if found is None:
            self._begun += 1
            made = f"{self._replica}-{self._begun}-{to_us(info.server_now)}"
            with suppress(Conflict):
                return made, await rows.put(key, made.encode(), expected=0), True
            found = await rows.get(key)
        if found is None:
            raise Unavailable("The stream of timers is being emptied.", retry_s=0.5)
        return found.value.decode(), found.revision, False

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

    async def _round(self, plans: Sequence[Plan], *, parcel_max: int) -> tuple[int, list[Plan]]:
        """Make plans stand where no newer ones do.

        Returns how many timers were set, and what is left because others write the same.
        """
        await self._rows.know((plan.tenant, plan.customer) for plan in plans)
        drafts = drafted(plans, self._rows, now=self._now(), margin_us=self._margin_us)
        count, left = 0, list[Plan]()
        for parcel in parcels(drafts, parcel_max):
            if await self._written(parcel):
                count += sum(len(draft.fresh) for draft in parcel)
            else:
                left += [draft.plan for draft in parcel]
        return count, left

    async def _written(self, drafts: Sequence[Draft]) -> bool:
        """Write it all, or nothing where a row has changed meanwhile."""
        revision = None
        try:
            revision = await self._alarms.write([one for draft in drafts for one in draft.writes])
        finally:
            for draft in drafts:
                if revision is None:
                    self._rows.doubt(draft.story)
                    continue
                self._rows.wrote(draft.story, draft.row, revision + len(draft.fresh))
                self._expect(draft.fresh)
                revision += len(draft.writes)
        return revision is not None

    # ---- claiming

    async def _wanted(self, due: Due, row: Row | None, own: str, us: int) -> int | None:
        """Say from what sequence a timer that came out is planned; None: it is not to fire now.

        Where its row is older than itself, its own plan is still being written.
        """
        sequence, revision = map(int, due.value.split())
        if row is not None and row.place >= (sequence, revision):
            sequence = row.sequence
            if row.timers.get(own) != us:
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


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
