"""What another replica told is looked at in a while, and not before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.rebuild_fill import open_kinds
from tests.tellers import START, TENANT, customer
from tests.unit.sla.bureau import NothingDue, config
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.envelope import decode_head
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import OpenStory
from toldonce.sla.consumer import Timekeeper
from toldonce.sla.consumer.keeper import LOOK_S
from toldonce.sla.core import ACTOR
from toldonce.sla.handler import Plan

pytestmark = pytest.mark.looptime

WAITING = decode_head(open_kinds(1)[4].head)
THEIRS = customer("told by another replica")


@dataclass
class Asked(NothingDue):
    """A store of timers that says how often it was asked what stands of a story."""

    looks: list[str] = field(default_factory=list)

    async def plan(self, plans: Sequence[Plan]) -> int:
        await asyncio.sleep(0.001)
        return len(plans)

    async def standing(
        self, stories: Sequence[tuple[str, str]], *, now: bool = False
    ) -> list[None]:
        await asyncio.sleep(0)
        self.looks += [name for _, name in stories]
        return [None] * len(stories)


@asynccontextmanager
async def keeping(store: Asked) -> AsyncIterator[Timekeeper]:
    policy = config(60)

    async def of(_: str) -> object:
        await asyncio.sleep(0)
        return policy

    keeper = Timekeeper(
        timers=store,
        log=cast("Any", SimpleNamespace(clock_offset_s=0.0)),
        feed=cast("Any", SimpleNamespace(stopped={}, subscribe=lambda *_: None)),
        door=cast("Any", None),
        config=cast("Any", SimpleNamespace(of=of, on_change=lambda _: None)),
        clock=LoopClock(START),
        meter=Meter(),
    )
    running = asyncio.create_task(keeper.run())
    await keeper.snapshot([OpenStory(TENANT, THEIRS, WAITING, 1)], 1)
    await asyncio.sleep(1)
    store.looks.clear()
    yield keeper
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def told(keeper: Timekeeper, name: str, sequence: int, by: str) -> None:
    case = replace(WAITING.cases[0], priority=sequence % 250)
    head = replace(WAITING, cases=(case, *WAITING.cases[1:]))
    record = SimpleNamespace(tenant=TENANT, customer=name, actor=by, head=head)
    await keeper.records([cast("Any", SimpleNamespace(record=record, sequence=sequence))])


@pytest.mark.parametrize("after_s", [0.0, 0.06, 0.12, 0.18, 0.24])
async def test_nobody_looks_before_the_other_had_its_time(after_s: float):
    store = Asked()
    async with keeping(store) as keeper:
        await asyncio.sleep(after_s)
        await told(keeper, THEIRS, 2, ACTOR)
        await asyncio.sleep(LOOK_S - 0.01)
        assert not store.looks
        await asyncio.sleep(LOOK_S + 0.02)
        assert store.looks == [THEIRS]
