"""Timers fire once, never early, whatever happens to the store or the process in between."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.servers import eventually
from tests.tellers import TENANT, customer
from tests.unit.sla.bureau import after, bureau, document
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.events import (
    EnvelopeWords,
    Escalated,
    HandoffBegun,
    SlaBreached,
    SlaWarned,
)
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.store import Script, Store, Value
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.words import words_of
from toldonce.sla.handler.scripts import CLAIM, PLAN

pytestmark = pytest.mark.looptime

STORY = ["SlaWarned", "SlaBreached", "PriorityRaised", "Escalated"]


class Holding(FakeStore):
    """A store that lets a replica wait for one of its scripts."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.held: Script | None = None
        self.let_go = asyncio.Event()
        self._store = store

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> Any:
        if script is self.held:
            await self.let_go.wait()
        return await self._store.run(script, keys, args)


async def test_a_case_nobody_takes_warns_breaches_counts_for_more_and_moves_to_the_escalation():
    desk = await bureau()
    case = await desk.told()
    async with desk.replica():
        await desk.until(after(100))
    fired = await desk.fired()
    assert [what for what, _ in fired] == STORY
    for (_, at_s), due_s in zip(fired, (30, 60, 60, 80), strict=True):
        assert due_s <= at_s < due_s + 1
    now = await desk.case(case.own)
    assert (now.priority, now.queue, now.rung, now.owner) == (250, "escalations", 1, "")


async def test_an_owned_case_without_an_answer_is_handed_up_with_its_story():
    desk = await bureau()
    case = await desk.owned(await desk.told(queue="returns"))
    async with desk.replica():
        await desk.until(after(70))
    now = await desk.case(case.own)
    assert (now.owner, now.priority, now.rung) == ("anna", 250, 1)
    assert now.handoff is not None
    assert (now.handoff.target, now.handoff.from_agent) == ("escalations", "anna")
    begun_at = now.handoff.context_sequence
    told = await desk.house.ownership.context.hash(TENANT, customer(), begun_at)
    assert now.handoff.context_hash == told
    history = await desk.house.stories.history(TENANT, customer())
    record = next(
        one.record for one in history if any(isinstance(e, HandoffBegun) for e in one.record.events)
    )
    found = await words_of(desk.house.keys, record)
    assert found is not None
    (envelope,) = found.values()
    assert isinstance(envelope, EnvelopeWords)
    assert envelope.reason == "SLA breached: FIRST_RESPONSE"
    assert "queue returns" in envelope.summary
    assert (envelope.tried, envelope.promised, envelope.told_customer) == ("", "", "")


async def test_a_case_that_is_taken_or_answered_in_time_hears_nothing():
    desk = await bureau()
    async with desk.replica():
        taken = await desk.told()
        other = await desk.told(2, of=customer("piet"), queue="returns")
        await desk.until(after(25))
        await desk.owned(taken)
        held = await desk.owned(other, of=customer("piet"))
        await desk.answered(held, of=customer("piet"))
        await desk.until(after(200))
    assert await desk.fired() == []
    assert await desk.store.zrange("td:{all-tenants}:timers:due") == []
    assert await desk.store.hgetall("td:{all-tenants}:timers:stories") == {}


async def test_a_case_that_is_let_go_waits_under_a_clock_of_its_own():
    desk = await bureau()
    async with desk.replica():
        case = await desk.told()
        await desk.until(after(40))
        held = await desk.owned(case)
        await desk.until(after(100))
        await desk.closed(held)
        await desk.until(after(300))
    assert [what for what, _ in await desk.fired()] == ["SlaWarned"]


@pytest.mark.parametrize("at_s", [10.0, 30.25, 59.99, 60.3, 79.9])
async def test_a_wiped_store_loses_nothing_and_doubles_nothing(at_s: float):
    desk = await bureau()
    await desk.told()
    async with desk.replica():
        await desk.until(after(at_s))
        await desk.store.flushall()
        await desk.until(after(100))
    assert [what for what, _ in await desk.fired()] == STORY
    assert all(late < 1 for late in _late(await desk.fired()))
    assert b"toldonce_view_rebuilds_total" in desk.meter.page()


async def test_a_store_that_is_wiped_all_the_time_only_makes_timers_late():
    desk = await bureau()
    for number in range(20):
        await desk.told(number, of=customer(f"c{number}"))
    async with desk.replica():
        for second in range(100):
            await desk.until(after(second + 0.37))
            await desk.store.flushall()
    fired = await desk.timers_fired()
    assert set(fired.values()) == {1}
    assert len(fired) == 40


async def test_two_replicas_fire_each_timer_once():
    desk = await bureau()
    for number in range(30):
        await desk.told(number, of=customer(f"c{number}"))
    async with desk.replica("one"), desk.replica("two"):
        await desk.until(after(100))
    fired = await desk.timers_fired()
    assert len(fired) == 60
    assert set(fired.values()) == {1}
    page = desk.meter.page().decode()
    assert "toldonce_timers_fired_total 90.0" in page
    assert 'toldonce_sla_breaches_total{kind="queue_wait"} 30.0' in page
    assert "toldonce_timers_armed_total 90.0" in page


async def test_a_replica_that_goes_in_the_middle_leaves_its_timers_to_the_other():
    desk = await bureau()
    for number in range(10):
        await desk.told(number, of=customer(f"c{number}"))
    async with desk.replica("two"):
        async with desk.replica("one"):
            await desk.until(after(60.31))
        await desk.until(after(100))
    fired = await desk.timers_fired()
    assert (len(fired), set(fired.values())) == (20, {1})


async def test_a_replica_that_goes_before_it_plans_what_it_told_leaves_that_to_the_other():
    desk = await bureau()
    await desk.told()
    ones, twos = Holding(desk.store), Holding(desk.store)
    async with desk.replica("two", store=twos):
        async with desk.replica("one", store=ones):
            await desk.until(after(29))
            ones.held, twos.held = PLAN, CLAIM
            await desk.until(after(30.6))
            assert [what for what, _ in await desk.fired()] == STORY[:1]
        twos.let_go.set()
        await desk.until(after(62))
    assert [what for what, _ in await desk.fired()] == STORY[:3]


async def test_a_process_that_starts_again_fires_what_came_due_meanwhile_once():
    desk = await bureau()
    case = await desk.told()
    async with desk.replica("first"):
        await desk.until(after(40))
    await desk.until(after(70))
    async with desk.replica("second"):
        await desk.until(after(75))
    assert [what for what, _ in await desk.fired()] == STORY[:3]
    held = await desk.owned(await desk.case(case.own))
    async with desk.replica("third"):
        await desk.until(after(200))
    assert [what for what, _ in await desk.fired()] == STORY[:3]
    assert held.owner == "anna"


async def test_a_timer_due_on_monday_does_not_fire_on_sunday():
    desk = await bureau(document(600, office_hours=True))
    friday = datetime(2026, 1, 9, 15, 55, tzinfo=UTC)  # 16:55 in Amsterdam
    await desk.until(friday)
    await desk.told()
    async with desk.replica(poll_s=30):
        await desk.until(datetime(2026, 1, 12, 7, 59, tzinfo=UTC))
        warned = [at for at, _ in await desk.happened(SlaWarned)]
        assert len(warned) == 1
        assert timedelta() <= warned[0] - friday - timedelta(minutes=5) < timedelta(minutes=1)
        assert await desk.happened(SlaBreached) == []
        await desk.until(datetime(2026, 1, 12, 8, 10, tzinfo=UTC))
    ((breached_at, _),) = await desk.happened(SlaBreached)
    late = breached_at - datetime(2026, 1, 12, 8, 5, tzinfo=UTC)
    assert timedelta() <= late < timedelta(minutes=1)


async def test_a_store_whose_clock_is_ahead_makes_nothing_early():
    desk = await bureau()
    ahead = LoopClock(desk.now, skew_s=5)
    desk.store = FakeStore(clock=ahead)
    await desk.told()
    async with desk.replica():
        await desk.until(after(100))
    assert [what for what, _ in await desk.fired()] == STORY
    assert all(0 <= late < 1 for late in _late(await desk.fired()))


async def test_a_process_whose_clock_is_ahead_is_told_that_it_is_too_early():
    desk = await bureau()
    await desk.told()
    desk.store = FakeStore(clock=LoopClock(desk.now, skew_s=2))
    async with desk.replica(clock=LoopClock(desk.now, skew_s=2)):
        await desk.until(after(100))
    assert [what for what, _ in await desk.fired()] == STORY
    assert all(0 <= late < 1.5 for late in _late(await desk.fired())[:3])


async def test_a_process_whose_clock_is_off_fires_nothing_until_it_is_right_again():
    desk = await bureau()
    await desk.told()
    async with desk.replica():
        desk.house.log.clock_offset_s = -0.4
        await desk.until(after(65))
        assert await desk.fired() == []
        desk.house.log.clock_offset_s = 0.1
        await desk.until(after(100))
    assert [what for what, _ in await desk.fired()] == STORY


async def test_ownership_that_is_away_gets_every_timer_once_it_is_back():
    desk = await bureau()
    for number in range(300):
        await desk.told(number, of=customer(f"c{number}"))
    asked = 0
    way = desk.local_door()

    class Away:
        async def call(self, tenant: str, data: bytes) -> bytes:
            nonlocal asked
            asked += 1
            if desk.now < after(100):
                await asyncio.sleep(0)
                raise Unavailable("nobody answers", retry_s=1)
            return await way.call(tenant, data)

    desk.door = Away()
    async with desk.replica():
        await desk.until(after(100))
        assert await desk.fired() == []
        assert asked < 1_000
        await desk.until(after(140))
    fired = await desk.timers_fired()
    assert (len(fired), set(fired.values())) == (600, {1})
    assert len(await desk.happened(Escalated)) == 300


async def test_answers_that_get_lost_double_nothing():
    desk = await bureau()
    await desk.told()
    way, calls = desk.local_door(), 0

    class Lossy:
        async def call(self, tenant: str, data: bytes) -> bytes:
            nonlocal calls
            calls += 1
            answer = await way.call(tenant, data)
            if calls % 2:
                raise Unavailable("the answer is lost", retry_s=0.1)
            return answer

    desk.door = Lossy()
    async with desk.replica():
        await desk.until(after(150))
    assert [what for what, _ in await desk.fired()] == STORY


async def test_a_store_that_is_away_makes_timers_late_and_loses_none():
    desk = await bureau()
    await desk.told()
    store = desk.store
    assert isinstance(store, FakeStore)
    async with desk.replica():
        await desk.until(after(20))
        store.down = True
        await desk.until(after(65))
        assert await desk.fired() == []
        store.down = False
        await desk.until(after(100))
    assert [what for what, _ in await desk.fired()] == STORY


async def test_another_policy_moves_what_is_planned_and_keeps_the_time_that_has_passed():
    desk = await bureau(document(60))
    await desk.told()
    async with desk.replica():
        await desk.until(after(20))
        await desk.apply(document(600))
        await desk.until(after(100))
        assert await desk.fired() == []
        await desk.apply(document(200))
        await desk.until(after(215))
    fired = await desk.fired()
    assert [what for what, _ in fired] == STORY[:3]
    assert 100 <= fired[0][1] < 102
    assert 200 <= fired[1][1] < 201


async def test_a_tenant_without_policy_is_planned_once_it_has_one():
    desk = await bureau()
    desk.configs = FakeTable(clock=desk.house.clock)
    await desk.told()
    async with desk.replica():
        await desk.until(after(20))
        await desk.apply(document())
        await desk.until(after(100))
    assert [what for what, _ in await desk.fired()] == STORY


async def test_metrics_tell_how_late_timers_are():
    desk = await bureau()
    await desk.told()
    async with desk.replica():
        await desk.until(after(35))

        async def told() -> bool:
            return b"toldonce_timers_late_seconds_count 1.0" in desk.meter.page()

        await eventually(told)
    assert b'toldonce_timers_late_seconds_bucket{le="1.0"} 1.0' in desk.meter.page()


def _late(fired: list[tuple[str, float]]) -> list[float]:
    """How late each was, in seconds."""
    return [at_s - due_s for (_, at_s), due_s in zip(fired, (30, 60, 60, 80), strict=True)]
