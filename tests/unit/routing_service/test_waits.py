"""What is said of waits is learned from the log alone, measured, and unknown until it is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.scribe import accepted, case_of, offered, opened, world
from tests.tellers import START, customer, own
from toldonce.api.routing.v1 import internal_pb2
from toldonce.kernel.errors import Denied
from toldonce.kernel.story.events import CaseAbandoned, OfferDeclined, QueueChanged
from toldonce.routing.core.expecting import KNOWN_MIN, SCORES_MAX, Outlook, Scores
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.handler.line import JUDGED_MAX, SOON_S, TAKINGS_MIN, Judged, Right
from toldonce.routing.handler.waits import Waits
from toldonce.routing.wire.asks import write_ask
from toldonce.routing.wire.queries import ask_case, ask_queues, read_answer
from toldonce.runtime.document import check
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.zones import WheelZones

from .world import DOCUMENT, TENANT
from .world import world as system_of

QUEUE = "orders"
GAP_S, ANSWER_S = 20.0, 2.0
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKLY = ", ".join(f"{day}: ['08:00-18:00']" for day in DAYS)
SHUT = (
    DOCUMENT.replace(
        "topics:",
        f"calendars:\n  - {{name: office, zone: UTC, weekly: {{{WEEKLY}}}}}\ntopics:",
    )
    .replace(
        "{name: help, calendar: always,",
        "{name: orders, calendar: office, policy: plain, dispositions: [done]}\n"
        "  - {name: help, calendar: always,",
    )
    .replace("queues: [help]}", "queues: [help, orders]}")
)


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.at = START

    def now(self):
        return self.at

    def monotonic(self):
        return (self.at - START).total_seconds()

    def advance(self, seconds):
        self.at += timedelta(seconds=seconds)


class Day:
    """A log that is written, and as many who follow it as a test wants."""

    def __init__(self, *followers):
        self.clock = Clock()
        self.place = world(self.clock)
        self.followers = followers
        self.number = 0

    async def tell(self, who, *events):
        sequence = await self.place.scribe.tell(who, *events)
        stored = await self.place.log.get(sequence)
        for waits in self.followers:
            waits.take(decode_logged(stored.payload, sequence))

    async def comes(self, queue=QUEUE, priority=100):
        self.number += 1
        who = f"c{self.number}"
        await self.tell(who, opened(who, queue=queue, priority=priority))
        return who

    async def taken(self, who):
        """Is on offer now, and accepted a moment later."""
        await self.tell(who, offered(who))
        self.clock.advance(ANSWER_S)
        await self.tell(who, accepted(who))

    async def steady(self, count, line=3):
        """A line that never ends: one is taken about every GAP_S, another comes."""
        waiting = [await self.comes() for _ in range(line)]
        for number in range(count):
            self.clock.advance(GAP_S - ANSWER_S + (number * 7 % 11 - 5))
            await self.taken(waiting.pop(0))
            waiting.append(await self.comes())
        return waiting


async def test_nothing_is_said_until_enough_waits_have_ended():
    waits = Waits()
    day = Day(waits)
    waiting = await day.steady(TAKINGS_MIN + KNOWN_MIN - 1)
    assert waits.expected(QUEUE, 3, day.clock.now()) is None
    assert waits.expected("nowhere", 1, day.clock.now()) is None
    for _ in range(6):
        day.clock.advance(GAP_S - ANSWER_S)
        await day.taken(waiting.pop(0))
        waiting.append(await day.comes())
    assert waits.expected(QUEUE, 3, day.clock.now()) is not None


async def test_estimate_follows_the_place_and_the_time_between_takings():
    waits = Waits()
    day = Day(waits)
    await day.steady(120)
    first, third = (waits.expected(QUEUE, place, day.clock.now()) for place in (1, 3))
    assert third.low_s <= 3 * GAP_S <= third.high_s
    assert abs(third.estimate_s - 3 * GAP_S) < GAP_S / 2
    assert first.estimate_s < third.estimate_s / 2
    assert waits.standing(QUEUE) == 3


async def test_every_wait_is_judged_by_what_was_said_when_it_began():
    judged = []
    waits = Waits(judged.append)
    await Day(waits).steady(120)
    assert len(judged) == 120
    assert {one.place for one in judged[: TAKINGS_MIN + KNOWN_MIN]} == {"unsaid"}
    said = [one for one in judged if one.said is not None]
    assert len(said) > 60
    right = waits.right(QUEUE)
    assert right.judged == len(said)
    assert right.held > 0.6 * right.judged
    assert 0 < right.error_s < GAP_S


async def test_standby_who_followed_says_what_the_leader_said_and_a_new_one_does_not_know():
    leader, standby, late = Waits(), Waits(), Waits()
    day = Day(leader, standby)
    waiting = await day.steady(100)
    day.followers = (leader, standby, late)
    late.begin()
    for (_, who), told in day.place.scribe.told.items():
        late.stands(who, told.head)
    now = day.clock.now()
    assert leader.expected(QUEUE, 2, now) == standby.expected(QUEUE, 2, now)
    assert late.expected(QUEUE, 2, now) is None
    assert late.standing(QUEUE) == len(waiting)
    await day.taken(waiting[0])
    assert late.standing(QUEUE) == len(waiting) - 1


async def test_who_gives_up_is_not_counted_as_served():
    judged = []
    waits = Waits(judged.append)
    day = Day(waits)
    waiting = await day.steady(60)
    count = len(judged)
    day.clock.advance(3.0)
    await day.tell(waiting[1], CaseAbandoned(case_of(waiting[1]), "ABANDONED"))
    assert len(judged) == count
    assert waits.standing(QUEUE) == 2


async def test_who_declines_puts_the_case_back_in_line_and_its_wait_goes_on():
    judged = []
    waits = Waits(judged.append)
    day = Day(waits)
    who = await day.comes()
    day.clock.advance(10.0)
    await day.tell(who, offered(who))
    assert waits.standing(QUEUE) == 0
    day.clock.advance(5.0)
    await day.tell(who, OfferDeclined(offered(who).offer, case_of(who), "anna", "BUSY"))
    assert waits.standing(QUEUE) == 1
    day.clock.advance(5.0)
    again = own("offer", who, "again")
    await day.tell(who, replace(offered(who), offer=again))
    await day.tell(who, replace(accepted(who), offer=again))
    assert [one.wait_s for one in judged] == [20.0]


async def test_case_that_is_offered_at_once_stood_in_no_line():
    waits = Waits()
    day = Day(waits)
    for _ in range(KNOWN_MIN + 40):
        day.clock.advance(60.0)
        who = await day.comes()
        day.clock.advance(SOON_S / 10)
        await day.taken(who)
    at_once = waits.expected(QUEUE, 0, day.clock.now())
    assert at_once.low_s - 0.1 <= ANSWER_S <= at_once.high_s + 0.1
    assert waits.expected(QUEUE, 1, day.clock.now()) is None, "nobody ever stood in line"


async def test_higher_priority_counts_only_those_who_come_before_it():
    waits = Waits()
    day = Day(waits)
    for _ in range(3):
        await day.comes(priority=100)
    await day.comes(priority=900)
    line = waits._lines[QUEUE]  # noqa: SLF001 - what it would be told
    assert (line.place(900), line.place(100)) == (1, 4)


async def test_case_that_goes_to_another_queue_begins_a_wait_there():
    waits = Waits()
    day = Day(waits)
    who = await day.comes()
    changed = QueueChanged(case_of(who), QUEUE, "returns", "MOVED")
    await day.tell(who, changed)
    assert (waits.standing(QUEUE), waits.standing("returns")) == (0, 1)


async def test_hours_in_which_a_queue_is_closed_do_not_count_and_nothing_is_said_then():
    config = check(SHUT, WheelZones())
    judged = []
    waits = Waits(judged.append)
    waits.configure(config)
    day = Day(waits)
    day.clock.at = START.replace(hour=17, minute=20)
    waiting = await day.steady(90)
    before = waits.expected(QUEUE, 2, day.clock.now())
    assert before is not None
    day.clock.at = START.replace(hour=18, minute=1)
    assert waits.expected(QUEUE, 2, day.clock.now()) is None
    day.clock.at = START.replace(hour=8, minute=0, second=5) + timedelta(days=1)
    await day.taken(waiting[0])
    after = waits.expected(QUEUE, 2, day.clock.now())
    assert after.estimate_s < 3 * before.estimate_s
    assert judged[-1].wait_s < timedelta(hours=1) / timedelta(seconds=1)


def test_memory_is_bounded_and_the_latest_count():
    scores = Scores()
    for number in range(3 * SCORES_MAX):
        scores.add(float(number), served=True)
    assert len(scores._last) == SCORES_MAX  # noqa: SLF001
    band = scores.band(Outlook(1.0, 1.0))
    assert band.low_s >= Outlook(1.0, 1.0).wait_s(2 * SCORES_MAX) - 1


def test_band_is_unknown_where_too_many_give_up_to_see_its_upper_end():
    scores = Scores()
    for number in range(100):
        scores.add(float(number % 10), served=True)
        scores.add(10.0, served=False)
    assert scores.band(Outlook(60.0, 2)) is None


def test_place_of_a_wait_is_inside_below_or_above_what_was_said():
    band = Scores()
    for number in range(100):
        band.add(number / 50 - 1, served=True)
    said = band.band(Outlook(60.0, 2))
    places = {(said.low_s - 1): "below", said.estimate_s: "inside", (said.high_s + 1): "above"}
    assert {wait_s: Judged(QUEUE, wait_s, said).place for wait_s in places} == places
    assert Judged(QUEUE, 1.0, None).place == "unsaid"


def test_record_of_what_was_said_is_that_of_the_last_waits():
    band = Scores()
    for number in range(100):
        band.add(number / 50 - 1, served=True)
    said = band.band(Outlook(60.0, 2))
    right = Right()
    assert (right.judged, right.held, right.error_s) == (0, 0, 0.0)
    right.see(Judged(QUEUE, said.estimate_s + 4.0, said))
    assert (right.judged, right.held, right.error_s) == (1, 1, 4.0)
    for _ in range(JUDGED_MAX):
        right.see(Judged(QUEUE, said.high_s + 9.0, said))
    assert (right.judged, right.held) == (JUDGED_MAX, 0)


@pytest.mark.looptime
async def test_who_asks_about_the_lines_can_have_nothing_done(tmp_path):
    async with system_of(tmp_path) as system:
        process = await system.process()
        await system.wait(lambda: process.epoch)
        case = own("case", "x")
        ask = OfferAsked(own("offer", "x"), "ann", "intake", customer("x"), case, "NEED")
        forced, why = write_ask(TENANT, ask), ask_case(TENANT, customer("x") + case)
        newcomers = internal_pb2.EngineRequest(newcomers=internal_pb2.AskNewcomers())
        told = await process.seat.answer(newcomers.SerializeToString(), lines_only=True)
        lines = {one.queue: one.live for one in read_answer(told).newcomers.newcomers}
        assert lines["help"].position == 1
        assert not lines["help"].estimated
        for data in (forced, ask_queues(TENANT, ()), why):
            with pytest.raises(Denied):
                read_answer(await process.seat.answer(data, lines_only=True))
