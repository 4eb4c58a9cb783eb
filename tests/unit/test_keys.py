"""Data keys: made ahead, found again, and gone when they are forgotten."""

import asyncio

import pytest

from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.kernel.keyref import KeyRef
from toldonce.runtime import secrets
from toldonce.runtime.cipher import Unreadable
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.ids import new_id
from toldonce.runtime.keks import RECHECK_S
from toldonce.runtime.key_blocks import pack, unpack
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.names import block_key
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime


class CountingTable(FakeTable):
    """The fake table, with what was asked of it counted."""

    def __init__(self):
        super().__init__()
        self.gets = self.puts = 0
        self.before_put = None

    async def get(self, key):
        self.gets += 1
        return await super().get(key)

    async def put(self, key, value, *, expected, ttl_s=None, tombstone=False):
        self.puts += 1
        if self.before_put is not None:
            before, self.before_put = self.before_put, None
            await before()
        return await super().put(key, value, expected=expected, ttl_s=ttl_s, tombstone=tombstone)


@pytest.fixture
def kept(tmp_path):
    return secrets.make(tmp_path)


@pytest.fixture
def table():
    return CountingTable()


@pytest.fixture
async def ring(table, kept):
    made = KeyRing(table, kept, LoopClock())
    yield made
    await made.close()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_key_is_nobody_elses_and_is_found_again_by_any_process(ring, table, kept):
    taken = [await ring.take("demo") for _ in range(600)]
    assert len({ref for ref, _ in taken}) == len({key for _, key in taken}) == 600
    assert all(len(key) == 32 for _, key in taken)
    other = KeyRing(table, kept, LoopClock())
    for ref, key in taken:
        assert await ring.find("demo", ref) == key
        assert await other.find("demo", ref) == key


async def test_new_customers_wait_for_no_write_once_keys_are_made_ahead(ring, table):
    await ring.warm("demo")
    for number in range(1000):
        assert ring._pools["demo"].ready, number  # noqa: SLF001
        await ring.take("demo")
        await settle()
    assert table.puts == 5


async def test_many_new_customers_at_once_share_the_writes(ring, table):
    taken = await asyncio.gather(*(ring.take("demo") for _ in range(300)))
    assert len({ref for ref, _ in taken}) == 300
    assert table.puts <= 3


async def test_tenants_never_share_a_block(ring):
    (mine, _), (theirs, _) = await ring.take("demo"), await ring.take("other")
    assert mine.block != theirs.block
    assert await ring.find("other", mine) is None


async def test_a_key_moved_to_another_place_does_not_open(ring, table, kept):
    ref, _ = await ring.take("demo")
    row = await table.get(block_key("demo", ref.block))
    kek_id, wrapped = unpack(row.value)
    wrapped[ref.index] = wrapped[ref.index + 1]
    await table.put(row.key, pack(kek_id, wrapped), expected=row.revision)
    with pytest.raises(Unreadable):
        await ring.find("demo", ref)


async def test_a_forgotten_key_is_gone_everywhere_after_ten_seconds(ring, table):
    ref, key = await ring.take("demo")
    assert await ring.find("demo", ref) == key
    row = await table.get(block_key("demo", ref.block))
    kek_id, wrapped = unpack(row.value)
    del wrapped[ref.index]
    await table.put(row.key, pack(kek_id, wrapped), expected=row.revision)
    await asyncio.sleep(RECHECK_S + 0.1)
    assert await ring.find("demo", ref) is None
    assert await ring.find("demo", KeyRef(ref.block, ref.index + 1)) is not None


async def test_a_forgotten_key_is_gone_at_once_where_the_hint_arrives(ring, table):
    ref, _ = await ring.take("demo")
    await ring.find("demo", ref)
    row = await table.get(block_key("demo", ref.block))
    await table.put(row.key, b"", expected=row.revision)
    ring.drop("demo", ref.block)
    assert await ring.find("demo", ref) is None


async def test_a_block_is_read_once_for_all_who_ask_at_the_same_time(ring, table):
    ref, key = await ring.take("demo")
    found = await asyncio.gather(*(ring.find("demo", ref) for _ in range(100)))
    assert set(found) == {key}
    assert table.gets == 1


async def test_no_key_is_given_out_while_its_block_is_not_durable(ring, table):
    table.down = True
    with pytest.raises(Unavailable):
        await ring.take("demo")
    table.down = False
    ref, key = await ring.take("demo")
    assert await ring.find("demo", ref) == key


async def test_a_key_is_not_believed_when_the_table_cannot_be_asked(ring, table):
    ref, _ = await ring.take("demo")
    await ring.find("demo", ref)
    await asyncio.sleep(RECHECK_S + 0.1)
    table.down = True
    with pytest.raises(Unavailable):
        await ring.find("demo", ref)


async def test_blocks_of_an_older_wrapping_key_stay_readable_and_of_an_unknown_one_say_so(
    ring, table, kept, tmp_path
):
    ref, key = await ring.take("demo")
    secrets.write_once(tmp_path / "kek-2.key", "ab" * 32)
    both = KeyRing(table, secrets.load(tmp_path), LoopClock())
    assert await both.find("demo", ref) == key
    (tmp_path / "kek-1.key").unlink()
    newer = KeyRing(table, secrets.load(tmp_path), LoopClock())
    with pytest.raises(Unavailable, match="not loaded"):
        await newer.find("demo", ref)


async def test_ring_forgets_keys_of_many_blocks_and_says_the_same_when_asked_again(ring, table):
    taken = [await ring.take("demo") for _ in range(600)]
    gone = [ref for ref, _ in taken[::3]]
    await ring.forget("demo", gone)
    puts = table.puts
    await ring.forget("demo", [*gone, *gone])
    assert table.puts == puts
    for ref, key in taken:
        assert await ring.find("demo", ref) == (None if ref in gone else key)


async def test_ring_forgets_what_nobody_keeps_without_a_word(ring, table):
    await ring.forget("demo", [KeyRef(new_id(), 7)])
    assert table.puts == 0


async def test_two_who_forget_neighbours_at_once_both_win(ring, table, kept):
    (one, _), (two, _), (three, key) = [await ring.take("demo") for _ in range(3)]
    other = KeyRing(table, kept, LoopClock())
    table.before_put = lambda: other.forget("demo", [two])
    await ring.forget("demo", [one])
    for ref in (one, two):
        assert await ring.find("demo", ref) is None
        assert await other.find("demo", ref) is None
    assert await other.find("demo", three) == key


async def test_ring_that_never_gets_its_turn_says_so_and_not_that_it_is_done(ring, table, kept):
    ref, key = await ring.take("demo")
    row = block_key("demo", ref.block)

    async def disturb():
        found = await FakeTable.get(table, row)
        await FakeTable.put(table, row, found.value, expected=found.revision)
        table.before_put = disturb

    table.before_put = disturb
    with pytest.raises(Unavailable, match="ask again"):
        await ring.forget("demo", [ref])
    table.before_put = None
    assert await ring.find("demo", ref) == key


async def test_ring_does_not_say_forgotten_when_the_table_does_not_answer(ring, table):
    ref, _ = await ring.take("demo")
    table.down = True
    with pytest.raises(Unavailable):
        await ring.forget("demo", [ref])
    table.down = False
    await ring.forget("demo", [ref])
    assert await ring.find("demo", ref) is None


async def test_running_process_wraps_and_opens_with_a_key_that_came_after_its_start(
    ring, table, kept, tmp_path
):
    old, _ = await ring.take("demo")
    secrets.write_once(tmp_path / "kek-2.key", "ab" * 32)
    new, key = await ring.take("other")
    row = await table.get(block_key("other", new.block))
    assert unpack(row.value)[0] == "2"
    assert await ring.find("other", new) == key
    assert await ring.find("demo", old) is not None


async def test_block_that_a_rotation_could_not_see_is_never_used(ring, table, tmp_path):
    async def rotated():
        secrets.write_once(tmp_path / "kek-2.key", "ab" * 32)
        secrets.destroy_kek(tmp_path, "1")

    table.before_put = rotated
    ref, key = await ring.take("demo")
    rows = {row.key: unpack(row.value) for row in await table.rows()}
    assert {kek_id for kek_id, _ in rows.values()} == {"2"}
    assert sorted(len(wrapped) for _, wrapped in rows.values()) == [0, 256]
    assert await KeyRing(table, secrets.load(tmp_path), LoopClock()).find("demo", ref) == key


async def test_destroyed_key_encryption_key_is_not_kept_in_memory_for_longer_than_ten_seconds(
    ring, table, tmp_path
):
    ref, _ = await ring.take("demo")
    assert await ring.find("demo", ref) is not None
    secrets.write_once(tmp_path / "kek-2.key", "ab" * 32)
    secrets.destroy_kek(tmp_path, "1")
    await asyncio.sleep(RECHECK_S + 0.1)
    with pytest.raises(Unavailable, match="not loaded"):
        await ring.find("demo", ref)


def test_a_block_is_read_back_as_it_was_written():
    whole = {index: bytes([index]) * 60 for index in range(256)}
    for entries in (whole, {}, {0: b"a" * 60}, {255: b"z" * 60}, {7: b"x" * 60, 200: b"y" * 60}):
        packed = pack("1", entries)
        assert unpack(packed) == ("1", entries)
        for cut in (b"", packed[:1], packed[:20], packed[:-1], packed + b"x", b"\x02" + packed[1:]):
            with pytest.raises(Unreadable):
                unpack(cut)
    assert len(pack("1", whole)) < 16 * 1024


def test_a_key_ref_holds_only_what_can_be():
    for block, index in (("", 0), ("x" * 26, -1), (new_id(), 256), (new_id(), -1), ("*" * 26, 1)):
        with pytest.raises(Invalid):
            KeyRef(block, index)
