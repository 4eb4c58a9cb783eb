"""Is there any order of appends and of harm to the store after which a view tells an untruth?

Two projectors keep the views of one store, are stopped, killed and woken again; the store is wiped,
loses single keys, is away, or is put back to an older copy of itself. An answer is what the stories
folded to at the log position that it names, no older than was asked for and no older than two
seconds; in the end it is what they fold to now.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import looptime
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.scribe import accepted, answered, case_of, closed, confirmed, offered, opened, world
from tests.servers import eventually
from tests.tellers import TENANT, customer
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.events import Event
from toldonce.kernel.story.types import CASES_MAX, Case
from toldonce.ownership.projector import tenant_view
from toldonce.runtime.store import Commands, Script, Value
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.view_keys import ViewKeys, waits_in
from toldonce.runtime.views import FRESH_S

WHO = tuple("abcd")
COPIES_MAX = 4
HEALED_S = 60.0

type Rows = dict[tuple[str, str], Case]


class Gate(Commands):
    """The way of one projector to the store, which can be held shut before and after each call."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.open = asyncio.Event()
        self.open.set()

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> Any:
        return await self._through(lambda: self._store.run(script, keys, args))

    async def call(self, command: str, *arguments: Value) -> Any:
        return await self._through(lambda: self._store.call(command, *arguments))

    async def pipeline(self, commands: Sequence[Sequence[Value]]) -> list[Any]:
        return await self._through(lambda: self._store.pipeline(commands))

    async def _through[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        await self.open.wait()
        answer = await ask()
        await self.open.wait()
        return answer


class ViewMachine(RuleBasedStateMachine):
    """Appends, harm, projectors that come and go, and readers in between."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.run(self._build())

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _build(self) -> None:
        self.here = world()
        assert isinstance(self.here.store, FakeStore)
        assert isinstance(self.here.open, FakeTable)
        self.store, self.table = self.here.store, self.here.open
        self.running: dict[int, tuple[Gate, contextlib.AsyncExitStack]] = {}
        self.copies: list[Any] = [self.store.state.copied()]
        self.folds: list[tuple[int, datetime, Rows]] = [(0, self.here.clock.now(), {})]
        self.number = 0

    # ---- what happens

    @initialize()
    def begin(self) -> None:
        self.run(self._start(0))

    @rule(who=st.sampled_from(WHO), choice=st.integers(0, 80), many=st.integers(1, 3))
    def tell(self, who: str, choice: int, many: int) -> None:
        """Append something that can follow, to one story or to several at once."""
        for name in WHO[WHO.index(who) :][:many]:
            self.run(self._tell(name, choice))

    async def _tell(self, who: str, choice: int) -> None:
        self.number += 1
        told = self.here.scribe.told.get((TENANT, customer(who)))
        cases = told.head.cases if told is not None else ()
        events: tuple[Event, ...] = (opened(who, self.number, priority=100 * (choice % 4)),)
        numbers = [n for n in range(self.number) if any(c.own == case_of(who, n) for c in cases)]
        if numbers and (choice % 5 or len(cases) >= CASES_MAX):
            chosen = numbers[choice % len(numbers)]
            match choice % 6:
                case 1 | 2:
                    events = (accepted(who, chosen, agent="abc"[choice % 3], epoch=self.number),)
                case 3:
                    events = (answered(who, self.number), confirmed(who, self.number))
                case 4:
                    events = (offered(who, chosen),)
                case _:
                    events = (closed(who, chosen),)
        last = await self.here.scribe.tell(who, *events)
        rows: Rows = {
            (story.customer, case.own): case
            for story in self.here.scribe.open().values()
            for case in story.head.cases
        }
        self.folds.append((last, self.here.clock.now(), rows))

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.006, 0.02, 0.3, 1.0, 2.5, 9.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def wipe(self) -> None:
        self.run(self._call("FLUSHALL"))

    @rule(choice=st.integers(0, 1_000))
    def lose_a_key(self, choice: int) -> None:
        self.run(self._lose(choice))

    async def _lose(self, choice: int) -> None:
        keys = sorted(self.store.state.keys())
        if keys:
            await self._call("DEL", keys[choice % len(keys)])

    async def _call(self, command: str, *arguments: Value) -> Any:
        return self.store.state.call(command, *arguments)

    @rule(meta=st.booleans())
    def lose_the_position(self, meta: bool) -> None:  # noqa: FBT001 - drawn
        live = int(self.run(self._call("GET", ViewKeys(TENANT, 0).pointer)) or 0)
        of = ViewKeys(TENANT, live)
        self.run(self._call("DEL", of.meta if meta else of.pointer))

    @rule()
    def copy(self) -> None:
        self.copies = [*self.copies, self.store.state.copied()][-COPIES_MAX:]

    @rule(back=st.integers(1, COPIES_MAX))
    def restore(self, back: int) -> None:
        """Be an older copy: a snapshot that was loaded, a replica that was behind and took over."""
        self.store.state.restore(self.copies[-min(back, len(self.copies))])

    @rule(down=st.booleans())
    def reach_the_store_or_not(self, down: bool) -> None:  # noqa: FBT001 - drawn
        self.store.down = down

    @rule(down=st.booleans())
    def reach_the_table_or_not(self, down: bool) -> None:  # noqa: FBT001 - drawn
        self.table.down = down

    @rule(slot=st.integers(0, 1))
    def start_or_kill(self, slot: int) -> None:
        if slot in self.running:
            self.run(self._kill(slot))
        else:
            self.run(self._start(slot))

    @precondition(lambda self: self.running)
    @rule(slot=st.integers(0, 1))
    def pause_or_wake(self, slot: int) -> None:
        """Stop a projector in the middle of whatever it does, or let it go on with that."""
        gate, _ = self.running.get(slot) or next(iter(self.running.values()))
        if gate.open.is_set():
            gate.open.clear()
        else:
            gate.open.set()

    async def _start(self, slot: int) -> None:
        self.number += 1
        gate, stack = Gate(self.store), contextlib.AsyncExitStack()
        mine = replace(self.here, store=gate)
        await stack.enter_async_context(mine.process(seed=self.number))
        self.running[slot] = (gate, stack)

    async def _kill(self, slot: int) -> None:
        await self.running.pop(slot)[1].aclose()

    # ---- what a reader may be told

    @rule(newest=st.booleans(), within_s=st.sampled_from([0.0, 0.05, 0.5]))
    def read(self, newest: bool, within_s: float) -> None:  # noqa: FBT001 - drawn
        self.run(self._read(self.here.scribe.last if newest else 0, within_s))

    @invariant()
    def nothing_untrue_is_read(self) -> None:
        self.run(self._read(0, 0.0))

    async def _read(self, least: int, within_s: float) -> None:
        views = self.here.views
        with contextlib.suppress(Unavailable):
            page = await views.cases(TENANT, min_sequence=least, within_s=within_s)
            rows = self._promised(page.position, least)
            assert {(row.customer, row.case.own): row.case for row in page.rows} == rows
        with contextlib.suppress(Unavailable):
            stats = await views.queue(TENANT, "orders", min_sequence=least, within_s=within_s)
            rows = self._promised(stats.position, least)
            assert stats.waiting == sum(waits_in(case) == "orders" for case in rows.values())
        with contextlib.suppress(Unavailable):
            page = await views.cases(TENANT, owner="a", min_sequence=least, within_s=within_s)
            rows = self._promised(page.position, least)
            assert {row.case.own for row in page.rows} == {
                own for (_, own), case in rows.items() if case.owner == "a"
            }
        with contextlib.suppress(Unavailable):
            who = customer(WHO[0])
            story, position = await views.story(TENANT, who, min_sequence=least, within_s=within_s)
            rows = self._promised(position, least)
            assert {case.own for case in (story.head.cases if story else ())} == {
                own for whose, own in rows if whose == who
            }

    def _promised(self, position: int, least: int) -> Rows:
        """Give what the stories were at a position; it must not be too old to be told."""
        assert position >= least, "older than was asked for"
        fresh = self.here.clock.now() - timedelta(seconds=FRESH_S + 0.001)
        assert all(last <= position for last, at, _ in self.folds if at < fresh), "stale"
        return next(rows for last, _, rows in reversed(self.folds) if last <= position)

    def teardown(self) -> None:
        try:
            self.run(self._heal())
        finally:
            for slot in tuple(self.running):
                self.run(self._kill(slot))
            self.loop.close()

    async def _heal(self) -> None:
        """Let everything go well for a while: then it must be whole."""
        self.store.down = self.table.down = False
        for gate, _ in self.running.values():
            gate.open.set()
        if not self.running:
            await self._start(0)
        here, last = self.here, self.here.scribe.last

        async def settled() -> bool:
            return await here.place() >= last

        if last:
            await eventually(settled, within_s=HEALED_S)
        assert await here.rows() == here.scribe.open()
        assert await here.listed(within_s=HEALED_S) == here.scribe.open()
        await asyncio.sleep(HEALED_S)
        assert await here.listed(within_s=0) == here.scribe.open()
        await self._read(last, 0.0)


def test_views_tell_the_truth_whatever_becomes_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tenant_view, "ROWS_MAX", 2)  # so that a change takes several steps
    run_state_machine_as_test(
        ViewMachine, settings=settings(max_examples=25, stateful_step_count=40)
    )
