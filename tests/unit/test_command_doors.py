"""Doors to ownership: over the bus or in the process, the same bytes and the same manners."""

import asyncio

import pytest

from toldonce.client.commands import BusDoor, LocalDoor
from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.runtime.names import COMMANDS_QUEUE, commands
from toldonce.runtime.testing.bus import FakeBus

pytestmark = pytest.mark.looptime


@pytest.fixture(params=["bus", "local"])
async def door(request):
    """Make a door, and a list of what its handler finished."""
    done: list[bytes] = []
    may = asyncio.Event()

    async def handler(data: bytes) -> bytes:
        if data.startswith(b"slow"):
            await may.wait()
        done.append(data)
        return b"reply to " + data

    if request.param == "bus":
        bus = FakeBus()
        await bus.serve(commands("demo"), handler, queue=COMMANDS_QUEUE, inflight_max=4)
        yield BusDoor(bus, timeout_s=1.0), done, may
    else:
        local = LocalDoor(handler, timeout_s=1.0)
        yield local, done, may
        may.set()
        await local.close()


async def test_a_door_gives_the_reply(door):
    way, done, _ = door
    assert await way.call("demo", b"command") == b"reply to command"
    assert done == [b"command"]


async def test_a_door_refuses_a_tenant_that_is_none(door):
    with pytest.raises(Invalid):
        await door[0].call("*", b"command")


async def test_a_late_reply_may_have_happened(door):
    way, done, may = door
    with pytest.raises(Unavailable):
        await way.call("demo", b"slow")
    may.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert done == [b"slow"]


async def test_a_command_that_has_begun_runs_to_its_end_when_the_asker_goes_away(door):
    way, done, may = door
    asking = asyncio.create_task(way.call("demo", b"slow"))
    for _ in range(10):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    may.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert done == [b"slow"]
