"""The store keeps its word, real and fake alike; Lua and its twin do the same."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.parity import Step, compare
from tests.servers import Embedded, eventually
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.child import free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.store import RedisStore, Script, ScriptFailed, State, Store
from toldonce.runtime.testing.store import FakeStore

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _apply(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:
    place, view = keys
    before, position, field, value = args
    if (state.call("GET", place) or b"0") != before:
        return state.call("GET", place)
    state.call("HSET", view, field, value)
    state.call("SET", place, position)
    return 1


APPLY = Script(
    name="apply the exact successor",
    lua="""
local stored = redis.call('GET', KEYS[1]) or '0'
if stored ~= ARGV[1] then return redis.call('GET', KEYS[1]) end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('SET', KEYS[1], ARGV[2])
return 1
""",
    python=_apply,
)


def _claim(state: State, keys: Sequence[str], args: Sequence[bytes]) -> Any:
    (timers,) = keys
    due = state.call("ZRANGEBYSCORE", timers, "-inf", args[0], "LIMIT", 0, args[1])
    for name in due:
        state.call("ZADD", timers, args[2], name)
    return due


CLAIM = Script(
    name="claim what is due",
    lua="""
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, name in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[3], name) end
return due
""",
    python=_claim,
)

_KINDS = Script(
    name="every kind of answer",
    lua="return {1, 'text', false, 2.7, {3, redis.call('GET', KEYS[1])}, true}",
    python=lambda state, keys, args: [1, "text", False, 2.7, [3, state.call("GET", keys[0])], True],
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(pair: Embedded) -> AsyncIterator[RedisStore]:
    store = RedisStore.open(pair.store_url)
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="session", params=["valkey", "fake"])
async def store(request: pytest.FixtureRequest, real: RedisStore) -> AsyncIterator[Store]:
    store: Store = real if request.param == "valkey" else FakeStore(clock=SystemClock())
    await store.flushall()
    yield store


async def test_a_script_runs_although_the_server_has_not_seen_it(store: Store) -> None:
    assert await store.run(APPLY, ["at", "view"], [0, 7, "a", "x"]) == 1
    assert await store.run(APPLY, ["at", "view"], [0, 8, "a", "y"]) == b"7"
    if isinstance(store, RedisStore):
        await store.call("SCRIPT", "FLUSH")
    assert await store.run(APPLY, ["at", "view"], [7, 8, "b", "y"]) == 1
    assert await store.hgetall("view") == {b"a": b"x", b"b": b"y"}


async def test_a_script_answers_in_the_words_of_the_server(store: Store) -> None:
    await store.set("key", "value")
    assert await store.run(_KINDS, ["key"], []) == [1, b"text", None, 2, [3, b"value"], 1]


async def test_values_hashes_and_sorted_sets_read_as_written(store: Store) -> None:
    await store.set("a", b"\x00\xff")
    assert await store.get("a") == b"\x00\xff"
    assert await store.get("none") is None
    assert await store.hgetall("none") == {}
    replies = await store.pipeline(
        [("ZADD", "z", 2.5, "b", 1, "a", 3, "c"), ("ZCARD", "z"), ("GET", "a")]
    )
    assert replies == [3, 3, b"\x00\xff"]
    assert await store.zrange("z") == [(b"a", 1.0), (b"b", 2.5), (b"c", 3.0)]
    assert await store.zrange("z", 0, 0) == [(b"a", 1.0)]
    assert await store.zrange_by_score("z", 2.5, float("inf")) == [(b"b", 2.5), (b"c", 3.0)]
    assert await store.zrange_by_score("z", 0, 9, limit_max=1) == [(b"a", 1.0)]
    assert await store.delete("a", "none") == 1
    assert await store.delete() == 0


async def test_a_value_is_gone_after_its_time_to_live(store: Store) -> None:
    await store.set("a", "x", ttl_s=0.05)
    assert await store.get("a") == b"x"

    async def gone() -> bool:
        return await store.get("a") is None

    await eventually(gone, within_s=2)


async def test_a_wipe_leaves_nothing(store: Store) -> None:
    await store.set("a", "x")
    await store.flushall()
    assert await store.get("a") is None


async def test_a_wrong_command_is_our_fault_and_not_the_moments(store: Store) -> None:
    await store.set("a", "x")
    for wrong in (("HGETALL", "a"), ("NONSENSE", "a"), ("GET",), ("INCR", "a")):
        with pytest.raises(ScriptFailed):
            await store.call(*wrong)


async def test_a_store_that_is_away_says_so() -> None:
    store = RedisStore.open(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(Unavailable):
        await store.get("a")
    with pytest.raises(Unavailable):
        await store.run(APPLY, ["at", "view"], [0, 7, "a", "x"])
    await store.close()
    fake = FakeStore()
    fake.down = True
    with pytest.raises(Unavailable):
        await fake.get("a")


_keys = st.sampled_from(["k1", "k2", "k3"])
_words = st.sampled_from(["a", "b", "c", "ä", "-", ""])
_ints = st.integers(-5, 5)
_scores = st.one_of(st.integers(-5, 5), st.floats(-5, 5).map(lambda x: round(x, 3)))
_bounds = st.one_of(
    _scores, _scores.map(lambda x: f"({x}"), st.sampled_from(["-inf", "+inf", "inf"])
)


def _step(command: Any, *args: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(command), _keys.map(lambda key: [key]), st.tuples(*args))


_steps = st.one_of(
    _step("SET", _words),
    _step("SET", _words, st.sampled_from(["NX", "XX"])),
    _step("GET"),
    _step("DEL"),
    _step("EXISTS"),
    _step("INCRBY", _ints),
    _step("INCR"),
    _step("HSET", _words, _words),
    _step("HSET", _words, _words, _words, _words),
    _step("HGET", _words),
    _step("HMGET", _words, _words),
    _step("HGETALL"),
    _step("HDEL", _words),
    _step("HLEN"),
    _step("HEXISTS", _words),
    _step("HINCRBY", _words, _ints),
    _step("SADD", _words, _words),
    _step("SREM", _words),
    _step("SMEMBERS"),
    _step("SCARD"),
    _step("SISMEMBER", _words),
    _step("ZADD", _scores, _words),
    _step("ZADD", _scores, _words, _scores, _words),
    _step("ZADD", st.sampled_from(["NX", "XX"]), _scores, _words),
    _step("ZREM", _words),
    _step("ZSCORE", _words),
    _step("ZRANK", _words),
    _step("ZCARD"),
    _step("ZCOUNT", _bounds, _bounds),
    _step("ZRANGE", _ints, _ints),
    _step("ZRANGE", _ints, _ints, st.just("WITHSCORES")),
    _step("ZRANGEBYSCORE", _bounds, _bounds),
    _step("ZRANGEBYSCORE", _bounds, _bounds, st.just("LIMIT"), st.integers(0, 3), _ints),
    _step("ZREMRANGEBYSCORE", _bounds, _bounds),
    _step("PTTL"),
    _step(CLAIM, _ints, st.integers(1, 3), _ints),
    st.tuples(
        st.just(APPLY),
        st.just(["at", "view"]),
        st.tuples(st.integers(0, 3), st.integers(0, 3), _words, _words),
    ),
)


@given(steps=st.lists(_steps, max_size=40))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_fake_does_what_the_server_does(real: RedisStore, steps: list[Step]) -> None:
    await compare(real, FakeStore(clock=SystemClock()), steps)
