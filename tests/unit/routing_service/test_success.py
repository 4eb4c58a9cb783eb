"""Success is learned from the log, told to whoever asks, and outlives every process."""

import asyncio

import pytest

from toldonce.api.routing.v1 import routing_pb2
from toldonce.kernel.principal import Role
from toldonce.routing.consumer.journal import Pages
from toldonce.routing.core.record import Records
from toldonce.routing.handler.recalling import recalled

from .world import DOCUMENT, TENANT, close, world

pytestmark = pytest.mark.looptime

LEARNING = DOCUMENT.replace(
    "offer_timeout_s: 4}",
    "offer_timeout_s: 4, success: {mode: active, explore: 0, cycle_minutes: 0}}",
)
UNKNOWN = "topic unknown"


async def work(system, process, count: int):
    """Have ann take and close so many cases."""
    ann = await system.agent(process, "ann")
    for number in range(count):
        await system.contact()
        case = await ann.accept(await ann.offer(number))
        await asyncio.sleep(5)
        await close(system, case)
    await asyncio.sleep(2)
    return ann


def known(process) -> dict[str, int]:
    records = process.seat.shell.engine.learned().records
    return {agent: cases for subject, _, agent, cases, *_ in records if agent}


async def test_cases_closed_in_the_log_are_learned_told_and_counted(tmp_path):
    async with world(tmp_path, LEARNING) as system:
        process = await system.process()
        await work(system, process, 3)
        assert known(process) == {"ann": 3}
        request = routing_pb2.ListQueuesRequest()
        answer = await process.call(Role.SUPERVISOR, "sam", "ListQueues", request)
        (effect,) = answer.success
        assert (effect.policy, effect.active, effect.on_cases) == ("plain", True, 3)
        assert (effect.on_resolved_cases, effect.off_cases) == (3, 0)
        assert effect.on_took_s == pytest.approx(5, abs=1)
        assert not effect.HasField("lift_ratio")
        one = routing_pb2.ListQueuesRequest(queues=["help"])
        assert not (await process.call(Role.SUPERVISOR, "sam", "ListQueues", one)).success
        page = process.meter.page().decode()
        labels = '{cycle="on",outcome="yes",policy="plain"}'
        assert f"toldonce_success_cases_total{labels} 3.0" in page


async def test_what_was_learned_outlives_all_processes(tmp_path):
    async with world(tmp_path, LEARNING) as system:
        first = await system.process()
        await work(system, first, 3)
        await first.stop()
        second = await system.process()
        await system.wait(lambda: second.epoch)
        await system.wait(lambda: known(second) == {"ann": 3})
        await work(system, second, 2)
        assert known(second) == {"ann": 5}
        await second.stop()
        third = await system.process()
        await system.wait(lambda: third.epoch)
        await system.wait(lambda: known(third) == {"ann": 5})


async def test_a_standby_knows_what_the_leader_learned_before_and_since(tmp_path):
    async with world(tmp_path, LEARNING) as system:
        first = await system.process()
        await work(system, first, 2)
        second = await system.process()
        await system.wait(lambda: known(second) == {"ann": 2})
        ann = await system.agent(first, "ann")
        await system.contact()
        await close(system, await ann.accept(await ann.offer()))
        await system.wait(lambda: known(second) == {"ann": 3})
        assert known(first) == {"ann": 3}


async def test_nobody_waits_for_the_journal_where_nothing_is_learned(tmp_path, monkeypatch):
    async def never(*_):
        raise AssertionError("the journal is read")

    monkeypatch.setattr("toldonce.routing.consumer.seat.recalled", never)
    async with world(tmp_path) as system:
        process = await system.process()
        await system.wait(lambda: process.epoch)
        await work(system, process, 1)
        assert known(process) == {}


async def test_a_snapshot_that_is_not_whole_is_passed_over(tmp_path):
    async with world(tmp_path, LEARNING) as system:
        first = await system.process()
        await work(system, first, 3)
        await first.stop()
        pages = Pages(TENANT, system.servers.trail, "test")
        newest = await pages.newest()
        whole = [piece async for piece in pages.pieces(newest)]
        # another engine began to lead and was killed while it wrote its first snapshot
        later = whole[0].epoch + 1
        torn = whole[0]._replace(epoch=later, number=1, base=0)
        place = await Pages(TENANT, system.servers.trail, "other").keep(torn)
        assert await pages.newest() == place
        assert await pages.newest(place) == newest
        learned = await recalled(pages, 1 << 40)
        assert learned is not None
        assert {row[2]: row[3] for row in learned.records if row[2]} == {"ann": 3}
        nothing = await recalled(pages, 0)  # whatever was heard will be heard again
        assert nothing is not None
        assert nothing.records == ()


async def test_records_are_pieces_of_their_own(tmp_path):
    async with world(tmp_path, LEARNING) as system:
        first = await system.process()
        await work(system, first, 1)
        await first.stop()
        second = await system.process()
        await system.wait(lambda: second.epoch)
        await asyncio.sleep(2)
        pages = Pages(TENANT, system.servers.trail, "test")
        kinds = [type(piece.body) async for piece in pages.pieces(await pages.newest())]
        assert kinds[1] is Records
