"""Rotation: survivors read on, what was forgotten stays gone, and a kill loses nobody's key."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import secrets
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.key_blocks import pack, unpack
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.meter import Meter
from toldonce.runtime.names import block_key
from toldonce.runtime.rotation import (
    DUE_S,
    drawn_at,
    due,
    final_by,
    keep_rotating,
    rewrap,
    rotate,
    tell_age,
)
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANTS = ("demo", "other")


class Killed(BaseException):
    """The process ended here."""


class Mortal(FakeTable):
    """A table whose user dies at its n-th call, before or after that was done."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.dies_at = None
        self.before_put = None

    async def get(self, key):
        self._live_on()
        return await super().get(key)

    async def put(self, key, value, *, expected, ttl_s=None, tombstone=False):
        self._live_on()
        if self.before_put is not None:
            before, self.before_put = self.before_put, None
            await before(key)
        written = await super().put(key, value, expected=expected)
        self._live_on()
        return written

    async def last_revision(self):
        self._live_on()
        return await super().last_revision()

    def _live_on(self):
        self.calls += 1
        if self.calls == self.dies_at:
            raise Killed


@pytest.fixture
def clock():
    return LoopClock(START)


@pytest.fixture
def table():
    return Mortal()


@pytest.fixture
def folder(tmp_path):
    secrets.make(tmp_path)
    return tmp_path


@pytest.fixture
async def ring(table, folder, clock):
    made = KeyRing(table, secrets.load(folder), clock)
    yield made
    await made.close()


async def customers(ring, count=300):
    return {
        (t, ref): key for t in TENANTS for ref, key in [await ring.take(t) for _ in range(count)]
    }


async def readable(table, folder, clock, known):
    """Read every key as a process that starts now."""
    fresh = KeyRing(table, secrets.load(folder), clock)
    return {(t, ref): await fresh.find(t, ref) for t, ref in known}


def keks(folder):
    return sorted(path.name for path in folder.glob("kek-*"))


async def test_rotation_keeps_every_key_but_the_forgotten_and_leaves_one_key_to_wrap_them(
    ring, table, folder, clock
):
    known = await customers(ring)
    gone = [place for number, place in enumerate(known) if number % 7 == 0]
    for tenant in TENANTS:
        await ring.forget(tenant, [ref for whose, ref in gone if whose == tenant])
    done = await rotate(folder, table, clock)
    assert keks(folder) == [f"kek-{done.kek_id}.key"]
    assert done.destroyed == ("1",)
    assert not done.finished
    assert done.rewrapped.blocks == done.rewrapped.rewrapped == len(await table.rows())
    assert done.rewrapped.unreadable == 0
    wanted = {place: None if place in gone else key for place, key in known.items()}
    assert await readable(table, folder, clock, known) == wanted
    assert {place: await ring.find(*place) for place in known} == wanted


async def test_old_copy_of_the_table_opens_with_nothing_after_a_rotation(
    ring, table, folder, clock
):
    known = await customers(ring)
    copy = FakeTable()
    for row in await table.rows():
        await copy.put(row.key, row.value, expected=None)
    await rotate(folder, table, clock)
    reader = KeyRing(copy, secrets.load(folder), clock)
    for tenant, ref in known:
        with pytest.raises(Unavailable, match="not loaded"):
            await reader.find(tenant, ref)


async def test_killed_rotation_loses_no_key_and_the_next_one_finishes_it(tmp_path):
    """Killed at every call it makes to the table, before and after the write itself."""
    for dies_at in range(1, 40):
        folder, table, clock = tmp_path / str(dies_at), Mortal(), LoopClock(START)
        secrets.make(folder)
        ring = KeyRing(table, secrets.load(folder), clock)
        known = await customers(ring)
        gone = next(iter(known))
        await ring.forget(gone[0], [gone[1]])
        wanted = {**known, gone: None}
        table.calls, table.dies_at = 0, dies_at
        try:
            await rotate(folder, table, clock)
            killed = False
        except Killed:
            killed = True
        table.dies_at = None
        assert await readable(table, folder, clock, known) == wanted, dies_at
        if not killed:
            assert dies_at > 10
            return
        assert due(folder, clock.now())
        done = await rotate(folder, table, clock)
        assert done.finished
        assert keks(folder) == [f"kek-{done.kek_id}.key"]
        assert await readable(table, folder, clock, known) == wanted, dies_at
        await ring.close()
    raise AssertionError("it never came to its end")


async def test_rotation_killed_while_it_destroyed_the_old_key_is_finished(
    ring, table, folder, clock
):
    known = await customers(ring)
    secrets.draw_kek(folder, clock.now())
    await rewrap(folder, table)
    (folder / "kek-1.key").write_text("0" * 64)
    assert await readable(table, folder, clock, known) == known
    assert due(folder, clock.now())
    done = await rotate(folder, table, clock)
    assert done.destroyed[0] == "1"
    assert len(keks(folder)) == 1
    assert await readable(table, folder, clock, known) == known


async def test_customer_forgotten_while_keys_rotate_stays_forgotten(ring, table, folder, clock):
    known = await customers(ring)
    tenant, ref = next(iter(known))

    async def forget(_):
        await ring.forget(tenant, [ref])

    table.before_put = forget
    await rotate(folder, table, clock)
    assert await readable(table, folder, clock, known) == {**known, (tenant, ref): None}


async def test_customers_who_come_while_keys_rotate_are_readable_after(ring, table, folder, clock):
    known = await customers(ring, 10)
    late = KeyRing(table, secrets.load(folder), clock)

    async def come(_):
        ref, key = await late.take("late")
        known[("late", ref)] = key

    table.before_put = come
    done = await rotate(folder, table, clock)
    assert "late" in {tenant for tenant, _ in known}
    assert len(keks(folder)) == 1
    assert await readable(table, folder, clock, known) == known
    assert done.rewrapped.blocks == 3
    await late.close()


async def test_block_whose_key_is_gone_is_counted_and_hinders_nobody(ring, table, folder, clock):
    known = await customers(ring, 5)
    block = next(ref.block for tenant, ref in known if tenant == "other")
    row = await table.get(block_key("other", block))
    _, wrapped = unpack(row.value)
    await table.put(row.key, pack("7", wrapped), expected=row.revision)
    done = await rotate(folder, table, clock)
    assert (done.rewrapped.unreadable, done.rewrapped.rewrapped) == (1, 1)


async def test_two_rotations_at_once_are_one(ring, table, folder, clock):
    await customers(ring, 5)
    one, two = await asyncio.gather(
        rotate(folder, table, clock), rotate(folder, table, clock), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in (one, two)) == ["Rotated", "Unavailable"]


async def test_rotation_says_how_far_it_is(ring, table, folder, clock):
    await customers(ring)
    said = []
    await rotate(folder, table, clock, lambda place, last: said.append((place, last)))
    assert [place for place, _ in said] == sorted({place for place, _ in said})
    assert said[-1][0] >= said[-1][1]


async def test_house_rotates_by_itself_before_thirty_days_are_over(ring, table, folder, clock):
    known = await customers(ring, 3)
    first = secrets.draw_kek(folder, clock.now())
    running = asyncio.create_task(keep_rotating(folder, table, clock))
    await asyncio.sleep(1.0)
    second = secrets.load(folder).kek_id
    assert second != first
    assert len(keks(folder)) == 1
    await asyncio.sleep(DUE_S - 3 * 3600)
    assert secrets.load(folder).kek_id == second
    await asyncio.sleep(6 * 3600)
    assert secrets.load(folder).kek_id != second
    assert len(keks(folder)) == 1
    assert await readable(table, folder, clock, known) == known
    running.cancel()


async def test_process_says_how_old_the_key_is_that_it_sees(folder, clock):
    meter = Meter()
    running = asyncio.create_task(tell_age(folder, clock, meter))
    secrets.draw_kek(folder, clock.now())
    await asyncio.sleep(7.5 * 60)
    assert b"toldonce_kek_age_seconds 420.0" in meter.page()
    secrets.draw_kek(folder, clock.now())
    await asyncio.sleep(60)
    assert b"toldonce_kek_age_seconds 30.0" in meter.page()
    running.cancel()


async def test_drawn_key_says_when_it_was_drawn_and_is_newer_than_every_other(folder):
    at = datetime.now(UTC)
    assert abs(drawn_at(folder) - at) < timedelta(minutes=1)
    soon = START + timedelta(milliseconds=500)  # in the same second: names have whole ones
    moments = (START, soon, START - timedelta(1))
    drawn = [secrets.draw_kek(folder, moment) for moment in moments]
    assert drawn == ["20260301t120000", "20260301t120001", "20260301t120002"]
    assert drawn_at(folder) == START + timedelta(seconds=2)
    assert secrets.load(folder).kek_id == drawn[-1]
    assert due(folder, START)


def test_destroyed_key_is_nowhere_in_its_folder(folder):
    kek = secrets.load(folder).kek.hex()
    secrets.draw_kek(folder, START)
    secrets.destroy_kek(folder, "1")
    secrets.destroy_kek(folder, "1")
    assert keks(folder) == ["kek-20260301t120000.key"]
    assert not any(kek in path.read_text() for path in folder.iterdir())


def test_forgetting_is_final_within_thirty_days():
    assert final_by(START) == START + timedelta(days=30)
