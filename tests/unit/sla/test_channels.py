"""Counting as the log is read: once, in turn, through crashes, lost memory and other replicas."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.scribe import Scribe, Told, absorbed
from tests.servers import eventually
from tests.tellers import START, TENANT, customer, own
from tests.unit.sla.tale import ANNA, DOCUMENT, closed, config, joined, opened, said, taken
from toldonce.kernel.errors import Conflict, Unavailable
from toldonce.kernel.story.events import (
    Carried,
    CaseReopened,
    CommitmentKept,
    CommitmentMade,
    Moved,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION
from toldonce.runtime import names
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.document import Stored, pack
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.meter import Meter
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.zones import WheelZones
from toldonce.sla.consumer.channels import ChannelCounter
from toldonce.sla.core.counts import FORMULAS, KEPT, Ledger, Mark, Window
from toldonce.sla.handler import counts as kept_counts
from toldonce.sla.handler.counts import kept_of, pack_ledger, pack_place, unpack_place
from toldonce.sla.handler.stories import Remembered

pytestmark = pytest.mark.looptime


class Shelf(FakeTable):
    """LEASES as one process reaches it; `fails` says which writes do not come through."""

    def __init__(self, below: FakeTable) -> None:
        self._below = below
        self.fails: set[str] = set()
        self.puts: list[str] = []

    async def get(self, key: str) -> Any:
        return await self._below.get(key)

    async def rows(self, prefix: str = "") -> Any:
        return await self._below.rows(prefix)

    async def put(self, key: str, value: bytes, **given: Any) -> int:
        if key in self.fails:
            raise Unavailable("the table is away")
        self.puts.append(key)
        return await self._below.put(key, value, **given)


@dataclass
class Post:
    """The servers, and the processes that count."""

    clock: LoopClock = field(default_factory=lambda: LoopClock(START))

    def __post_init__(self) -> None:
        self.log = FakeLog(clock=self.clock)
        self.leases, self.configs = FakeTable(clock=self.clock), FakeTable(clock=self.clock)
        self.scribe = Scribe(self.log, self.clock)
        self.meter = Meter()

    async def open(self) -> "Post":
        stored = pack(Stored(DOCUMENT, START, "ruth"))
        await self.configs.put(names.config_key(TENANT), stored, expected=None)
        return self

    @contextlib.asynccontextmanager
    async def counting(
        self, leases: FakeTable | None = None, meter: Meter | None = None
    ) -> AsyncIterator[ChannelCounter]:
        """Run a process; leaving it is pulling the plug."""
        counter = ChannelCounter(
            log=self.log,
            leases=leases or self.leases,
            config=ConfigCache(self.configs, WheelZones()),
            clock=self.clock,
            meter=meter or self.meter,
        )
        task = asyncio.ensure_future(counter.run())
        try:
            yield counter
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def served(self, number: int, *, channel: str = "chat", answer_s: float = 1.0) -> None:
        """Have a customer of their own served."""
        who, case = f"c{number}", f"case {number}"
        await self.scribe.tell(who, opened(channel, name=case))
        await asyncio.sleep(answer_s)
        await self.scribe.tell(who, taken(name=case))
        await self.scribe.tell(who, said(name=case, n=number), actor=ANNA)
        await self.scribe.tell(who, closed(name=case))

    async def kept(self) -> Ledger:
        return await kept_of(self.leases, TENANT)

    async def counted(self) -> dict[str, dict[str, int]]:
        """Give what is kept, by channel."""
        found = (await self.kept()).of(Window.WEEK, self.clock.now())
        return {name: {k: v for k, v in of.items() if v} for name, of in found.items()}

    async def until_counted(self, upto: int | None = None) -> None:
        wanted = upto or self.log.count

        async def there() -> bool:
            row = await self.leases.get(names.COUNTING_KEY)
            return row is not None and (unpack_place(row.value) or 0) >= wanted

        await eventually(there, within_s=120, poll_s=0.5)


async def test_service_is_counted_as_it_is_told() -> None:
    post = await Post().open()
    async with post.counting():
        for number in range(5):
            await post.served(number, answer_s=2)
        await post.served(9, channel="email", answer_s=100)
        await post.until_counted()
    counted = await post.counted()
    assert (counted["chat"]["closed"], counted["chat"]["answer_in_time"]) == (5, 5)
    assert counted["chat"]["answer_ms"] == 10_000
    assert (counted["email"]["closed"], "answer_in_time" in counted["email"]) == (1, False)


async def test_restart_in_the_middle_of_cases_counts_what_one_process_would() -> None:
    one, many = await Post().open(), await Post().open()
    for post, stops in ((one, False), (many, True)):
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(post.counting())
            for number in range(12):
                await post.served(number, channel=("chat", "email")[number % 2], answer_s=40)
                if stops and number % 3 == 2:
                    await stack.aclose()
                    await stack.enter_async_context(post.counting())
            await post.until_counted()
    assert await many.counted() == await one.counted()
    assert (await one.counted())["chat"]["closed"] == 6


@pytest.mark.parametrize("lost", ["ledger", "place", "both"])
async def test_crash_between_the_writes_counts_nothing_twice(lost: str) -> None:
    post = await Post().open()
    shelf = Shelf(post.leases)
    async with post.counting(shelf):
        await post.served(1)
        await post.until_counted()
        if lost in {"ledger", "both"}:
            shelf.fails.add(names.counts_key(TENANT))
        if lost in {"place", "both"}:
            shelf.fails.add(names.COUNTING_KEY)
        await post.served(2)
        await asyncio.sleep(10)
    async with post.counting():
        await post.served(3)
        await post.until_counted()
    counted = (await post.counted())["chat"]
    assert (counted["closed"], counted["wait_n"], counted["answer_n"]) == (3, 3, 3)


async def test_one_process_counts_and_another_takes_over() -> None:
    post, other = await Post().open(), Meter()
    async with post.counting(meter=other) as second:
        async with contextlib.AsyncExitStack() as first:
            await first.enter_async_context(post.counting())
            await post.served(1)
            await post.until_counted()
        await post.served(2)
        await post.until_counted()
        await eventually(lambda: second.position == post.log.count, within_s=60)
    assert (await post.counted())["chat"]["closed"] == 2


async def test_process_that_was_frozen_writes_nothing_over_its_successor() -> None:
    post = await Post().open()
    frozen = Shelf(post.leases)
    async with post.counting(frozen):
        await post.served(1)
        await post.until_counted()
        frozen.fails |= {names.COUNTING_KEY, names.counts_key(TENANT)}
        async with post.counting():
            await post.served(2)
            await post.until_counted()
            frozen.fails.clear()
            await post.served(3)
            await post.until_counted()
            await asyncio.sleep(60)
    counted = (await post.counted())["chat"]
    assert (counted["closed"], counted["wait_n"], counted["answer_n"]) == (3, 3, 3)


async def test_ledger_written_by_an_older_holder_is_refused() -> None:
    post = await Post().open()
    old, new = kept_counts.Ledgers(post.leases), kept_counts.Ledgers(post.leases)
    for one in (old, new):
        await one.begin(0, 10)
        one.of(TENANT).take(3, ())
        one.changed(TENANT)
    await new.keep()
    with pytest.raises(Conflict):
        await old.keep()


async def test_what_was_counted_is_exported_and_unsaid_by_who_lost_the_turn() -> None:
    post = await Post().open()
    async with post.counting():
        await post.served(1)
        await post.until_counted()
        await asyncio.sleep(4)
        page = post.meter.page().decode()
    sample = 'toldonce_channel_share_ratio{channel="chat",figure="service_level",tenant="demo"'
    assert f'{sample},window="24h"}} 1.0' in page
    assert 'toldonce_channel_wait_seconds{channel="chat",figure="first_response"' in page
    left = post.meter.page().decode()
    assert "toldonce_channel_share_ratio{" not in left
    assert "toldonce_channels_upto_sequence 0.0" in left


async def test_story_forgotten_for_want_of_room_is_read_again() -> None:
    small, large = await Post().open(), await Post().open()
    totals = []
    for post, room in ((small, 1), (large, 100)):
        for number in range(4):
            await post.scribe.tell(f"c{number}", opened(name=f"case {number}"))
        for number in range(4):
            await post.scribe.tell(f"c{number}", taken(name=f"case {number}"))
        for number in range(4):
            await post.scribe.tell(f"c{number}", closed(name=f"case {number}", first=True))
        stories, ledger = Remembered(post.log, remembered_max=room), Ledger()
        for stored in post.log.messages_after(0):
            logged = decode_logged(stored.payload, stored.sequence)
            ledger.take(logged.sequence, await stories.observe(logged, config()))
        totals.append(ledger.kept())
    assert totals[0] == totals[1]


async def test_moved_story_is_known_after_a_restart() -> None:
    post = await Post().open()
    await post.scribe.tell("joan", opened("email"))
    made = CommitmentMade(own("promise"), own("case"), "anna", START + timedelta(hours=1))
    await post.scribe.tell("joan", made)
    told = post.scribe.told[TENANT, customer("joan")]
    async with post.counting():
        await post.until_counted()
    moved = await post.scribe.tell("joan", Moved(customer("joanna")))
    came = absorbed("joan", replace(told, sequence=moved), at=post.clock.now())
    loud = tuple(replace(case, channel="chat") for case in came.cases)
    await post.scribe.tell("joanna", replace(came, cases=loud))
    await post.scribe.tell("joanna", CommitmentKept(own("promise"), own("case"), "anna"))
    await post.scribe.tell("joanna", taken(epoch=2))
    async with post.counting():
        await post.until_counted()
    assert set(await post.counted()) == {"email"}
    assert (await post.counted())["email"]["kept"] == 1


async def test_story_carried_into_another_epoch_is_known_without_reading() -> None:
    post = await Post().open()
    stories, marks = Remembered(post.log), list[Mark]()
    await post.scribe.tell("joan", opened("email"))
    await post.scribe.tell("joan", joined("chat"))
    for stored in post.log.messages_after(0):
        logged = decode_logged(stored.payload, stored.sequence)
        marks += await stories.observe(logged, config())
    came = Carried(1, logged.sequence, logged.digest, logged.record.head)
    record = replace(logged.record, events=(came,), previous_sequence=0, previous_hash=b"")
    marks += await stories.observe(Logged(record, 50, b"d"), config())
    head = evolve(record.head, taken(), record.at)
    after = replace(record, events=(taken(),), previous_sequence=50, head=head)
    marks += await stories.observe(Logged(after, 51, b"e"), config())
    assert [mark.channel for mark in marks] == ["email"]


async def test_case_closed_before_its_story_moved_is_known_when_opened_again() -> None:
    post = await Post().open()
    await post.scribe.tell("joan", opened("email"))
    await post.scribe.tell("joan", taken())
    case = post.scribe.told[TENANT, customer("joan")].head.cases[0]
    await post.scribe.tell("joan", closed(first=True))
    moved = await post.scribe.tell("joan", Moved(customer("joanna")))
    await post.scribe.tell("joanna", absorbed("joan", Told(EMPTY, moved), at=post.clock.now()))
    await post.scribe.tell("joanna", CaseReopened(replace(case, epoch=9, channel="chat")))
    async with post.counting():
        await post.until_counted()
    counted = await post.counted()
    assert set(counted) == {"email"}
    assert "first_yes" not in counted["email"]


async def test_first_one_ever_begins_as_far_back_as_is_kept() -> None:
    post = await Post().open()
    await post.served(1)
    await asyncio.sleep(KEPT.total_seconds() + 3_600)
    await post.scribe.tell("old", opened(name="old"))
    await post.served(2)
    reads = 0
    get = post.log.get

    async def counted_get(sequence: int) -> Any:
        nonlocal reads
        reads += 1
        return await get(sequence)

    post.log.get = counted_get  # type: ignore[method-assign]
    async with post.counting() as counter:
        await post.until_counted()
        assert counter.position == post.log.count
    assert reads <= 5, "found by halving"
    assert (await post.counted())["chat"]["closed"] == 1


async def test_counts_of_other_formulas_are_counted_anew() -> None:
    post = await Post().open()
    async with post.counting():
        await post.served(1)
        await post.until_counted()
    row = await post.leases.get(names.COUNTING_KEY)
    assert row is not None
    older = row.value[:-1] + bytes((FORMULAS + 1,))
    await post.leases.put(names.COUNTING_KEY, older, expected=row.revision)
    ledger = await post.kept()
    ledger.take(99, ())
    text = pack_ledger(ledger)
    wrong = text[:2] + kept_counts.zlib.compress(
        kept_counts.zlib.decompress(text[2:]).replace(b'"formulas":1', b'"formulas":2')
    )
    await post.leases.put(names.counts_key(TENANT), wrong, expected=None)
    async with post.counting():
        await post.until_counted()
    assert (await post.counted())["chat"]["closed"] == 1


async def test_message_nobody_can_read_is_passed_and_told_of() -> None:
    post = await Post().open()
    await post.scribe.write((TENANT, customer("bad")), b"\xff\xfe garbage", 0)
    await post.served(1)
    async with post.counting():
        await post.until_counted()
        assert 'reason="not counted"} 1.0' in post.meter.page().decode()
    assert (await post.counted())["chat"]["closed"] == 1


async def test_what_a_newer_version_wrote_is_left_to_it() -> None:
    post = await Post().open()
    await post.served(1)
    stands = post.log.count
    await post.scribe.tell("new", opened(name="new"))
    await post.scribe.tell("new", taken(name="new"), fold_version=FOLD_VERSION + 1)
    await post.served(2)
    async with post.counting() as counter:
        await asyncio.sleep(30)
        assert counter.position == stands + 1


async def test_tenant_without_a_configuration_is_not_counted() -> None:
    post = await Post().open()
    await post.scribe.tell("joan", opened(), tenant="nobody")
    await post.served(1)
    async with post.counting():
        await post.until_counted()
    assert not (await kept_of(post.leases, "nobody")).position


def test_place_is_read_as_it_was_written() -> None:
    assert unpack_place(pack_place(123_456_789)) == 123_456_789
    assert unpack_place(b"") is None
    assert unpack_place(b"12345678\xff") is None
