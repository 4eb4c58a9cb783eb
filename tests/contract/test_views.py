"""Views keep their word in a real store and in the fake, through wipes, gaps and second writers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.parity import Step, compare
from tests.scribe import World, accepted, case_of, closed, offered, opened, world
from tests.servers import Embedded, eventually
from tests.tellers import TENANT, customer
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.store import RedisStore, Store
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.view_keys import ViewKeys
from toldonce.runtime.view_queries import BAND, CHECK, PAGE, QUEUE, STORY
from toldonce.runtime.view_scripts import APPLY, BEGIN, FILL, FLIP, row

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(pair: Embedded) -> AsyncIterator[RedisStore]:
    store = RedisStore.open(pair.store_url)
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="session", params=["valkey", "fake"])
async def here(request: pytest.FixtureRequest, real: RedisStore) -> World:
    store: Store = real if request.param == "valkey" else FakeStore(clock=SystemClock())
    await store.flushall()
    return world(SystemClock(), store=store)


async def test_a_reader_sees_what_was_appended_and_nothing_else(here: World) -> None:
    async with here.process():
        for number in range(20):
            who = f"c{number}"
            await here.scribe.tell(who, opened(who))
        for number in range(0, 20, 3):
            who = f"c{number}"
            await here.scribe.tell(who, accepted(who))
        for number in range(0, 20, 6):
            await here.scribe.tell(f"c{number}", closed(f"c{number}"))
        assert await here.listed() == here.scribe.open()
        last = here.scribe.last
        mine = await here.views.cases(TENANT, owner="anna", min_sequence=last)
        assert {row.customer for row in mine.rows} == {customer(f"c{n}") for n in (3, 9, 15)}
        assert mine.after == ""
        assert (await here.views.cases(TENANT, owner="bram")).rows == ()
        gone, position = await here.views.story(TENANT, customer("c0"), min_sequence=last)
        assert gone is None
        assert position >= last


async def test_a_queue_is_read_in_its_own_order_and_counted_by_priority(here: World) -> None:
    async with here.process():
        for number, priority in enumerate((100, 900, 100, 0, 900)):
            await here.scribe.tell(f"c{number}", opened(f"c{number}", priority=priority))
            await asyncio.sleep(0.002)
        last = await here.scribe.tell("c4", offered("c4"))
        page = await here.views.cases(TENANT, queue="orders", limit_max=3, min_sequence=last)
        rest = await here.views.cases(TENANT, queue="orders", after=page.after)
        order = [row.customer for row in (*page.rows, *rest.rows)]
        assert order == [customer(f"c{number}") for number in (1, 4, 0, 2, 3)]
        stats = await here.views.queue(TENANT, "orders")
        assert (stats.waiting, stats.offered) == (5, 1)
        assert stats.by_priority == ((900, 2), (100, 2), (0, 1))
        first = here.scribe.told[TENANT, customer("c0")].head.cases[0].enqueued_at
        assert stats.oldest_enqueued_at is not None
        assert abs((stats.oldest_enqueued_at - first).total_seconds()) < 0.001
        place = await here.views.place(TENANT, customer("c2"), case_of("c2"))
        assert place is not None
        assert (place.queue, place.ahead, place.waiting) == ("orders", 3, 5)
        assert (await here.views.queue(TENANT, "returns")).waiting == 0
        last = await here.scribe.tell("c2", accepted("c2"))
        there = await here.views.place(TENANT, customer("c2"), case_of("c2"), min_sequence=last)
        assert there is None


async def test_a_tenant_with_nothing_open_has_an_empty_view(here: World) -> None:
    async with here.process():
        page = await here.views.cases(TENANT, within_s=5)
        assert page.rows == ()
        with pytest.raises(Unavailable):
            await here.views.cases("nobody", within_s=0.1)


async def test_a_wipe_is_never_read_as_empty_and_heals_by_itself(here: World) -> None:
    async with here.process() as feed:
        for number in range(30):
            await here.scribe.tell(f"c{number}", opened(f"c{number}"))
        await feed.wait_for(30, 5)
        assert await here.listed() == here.scribe.open()
        for _ in range(3):
            await here.store.flushall()
            with pytest.raises(Unavailable):
                await here.views.cases(TENANT, within_s=0)
            assert len(await here.listed(within_s=2)) == 30


async def test_a_wipe_in_the_middle_of_writing_heals(here: World) -> None:
    async with here.process():
        for number in range(100):
            who = f"c{number % 17}"
            await here.scribe.tell(who, opened(who, number))
            if number % 20 == 10:
                await here.store.flushall()
            if number % 5 == 0:
                await here.scribe.tell(who, closed(who, number))
        assert await here.listed() == here.scribe.open()


async def test_a_story_lost_by_the_store_is_noticed(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.scribe.tell("b", opened("b"))
        await here.listed()
        live = int(await here.store.get(ViewKeys(TENANT, 0).pointer) or 0)
        await here.store.call("HDEL", ViewKeys(TENANT, live).rows[0], customer("a"))
        with pytest.raises(Unavailable):
            await here.views.cases(TENANT, within_s=0)
        assert await here.listed() == here.scribe.open()


async def test_a_store_that_went_back_is_written_anew(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.listed()
        keys = ViewKeys(TENANT, int(await here.store.get(ViewKeys(TENANT, 0).pointer) or 0))
        stories = await here.store.hgetall(keys.rows[0])
        await here.scribe.tell("a", accepted("a"))
        await here.listed()
        # as after a failover to a replica that was behind
        await here.store.call("HSET", keys.meta, "position", 1)
        await here.store.call("HSET", keys.rows[0], *next(iter(stories.items())))
        await here.scribe.tell("b", opened("b"))
        assert await here.listed() == here.scribe.open()


async def test_rows_of_different_positions_are_not_read_together(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.listed()
        live = int(await here.store.get(ViewKeys(TENANT, 0).pointer) or 0)
        # as between two steps of one change
        await here.store.call("HSET", ViewKeys(TENANT, live).meta, "ahead", here.scribe.last + 1)
        with pytest.raises(Unavailable, match="brought up to date"):
            await here.views.cases(TENANT, within_s=0)
        await here.scribe.tell("b", opened("b"))
        assert await here.listed() == here.scribe.open()


@pytest.mark.parametrize("lost", ["meta", "pointer", "every", "lists", "index"])
async def test_a_key_lost_by_the_store_is_noticed(here: World, lost: str) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.listed()
        of = ViewKeys(TENANT, int(await here.store.get(ViewKeys(TENANT, 0).pointer) or 0))
        named = {"meta": of.meta, "pointer": of.pointer, "every": of.every}
        named |= {"lists": of.rows[2], "index": of.rows[1]}
        await here.store.delete(named[lost])
        if lost != "index":
            with pytest.raises(Unavailable):
                await here.views.cases(TENANT, within_s=0)
        await here.scribe.tell("b", opened("b"))
        assert await here.listed() == here.scribe.open()


async def test_two_writers_of_one_view_do_not_disturb_each_other(here: World) -> None:
    async with here.process(seed=1), here.process(seed=2):
        for number in range(120):
            who = f"c{number % 11}"
            await here.scribe.tell(who, opened(who, number))
            await here.scribe.tell(who, closed(who, number))
            if number % 13 == 0:
                await here.scribe.tell(who, opened(who, 1000 + number))
        assert await here.listed() == here.scribe.open()
    rebuilt = [
        line for line in here.meter.page().decode().splitlines() if "rebuilds_total{" in line
    ]
    assert float(rebuilt[0].split()[-1]) <= 2


async def test_a_restart_goes_on_with_the_view_that_stands(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.listed()
    before = await here.store.get(ViewKeys(TENANT, 0).pointer)
    await here.scribe.tell("b", opened("b"))
    async with here.process():
        assert await here.listed() == here.scribe.open()
    assert await here.store.get(ViewKeys(TENANT, 0).pointer) == before


async def test_a_restart_does_not_go_on_with_a_view_that_missed_something(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.scribe.tell("b", opened("b"))
        await here.listed()
    # meanwhile somebody kept OPEN and could not reach the store
    elsewhere = replace(here, store=FakeStore(clock=here.clock))
    async with elsewhere.process():
        await here.scribe.tell("a", closed("a"))
        await here.scribe.tell("b", accepted("b"))
        await eventually(lambda: _written(here))
    async with here.process():
        assert await here.listed() == here.scribe.open()


async def _written(here: World) -> bool:
    return await here.place() >= here.scribe.last


async def test_a_view_nobody_keeps_is_not_passed_off_as_fresh(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.listed()

    async def refused() -> bool:
        try:
            await here.views.cases(TENANT, within_s=0)
        except Unavailable as error:
            return "kept up" in str(error)
        return False

    await eventually(refused, within_s=5, poll_s=0.1)
    async with here.process():
        assert await here.listed() == here.scribe.open()


async def test_generations_that_are_over_are_dropped(here: World) -> None:
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.listed()
        first = int(await here.store.get(ViewKeys(TENANT, 0).pointer) or 0)
        await here.store.call("HSET", ViewKeys(TENANT, first).meta, "log", "another")
        await here.scribe.tell("b", opened("b"))
        assert await here.listed() == here.scribe.open()

        async def dropped() -> bool:
            of = ViewKeys(TENANT, first)
            return await here.store.call("EXISTS", of.meta, of.every, *of.rows) == 0

        await eventually(dropped, within_s=8, poll_s=0.1)
        assert await here.listed() == here.scribe.open()


async def test_views_of_two_tenants_do_not_mix(here: World) -> None:
    here.tenants.add("other")
    async with here.process():
        await here.scribe.tell("a", opened("a"))
        await here.scribe.tell("a", opened("a", 2), tenant="other")
        mine, theirs = await here.listed(), await here.listed("other")
        assert mine == here.scribe.open()
        assert theirs == {
            who: replace(story, tenant="other") for who, story in here.scribe.open("other").items()
        }
        assert mine != theirs


# ---- the scripts, in Lua and in Python

_WHO = ("a" * 26, "b" * 26, "c" * 26)
_LISTS = ("list1", "list2")
_generation = st.sampled_from(["1", "2"])
_position = st.sampled_from(["0", "5", "9"])
_prev = st.sampled_from(["0", "5", "9", "building"])
_fills = st.sampled_from(["0", "0", "1", "2"])
_places = st.lists(
    st.tuples(
        st.sampled_from(_LISTS), st.sampled_from("yz"), st.integers(0, 3), st.integers(0, 2**41)
    ),
    max_size=3,
).map(
    lambda lines: "\n".join(
        f"{name} {own * 26} {band * BAND + at}" for name, own, band, at in lines
    )
)
_rows = st.lists(
    st.tuples(st.sampled_from(_WHO), _places, st.sampled_from([b"", b"x", b"y\0y\xff"])), max_size=4
).map(lambda rows: [row(who, places.encode(), value) for who, places, value in rows])


def _keys(generation: str) -> list[str]:
    prefix = f"g{generation}:"
    return [f"m{generation}", f"{prefix}stories", f"{prefix}index", f"{prefix}lists"]


@st.composite
def _step(draw: st.DrawFn) -> Step:
    generation = draw(_generation)
    meta, *rest = _keys(generation)
    head = ["p", meta, rest[0], rest[2]]
    lists = [f"g{generation}:{name}" for name in _LISTS]
    member = draw(st.sampled_from(["", _WHO[0] + "z" * 26]))
    match draw(st.integers(0, 8)):
        case 0 | 1:
            prev, to, ahead = draw(_prev), draw(_position), draw(_position)
            return APPLY, ["p", meta, *rest], [generation, "log", prev, to, ahead, 7, *draw(_rows)]
        case 2:
            return BEGIN, ["old", meta], [generation, "log", 70]
        case 3:
            return FILL, ["old", meta, *rest], [generation, 70, draw(_fills), *draw(_rows)]
        case 4:
            before = draw(st.sampled_from(["", "1", "2"]))
            to, ahead, fills = draw(_position), draw(_position), draw(_fills)
            return FLIP, ["p", "old", meta], [before, generation, to, ahead, 7, 8, fills]
        case 5:
            score = draw(st.integers(0, 2**43))
            many = draw(st.integers(1, 3))
            return PAGE, [*head, lists[0]], [generation, member, score, many]
        case 6:
            return STORY, head, [generation, _WHO[0]]
        case 7:
            return CHECK, [*head, *draw(st.lists(st.sampled_from(lists)))], [generation]
        case _:
            return QUEUE, [*head, *lists], [generation, member]


@given(steps=st.lists(_step(), max_size=30))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_scripts_do_the_same_in_lua_and_in_python(
    real: RedisStore, steps: list[Step]
) -> None:
    begun: list[Step] = [
        (BEGIN, ["old", "m1"], ["1", "log", 70]),
        (FLIP, ["p", "old", "m1"], ["", "1", "0", "0", 7, 8, 0]),
    ]
    await compare(real, FakeStore(clock=SystemClock()), [*begun, *steps])


def _many(numbers: range, value: bytes) -> list[bytes]:
    """Rows of as many stories, each with two cases in the first list and one in the second."""
    return [
        row(
            f"{n:026}",
            f"list1 {'y' * 26} {n}\nlist1 {'z' * 26} {n}\nlist2 {'y' * 26} {n + 1}".encode(),
            value,
        )
        for n in numbers
    ]


async def test_many_rows_at_once_are_written_as_one_by_one(real: RedisStore) -> None:
    meta, *rest = _keys("1")
    written = [*_many(range(250), b"x"), *_many(range(40, 90), b""), *_many(range(60, 80), b"y")]
    changed = [*_many(range(0, 500, 2), b"z"), *_many(range(30), b"")]
    steps: list[Step] = [
        (BEGIN, ["old", meta], ["1", "log", 70]),
        (FILL, ["old", meta, *rest], ["1", 70, "0", *written]),
        (FLIP, ["p", "old", meta], ["", "1", "5", "5", 7, 8, 1]),
        (APPLY, ["p", meta, *rest], ["1", "log", "5", "9", "9", 7, *changed]),
    ]
    await compare(real, FakeStore(clock=SystemClock()), steps)
