"""Who watches hears of cases at risk in time, of their own company alone, and nothing made up."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.tellers import START, TENANT
from tests.unit.sla.bureau import ZONES, document
from tests.unit.sla.looming import case_id, case_of, who
from toldonce.api.sla.v1 import sla_pb2
from toldonce.client.risk import RiskGone, RiskListed, RiskNews, RiskSeen, news_of
from toldonce.kernel.errors import Exhausted, Invalid, Missing, Refusal, Unavailable
from toldonce.kernel.instants import SECOND
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.types import EMPTY, Case
from toldonce.runtime import auth, names
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.document import Stored, pack
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import OpenStory
from toldonce.runtime.testing.table import FakeTable
from toldonce.sla.consumer import Lookout
from toldonce.sla.core import Outlook
from toldonce.sla.handler import Book, Clocks, Risk, Wanted, risk
from toldonce.sla.servicer import Servicer

pytestmark = pytest.mark.looptime
OTHER = "other"
WAIT_S = 600


@dataclass
class Lines:
    """An engine that says what it is told to, or nothing."""

    said: dict[str, Outlook] = field(default_factory=dict)
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    async def outlooks(self, tenant: str) -> Mapping[str, Outlook]:
        await asyncio.sleep(0)
        self.asked.append(tenant)
        if self.silent:
            raise Unavailable("no engine leads here")
        return self.said


class Watch:
    """A stream as somebody reads it: what it told, and when."""

    def __init__(
        self, stream: AsyncIterator[sla_pb2.WatchAtRiskResponse], clock: LoopClock
    ) -> None:
        self.heard: list[tuple[float, RiskNews]] = []
        self.ended: Refusal | None = None
        self._clock = clock
        self._stream = stream
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for told in self._stream:
                said_s = (self._clock.now() - START).total_seconds()
                read = sla_pb2.WatchAtRiskResponse.FromString(told.SerializeToString())
                self.heard.append((said_s, news_of(read)))
        except Refusal as why:
            self.ended = why

    def of(self, number: int) -> list[tuple[float, RiskSeen | RiskGone]]:
        """What was told of a case."""
        found = []
        for said_s, news in self.heard:
            match news:
                case RiskSeen(case) if case.case_id == case_id(number):
                    found.append((said_s, news))
                case RiskGone(gone) if gone == case_id(number):
                    found.append((said_s, news))
        return found

    @property
    def cases(self) -> set[str]:
        return {news.case.case_id for _, news in self.heard if isinstance(news, RiskSeen)}


@dataclass
class Tower:
    """The lookout of a replica over a book that a test writes."""

    clock: LoopClock
    configs: FakeTable
    stack: AsyncExitStack
    lines: Lines = field(default_factory=Lines)
    meter: Meter = field(default_factory=Meter)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    known: dict[tuple[str, str], OpenStory] = field(default_factory=dict)
    behind: bool = False

    def __post_init__(self) -> None:
        self.book = Book({})
        self.risk = Risk(self.book)
        self.cache = ConfigCache(self.configs, ZONES, check_s=1)
        self.cache.on_change(lambda tenant, _: self.book.policy_changed(tenant))
        self.lookout = Lookout(
            risk=self.risk,
            lines=self.lines,
            config=self.cache,
            clock=self.clock,
            meter=self.meter,
            behind=lambda: self.behind,
        )
        self.servicer = Servicer(
            Clocks(None, self.cache, self.clock),  # type: ignore[arg-type] - no log is read
            self.risk,
            leases=FakeTable(clock=self.clock),
            config=self.cache,
            clock=self.clock,
            draining=self.draining,
        )

    async def apply(self, tenant: str, text: str) -> None:
        stored = pack(Stored(text, self.clock.now(), "ruth"))
        key = names.config_key(tenant)
        row = await self.configs.get(key)
        await self.configs.put(key, stored, expected=row and row.revision)

    def stands(self, *cases: Case, number: int = 0, tenant: str = TENANT) -> None:
        """Have the story of a number hold these cases, by another snapshot."""
        key = (tenant, who(number))
        sequence = 1 + sum(story.sequence for story in self.known.values())
        head = replace(EMPTY, cases=cases)
        self.known[key] = OpenStory(*key, head, sequence)
        self.book.begin([one for one in self.known.values() if one.head.cases], sequence)

    def stand_many(self, count: int) -> None:
        """Have so many stories hold a case each, by one snapshot."""
        heads = [replace(EMPTY, cases=(case_of(number),)) for number in range(count)]
        stories = [OpenStory(TENANT, who(number), head, 1) for number, head in enumerate(heads)]
        self.book.begin(stories, 1)

    @property
    def held(self) -> int:
        """How many cases have been read."""
        return len(self.risk._desks[TENANT].horizon)  # noqa: SLF001 - a watch would hurry it

    def watch(self, tenant: str = TENANT, within_s: int = 60, queue: str = "") -> Watch:
        request = sla_pb2.WatchAtRiskRequest(within_s=within_s, queue=queue)
        token = auth._principal.set(Principal(tenant, Role.SUPERVISOR, "ruth"))  # noqa: SLF001
        stream = self.servicer.WatchAtRisk(request, None)  # type: ignore[arg-type] - not looked at
        watch = Watch(stream, self.clock)
        auth._principal.reset(token)  # noqa: SLF001
        self.stack.push_async_callback(_ended, watch)
        return watch

    async def until(self, seconds: float) -> None:
        await asyncio.sleep((START + timedelta(seconds=seconds) - self.clock.now()).total_seconds())


async def _ended(watch: Watch) -> None:
    watch.task.cancel()
    await asyncio.gather(watch.task, return_exceptions=True)


@asynccontextmanager
async def tower() -> AsyncIterator[Tower]:
    async with AsyncExitStack() as stack:
        clock = LoopClock()
        clock.now()
        made = Tower(clock, FakeTable(clock=clock), stack)
        for tenant in (TENANT, OTHER):
            await made.apply(tenant, document(WAIT_S))
        tasks = [asyncio.ensure_future(part) for part in (made.lookout.run(), made.cache.run())]
        yield made
        assert not [task for task in tasks if task.done()], "a part ended"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def expected_at(watch: Watch, number: int) -> list[float | None]:
    """When an agent was expected, seconds after START; None: nothing was predicted."""
    found: list[float | None] = []
    for _, news in watch.of(number):
        assert isinstance(news, RiskSeen)
        told = news.predicted
        if told is None:
            found.append(None)
        else:
            assert told.expected_at is not None
            found.append((told.expected_at - START).total_seconds())
    return found


async def test_watcher_hears_of_a_case_when_it_comes_near_and_when_it_is_met():
    async with tower() as desk:
        desk.stands(case_of(0))
        await desk.until(1)
        watch = desk.watch(within_s=60)
        await desk.until(570)
        desk.stands(replace(case_of(0), owner="anna", owned_at=START + timedelta(seconds=570)))
        await desk.until(575)
    (near_s, near), (gone_s, gone) = watch.of(0)
    assert isinstance(near, RiskSeen)
    assert isinstance(gone, RiskGone)
    assert WAIT_S - 60 <= near_s <= WAIT_S - 58
    assert 570 <= gone_s <= 572
    assert (near.kind, near.state, near.case.queue) == ("QUEUE_WAIT", "WARNED", "orders")
    assert near.due_at == START + timedelta(seconds=WAIT_S)
    assert [news for _, news in watch.heard if isinstance(news, RiskListed)] == [
        RiskListed(0, behind=False)
    ]


async def test_a_case_stays_while_it_is_overdue_and_is_told_again_as_it_stands():
    async with tower() as desk:
        desk.stands(case_of(0))
        await desk.until(2 * WAIT_S)
        watch = desk.watch()
        await desk.until(2 * WAIT_S + 5)
        desk.stands(case_of(0, priority=250))
        await desk.until(2 * WAIT_S + 10)
    told = [news for _, news in watch.of(0)]
    assert all(isinstance(news, RiskSeen) and news.state == "BREACHED" for news in told)
    assert [news.case.priority for news in told if isinstance(news, RiskSeen)] == [100, 250]


async def test_watchers_hear_of_their_company_and_queue_alone():
    async with tower() as desk:
        desk.stands(case_of(0), number=0)
        desk.stands(case_of(1, queue="returns"), number=1)
        desk.stands(case_of(2), number=2, tenant=OTHER)
        await desk.until(1)
        ours, returns = desk.watch(within_s=3_600), desk.watch(within_s=3_600, queue="returns")
        theirs = desk.watch(OTHER, within_s=3_600)
        await desk.until(3)
        desk.stands(case_of(0, queue="returns"), number=0)
        desk.stands(case_of(2, priority=7), number=2, tenant=OTHER)
        await desk.until(5)
        desk.stands(case_of(0), number=0)
        await desk.until(7)
    assert ours.cases == {case_id(0), case_id(1)}
    assert theirs.cases == {case_id(2)}
    assert [type(news) for _, news in returns.of(0)] == [RiskSeen, RiskGone]
    assert returns.cases == {case_id(0), case_id(1)}


async def test_nobody_is_answered_before_everything_is_read_or_once_too_many_watch(monkeypatch):
    async with tower() as desk:
        early = desk.watch()
        await desk.until(4)
        assert early.ended is None
        await desk.until(6)
        assert isinstance(early.ended, Unavailable)
        late = desk.watch(within_s=3_600)
        await desk.until(7)
        desk.stands(case_of(0))
        monkeypatch.setattr(risk, "WATCHERS_MAX", 1)
        await desk.until(8)
        assert late.cases == {case_id(0)}
        too_many = desk.watch()
        await desk.until(9)
        assert isinstance(too_many.ended, Exhausted)
        await _ended(late)
        third = desk.watch()
        await desk.until(10)
        assert third.ended is None


@pytest.mark.parametrize("behind", [False, True])
async def test_little_is_read_at_a_time_while_nobody_watches_and_more_once_somebody_does(behind):
    async with tower() as desk:
        desk.behind = behind
        desk.stand_many(1_000)
        await desk.until(1.1)
        assert 0 < desk.held < 500
        watch = desk.watch(within_s=3_600)
        await desk.until(1.3)
        if behind:
            assert desk.held < 800
            await desk.until(4)
        assert desk.held == len(watch.cases) == 1_000


async def test_nobody_is_answered_while_what_was_taken_to_read_waits_for_a_policy():
    book = Book({})
    index = Risk(book)
    for number in range(2):
        head = replace(EMPTY, cases=(case_of(number),))
        book.begin([OpenStory(TENANT, who(0), head, number + 1)], number + 1)
        assert index.take(9) == [(TENANT, who(0))]
        asking = asyncio.ensure_future(index.read_up(5.0))
        await asyncio.sleep(1)
        assert not asking.done(), "a tenant's policy is asked for meanwhile"
        index.settle()
        await asking


async def test_who_asks_waits_for_what_had_changed_and_not_for_what_still_does():
    async with tower() as desk:
        desk.stand_many(100)
        await desk.until(1)
        desk.behind = True
        watch, numbers = desk.watch(within_s=3_600), itertools.count()
        while desk.clock.now() < START + timedelta(seconds=4):
            desk.risk.stirred([(TENANT, who(next(numbers))) for _ in range(80)])
            await asyncio.sleep(0.02)
        assert len(watch.cases) == 100


async def test_a_company_is_not_answered_while_its_policy_cannot_be_read():
    async with tower() as desk:
        desk.configs.down = True
        desk.stands(case_of(0), tenant=OTHER)
        await desk.until(2)
        with pytest.raises(Unavailable), desk.risk.watched(OTHER, Wanted(3_600)):
            pass
        desk.configs.down = False
        await desk.until(12)
        watch = desk.watch(OTHER, within_s=3_600)
        await desk.until(13)
    assert watch.cases == {case_id(0)}


async def test_streams_end_when_the_server_drains_and_questions_without_sense_are_refused():
    async with tower() as desk:
        desk.stands(case_of(0))
        await desk.until(1)
        watch, wrong = desk.watch(), desk.watch(within_s=86_401)
        misspelt, nobody = desk.watch(queue="No Such"), desk.watch("nobody")
        await desk.until(2.5)
        desk.draining.set()
        await desk.until(2.6)
    assert isinstance(watch.ended, Unavailable)
    assert isinstance(wrong.ended, Invalid)
    assert isinstance(misspelt.ended, Invalid)
    assert isinstance(nobody.ended, Missing)


async def test_another_policy_moves_what_is_at_risk():
    async with tower() as desk:
        desk.stands(case_of(0))
        await desk.until(1)
        watch = desk.watch(within_s=60)
        await desk.until(5)
        assert watch.of(0) == []
        await desk.apply(TENANT, document(30))
        await desk.until(10)
    assert [type(news) for _, news in watch.of(0)] == [RiskSeen]


async def test_a_breach_is_predicted_from_the_line_long_before_the_warning():
    async with tower() as desk:
        desk.stands(case_of(0))
        await desk.until(1)
        watch = desk.watch(within_s=60)
        await desk.until(3)
        assert desk.lines.asked
        assert watch.of(0) == []
        desk.lines.said = {"orders": Outlook(2, 2_000 * SECOND)}
        await desk.until(5)
        (said_s, news), *_ = watch.of(0)
        assert isinstance(news, RiskSeen)
        assert news.predicted is not None
        assert (news.kind, news.state) == ("QUEUE_WAIT", "RUNNING")
        assert (news.predicted.position, news.predicted.source) == (1, "LINE")
        assert news.due_at == news.predicted.due_at == START + timedelta(seconds=WAIT_S)
        (expected_s,) = expected_at(watch, 0)
        assert expected_s is not None
        assert expected_s == pytest.approx(said_s + 1_000, abs=2)
        desk.lines.said = {}
        await desk.until(7)
    assert [type(news) for _, news in watch.of(0)] == [RiskSeen, RiskGone]


async def test_a_prediction_is_told_again_only_when_it_moved():
    async with tower() as desk:
        desk.stands(case_of(0))
        desk.lines.said = {"orders": Outlook(1, 1_000 * SECOND)}
        await desk.until(1)
        watch = desk.watch(within_s=60)
        await desk.until(45)
    told = [at_s for at_s in expected_at(watch, 0) if at_s is not None]
    assert 4 <= len(told) <= 5
    assert all(10 <= later - before <= 12 for before, later in pairwise(told))


async def test_without_an_answer_of_the_engine_nothing_is_predicted_for_long():
    async with tower() as desk:
        desk.stands(case_of(0))
        desk.lines.said = {"orders": Outlook(1, 1_000 * SECOND)}
        await desk.until(1)
        watch = desk.watch(within_s=60)
        await desk.until(4)
        desk.lines.silent = True
        await desk.until(6)
        assert [type(news) for _, news in watch.of(0)] == [RiskSeen]
        await desk.until(12)
    assert [type(news) for _, news in watch.of(0)] == [RiskSeen, RiskGone]
    said_s, _ = watch.of(0)[-1]
    assert 8 <= said_s <= 10


async def test_the_engine_is_asked_once_a_second_and_only_where_somebody_watches_who_waits():
    async with tower() as desk:
        desk.stands(case_of(0))
        await desk.until(10)
        assert desk.lines.asked == []
        other, queue = desk.watch(OTHER), desk.watch(queue="returns")
        await desk.until(20)
        assert desk.lines.asked == []
        watches = [desk.watch() for _ in range(5)]
        await desk.until(30)
        assert 9 <= len(desk.lines.asked) <= 11
        for watch in watches:
            await _ended(watch)
        asked = len(desk.lines.asked)
        await desk.until(40)
        assert len(desk.lines.asked) <= asked + 1
        assert other.ended is queue.ended is None


async def test_the_metric_counts_overdue_and_soon_by_queue_and_goes_back_to_nothing():
    async with tower() as desk:
        desk.stands(case_of(0), number=0)
        desk.stands(case_of(1, queue="returns"), number=1)
        await desk.until(WAIT_S + 10)
        assert _gauge(desk, "orders") == (1, 0)
        assert _gauge(desk, "returns") == (1, 0)
        desk.stands(case_of(WAIT_S), number=0)
        desk.stands(number=1)
        await desk.until(WAIT_S + 20)
        assert _gauge(desk, "orders") == (0, 1)
        assert _gauge(desk, "returns") == (0, 0)


def _gauge(desk: Tower, queue: str) -> tuple[float | None, float | None]:
    value = desk.meter.registry.get_sample_value
    found = [
        value("toldonce_sla_at_risk", {"queue": queue, "state": state})
        for state in ("overdue", "soon")
    ]
    return found[0], found[1]
