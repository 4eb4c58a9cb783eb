"""Data keys: made ahead, found again, and gone when they are forgotten."""

import asyncio

import pytest

from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.kernel.keyref import KeyRef
from toldonce.runtime import secrets
from toldonce.runtime.cipher import Unreadable
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.ids import new_id
from toldonce.runtime.keys import RECHECK_S, KeyRing, pack, unpack
from toldonce.runtime.names import block_key
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime


class CountingTable(FakeTable):
    """The fake table, with what was asked of it counted."""

    def __init__(self):
        super().__init__()
        self.gets = self.puts = 0

    async def get(self, key):
        self.gets += 1
        return await super().get(key)

    async def put(self, key, value, *, expected, ttl_s=None, tombstone=False):
        self.puts += 1
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
