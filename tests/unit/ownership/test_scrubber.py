"""The scrubber finds one message flipped, missing or out of place, and stops that story alone."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest

from tests.scribe import Scribe, absorbed, accepted, answered, closed, offered, opened
from tests.servers import eventually
from tests.tellers import (
    GATEWAY,
    TENANT,
    Office,
    contact,
    customer,
    office,
    words,
)
from toldonce.api.events.v1 import events_pb2
from toldonce.kernel.errors import Missing, Rejected, Unavailable
from toldonce.kernel.story.events import Moved, OfferAccepted
from toldonce.kernel.story.record import Placed, Record
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION
from toldonce.ownership.core.commands import Forget, MoveOut
from toldonce.ownership.handler import Context, Ownership, Stories, Writer
from toldonce.ownership.handler.carrying import Carrying
from toldonce.ownership.handler.quarantine import Held, Quarantine, held, lift
from toldonce.ownership.handler.reconciling import Reconciling
from toldonce.ownership.handler.scrubbing import Inspector, conflicts
from toldonce.ownership.scrubber import Scrubber
from toldonce.runtime import names
from toldonce.runtime.clock import Clock, LoopClock
from toldonce.runtime.envelope import decode_record, encode_record
from toldonce.runtime.epochs import EpochLog, epoch_log, pack_epochs
from toldonce.runtime.log import READ_MAX, Epoch, Epochs, Log, Stored
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import place_of
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.turn import rest_s

pytestmark = pytest.mark.looptime
A, B, C = (customer(name) for name in "abc")
FRESH = customer("fresh")


class Rotten(FakeLog):
    """A log whose disk gives back something else than was written."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.payloads: dict[int, bytes] = {}
        self.missing: set[int] = set()

    def rotten(self, stored: Stored) -> Stored:
        return replace(stored, payload=self.payloads.get(stored.sequence, stored.payload))

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        async for batch in super().tail(after=after):
            left = [self.rotten(one) for one in batch if one.sequence not in self.missing]
            if left:
                yield left

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        found = await super().read(subject, after=after, upto=upto)
        left = [self.rotten(one) for one in found if one.sequence not in self.missing]
        return left[:limit_max]

    async def last(self, subject: str) -> Stored | None:
        found = await super().last(subject)
        return None if found is None else self.rotten(found)


@dataclass(slots=True)
class Process:
    """One ownership process: its scrubber, what it holds back, and its handler."""

    quarantine: Quarantine
    scrubber: Scrubber
    ownership: Ownership
    meter: Meter

    async def reached(self, sequence: int) -> None:
        await eventually(lambda: self.scrubber.position >= sequence, within_s=60)

    def counted(self, name: str) -> int:
        lines = self.meter.page().decode().splitlines()
        (line,) = [x for x in lines if x.startswith(f"toldonce_{name} ")]
        return int(float(line.split()[-1]))


@dataclass(slots=True)
class World:
    """The servers: a log that may rot, the table of leases, and who writes."""

    log: Rotten
    leases: FakeTable
    house: Office
    scribe: Scribe

    @contextlib.asynccontextmanager
    async def process(self, *, remembered_max: int = 4_096) -> AsyncIterator[Process]:
        meter = Meter()
        quarantine = Quarantine(self.leases, meter)
        ownership = _ownership(self, quarantine)
        reconciling = Reconciling(ownership, nudge=lambda *_: None)
        scrubber = Scrubber(
            self.log,
            self.leases,
            quarantine=quarantine,
            complete_move=ownership.find,
            complete_forget=reconciling.complete_forget,
            clock=self.house.clock,
            meter=meter,
            inspector=Inspector(self.log, remembered_max=remembered_max, sample_every=4),
        )
        tasks = [asyncio.create_task(part.run()) for part in (quarantine, scrubber)]
        try:
            yield Process(quarantine, scrubber, ownership, meter)
        finally:
            failed = [task.exception() for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not failed, failed

    async def record(self, sequence: int) -> Record:
        stored = await self.log.get(sequence)
        assert stored is not None
        return decode_record(stored.payload)

    async def position(self) -> int:
        row = await self.leases.get(names.SCRUBBER_KEY)
        assert row is not None
        return place_of(row.value)


def _ownership(here: World, quarantine: Quarantine) -> Ownership:
    """Make a handler as `bind` does, which refuses what is quarantined."""
    stories = Stories(here.log, quarantine)
    writer = Writer(
        log=here.log,
        stories=stories,
        keys=here.house.keys,
        clock=here.house.clock,
        committed=lambda *_: None,
    )
    return Ownership(
        writer=writer,
        stories=stories,
        context=Context(stories, here.house.keys),
        rules=here.house.ownership._rules,  # noqa: SLF001 - the same rules
    )


def world() -> World:
    clock = LoopClock()
    log = Rotten(clock=clock)
    return World(log, FakeTable(clock=clock), office(log), Scribe(log, clock))


async def tell(here: World) -> None:
    """Tell three stories, one message each in turn: a has 1, 4, 7, 10; b 2, 5, ...; c 3, 6, ..."""
    for step in (opened, offered, accepted, answered):
        for who in "abc":
            await here.scribe.tell(who, step(who))


async def test_scrubber_finds_nothing_in_a_log_that_is_whole_and_says_how_far_it_is() -> None:
    here = world()
    await tell(here)
    async with here.process() as one:
        await one.reached(12)
        await here.scribe.tell("a", closed("a"))
        await one.reached(13)
        assert one.quarantine.known == {}
        assert one.counted("scrubbed_messages_total") == 13
        assert one.counted("scrubbed_upto_sequence") == 13
        assert one.counted("quarantined_stories") == 0
        assert one.counted("ownership_conflicts_total") == 0
        await asyncio.sleep(5)
    assert await here.position() == 13


async def flip(here: World, sequence: int) -> None:
    """Flip one bit of the answer's actor: the message can still be read."""
    record = await here.record(sequence)
    here.log.payloads[sequence] = encode_record(replace(record, actor="service:tesu"))


async def omit(here: World, sequence: int) -> None:
    here.log.missing.add(sequence)


async def swap(here: World, sequence: int) -> None:
    """Let a message and the next one of its story change places."""
    first, second = await here.log.get(sequence), await here.log.get(sequence + 3)
    assert first is not None
    assert second is not None
    here.log.payloads[sequence] = second.payload
    here.log.payloads[sequence + 3] = first.payload


async def garble(here: World, sequence: int) -> None:
    here.log.payloads[sequence] = b"\xff\xfe no envelope"


async def misplace(here: World, sequence: int) -> None:
    """Let a message of another story stand there."""
    other = await here.log.get(sequence + 1)
    assert other is not None
    here.log.payloads[sequence] = other.payload


async def double(here: World, sequence: int) -> None:
    """Let a message stand there once more instead of the next of its story."""
    again = await here.log.get(sequence - 3)
    assert again is not None
    here.log.payloads[sequence] = again.payload


@pytest.mark.parametrize("remembered_max", [4_096, 1], ids=["remembered", "forgotten"])
@pytest.mark.parametrize("harm", [flip, omit, swap, garble, misplace, double])
async def test_scrubber_finds_one_message_that_is_not_what_was_written(
    harm: Callable[[World, int], object], remembered_max: int
) -> None:
    here = world()
    await tell(here)
    await harm(here, 4)  # type: ignore[misc]
    async with here.process(remembered_max=remembered_max) as one:
        await one.reached(12)
        assert set(one.quarantine.known) == {(TENANT, A)}
        assert one.counted("quarantined_stories") == 1
        for other in (B, C):
            assert (await one.ownership.find(TENANT, other))[1].story.messages == 4


async def test_scrubber_finds_a_head_that_is_not_what_its_events_make() -> None:
    here = world()
    await tell(here)
    wrong = replace(here.scribe.told[TENANT, A].head, bad_experiences=9)
    here.scribe.told[TENANT, A] = replace(here.scribe.told[TENANT, A], head=wrong)
    await here.scribe.tell("a", answered("a", 2))
    async with here.process() as one:
        await one.reached(13)
        assert one.quarantine.known == {(TENANT, A): 13}


async def test_scrubber_folds_samples_from_nothing() -> None:
    """A wrong head whose successors follow from it is found by a fold of the whole story."""
    here = world()
    await here.scribe.tell("a", opened("a"))
    wrong = replace(here.scribe.told[TENANT, A].head, bad_experiences=9)
    here.scribe.told[TENANT, A] = replace(here.scribe.told[TENANT, A], head=wrong)
    for number in range(40):
        await here.scribe.tell("a", answered("a", number))
    await here.leases.put(names.SCRUBBER_KEY, (2).to_bytes(8, "big"), expected=0)
    async with here.process() as one:
        await one.reached(41)
        assert set(one.quarantine.known) == {(TENANT, A)}


async def test_a_head_of_older_rules_is_no_fault() -> None:
    here = world()
    await tell(here)
    told = here.scribe.told[TENANT, A]
    record = await here.record(10)
    older = replace(record, head=replace(told.head, fold_version=FOLD_VERSION - 1, cases=()))
    here.log.payloads[10] = encode_record(older)
    async with here.process() as one:
        await one.reached(12)
        assert one.quarantine.known == {}


async def test_a_fact_of_tomorrow_is_left_to_a_newer_version() -> None:
    here = world()
    await tell(here)
    stored = await here.log.get(10)
    assert stored is not None
    envelope = events_pb2.Envelope.FromString(stored.payload)
    envelope.events.add(schema_version=99, critical=True)
    here.log.payloads[10] = envelope.SerializeToString()
    async with here.process() as one:
        await one.reached(12)
        assert one.quarantine.known == {}


async def test_a_quarantined_story_is_refused_to_writers_and_readers_everywhere() -> None:
    here = world()
    await tell(here)
    await flip(here, 4)
    async with here.process() as one, here.process() as other:
        await one.reached(12)
        await asyncio.sleep(15)
        assert set(other.quarantine.known) == {(TENANT, A)}
        for process in (one, other):
            with pytest.raises(Rejected) as refused:
                await process.ownership.find(TENANT, A)
            assert refused.value.reason == "QUARANTINED"
            with pytest.raises(Rejected) as refused:
                await process.ownership.stories.history(TENANT, A)
            assert refused.value.reason == "QUARANTINED"
            with pytest.raises(Rejected) as refused:
                await process.ownership.do(here.house.ask(Forget("ASKED"), of=A))
            assert refused.value.reason == "QUARANTINED"
        assert (await here.log.info()).last == 12


async def test_a_contact_of_a_quarantined_story_is_taken_into_a_fresh_one() -> None:
    here = world()
    await tell(here)
    await flip(here, 4)
    async with here.process() as one:
        await one.reached(12)
        command = contact()
        asked = here.house.ask(command, GATEWAY, of=A, operation=command.contact, words=words())
        received = await one.ownership.receive(asked, FRESH)
        assert received.customer == FRESH


async def test_a_quarantine_outlives_the_process_and_ends_when_a_person_lifts_it() -> None:
    here = world()
    await tell(here)
    await flip(here, 4)
    async with here.process() as one:
        await one.reached(12)
        await asyncio.sleep(5)
    here.log.payloads.clear()
    async with here.process() as again:
        await eventually(lambda: (TENANT, A) in again.quarantine)
        (one_held,) = await held(here.leases)
        assert one_held == Held(TENANT, A, 7, "BROKEN_CHAIN")
        await lift(here.leases, TENANT, A)
        await asyncio.sleep(15)
        assert again.quarantine.known == {}
        assert again.counted("quarantined_stories") == 0
        assert (await again.ownership.find(TENANT, A))[1].story.messages == 4


async def test_a_story_that_is_not_held_cannot_be_lifted() -> None:
    here = world()
    with pytest.raises(Missing):
        await lift(here.leases, TENANT, A)
    async with here.process() as one:
        await one.quarantine.hold((TENANT, A), 4, "GARBLED")
        await lift(here.leases, TENANT, A)
        with pytest.raises(Missing):
            await lift(here.leases, TENANT, A)
        await one.quarantine.refresh()
        await one.quarantine.hold((TENANT, A), 5, "GARBLED")
        assert [at.sequence for at in await held(here.leases)] == [5]


async def test_a_quarantine_holds_here_while_the_table_is_away() -> None:
    here = world()
    await tell(here)
    async with here.process() as one:
        here.leases.down = True
        await one.quarantine.hold((TENANT, A), 4, "BROKEN_CHAIN")
        with pytest.raises(Rejected):
            await one.ownership.find(TENANT, A)
        here.leases.down = False
        await asyncio.sleep(15)
        assert await here.leases.get(names.quarantined_key(TENANT, A)) is not None


async def test_scrubber_counts_an_owner_who_came_without_a_higher_epoch() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("a", offered("a"))
    await here.scribe.tell("a", accepted("a", epoch=1))
    await here.scribe.tell("a", accepted("a", epoch=1, agent="bram"))
    await here.scribe.tell("a", accepted("a", epoch=2, agent="carl"))
    async with here.process() as one:
        await one.reached(5)
        assert one.counted("ownership_conflicts_total") == 1


async def test_a_new_owner_under_the_old_epoch_is_a_conflict_whatever_the_event_says() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("a", accepted("a", epoch=1))
    before = here.scribe.told[TENANT, A].head
    record = await here.record(2)
    again = replace(
        record, events=(), head=before.with_case(replace(before.cases[0], owner="bram"))
    )
    assert conflicts(before, again) == 1
    assert conflicts(before, replace(again, head=before)) == 0
    assert conflicts(EMPTY, record) == 0
    assert isinstance(record.events[0], OfferAccepted)


async def test_scrubber_goes_on_where_another_left_off() -> None:
    here = world()
    await tell(here)
    async with here.process() as one:
        await one.reached(12)
        await asyncio.sleep(5)
    async with here.process() as two:
        await here.scribe.tell("a", closed("a"))
        await two.reached(13)
        assert two.counted("scrubbed_messages_total") == 1


async def test_one_process_scrubs_at_a_time_and_another_takes_over() -> None:
    here = world()
    await tell(here)
    async with here.process() as two, here.process() as one:
        await eventually(lambda: max(one.scrubber.position, two.scrubber.position) == 12)
        first, second = (one, two) if one.scrubber.position else (two, one)
        await here.scribe.tell("a", closed("a"))
        await first.reached(13)
        await asyncio.sleep(60)
        assert second.counted("scrubbed_messages_total") == 0
        assert first.counted("scrubbed_messages_total") == 13
    async with here.process() as three:
        await here.scribe.tell("b", closed("b"))
        await three.reached(14)
        await asyncio.sleep(5)
    assert await here.position() == 14


async def test_scrubber_completes_half_a_move_and_does_not_go_past_it_before() -> None:
    here = world()
    to, source = sorted((A, B))
    async with here.process() as one:
        for who in (A, B):
            command = contact()
            asked = here.house.ask(
                command, GATEWAY, of=who, operation=command.contact, words=words()
            )
            await here.house.ownership.receive(asked, FRESH)
        move = MoveOut(source, to, to_empty=False, arriving=1, stories=1)
        await here.house.ownership.do(here.house.ask(move, of=source))
        await one.reached(3)
        await asyncio.sleep(3.5)
        assert await here.position() == 2
        await asyncio.sleep(6)
        assert source in (await here.house.stories.load(TENANT, to)).story.absorbed
        await asyncio.sleep(4)
        assert await here.position() == 4


async def test_a_move_that_is_whole_needs_nothing() -> None:
    here = world()
    await here.scribe.tell("a", opened("a"))
    told = here.scribe.told[TENANT, A]
    await here.scribe.tell("a", Moved(B))
    await here.scribe.tell("b", absorbed("a", replace(told, sequence=2), at=here.house.clock.now()))
    async with here.process() as one:
        await one.reached(3)
        await asyncio.sleep(30)
        assert (await here.log.info()).last == 3
    assert await here.position() == 3


async def test_scrubber_completes_a_forgetting_whose_key_is_still_there() -> None:
    here = world()
    command = contact()
    asked = here.house.ask(command, GATEWAY, of=A, operation=command.contact, words=words())
    received = await here.house.ownership.receive(asked, FRESH)
    key = received.story.key
    assert key is not None
    await here.house.ownership.do(here.house.ask(Forget("ASKED", (key,)), of=A))
    async with here.process() as one:
        await one.reached(2)
        await asyncio.sleep(10)
        assert await here.house.keys.find(TENANT, key) is None


class Eras:
    """A log of two epochs: stories told in the first, and brought into the second."""

    def __init__(self) -> None:
        self.clock, self.table = LoopClock(), FakeTable()
        self.old = Rotten(clock=self.clock)
        self.new = FakeLog(epoch=2, clock=self.clock, first=101)
        self.scribe = Scribe(self.old, self.clock)

    @contextlib.asynccontextmanager
    async def log(self) -> AsyncIterator[EpochLog]:
        @contextlib.asynccontextmanager
        async def opened(epoch: Epoch) -> AsyncIterator[Log]:
            yield self.old if epoch.number == 1 else self.new

        async with epoch_log(self.table, self.clock, opened) as log:
            yield log

    async def roll(self) -> None:
        both = Epochs((Epoch(1, 1, last=self.scribe.last), Epoch(2, 101, carried=False)))
        await self.table.put(names.EPOCHS_KEY, pack_epochs(both), expected=0)

    async def faults(self, log: EpochLog, upto: int) -> dict[int, str]:
        inspector, found = Inspector(log), dict[int, str]()
        async with contextlib.aclosing(log.tail(after=0)) as batches:
            async for batch in batches:
                for stored in batch:
                    found[stored.sequence] = (await inspector.inspect(stored)).fault
                if upto in found:
                    return {at: fault for at, fault in found.items() if fault}
        raise AssertionError("a tail has no end")


async def test_scrubber_reads_on_into_a_new_epoch() -> None:
    eras = Eras()
    for who in "ab":
        await eras.scribe.tell(who, opened(who))
        await eras.scribe.tell(who, accepted(who))
    await eras.roll()
    async with eras.log() as log:
        stories = Stories(log, (), Carrying(log, eras.clock))
        assert (await stories.load(TENANT, A)).sequence == 101
        assert (await stories.load(TENANT, B)).sequence == 102
        assert await eras.faults(log, 102) == {}


async def test_scrubber_finds_a_story_that_was_carried_as_it_never_was() -> None:
    eras = Eras()
    await eras.scribe.tell("a", opened("a"))
    told = eras.scribe.told[TENANT, A]
    await eras.scribe.tell("b", opened("b"))
    await eras.roll()
    async with eras.log() as log:
        wrong = replace(told.head, bad_experiences=9)
        carrying = Carrying(log, eras.clock)
        await carrying.carry(TENANT, A, Placed(wrong, told.sequence, told.digest, 1), 2)
        other = eras.scribe.told[TENANT, B]
        await carrying.carry(TENANT, B, Placed(other.head, other.sequence, b"x" * 32, 1), 2)
        assert await eras.faults(log, 102) == {101: "WRONG_HEAD", 102: "BROKEN_CHAIN"}


async def test_scrubber_pauses_while_the_log_is_away() -> None:
    here = world()
    await tell(here)
    here.log.down = True
    async with here.process() as one:
        await asyncio.sleep(30)
        assert one.scrubber.position == 0
        here.log.down = False
        here.log.wake()
        await one.reached(12)


def test_scrubber_takes_a_twentieth_of_a_busy_process_and_half_of_an_idle_one() -> None:
    assert rest_s(1.0, late_s=0.01) == pytest.approx(19.0)
    assert rest_s(1.0, late_s=0.0005) == pytest.approx(1.0)


async def test_scrubber_rests_after_each_few_messages() -> None:
    """Each read takes a tenth of a second here, and the process has nothing else to do."""

    class Slow(Rotten):
        async def read(
            self,
            subject: str,
            *,
            after: int = 0,
            upto: int | None = None,
            limit_max: int = READ_MAX,
        ) -> list[Stored]:
            await asyncio.sleep(0.1)
            return await super().read(subject, after=after, upto=upto, limit_max=limit_max)

    clock = LoopClock()
    log = Slow(clock=clock)
    here = World(log, FakeTable(clock=clock), office(log), Scribe(log, clock))
    for number in range(16):
        await here.scribe.tell(f"c{number}", opened(f"c{number}"))
    async with here.process() as one:
        began_s = clock.monotonic()
        await one.reached(16)
        await eventually(lambda: one.counted("scrubbed_messages_total") == 16, within_s=60)
        assert clock.monotonic() - began_s > (16 + 8) * 0.1 * 0.99


async def test_a_log_that_does_not_answer_is_no_broken_story() -> None:
    here = world()
    await tell(here)
    stored = await here.log.get(4)
    assert stored is not None
    here.log.down = True
    with pytest.raises(Unavailable):
        await Inspector(here.log).inspect(stored)
