"""A table keeps its word, real and fake alike."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from tests.servers import eventually
from toldonce.kernel.errors import Conflict, Exhausted, Invalid
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.names import AGENTS
from toldonce.runtime.nats_link import Link
from toldonce.runtime.table import Row, Table, open_table
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.asyncio(loop_scope="session")

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["nats", "fake"])
async def table(request: pytest.FixtureRequest, link: Link) -> AsyncIterator[Table]:
    if request.param == "nats":
        yield await open_table(link, AGENTS)
    else:
        yield FakeTable(clock=SystemClock())


@pytest.fixture
def tenant() -> str:
    return f"agents.t{next(_numbers)}"


async def test_a_row_is_made_once_and_changed_only_by_who_knows_its_revision(
    table: Table, tenant: str
) -> None:
    key = f"{tenant}.ann"
    assert await table.get(key) is None
    first = await table.put(key, b"one", expected=0)
    with pytest.raises(Conflict) as caught:
        await table.put(key, b"again", expected=0)
    assert caught.value.current == first
    second = await table.put(key, b"two", expected=first)
    with pytest.raises(Conflict) as caught:
        await table.put(key, b"late", expected=first)
    assert caught.value.current == second
    assert await table.get(key) == Row(key, b"two", second)
    assert await table.last_revision() == second > first


async def test_a_row_written_in_any_case_takes_the_next_revision(table: Table, tenant: str) -> None:
    key = f"{tenant}.ann"
    first = await table.put(key, b"one", expected=None)
    assert await table.put(key, b"two", expected=None) == first + 1


async def test_racing_writers_of_one_row_have_one_winner(table: Table, tenant: str) -> None:
    key = f"{tenant}.ann"
    current = 0
    for number in range(50):
        results = await asyncio.gather(
            *(table.put(key, b"%d" % number, expected=current) for _ in range(4)),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, int)]
        assert len(winners) == 1
        assert sum(isinstance(result, Conflict) for result in results) == 3
        current = winners[0]


async def test_rows_are_the_live_ones_under_a_prefix_in_order_of_their_keys(
    table: Table, tenant: str
) -> None:
    for name in ("cas", "ann", "bob", "bo"):
        await table.put(f"{tenant}.{name}", name.encode(), expected=0)
    await table.put(f"{tenant}x.dee", b"dee", expected=0)
    await table.put(f"{tenant}.ann", b"", expected=None)
    await table.put(f"{tenant}.bob", b"bob 2", expected=None)
    found = [(row.key.rpartition(".")[2], row.value) for row in await table.rows(f"{tenant}.")]
    assert found == [("bo", b"bo"), ("bob", b"bob 2"), ("cas", b"cas")]
    assert [row.value for row in await table.rows(f"{tenant}.b")] == [b"bo", b"bob 2"]
    assert await table.rows("agents.nobody.") == []
    assert {row.value for row in await table.rows()} >= {b"bo", b"bob 2", b"cas", b"dee"}


async def test_rows_of_more_than_one_batch_are_all_read(table: Table, tenant: str) -> None:
    for number in range(600):
        await table.put(f"{tenant}.a{number:03d}", b"%d" % number, expected=None)
    rows = await table.rows(f"{tenant}.")
    assert [row.value for row in rows] == [b"%d" % number for number in range(600)]


async def test_a_tombstone_keeps_its_value_and_takes_part_in_the_race(
    table: Table, tenant: str
) -> None:
    key = f"{tenant}.ann"
    first = await table.put(key, b"one", expected=0)
    last = await table.put(key, b"position 7", expected=first, ttl_s=60, tombstone=True)
    assert await table.get(key) == Row(key, b"position 7", last, tombstone=True)
    with pytest.raises(Conflict):
        await table.put(key, b"new", expected=0)
    again = await table.put(key, b"new", expected=last)
    assert await table.get(key) == Row(key, b"new", again)


async def test_a_row_is_gone_after_its_time_to_live_and_can_be_made_anew(
    table: Table, tenant: str
) -> None:
    key = f"{tenant}.ann"
    revision = await table.put(key, b"one", expected=0, ttl_s=1)
    assert await table.get(key) == Row(key, b"one", revision)
    kept = await table.put(f"{tenant}.bob", b"one", expected=0, ttl_s=1)
    await table.put(f"{tenant}.bob", b"for ever", expected=kept)

    async def gone() -> bool:
        return await table.get(key) is None

    await eventually(gone, within_s=5)
    assert [row.value for row in await table.rows(f"{tenant}.")] == [b"for ever"]
    assert await table.put(key, b"two", expected=0) > revision


async def test_a_watcher_sees_every_later_change_in_order(table: Table, tenant: str) -> None:
    before = await table.put(f"{tenant}.ann", b"before", expected=0)
    await table.put(f"{tenant}.bob", b"1", expected=0)
    seen: list[tuple[bytes, bool]] = []
    async with asyncio.timeout(10), aclosing(table.watch(after=before)) as changes:
        async for batch in changes:
            seen.extend((row.value, row.tombstone) for row in batch)
            if len(seen) == 1:
                await table.put(f"{tenant}.ann", b"2", expected=before)
            elif len(seen) == 2:
                await table.put(f"{tenant}.bob", b"", expected=None)
            else:
                break
    assert seen == [(b"1", False), (b"2", False), (b"", True)]


@pytest.mark.parametrize("bad", ["", "agents.*", "agents.>", "agents.a b", "agents..x", "agents."])
async def test_a_key_that_could_reach_other_rows_is_refused(table: Table, bad: str) -> None:
    with pytest.raises(Invalid):
        await table.get(bad)
    with pytest.raises(Invalid):
        await table.put(bad, b"x", expected=0)


async def test_a_row_too_large_or_too_short_lived_is_refused(table: Table, tenant: str) -> None:
    with pytest.raises(Exhausted):
        await table.put(f"{tenant}.ann", b"x" * (92 * 1024 + 1), expected=0)
    with pytest.raises(Invalid, match="ttl_s"):
        await table.put(f"{tenant}.ann", b"x", expected=0, ttl_s=0.5)
    assert await table.get(f"{tenant}.ann") is None
