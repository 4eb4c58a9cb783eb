"""Timers wait and come out by the same rules wherever they wait.

The fake stands for Valkey; JetStream runs on the real server alone, which has the scheduler. On
three nodes what was planned may be seen a moment later, so claims are asked for until they are in.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.shelves import JetStreamShelf, RedisShelf, Shelf
from tests.servers import Cluster, Embedded, eventually, servers
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import encode
from toldonce.runtime.child import free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.nats_link import Link
from toldonce.runtime.store import RedisStore
from toldonce.runtime.testing.store import FakeStore
from toldonce.sla.handler import Claim, Leased, Plan, RedisTimers, Settled, TimerStore, Wiped

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = encode(bytes(16))
CLOCK = SystemClock()
HOUR = timedelta(hours=1)
ALL = ["valkey", "fake", "jetstream purged", "jetstream made anew", "jetstream on three nodes"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(pair: Embedded) -> AsyncIterator[RedisStore]:
    store = RedisStore.open(pair.store_url)
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wide(three: Cluster) -> AsyncIterator[Link]:
    found = await Link.connect(three.nats_urls, name="contract")
    yield found
    await found.close()


@pytest_asyncio.fixture(loop_scope="session", params=ALL)
async def shelf(
    request: pytest.FixtureRequest, real: RedisStore, link: Link, wide: Link
) -> AsyncIterator[Shelf]:
    made: dict[str, Shelf] = {
        "valkey": RedisShelf(real),
        "fake": RedisShelf(FakeStore(clock=CLOCK)),
        "jetstream purged": JetStreamShelf(link, purge=True),
        "jetstream made anew": JetStreamShelf(link, purge=False),
        "jetstream on three nodes": JetStreamShelf(wide, purge=True, replicas=3),
    }
    found = made[request.param]
    await found.wipe()
    yield found


async def begun(
    shelf: Shelf, name: str = "one", *, lease_s: float = 60.0, margin_s: float = 0.0
) -> TimerStore:
    timers = await shelf.timers(name, lease_s=lease_s, margin_s=margin_s)
    await timers.begin()
    return timers


def plan(sequence: int, *timers: tuple[str, datetime], revision: int = 1, who: str = WHO) -> Plan:
    return Plan("demo", who, sequence, revision, timers)


def customer(number: int) -> str:
    return encode(number.to_bytes(16))


def ago(seconds: float) -> datetime:
    return CLOCK.now() - timedelta(seconds=seconds)


def ahead(seconds: float) -> datetime:
    return CLOCK.now() + timedelta(seconds=seconds)


def owns(leased: Iterable[Leased]) -> list[str]:
    return [one.own for one in leased]


async def first(timers: TimerStore, *, within_s: float = 5.0) -> Claim:
    """Claim until something comes."""
    claim = Claim((), CLOCK.now(), None)

    async def out() -> bool:
        nonlocal claim
        claim = await timers.claim(10)
        return bool(claim.leased)

    await eventually(out, within_s=within_s)
    return claim


async def claimed(timers: TimerStore, count: int, *, limit: int = 99) -> list[Leased]:
    """Claim until so many have come, in the order in which they came."""
    found: list[Leased] = []

    async def all_out() -> bool:
        claim = await timers.claim(limit)
        assert len(claim.leased) <= limit
        found.extend(claim.leased)
        return len(found) >= count

    await eventually(all_out, within_s=5.0)
    return found


async def test_what_is_due_comes_out_earliest_first_and_what_is_not_stays(shelf: Shelf) -> None:
    timers = await begun(shelf)
    later = CLOCK.now() + HOUR
    assert await timers.plan([plan(7, ("c", later), ("b", ago(1)), ("a", ago(2)))]) == 3
    a, b = await claimed(timers, 2)
    assert (a.own, b.own, a.sequence) == ("a", "b", 7)
    assert (a.tenant, a.customer) == ("demo", WHO)
    claim = await timers.claim(10)
    assert claim.leased == ()
    assert abs(claim.now - CLOCK.now()) < timedelta(seconds=5)
    assert claim.next_at is not None
    assert claim.next_at <= later


async def test_nothing_comes_out_before_its_instant_and_the_margin(shelf: Shelf) -> None:
    timers = await begun(shelf, margin_s=0.2)
    fires_at = ahead(0.1)
    await timers.plan([plan(1, ("a", fires_at))])
    claim = await timers.claim(1)
    assert (claim.leased, claim.next_at) == ((), fires_at + timedelta(seconds=0.2))
    claim = await first(timers, within_s=3)
    assert claim.now >= fires_at + timedelta(seconds=0.2)


async def test_timers_come_out_soon_after_their_instants_each_once(shelf: Shelf) -> None:
    one, two = await begun(shelf), await begun(shelf, "two")
    instants = {f"t{n}": ahead(0.5 + 0.01 * n) for n in range(50)}
    await one.plan([plan(1, *instants.items())])
    out: list[str] = []

    async def all_out() -> bool:
        for timers in (one, two):
            claim = await timers.claim(7)
            for leased in claim.leased:
                assert instants[leased.own] <= claim.now < instants[leased.own] + HOUR / 1000
            out.extend(owns(claim.leased))
        return len(out) >= len(instants)

    await eventually(all_out, within_s=5)
    assert sorted(out) == sorted(instants)


async def test_a_claim_takes_no_more_than_it_asked_for(shelf: Shelf) -> None:
    timers = await begun(shelf)
    await timers.plan([plan(1, *((f"t{n}", ago(n)) for n in range(5)))])
    assert owns(await claimed(timers, 2, limit=2)) == ["t4", "t3"]
    assert owns(await claimed(timers, 3, limit=9)) == ["t2", "t1", "t0"]


async def test_a_claimed_timer_comes_again_when_its_lease_is_over(shelf: Shelf) -> None:
    timers, other = await begun(shelf, lease_s=0.5), await begun(shelf, "two", lease_s=0.5)
    await timers.plan([plan(1, ("a", ago(1)))])
    (leased,) = await claimed(timers, 1)
    assert (await other.claim(1)).leased == ()
    (again,) = (await first(other)).leased
    assert again.until_at > leased.until_at
    assert await timers.settle([Settled(leased)]) == 0
    assert await other.settle([Settled(again, ago(0))]) == 1
    (last,) = (await first(timers)).leased
    assert await timers.settle([Settled(last)]) == 1


async def test_a_settled_timer_is_gone_and_one_put_back_comes_at_its_time(shelf: Shelf) -> None:
    timers = await begun(shelf)
    await timers.plan([plan(1, ("a", ago(2)), ("b", ago(1)), ("c", ago(0)))])
    one, two, three = await claimed(timers, 3)
    again_at = ahead(0.3)
    ends = [Settled(one), Settled(two, ago(0)), Settled(three, again_at)]
    assert await timers.settle(ends) == 3
    (again,) = (await first(timers)).leased
    assert (again.own, again.sequence) == ("b", 1)
    claim = await first(timers)
    assert owns(claim.leased) == ["c"]
    assert claim.now >= again_at - timedelta(seconds=0.05)
    assert await timers.settle([Settled(again), Settled(claim.leased[0])]) == 2
    assert (await timers.claim(3)).leased == ()


async def test_a_newer_plan_replaces_and_an_older_one_changes_nothing(shelf: Shelf) -> None:
    timers = await begun(shelf)
    at = ago(1)
    await timers.plan([plan(5, ("a", at), ("b", at))])
    assert await timers.plan([plan(4, ("old", ago(9)))]) == 0
    assert await timers.plan([plan(5, ("old", ago(9)))]) == 0
    assert await timers.plan([plan(6, ("b", at), ("c", at))]) == 1
    found = await claimed(timers, 2)
    assert sorted(owns(found)) == ["b", "c"]
    assert {one.sequence for one in found} == {6}
    assert await timers.plan([plan(6, ("b", ago(3)), revision=2)]) == 1
    assert owns(await claimed(timers, 1)) == ["b"]
    assert await timers.plan([plan(7, ("d", ago(1)))]) == 1
    assert await timers.plan([plan(8)]) == 0
    assert (await timers.claim(9)).leased == ()


async def test_any_replica_is_told_from_what_a_story_is_planned(shelf: Shelf) -> None:
    one, two = await begun(shelf, "one"), await begun(shelf, "two")
    keys = [("demo", customer(number)) for number in range(3)]
    assert list(await one.standing([])) == []
    plans = [plan(5 + n, ("a", ahead(60)), revision=n, who=customer(n)) for n in (0, 2)]
    await one.plan(plans)
    assert list(await two.standing(keys)) == [(5, 0), None, (7, 2)]
    await one.plan([plan(9, ("b", ahead(60)), revision=2, who=customer(0))])
    assert list(await two.standing(keys, now=True)) == [(9, 2), None, (7, 2)]


async def test_plans_of_replicas_that_race_end_as_the_newest_of_them(shelf: Shelf) -> None:
    replicas = [await begun(shelf, f"r{n}") for n in range(4)]
    stories = [customer(n) for n in range(16)]

    async def race(number: int) -> None:
        for sequence in range(number + 1, 21, len(replicas)):
            at = ago(1) if sequence == 20 else CLOCK.now() + HOUR
            plans = [plan(sequence, (f"t{sequence}", at), who=who) for who in stories]
            await replicas[number].plan(plans)

    await asyncio.gather(*(race(number) for number in range(len(replicas))))
    found = await claimed(replicas[0], len(stories))
    assert sorted(one.customer for one in found) == sorted(stories)
    assert {(one.own, one.sequence) for one in found} == {("t20", 20)}
    assert (await replicas[1].claim(99)).leased == ()


async def test_planning_a_timer_as_it_stands_does_not_take_it_from_who_has_it(
    shelf: Shelf,
) -> None:
    timers = await begun(shelf)
    fires_at = ago(1)
    await timers.plan([plan(1, ("a", fires_at))])
    (leased,) = await claimed(timers, 1)
    await timers.plan([plan(2, ("a", fires_at))])
    assert (await timers.claim(1)).leased == ()
    assert await timers.settle([Settled(leased)]) == 1


async def test_a_timer_moved_while_somebody_has_it_stays_whatever_they_say(shelf: Shelf) -> None:
    timers = await begun(shelf)
    await timers.plan([plan(1, ("a", ago(1)))])
    (leased,) = await claimed(timers, 1)
    later = CLOCK.now() + HOUR
    await timers.plan([plan(2, ("a", later))])
    assert await timers.settle([Settled(leased)]) == 0
    assert (await timers.claim(1)).next_at == later


async def test_timers_moved_at_the_very_moment_they_fire_come_at_their_new_instants(
    shelf: Shelf,
) -> None:
    timers, mover = await begun(shelf), await begun(shelf, "two")
    stories = [customer(n) for n in range(400)]
    moved = {who: ahead(2.5 + 0.002 * n) for n, who in enumerate(stories)}
    fires_at = ahead(1.0)
    await timers.plan([plan(1, ("a", fires_at), who=who) for who in stories])
    out: dict[str, int] = {}

    async def move() -> None:
        for start in range(0, len(stories), 8):  # over the time in which a server lets them out
            at = fires_at + timedelta(seconds=0.00125 * start)
            await eventually(lambda at=at: CLOCK.now() >= at, poll_s=0.002)
            some = stories[start : start + 8]
            await mover.plan([plan(2, ("a", moved[who]), who=who) for who in some])

    async def all_out() -> bool:
        claim = await timers.claim(100)
        for one in claim.leased:
            if one.sequence == 2:
                assert claim.now >= moved[one.customer]
                out[one.customer] = out.get(one.customer, 0) + 1
        await timers.settle([Settled(one) for one in claim.leased])
        return len(out) == len(stories)

    moving = asyncio.create_task(move())
    await eventually(all_out, within_s=30)
    await moving
    assert set(out.values()) == {1}


async def test_a_wipe_is_noticed_by_every_replica_at_its_next_step(shelf: Shelf) -> None:
    one, two = await begun(shelf), await begun(shelf, "two")
    before = await one.begin()
    await one.plan([plan(1, ("a", ago(1)))])
    await shelf.wipe()
    with pytest.raises(Wiped):
        await one.claim(1)
    with pytest.raises(Wiped):
        await one.plan([plan(1, ("a", ago(1)))])
    generation = await one.begin()
    assert generation != before
    assert await one.plan([plan(1, ("a", ago(1)))]) == 1
    with pytest.raises(Wiped):
        await two.claim(1)
    assert await two.begin() == generation
    assert await two.plan([plan(1, ("a", ago(1)))]) == 0
    assert owns(await claimed(two, 1)) == ["a"]


async def test_a_store_that_went_back_in_time_is_noticed(shelf: Shelf) -> None:
    timers = await begun(shelf)
    await timers.plan([plan(1, ("a", ago(1)))])
    await shelf.go_back()
    with pytest.raises(Wiped):
        await timers.claim(1)
    await timers.begin()
    assert await timers.plan([plan(1, ("a", ago(1)))]) == 1


async def test_a_store_that_is_away_says_so_and_has_to_be_begun_again() -> None:
    away = RedisStore.open(f"redis://127.0.0.1:{free_port()}/0")
    timers = RedisTimers(away, "one")
    with pytest.raises(Unavailable):
        await timers.begin()
    await away.close()
    fake = FakeStore(clock=CLOCK)
    other = await begun(RedisShelf(fake))
    fake.down = True
    with pytest.raises(Unavailable):
        await other.claim(1)
    fake.down = False
    with pytest.raises(Wiped):
        await other.claim(1)


async def test_timers_on_jetstream_outlive_the_crash_of_their_server(tmp_path: Path) -> None:
    async with servers(tmp_path) as pair:
        link = await Link.connect(pair.nats_url, name="contract")
        timers = await begun(JetStreamShelf(link, purge=True))
        generation = await timers.begin()
        await timers.plan([plan(1, ("a", ahead(1.0)), ("b", CLOCK.now() + HOUR))])
        await pair.nats.kill()
        with pytest.raises(Unavailable):
            await timers.claim(1)
        with pytest.raises(Wiped):
            await timers.claim(1)
        await pair.nats.start()
        assert await link.wait_connected(10)
        assert await timers.begin() == generation
        assert await timers.plan([plan(1, ("a", ago(1)))]) == 0
        assert owns((await first(timers)).leased) == ["a"]
        await link.close()
