"""Whatever happens to the store and to its replicas: no timer is lost, early or told twice."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tellers import START, customer
from tests.unit.sla.bureau import after, bureau, document
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import Escalated, Event, SlaBreached, SlaWarned
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.mapping import to_us
from toldonce.runtime.testing.store import FakeStore
from toldonce.sla.handler import Leased, Plan, RedisTimers, Settled, Wiped

LEASE_S = 8
STORIES = tuple(customer(name) for name in ("a", "b", "c"))


@dataclass
class World:
    """What stands as a test believes it: each story's newest plan and what was taken away."""

    sequence: int = 0
    plans: dict[str, Plan] = field(default_factory=dict)
    settled: set[tuple[str, str]] = field(default_factory=set)

    def standing(self) -> set[tuple[str, str]]:
        return {
            (who, own)
            for who, plan in self.plans.items()
            for own, _ in plan.timers
            if (who, own) not in self.settled
        }


_timers = st.dictionaries(st.sampled_from(["t1", "t2", "t3"]), st.integers(0, 40), max_size=3)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("plan"), st.integers(0, 1), st.sampled_from(STORIES), _timers),
        st.tuples(st.just("claim"), st.integers(0, 1), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("pass"), st.integers(1, 15)),
        st.tuples(st.just("wipe")),
        st.tuples(st.just("old plan"), st.integers(0, 1)),
    ),
    max_size=30,
)


class Clerk:
    """A replica that follows the rule: begin again when wiped, then plan everything."""

    def __init__(self, world: World, timers: RedisTimers, clock: LoopClock) -> None:
        self.world, self.timers, self.clock = world, timers, clock

    async def anew(self) -> None:
        while True:
            try:
                await self.timers.begin()
                self.world.settled.clear()  # what was taken away may come again
                await self.timers.plan([*self.world.plans.values()])
            except Wiped:
                continue
            return

    async def plan(self, plan: Plan) -> None:
        self.world.plans[plan.customer] = plan
        self.world.settled -= {(plan.customer, own) for own, _ in plan.timers}
        try:
            await self.timers.plan([plan])
        except Wiped:
            await self.anew()

    async def claim(self, limit: int) -> tuple[Leased, ...]:
        try:
            claim = await self.timers.claim(limit)
        except Wiped:
            await self.anew()
            claim = await self.timers.claim(limit)
        for one in claim.leased:
            fires = dict(self.world.plans[one.customer].timers)
            assert fires[one.own] <= self.clock.now(), "early"
            assert one.sequence == self.world.plans[one.customer].sequence
        return claim.leased

    async def settle(self, leased: tuple[Leased, ...]) -> None:
        await self.timers.settle([Settled(one) for one in leased])
        self.world.settled |= {(one.customer, one.own) for one in leased}


@pytest.mark.looptime
@given(steps=_steps)
async def test_every_timer_that_is_planned_comes_out_when_it_is_due(steps) -> None:
    clock = LoopClock(START)
    clock.now()
    store, world = FakeStore(clock=clock), World()
    clerks = []
    for name in ("one", "two"):
        timers = RedisTimers(store, name, lease_s=LEASE_S, margin_s=0)
        clerks.append(Clerk(world, timers, clock))
        await clerks[-1].anew()
    for step in steps:
        match step:
            case ("plan", who, story, timers):
                world.sequence += 1
                planned = tuple((own, after(at_s)) for own, at_s in timers.items())
                await clerks[who].plan(Plan("demo", story, world.sequence, 1, planned))
            case ("old plan", who):
                late = Plan("demo", STORIES[0], 0, 1, (("t1", START),))
                if STORIES[0] in world.plans and world.plans[STORIES[0]].timers:
                    await _ignore_wiped(clerks[who], late, store)
            case ("claim", who, limit, settles):
                leased = await clerks[who].claim(limit)
                if settles:
                    await clerks[who].settle(leased)
            case ("pass", seconds):
                await asyncio.sleep(seconds)
            case _:
                await store.flushall()
    await asyncio.sleep(60)
    left = world.standing()
    out: set[tuple[str, str]] = set()
    for _ in range(4):
        out |= {(one.customer, one.own) for one in await clerks[0].claim(20)}
        left = world.standing() if not out else left
    assert left <= out, "lost"


async def _ignore_wiped(clerk: Clerk, plan: Plan, store: FakeStore) -> None:
    """Plan something older than what stands, unless nothing stands any more."""
    try:
        await clerk.timers.claim(0)
    except Wiped:
        await clerk.anew()
    row = await store.hgetall("td:{all-tenants}:timers:stories")
    if f"demo.{plan.customer}".encode() in row:
        assert await clerk.timers.plan([plan]) == 0


_troubles = st.lists(
    st.tuples(
        st.floats(0.5, 90).map(lambda x: round(x, 2)),
        st.sampled_from(["wipe", "kill", "take", "close", "store away", "policy"]),
    ),
    max_size=6,
)


@pytest.mark.looptime
@given(troubles=_troubles)
@settings(max_examples=20)
async def test_no_story_has_a_timer_early_twice_or_not_at_all(troubles) -> None:
    desk = await bureau()
    store = desk.store
    assert isinstance(store, FakeStore)
    cases = {who: await desk.told(n, of=who) for n, who in enumerate(STORIES)}
    taken: set[str] = set()
    marks = sorted(troubles)
    async with desk.replica("steady"):
        while marks:
            async with desk.replica("shaky"):
                while marks:
                    at_s, what = marks.pop(0)
                    await desk.until(max(after(at_s), desk.now))
                    if what == "wipe":
                        await store.flushall()
                    elif what == "policy":
                        await desk.apply(document() + f"# {at_s}\n")
                    elif what == "store away":
                        store.down = True
                        await asyncio.sleep(3)
                        store.down = False
                    elif what == "kill":
                        break
                    elif what == "take" and len(taken) < len(cases):
                        who = min(set(cases) - taken)
                        taken.add(who)
                        await desk.owned(await desk.case(cases[who].own, of=who), of=who)
                    elif what == "close" and taken:
                        who = min(taken)
                        held = await desk.case(cases[who].own, of=who)
                        taken.discard(who)
                        cases.pop(who)
                        await desk.closed(held, of=who)
        await desk.until(max(after(120), desk.now + timedelta(seconds=20)))
    _judge(await desk.happened(SlaWarned, SlaBreached, Escalated), set(cases) - taken)


def _judge(happened: list, waiting: set[str]) -> None:
    """Hold what happened against the policy: warn at 30 s, breach at 60 s, the rung at 80 s.

    Who took a case settled what was due by then.
    """
    seen: set[tuple[type[Event], Own]] = set()
    least = {SlaWarned: 30, SlaBreached: 60, Escalated: 80}
    for at, event in happened:
        key = (type(event), event.case)
        assert key not in seen, "twice"
        seen.add(key)
        assert at >= after(least[type(event)]), "early"
        assert to_us(at) > 0
    assert len({own for kind, own in seen if kind is Escalated}) >= len(waiting), "lost"
