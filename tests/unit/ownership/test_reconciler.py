"""The reconciler puts back what nobody else ended, with nothing but the log and the handler."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from tests.servers import eventually
from tests.tellers import (
    ENVELOPE,
    GATEWAY,
    TENANT,
    Office,
    agent,
    contact,
    customer,
    offer,
    office,
    words,
)
from toldonce.kernel.story.bounds import Limits
from toldonce.kernel.story.events import (
    CommitmentBroken,
    ConsultLeft,
    EntryKind,
    EntryWords,
    HandoffCancelled,
    OfferExpired,
    OwnershipReleased,
    WrapUpCompleted,
)
from toldonce.kernel.story.types import Case, Story, TargetKind
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    CloseCase,
    Forget,
    JoinConsult,
    LapseOwnership,
    MakeCommitment,
    MoveOut,
)
from toldonce.ownership.core.reconciling import OWNER_SILENT
from toldonce.ownership.handler.reconciling import Reconciling
from toldonce.ownership.reconciler import Reconciler
from toldonce.runtime.feed import Feed
from toldonce.runtime.history import history_of
from toldonce.runtime.meter import Meter
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime
FRESH = customer("fresh")
MINUTE = 60.0


@dataclass(slots=True)
class Process:
    """One ownership process as the reconciler sees it: a feed, a handler, hints that are heard."""

    house: Office
    feed: Feed
    meter: Meter
    nudged: list[tuple[str, str]] = field(default_factory=list)

    def stuck(self, kind: str) -> int:
        return self.counted("stuck_items", kind)

    def put_back(self, kind: str) -> int:
        return self.counted("reconciled_items_total", kind)

    def counted(self, name: str, kind: str) -> int:
        wanted = f'toldonce_{name}{{kind="{kind}"}} '
        lines = self.meter.page().decode().splitlines()
        return int(float(next((x for x in lines if x.startswith(wanted)), "0 0").split()[-1]))


@contextlib.asynccontextmanager
async def process(house: Office, *, limits: Limits | None = None) -> AsyncIterator[Process]:
    """Run ownership's reconciler alone: no routing, no sla, no views."""
    meter = Meter()
    feed = Feed(house.log, FakeTable(clock=house.clock), meter=meter)
    here = Process(house, feed, meter)
    reconciling = Reconciling(
        house.ownership, nudge=lambda tenant, who, _: here.nudged.append((tenant, who))
    )
    reconciler = Reconciler(reconciling, clock=house.clock, meter=meter, limits=limits or Limits())
    feed.subscribe("reconciler", reconciler)
    tasks = [asyncio.create_task(part.run()) for part in (feed, reconciler)]
    try:
        yield here
    finally:
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not failed, failed


async def story(house: Office, of: str = "") -> Story:
    return (await house.stories.load(TENANT, of or customer())).story


async def facts(house: Office, of: str = "") -> list[object]:
    history = await history_of(house.log, TENANT, of or customer())
    return [event for logged in history for event in logged.record.events]


async def told(house: Office, of: str = "", queue: str = "orders") -> Case:
    command = contact(1, queue=queue)
    asked = house.ask(command, GATEWAY, of=of, operation=command.contact, words=words())
    received = await house.ownership.receive(asked, FRESH)
    return received.story.cases[0]


async def offered(house: Office) -> Case:
    case = await told(house)
    await house.ownership.do(house.ask(offer(case.own, "anna", now=house.clock.now())))
    return case


async def owned(house: Office, queue: str = "orders") -> Case:
    case = await told(house, queue=queue)
    made = offer(case.own, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
    return (await story(house)).cases[0]


def handoff(case: Case) -> BeginHandoff:
    seen = case.last_customer_entry
    return BeginHandoff(case.own, case.epoch, seen, TargetKind.AGENT, "bram", 0)


async def test_reconciler_ends_an_offer_nobody_answered_while_routing_and_sla_are_dead() -> None:
    house = office()
    async with process(house) as here:
        await offered(house)
        await asyncio.sleep(20)
        assert (await story(house)).cases[0].offers, "not before the grace is over"
        await asyncio.sleep(12)
        assert not (await story(house)).cases[0].offers
        await asyncio.sleep(5)
        assert here.stuck("offer") == 0
        assert here.put_back("offer") == 1
    assert sum(isinstance(fact, OfferExpired) for fact in await facts(house)) == 1


async def test_reconciler_leaves_what_is_in_time_alone() -> None:
    house = office()
    async with process(house) as here:
        case = await owned(house)
        await house.ownership.do(house.ask(handoff(case), agent("anna"), words=ENVELOPE))
        before = (await house.log.info()).last
        await asyncio.sleep(65)
        assert (await house.log.info()).last == before
        assert b"reconciled_items_total{" not in here.meter.page()


async def test_reconciler_gives_a_handoff_nobody_took_back_to_its_sender() -> None:
    house = office()
    async with process(house):
        case = await owned(house)
        await house.ownership.do(house.ask(handoff(case), agent("anna"), words=ENVELOPE))
        await asyncio.sleep(75)
        now = (await story(house)).cases[0]
        assert (now.handoff, now.owner, now.epoch) == (None, "anna", 1)
    ended = [fact for fact in await facts(house) if isinstance(fact, HandoffCancelled)]
    assert [fact.reason for fact in ended] == ["TIMED_OUT"]


async def test_reconciler_ends_paperwork_that_lasted_too_long() -> None:
    house = office()
    async with process(house):
        case = await owned(house, queue="returns")
        close = CloseCase(case.own, case.epoch, "resolved", case.last_customer_entry)
        await house.ownership.do(house.ask(close, agent("anna")))
        assert (await story(house)).cases
        await asyncio.sleep(45)
        assert (await story(house)).terminal
    assert sum(isinstance(fact, WrapUpCompleted) for fact in await facts(house)) == 1


async def test_reconciler_lets_advisers_go_and_breaks_promises_when_their_time_is_up() -> None:
    house = office()
    async with process(house):
        case = await owned(house)
        await house.ownership.do(house.ask(JoinConsult(case.own, "bram"), agent("anna")))
        due_at = house.clock.now().replace(microsecond=0)
        promise = MakeCommitment(case.own, case.epoch, due_at.replace(hour=10))
        note = EntryWords("A new parcel comes.", ())
        await house.ownership.do(house.ask(promise, agent("anna"), words=note))
        await asyncio.sleep(3_600 + 15)
        now = await story(house)
        assert (now.cases[0].advisers, now.commitments, now.bad_experiences) == ((), (), 1)
    found = [type(fact) for fact in await facts(house)]
    assert found.count(ConsultLeft) == found.count(CommitmentBroken) == 1


async def test_reconciler_releases_a_lapsed_case_by_the_rule_it_lapsed_by() -> None:
    house = office()
    async with process(house):
        case = await owned(house)
        await house.ownership.do(house.ask(LapseOwnership(case.own, 1, "OFF_SHIFT", "bram", 60)))
        await asyncio.sleep(600)
        assert (await story(house)).cases[0].owner == "anna"  # in a freeze the engine waits so long
        await asyncio.sleep(75)
        now = (await story(house)).cases[0]
        assert (now.owner, now.epoch, now.enqueued_at) == ("", 2, case.enqueued_at)
    (released,) = [fact for fact in await facts(house) if isinstance(fact, OwnershipReleased)]
    assert released.reason == "OFF_SHIFT"


async def test_reconciler_takes_a_case_from_an_owner_who_has_done_nothing_for_too_long() -> None:
    house = office()
    async with process(house, limits=Limits(owner_s=600)):
        await owned(house)
        await asyncio.sleep(620)
        assert (await story(house)).cases[0].owner == ""
    (released,) = [fact for fact in await facts(house) if isinstance(fact, OwnershipReleased)]
    assert released.reason == OWNER_SILENT


async def test_reconciler_assigns_nobody_but_counts_a_case_nobody_takes_and_tells_the_engine() -> (
    None
):
    house = office()
    async with process(house, limits=Limits(queue_s=600)) as here:
        case = await told(house)
        await asyncio.sleep(595)
        assert (here.stuck("queue"), here.nudged) == (0, [])
        await asyncio.sleep(30)
        assert here.stuck("queue") == 1
        assert here.nudged[0] == (TENANT, customer())
        few = len(here.nudged)
        await asyncio.sleep(3_600)
        assert few < len(here.nudged) < few + 20, "less and less often"
        assert (await house.log.info()).last == 1
        made = offer(case.own, "anna", now=house.clock.now())
        await house.ownership.do(house.ask(made))
        await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
        await asyncio.sleep(5)
        assert here.stuck("queue") == 0


async def test_reconciler_counts_an_answer_no_gateway_confirms() -> None:
    house = office()
    async with process(house, limits=Limits(answer_s=60)) as here:
        case = await owned(house)
        answer = AppendEntry(case.own, case.epoch, EntryKind.MESSAGE_OUT)
        note = EntryWords("Morgen.", ())
        await house.ownership.do(house.ask(answer, agent("anna"), words=note))
        await asyncio.sleep(75)
        assert here.stuck("answer") == 1
        assert here.nudged


async def test_reconciler_completes_half_a_move_nobody_meets() -> None:
    house = office()
    async with process(house) as here:
        case = await told(house)
        await told(house, of=FRESH)
        to, source = sorted((customer(), FRESH))
        move = MoveOut(source, to, to_empty=False, arriving=1, stories=1)
        await house.ownership.do(house.ask(move, of=source))
        assert len((await story(house, to)).cases) == 1
        await asyncio.sleep(20)
        assert len((await story(house, to)).cases) == 2
        assert (await story(house, to)).absorbed == (source,)
        await asyncio.sleep(3_600)
        assert here.stuck("move") == 0
        assert here.put_back("move") == 1
    assert case.own in {one.own for one in (await story(house, to)).cases}


async def test_reconciler_destroys_the_keys_of_a_story_that_was_forgotten_by_half() -> None:
    house = office()
    async with process(house) as here:
        await told(house)
        key = (await story(house)).key
        assert key is not None
        await house.ownership.do(house.ask(Forget("ASKED", (key,))))
        assert await house.keys.find(TENANT, key) is not None
        await asyncio.sleep(30)
        assert await house.keys.find(TENANT, key) is None
        assert (here.stuck("forget"), here.put_back("forget")) == (0, 1)


async def test_two_reconcilers_that_see_the_same_do_it_once() -> None:
    house = office()
    other = office(house.log, house.keys)
    async with process(house), process(other):
        await offered(house)
        await asyncio.sleep(60)
    assert sum(isinstance(fact, OfferExpired) for fact in await facts(house)) == 1


async def test_reconciler_keeps_no_more_than_the_stories_need_however_often_they_change() -> None:
    house, meter = office(), Meter()
    reconciler = Reconciler(
        Reconciling(house.ownership, nudge=lambda *_: None), clock=house.clock, meter=meter
    )
    await offered(house)
    history = await history_of(house.log, TENANT, customer())
    for number in range(5_000):
        await reconciler.records([replace(history[-1], sequence=number + 3)])
    assert reconciler.planned < 1_100
    await asyncio.sleep(60)
    await reconciler.look()
    assert not (await story(house)).cases[0].offers


async def test_reconciler_that_starts_later_finds_what_was_stuck_before() -> None:
    house = office()
    await offered(house)
    await asyncio.sleep(3_600)
    async with process(house):
        await asyncio.sleep(3)
        assert not (await story(house)).cases[0].offers


async def test_reconciler_goes_on_when_the_log_is_away_for_a_while() -> None:
    house = office()
    async with process(house) as here:
        await offered(house)
        await asyncio.sleep(25)
        house.log.halted = "The log is away."
        await asyncio.sleep(20)
        assert here.stuck("offer") == 1
        house.log.halted = None
        await eventually(lambda: here.put_back("offer") == 1, within_s=MINUTE)
        await asyncio.sleep(2)
        assert here.stuck("offer") == 0
