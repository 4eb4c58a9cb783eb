"""Timers wait and come out by the same rules on a real store and on the fake."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.parity import Step, compare
from tests.servers import Embedded, eventually
from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.child import free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.store import RedisStore, Store
from toldonce.runtime.testing.store import FakeStore
from toldonce.sla.handler import Leased, Plan, RedisTimers, Settled, Wiped
from toldonce.sla.handler.scripts import BEGIN, CLAIM_AT, PLAN, SETTLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = "a" * 26
CLOCK = SystemClock()
HOUR = timedelta(hours=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(pair: Embedded) -> AsyncIterator[RedisStore]:
    store = RedisStore.open(pair.store_url)
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="session", params=["valkey", "fake"])
async def store(request: pytest.FixtureRequest, real: RedisStore) -> AsyncIterator[Store]:
    store: Store = real if request.param == "valkey" else FakeStore(clock=CLOCK)
    await store.flushall()
    yield store


async def begun(store: Store, name: str = "one", *, lease_s: float = 60.0) -> RedisTimers:
    timers = RedisTimers(store, name, lease_s=lease_s, margin_s=0.0)
    await timers.begin()
    return timers


def plan(sequence: int, *timers: tuple[str, datetime], revision: int = 1, who: str = WHO) -> Plan:
    return Plan("demo", who, sequence, revision, timers)


def ago(seconds: float) -> datetime:
    return CLOCK.now() - timedelta(seconds=seconds)


def owns(leased: tuple[Leased, ...]) -> list[str]:
    return [one.own for one in leased]


async def test_what_is_due_comes_out_earliest_first_and_what_is_not_stays(store: Store) -> None:
    timers = await begun(store)
    later = CLOCK.now() + HOUR
    assert await timers.plan([plan(7, ("c", later), ("b", ago(1)), ("a", ago(2)))]) == 3
    claim = await timers.claim(10)
    assert owns(claim.leased) == ["a", "b"]
    assert claim.leased[0].sequence == 7
    assert (claim.leased[0].tenant, claim.leased[0].customer) == ("demo", WHO)
    assert abs(claim.now - CLOCK.now()) < timedelta(seconds=5)
    assert owns((await timers.claim(10)).leased) == []


async def test_nothing_comes_out_before_its_instant_and_the_margin(store: Store) -> None:
    timers = RedisTimers(store, "one", margin_s=0.2)
    await timers.begin()
    fires_at = CLOCK.now() + timedelta(seconds=0.1)
    await timers.plan([plan(1, ("a", fires_at))])
    claim = await timers.claim(1)
    assert (claim.leased, claim.next_at) == ((), fires_at + timedelta(seconds=0.2))

    async def out() -> bool:
        nonlocal claim
        claim = await timers.claim(1)
        return bool(claim.leased)

    await eventually(out, within_s=3)
    assert claim.now >= fires_at + timedelta(seconds=0.2)


async def test_a_claim_takes_no_more_than_it_asked_for(store: Store) -> None:
    timers = await begun(store)
    await timers.plan([plan(1, *((f"t{n}", ago(n)) for n in range(5)))])
    assert owns((await timers.claim(2)).leased) == ["t4", "t3"]
    assert owns((await timers.claim(9)).leased) == ["t2", "t1", "t0"]


async def test_a_claimed_timer_comes_again_when_its_lease_is_over(store: Store) -> None:
    timers, other = await begun(store, lease_s=0.1), await begun(store, "two")
    await timers.plan([plan(1, ("a", ago(1)))])
    (first,) = (await timers.claim(1)).leased

    async def again() -> bool:
        return bool((await other.claim(1)).leased)

    await eventually(again, within_s=3)
    assert await timers.settle([Settled(first)]) == 0
    assert await store.zrange(names.redis_timers("due"))


async def test_a_settled_timer_is_gone_and_one_put_back_comes_at_its_time(store: Store) -> None:
    timers = await begun(store)
    await timers.plan([plan(1, ("a", ago(2)), ("b", ago(1)))])
    first, second = (await timers.claim(2)).leased
    assert await timers.settle([Settled(first)]) == 1
    assert await timers.settle([Settled(second, ago(0))]) == 1
    (again,) = (await timers.claim(2)).leased
    assert (again.own, again.sequence) == ("b", 1)
    assert await timers.settle([Settled(again)]) == 1
    assert await store.hgetall(names.redis_timers("stories")) == {}
    assert await store.zrange(names.redis_timers("due")) == []


async def test_a_newer_plan_replaces_and_an_older_one_changes_nothing(store: Store) -> None:
    timers = await begun(store)
    due, at = names.redis_timers("due"), ago(1)
    await timers.plan([plan(5, ("a", at), ("b", at))])
    assert await timers.plan([plan(4, ("old", ago(9)))]) == 0
    assert await timers.plan([plan(5, ("old", ago(9)))]) == 0
    assert await timers.plan([plan(6, ("b", at), ("c", at))]) == 1
    assert [name[-1:] for name, _ in await store.zrange(due)] == [b"b", b"c"]
    assert await timers.plan([plan(6, ("b", ago(3)), revision=2)]) == 1
    assert await timers.plan([plan(7)]) == 0
    assert await store.zrange(due) == []


async def test_planning_a_timer_as_it_stands_does_not_take_it_from_who_has_it(
    store: Store,
) -> None:
    timers = await begun(store)
    fires_at = ago(1)
    await timers.plan([plan(1, ("a", fires_at))])
    (leased,) = (await timers.claim(1)).leased
    await timers.plan([plan(2, ("a", fires_at))])
    assert (await timers.claim(1)).leased == ()
    assert await timers.settle([Settled(leased)]) == 1


async def test_a_timer_moved_while_somebody_has_it_stays_whatever_they_say(store: Store) -> None:
    timers = await begun(store)
    await timers.plan([plan(1, ("a", ago(1)))])
    (leased,) = (await timers.claim(1)).leased
    later = CLOCK.now() + HOUR
    await timers.plan([plan(2, ("a", later))])
    assert await timers.settle([Settled(leased)]) == 0
    assert (await timers.claim(1)).next_at == later


async def test_a_wipe_is_noticed_by_every_replica_at_its_next_step(store: Store) -> None:
    one, two = await begun(store), await begun(store, "two")
    await one.plan([plan(1, ("a", ago(1)))])
    await store.flushall()
    with pytest.raises(Wiped):
        await one.claim(1)
    with pytest.raises(Wiped):
        await one.plan([plan(1, ("a", ago(1)))])
    generation = await one.begin()
    assert await one.plan([plan(1, ("a", ago(1)))]) == 1
    with pytest.raises(Wiped):
        await two.claim(1)
    assert await two.begin() == generation
    assert await two.plan([plan(1, ("a", ago(1)))]) == 0
    assert owns((await two.claim(1)).leased) == ["a"]


async def test_a_store_that_went_back_in_time_is_noticed(store: Store) -> None:
    timers = await begun(store)
    keys = [names.redis_timers(part) for part in ("generation", "beat-one")]
    kept = [await store.get(key) for key in keys]
    await timers.plan([plan(1, ("a", ago(1)))])
    await store.flushall()
    for key, value in zip(keys, kept, strict=True):
        assert value is not None
        await store.set(key, value)
    with pytest.raises(Wiped):
        await timers.claim(1)


async def test_a_timer_without_its_story_is_taken_away(store: Store) -> None:
    timers = await begun(store)
    await store.call("ZADD", names.redis_timers("due"), 1, f"demo.{WHO}.lost")
    claim = await timers.claim(5)
    assert (claim.leased, claim.next_at) == ((), None)


async def test_a_store_that_is_away_says_so_and_has_to_be_begun_again() -> None:
    away = RedisStore.open(f"redis://127.0.0.1:{free_port()}/0")
    timers = RedisTimers(away, "one")
    with pytest.raises(Unavailable):
        await timers.begin()
    await away.close()
    fake = FakeStore(clock=CLOCK)
    other = await begun(fake)
    fake.down = True
    with pytest.raises(Unavailable):
        await other.claim(1)
    fake.down = False
    with pytest.raises(Wiped):
        await other.claim(1)


KEYS = [names.redis_timers(part) for part in ("generation", "due", "stories", "beat-one")]
_owns = st.sampled_from(["t1", "t2", "t3", "t4"])
_stories = st.sampled_from(["demo.x", "demo.y", "other.x"])
_instants = st.integers(1_767_603_600_000_000, 1_767_603_600_000_030)
_generations = st.sampled_from(["g"] * 12 + ["h"])


def _head(beat: int, generation: str, *, lost: bool) -> list[str | int]:
    return [generation, beat - 2 if lost else beat - 1, beat, 60_000]


@st.composite
def _history(draw: st.DrawFn) -> list[Step]:
    """Steps of one replica whose beats mostly follow one another."""
    steps: list[Step] = [(BEGIN, [KEYS[0], KEYS[3]], ["g", 0, 60_000])]
    beat = 0
    for what in draw(st.lists(st.sampled_from(["plan", "claim", "settle", "begin"]), max_size=25)):
        beat += 1
        lost = draw(st.integers(0, 20)) == 0
        generation = draw(_generations)
        head = _head(beat, generation, lost=lost)
        match what:
            case "plan":
                lines = []
                for story in draw(st.lists(_stories, max_size=3)):
                    timers = draw(st.dictionaries(_owns, _instants, max_size=3))
                    line = [story, draw(st.integers(1, 4)), draw(st.integers(1, 2))]
                    line += [word for timer in timers.items() for word in timer]
                    lines.append(" ".join(map(str, line)))
                steps.append((PLAN, KEYS, [*head, *lines]))
            case "claim":
                margin, lease = draw(st.integers(0, 3)), draw(st.integers(1, 9))
                limit, now = draw(st.integers(1, 4)), draw(_instants)
                steps.append((CLAIM_AT, KEYS, [*head, margin, lease, limit, now]))
            case "settle":
                again = draw(st.one_of(st.just(""), _instants))
                words: list[str | int] = [draw(_stories), draw(_owns), draw(_instants), again]
                steps.append((SETTLE, KEYS[1:3], words))
            case _:
                steps.append((BEGIN, [KEYS[0], KEYS[3]], ["g", beat, 60_000]))
        if what == "settle" or (what != "begin" and (lost or generation != "g")):
            beat -= 1
    return steps


@given(steps=_history())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_scripts_do_the_same_in_lua_and_in_python(
    real: RedisStore, steps: list[Step]
) -> None:
    await compare(real, FakeStore(clock=CLOCK), steps)


async def test_many_stories_planned_at_once_are_planned_as_one_by_one(real: RedisStore) -> None:
    first = [f"demo.{n} 1 1 t1 {1_000 + n} t2 {2_000 + n}" for n in range(250)]
    again = [f"demo.{n % 150} {n % 3} 1 t{n % 4} {1_000 + n}" for n in range(330)]
    ended = [f"demo.{n} 9 1" for n in range(120)]
    long = ["demo.long 9 1 " + " ".join(f"t{n} {n}" for n in range(1_500))] * 2
    steps: list[Step] = [(BEGIN, [KEYS[0], KEYS[3]], ["g", 0, 60_000])]
    for beat, lines in enumerate((first, again, ended, long), 1):
        steps.append((PLAN, KEYS, [*_head(beat, "g", lost=False), *lines]))
    await compare(real, FakeStore(clock=CLOCK), steps)
