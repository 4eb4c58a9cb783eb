"""Who leads: one at a time, whatever stops, lags or comes back."""

import asyncio
from itertools import pairwise

import pytest

from toldonce.kernel.errors import Unavailable
from toldonce.routing.handler.words import Timing
from toldonce.routing.lease import Lease
from toldonce.routing.wire.tables import read_lease
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.ids import new_id
from toldonce.runtime.names import lease_key
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime

KEY = lease_key("engine", "demo")


class Table(FakeTable):
    """The fake table, with answers to writes lost, or one writer held up, on demand."""

    def __init__(self):
        super().__init__()
        self.lose_answers = 0
        self.held_up = b""
        self.go_on = asyncio.Event()

    async def put(self, key, value, *, expected, ttl_s=None, tombstone=False):
        if self.held_up and self.held_up in value:
            await self.go_on.wait()
        revision = await super().put(
            key, value, expected=expected, ttl_s=ttl_s, tombstone=tombstone
        )
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable("no answer")
        return revision


class Runner:
    """A process that wants to lead, and what it saw."""

    def __init__(self, table, *, floor=0):
        self.sick: str | None = None
        self.settled = True
        self.read_all = True
        self.marked = 0
        self.changes: list[tuple[float, int]] = []
        self.holder = new_id()
        self.lease = Lease(
            table,
            KEY,
            self.holder,
            LoopClock(),
            health=lambda: self.sick,
            settle=self._settle,
            catch_up=self._catch_up,
            changed=self._changed,
            floor=lambda: floor,
        )
        self.task = asyncio.create_task(self.lease.run())

    async def _settle(self):
        return self.settled

    async def _catch_up(self):
        self.marked += 1
        return lambda: self.read_all

    def _changed(self):
        self.changes.append((asyncio.get_running_loop().time(), self.lease.held))

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def kill(self):
        """End at once, as a process that is killed: nothing is given back."""
        self.settled = False
        self.task.cancel()


def now_s():
    return asyncio.get_running_loop().time()


async def until(condition, limit_s=30.0):
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


@pytest.fixture
async def table():
    return Table()


@pytest.fixture
async def runners(table):
    made = []

    def make(**more):
        made.append(Runner(table, **more))
        return made[-1]

    yield make
    for runner in made:
        await runner.stop()


async def test_first_holder_decides_at_once(runners):
    first = runners()
    await until(lambda: first.lease.held)
    assert first.lease.epoch == 1
    assert now_s() < 1.0


async def test_holder_keeps_leading_and_the_other_waits(runners):
    first = runners()
    await until(lambda: first.lease.held)
    second = runners()
    await asyncio.sleep(60)
    assert first.lease.epoch == 1
    assert not second.lease.held
    assert [held for _, held in first.changes] == [1, 1], "leading, then deciding"


async def test_standby_takes_over_from_the_dead_after_lease_and_quiet(runners):
    first = runners()
    await until(lambda: first.lease.held)
    second = runners()
    await asyncio.sleep(5)
    first.kill()
    died_s = now_s()
    await until(lambda: second.lease.held)
    assert second.lease.epoch == 0, "what the dead leader sent may still arrive"
    await until(lambda: second.lease.epoch)
    assert 4.0 + 2.5 - 1.6 <= now_s() - died_s < 10
    assert second.lease.epoch > 1


async def test_nothing_is_decided_before_the_log_is_read_to_its_end(runners):
    first = runners()
    await until(lambda: first.lease.epoch)
    second = runners()
    second.read_all = False
    await asyncio.sleep(5)
    await first.stop()
    await asyncio.sleep(10)
    assert second.lease.held
    assert second.lease.epoch == 0, "the last offers of the first hold units too"
    assert second.marked == 1, "what comes after it began is not waited for"
    second.read_all = True
    await until(lambda: second.lease.epoch, 1.0)


async def test_standby_takes_over_at_once_from_one_who_stops_cleanly(runners):
    first = runners()
    await until(lambda: first.lease.held)
    second = runners()
    await asyncio.sleep(5)
    await first.stop()
    left_s = now_s()
    await until(lambda: second.lease.epoch)
    assert now_s() - left_s <= 1.0


async def test_lease_is_left_to_run_out_while_commands_are_under_way(runners):
    first = runners()
    await until(lambda: first.lease.held)
    first.settled = False
    await first.stop()
    left_s, second = now_s(), runners()
    await until(lambda: second.lease.epoch)
    assert now_s() - left_s >= 6.0


async def test_paused_holder_leads_no_more_before_anybody_else_does(runners, table):
    first = runners()
    await until(lambda: first.lease.held)
    second = runners()
    await asyncio.sleep(3)
    table.held_up = first.holder.encode()
    while not second.lease.held:
        await asyncio.sleep(0.01)
        assert not (first.lease.held and second.lease.held)
    assert first.lease.held == 0
    table.go_on.set()
    await asyncio.sleep(20)
    assert first.lease.held == 0
    assert second.lease.held


async def test_lost_answer_to_a_renewal_changes_nothing(runners, table):
    first = runners()
    await until(lambda: first.lease.held)
    for _ in range(10):
        table.lose_answers = 1
        await asyncio.sleep(2)
    assert first.lease.epoch == 1
    assert [held for _, held in first.changes] == [1, 1], "leading, then deciding"


async def test_holder_who_cannot_reach_the_table_steps_down_in_time(runners, table):
    first = runners()
    await until(lambda: first.lease.held)
    table.down = True
    cut_s = now_s()
    await until(lambda: not first.lease.held)
    assert now_s() - cut_s <= 4.0
    table.down = False
    await until(lambda: first.lease.epoch)
    assert first.lease.epoch > 1


async def test_holder_who_is_unwell_hands_over(runners):
    first = runners()
    await until(lambda: first.lease.held)
    second = runners()
    await asyncio.sleep(2)
    first.sick = "the engine is late"
    await until(lambda: second.lease.epoch, 3.0)
    await asyncio.sleep(10)
    assert not first.lease.held


async def test_late_loop_gives_the_lease_back(table):
    class Late(LoopClock):
        late_s = 0.0

        def monotonic(self):
            return super().monotonic() + self.late_s

    async def at_once():
        return True

    async def caught_up():
        return lambda: True

    clock, changes = Late(), []
    lease = Lease(
        table,
        KEY,
        new_id(),
        clock,
        health=lambda: None,
        settle=at_once,
        catch_up=caught_up,
        changed=lambda: changes.append(lease.held),
    )
    task = asyncio.create_task(lease.run())
    await until(lambda: lease.held)
    clock.late_s += 1.0
    await until(lambda: 0 in changes, 2.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_epochs_only_grow(runners, table):
    epochs = []
    for _ in range(5):
        runner = runners(floor=3)
        await until(lambda runner=runner: runner.lease.epoch)
        epochs.append(runner.lease.epoch)
        await asyncio.sleep(3)
        await runner.stop()
    assert epochs[0] == 4
    assert all(before < after for before, after in pairwise(epochs))
    row = await table.get(KEY)
    assert read_lease(row.value).holder == ""


async def test_many_challengers_never_lead_together(runners, draw):
    crowd = [runners() for _ in range(5)]
    led = set()
    for _ in range(200):
        await asyncio.sleep(draw.uniform(0.1, 1.0))
        holding = [runner for runner in crowd if runner.lease.held]
        assert len(holding) <= 1
        led.update(holding)
        if holding and draw.random() < 0.1:
            holding[0].sick = "tired"
        for runner in crowd:
            if not runner.lease.held and draw.random() < 0.05:
                runner.sick = None
    assert len(led) > 1


def test_timing_leaves_room_for_two_renewals():
    timing = Timing()
    assert 2 * timing.renew_s + timing.look_s < timing.lease_s
