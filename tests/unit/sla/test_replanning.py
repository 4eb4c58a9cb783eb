"""Another policy is followed in the background, so many stories a second; nothing waits for it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.rebuild_fill import open_kinds
from tests.tellers import START, TENANT, customer
from tests.unit.sla.bureau import NothingDue, config
from toldonce.kernel.config import Config
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.envelope import decode_head
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import OpenStory
from toldonce.sla.consumer import Timekeeper
from toldonce.sla.consumer.keeper import PLAN_STORIES_MAX, POLICY_STORIES_PER_S
from toldonce.sla.handler import Plan

STORIES = 9_000
WAITING = decode_head(open_kinds(1)[4].head)


@dataclass
class Counted(NothingDue):
    """A store of timers that counts what is planned, and when."""

    clock: LoopClock
    plans: list[tuple[float, Plan]] = field(default_factory=list)

    async def plan(self, plans: Sequence[Plan]) -> int:
        await asyncio.sleep(0.001)
        self.plans += [(self.clock.monotonic(), plan) for plan in plans]
        return sum(len(plan.timers) for plan in plans)


@dataclass
class Policies:
    """A cache of one policy, which can change."""

    now: Config
    told: list[Callable[[str, Config], None]] = field(default_factory=list)

    async def of(self, tenant: str) -> Config:
        await asyncio.sleep(0)
        assert tenant == TENANT
        return self.now

    def on_change(self, tell: Callable[[str, Config], None]) -> None:
        self.told.append(tell)

    def change(self, wait_s: int) -> None:
        self.now = config(wait_s).at_revision(self.now.revision + 1)
        for tell in self.told:
            tell(TENANT, self.now)


async def _all_planned(store: Counted) -> None:
    for _ in range(3_000):
        if len(store.plans) >= STORIES:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"planned {len(store.plans)} of {STORIES}")


@pytest.mark.looptime
async def test_edit_of_a_policy_stalls_nothing_and_moves_all_in_the_background() -> None:
    clock = LoopClock(START)
    store, policies = Counted(clock), Policies(config(60))
    keeper = Timekeeper(
        timers=store,
        log=cast("Any", SimpleNamespace(clock_offset_s=0.0)),
        feed=cast("Any", SimpleNamespace(stopped={}, subscribe=lambda *_: None)),
        door=cast("Any", None),
        config=cast("Any", policies),
        clock=clock,
        meter=Meter(),
    )
    stories = [
        OpenStory(TENANT, customer("of", number), WAITING, number + 1) for number in range(STORIES)
    ]
    running = asyncio.create_task(keeper.run())
    await keeper.snapshot(stories, STORIES)
    await _all_planned(store)
    store.plans.clear()
    changed_s = clock.monotonic()
    policies.change(120)
    await asyncio.sleep(1.0)
    planned = len(store.plans)
    assert 0 < planned <= POLICY_STORIES_PER_S + 2 * PLAN_STORIES_MAX
    case = replace(WAITING.cases[0], priority=7)
    head = replace(WAITING, cases=(case, *WAITING.cases[1:]))
    record = SimpleNamespace(
        tenant=TENANT, customer=stories[-1].customer, actor="gateway:test", head=head
    )
    await keeper.records([cast("Any", SimpleNamespace(record=record, sequence=STORIES + 1))])
    await asyncio.sleep(0.05)
    assert any(plan.customer == stories[-1].customer for _, plan in store.plans), "it waited"
    await _all_planned(store)
    took_s = clock.monotonic() - changed_s
    assert took_s >= (STORIES - 2 * PLAN_STORIES_MAX) / POLICY_STORIES_PER_S - 0.1
    assert {plan.revision for _, plan in store.plans} == {2}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
