"""The scripts behind the timers on Redis: the same in Lua and in Python, nothing left over."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.parity import Step, compare
from tests.servers import Embedded
from toldonce.kernel.ids import encode
from toldonce.runtime import names
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.store import RedisStore, Store
from toldonce.runtime.testing.store import FakeStore
from toldonce.sla.handler import Plan, RedisTimers, Settled, Wiped
from toldonce.sla.handler.scripts import BEGIN, CLAIM_AT, PLAN, SETTLE, STANDING

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = encode(bytes(16))
CLOCK = SystemClock()


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


async def begun(store: Store) -> RedisTimers:
    timers = RedisTimers(store, "one", lease_s=60.0, margin_s=0.0)
    await timers.begin()
    return timers


async def test_nothing_is_left_of_a_story_when_its_last_timer_is_settled(store: Store) -> None:
    timers = await begun(store)
    past = CLOCK.now() - timedelta(seconds=1)
    await timers.plan([Plan("demo", WHO, 1, 1, (("a", past), ("b", past)))])
    for claimed in (await timers.claim(2)).leased:
        assert await store.hgetall(names.redis_timers("stories"))
        assert await timers.settle([Settled(claimed)]) == 1
    assert await store.hgetall(names.redis_timers("stories")) == {}
    assert await store.zrange(names.redis_timers("due")) == []


async def test_a_store_that_went_back_in_time_is_noticed_by_its_beat(store: Store) -> None:
    timers = await begun(store)
    keys = [names.redis_timers(part) for part in ("generation", "beat-one")]
    kept = [await store.get(key) for key in keys]
    await timers.plan([Plan("demo", WHO, 1, 1, ())])
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


KEYS = [names.redis_timers(part) for part in ("generation", "due", "stories", "beat-one")]
_owns = st.sampled_from(["t1", "t2", "t3", "t4"])
_stories = st.sampled_from(["demo.x", "demo.y", "other.x"])
_instants = st.integers(1_767_603_600_000_000, 1_767_603_600_000_030)
WHATS = st.sampled_from(["plan", "claim", "settle", "begin", "standing"])
_generations = st.sampled_from(["g"] * 12 + ["h"])


def _head(beat: int, generation: str, *, lost: bool) -> list[str | int]:
    return [generation, beat - 2 if lost else beat - 1, beat, 60_000]


@st.composite
def _history(draw: st.DrawFn) -> list[Step]:
    """Steps of one replica whose beats mostly follow one another."""
    steps: list[Step] = [(BEGIN, [KEYS[0], KEYS[3]], ["g", 0, 60_000])]
    beat = 0
    for what in draw(st.lists(WHATS, max_size=25)):
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
            case "standing":
                asked = draw(st.lists(_stories, min_size=1, max_size=4))
                steps.append((STANDING, KEYS[2:3], list(asked)))
            case _:
                steps.append((BEGIN, [KEYS[0], KEYS[3]], ["g", beat, 60_000]))
        if what in {"settle", "standing"} or (what != "begin" and (lost or generation != "g")):
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
