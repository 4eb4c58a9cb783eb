"""Is there any order of appends, wipes, outages and restarts after which a reader sees untruth?

Stories are told while processes that follow them come and go and the store is wiped, away or set
back. Whatever is read in between must be as new as was asked for; at the end OPEN and the views
are exactly what the stories fold to, and each process has heard every append once and in order.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scribe import (
    Listener,
    World,
    accepted,
    answered,
    case_of,
    closed,
    confirmed,
    opened,
    world,
)
from tests.servers import eventually
from tests.tellers import TENANT, customer
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.events import Event
from toldonce.kernel.story.types import CASES_MAX
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.view_keys import ViewKeys

pytestmark = pytest.mark.looptime

WHO = tuple("abc")
SLOTS = 2


@dataclass
class Play:
    """The world, and the processes that run in it at the moment."""

    here: World
    running: dict[int, tuple[Listener, contextlib.AsyncExitStack]] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    number: int = 0

    async def tell(self, who: str, choice: int) -> None:
        """Append something that can follow in this story."""
        self.number += 1
        told = self.here.scribe.told.get((TENANT, customer(who)))
        cases = told.head.cases if told is not None else ()
        events: tuple[Event, ...] = (opened(who, self.number, priority=100 * (choice % 4)),)
        numbers = [n for n in range(self.number) if any(c.own == case_of(who, n) for c in cases)]
        if numbers and (choice % 5 or len(cases) >= CASES_MAX):
            chosen = numbers[choice % len(numbers)]
            match choice % 5:
                case 1 | 2:
                    events = (accepted(who, chosen, agent="abc"[choice % 3], epoch=self.number),)
                case 3:
                    events = (answered(who, self.number), confirmed(who, self.number))
                case _:
                    events = (closed(who, chosen),)
        await self.here.scribe.tell(who, *events)

    async def toggle(self, slot: int) -> None:
        """Start a process, or pull its plug."""
        if slot in self.running:
            await self.running.pop(slot)[1].aclose()
            return
        self.number += 1
        listener, stack = Listener(), contextlib.AsyncExitStack()
        self.listeners.append(listener)
        self.running[slot] = (listener, stack)
        await stack.enter_async_context(self.here.process(listener, seed=self.number))

    async def set_back(self) -> None:
        """Let the store forget the latest change, as after a failover to a lagging replica."""
        live = int(await self.here.store.get(ViewKeys(TENANT, 0).pointer) or 0)
        meta = ViewKeys(TENANT, live).meta
        stored = await self.here.store.call("HGET", meta, "position")
        if stored is not None and stored.isdigit():
            await self.here.store.call("HSET", meta, "position", int(stored) // 2)

    async def read(self) -> None:
        """Read: it is refused, or it is as new as the last append."""
        expected = self.here.scribe.open()
        try:
            page = await self.here.views.cases(
                TENANT, min_sequence=self.here.scribe.last, within_s=0.1
            )
        except Unavailable:
            return
        seen = {(row.customer, row.case.own, row.case.owner) for row in page.rows}
        assert seen == {
            (story.customer, case.own, case.owner)
            for story in expected.values()
            for case in story.head.cases
        }


_tell = st.tuples(st.just("tell"), st.sampled_from(WHO), st.integers(0, 60))
_trouble = st.one_of(
    st.tuples(st.just("toggle"), st.integers(0, SLOTS - 1)),
    st.tuples(st.sampled_from(["wipe", "store", "store", "table", "back", "read"])),
)
_pause = st.sampled_from([0.0, 0.001, 0.02, 0.3, 0.3, 1.5, 8.0])
_steps = st.lists(st.tuples(st.one_of(_tell, _tell, _trouble), _pause), min_size=4, max_size=40)


@given(steps=_steps)
@settings(max_examples=150)
async def test_whatever_happens_readers_end_with_what_the_stories_fold_to(
    steps: list[tuple[tuple[object, ...], float]],
) -> None:
    here = world()
    play = Play(here)
    store, table = here.store, here.open
    assert isinstance(store, FakeStore)
    assert isinstance(table, FakeTable)
    try:
        await play.toggle(0)
        for action, pause_s in steps:
            match action:
                case ("tell", str(who), int(choice)):
                    await play.tell(who, choice)
                case ("toggle", int(slot)):
                    await play.toggle(slot)
                case ("wipe",):
                    store.state.call("FLUSHALL")
                case ("store",):
                    store.down = not store.down
                case ("table",):
                    table.down = not table.down
                case ("back",) if not store.down:
                    await play.set_back()
                case ("read",) if not store.down:
                    await play.read()
                case _:
                    pass
            await asyncio.sleep(pause_s)
        store.down = table.down = False
        if not play.running:
            await play.toggle(0)
        last = here.scribe.last

        async def settled() -> bool:
            return await here.place() >= last

        if last:
            await eventually(settled, within_s=60)
        assert await here.rows() == here.scribe.open()
        assert await here.listed(within_s=60) == here.scribe.open()
        for listener, _ in play.running.values():
            await eventually(lambda hears=listener: hears.heads == here.scribe.open())
    finally:
        for _, stack in play.running.values():
            await stack.aclose()
    for listener in play.listeners:
        heard = listener.sequences()
        assert heard == sorted(set(heard))
        assert len(listener.snapshots) <= 1
    if len(play.listeners) == 1:
        assert play.listeners[0].sequences() == list(range(1, here.scribe.last + 1))
