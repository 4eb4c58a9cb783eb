"""Hints: who watches a story wakes, and who cached a key that was destroyed drops it."""

import asyncio

import pytest

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.runtime import names, secrets
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.hints import RECHECK_S, Hints
from toldonce.runtime.ids import new_id
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.testing.bus import FakeBus
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime


async def test_process_drops_a_key_at_the_hint_of_the_one_that_destroyed_it(tmp_path):
    bus, table, kept, clock = FakeBus(), FakeTable(), secrets.make(tmp_path), LoopClock()
    here, there = KeyRing(table, kept, clock), KeyRing(table, kept, clock)
    hints = Hints(bus, there.drop)
    await hints.start()
    ref, key = await here.take("demo")
    assert await there.find("demo", ref) == key
    await here.forget("demo", [ref])
    assert await there.find("demo", ref) == key, "cached until it hears of it"
    hint = internal_pb2.Hint(key_blocks=[ref.block])
    await bus.publish(names.hint("other"), hint.SerializeToString())
    await asyncio.sleep(0.1)
    assert await there.find("demo", ref) == key
    await bus.publish(names.hint("demo"), hint.SerializeToString())
    await asyncio.sleep(0.1)
    assert await there.find("demo", ref) is None
    await hints.close()
    await here.close()


async def test_watcher_wakes_at_a_hint_of_its_story_and_else_by_itself():
    bus, customer, clock = FakeBus(), new_id(), LoopClock()
    hints = Hints(bus)
    await hints.start()
    for said, wakes in ((customer, True), (new_id(), False)):
        begun_s = clock.monotonic()
        waiting = asyncio.create_task(hints.wait("demo", customer))
        await asyncio.sleep(0.1)
        hint = internal_pb2.Hint(customer_id=said, sequence=7)
        await bus.publish(names.hint("demo"), hint.SerializeToString())
        await bus.publish(names.hint("demo"), b"\xff no hint")
        await waiting
        assert (clock.monotonic() - begun_s < RECHECK_S / 2) == wakes
    await hints.close()
