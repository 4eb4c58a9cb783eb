"""Which clocks stand still in a pause is decided when it begins, and no later policy changes it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.aims import ZONES, aimed, aims, fired
from tests.tellers import GATEWAY, START
from tests.unit.ownership.tale import ANNA, SAM, Tale, kinds
from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.story.events import EntryKind
from toldonce.kernel.story.pausing import both
from toldonce.kernel.story.types import Case, CaseState, Pause, PauseCause
from toldonce.kernel.timers import timers_of
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import (
    AppendEntry,
    ChangeQueue,
    MergeCases,
    PauseCase,
    ResumeCase,
)
from toldonce.runtime.document import check

DONE, FIRST, NEXT = ClockKind.RESOLUTION, ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE
HOLD, CUSTOMER, CLOSED = PauseCause.HOLD, PauseCause.CUSTOMER, PauseCause.CLOSED
ENDED = CLOSED, DONE.bit | NEXT.bit
USUAL, NEVER = "pause_on: {resolution: [customer, hold]}", "pause_on: {resolution: []}"
QUEUES = """
version: 1
languages: [nl]
skills: [orders]
channels: [{name: chat, kind: chat, cost: 1, queue: orders}]
topics: [{name: order, queue: orders, words: {nl: [pakket]}}]
queues:
  - {name: orders, sla: pausing, dispositions: [resolved]}
  - {name: returns, sla: counting, dispositions: [resolved]}
  - {name: aimless, dispositions: [resolved]}
agents: [{name: anna, skills: {orders: 3}, languages: {nl: 5}, capacity_units: 4}]
sla:
  - {name: pausing, targets: {resolution_s: 600}, pause_on: {resolution: [hold]}}
  - {name: counting, targets: {resolution_s: 600}, pause_on: {resolution: []}}
"""


def told(pause_on: str) -> Tale:
    return Tale(rules=under(pause_on))


def under(pause_on: str) -> Rules:
    return aimed(aims(first=10_000, next_s=10_000, more=pause_on))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def until(tale: Tale, seconds: float) -> None:
    tale.later((at(seconds) - tale.now).total_seconds())


def hold(case: Case, seconds: float, epoch: int = 1) -> PauseCase:
    return PauseCase(case.own, epoch, HOLD, at(seconds), "SUPPLIER")


def due_s(tale: Tale, case: Case, clock: ClockKind = DONE) -> float:
    assert tale.rules.config is not None
    (breach,) = (
        timer.fires_at
        for timer in timers_of(tale.case(case.own), tale.rules.config)
        if (timer.clock, timer.moment) == (clock, BREACH)
    )
    return (breach - START).total_seconds()


def pauses(tale: Tale, case: Case) -> list[tuple[float, float, int]]:
    return [
        ((p.from_at - START).total_seconds(), (p.until_at - START).total_seconds(), p.clocks)
        for p in tale.case(case.own).pauses
    ]


# ---- a policy is edited


def test_edit_that_pauses_for_less_escalates_nothing_for_time_that_had_been_paused() -> None:
    tale = told(USUAL)
    case = tale.owned()
    tale.do(hold(case, 9_000), ANNA)
    until(tale, 3_600)
    tale.do(ResumeCase(case.own, 1, HOLD, ""), ANNA)
    tale.rules = under(NEVER)
    assert due_s(tale, case) == 4_200
    assert tale.refused(fired(case, DONE, BREACH)) == "TOO_EARLY"
    assert kinds(tale.do(tale.closing(case.own), ANNA)) == ["CaseClosed"]


def test_hold_that_goes_on_keeps_the_clocks_it_began_with_until_it_ends() -> None:
    tale = told(USUAL)
    case = tale.owned()
    tale.do(hold(case, 3_600), ANNA)
    until(tale, 1_000)
    tale.rules = under(NEVER)
    assert due_s(tale, case) == 4_200
    until(tale, 4_199)
    assert tale.refused(fired(case, DONE, BREACH)) == "TOO_EARLY"
    until(tale, 4_200)
    assert kinds(tale.do(fired(case, DONE, BREACH))) == ["SlaBreached"]


def test_edit_that_pauses_for_more_gives_back_no_time_that_had_counted() -> None:
    tale = told(NEVER)
    case = tale.owned()
    tale.do(hold(case, 9_000), ANNA)
    until(tale, 500)
    tale.rules = under(USUAL)
    assert due_s(tale, case) == 600


def test_hold_said_again_follows_the_policy_from_then_on_and_keeps_what_it_had() -> None:
    tale = told(USUAL)
    case = tale.owned()
    tale.do(hold(case, 9_000), ANNA)
    until(tale, 100)
    tale.rules = under("pause_on: {resolution: [], first_response: [hold]}")
    tale.do(hold(case, 1_000), ANNA)
    assert pauses(tale, case) == [(0, 100, DONE.bit), (100, 1_000, FIRST.bit)]
    assert (due_s(tale, case), due_s(tale, case, FIRST)) == (700, 10_900)
    until(tale, 200)
    tale.do(hold(case, 500), ANNA)
    assert pauses(tale, case) == [(0, 100, DONE.bit), (100, 500, FIRST.bit)]
    tale.do(ResumeCase(case.own, 1, HOLD, ""), ANNA)
    assert pauses(tale, case) == [(0, 100, DONE.bit), (100, 200, FIRST.bit)]


def test_answer_that_waits_for_the_customer_stops_what_the_policy_said_then() -> None:
    tale = told("pause_on: {resolution: [customer], next_response: [customer]}")
    case = tale.owned()
    asks = AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT, awaits_customer=True)
    tale.do(asks, ANNA)
    until(tale, 5_000)
    tale.rules = under(NEVER)
    tale.do(AppendEntry(case.own, 0, EntryKind.MESSAGE_IN), GATEWAY)
    assert due_s(tale, case) == 5_600


# ---- a case moves, or nothing is aimed at


def test_case_that_moves_to_a_queue_that_pauses_for_less_is_late_for_nothing_paused() -> None:
    tale = Tale(rules=aimed(check(QUEUES, ZONES).at_revision(1)))
    case = tale.waiting()
    tale.do(hold(case, 3_600, epoch=0), SAM)
    until(tale, 5)
    tale.do(ChangeQueue(case.own, 0, "", "returns", "MISROUTED"), SAM)
    assert due_s(tale, case) == 4_200
    until(tale, 3_600)
    assert tale.refused(fired(case, DONE, BREACH)) == "TOO_EARLY"
    tale.do(hold(case, 9_000, epoch=0), SAM)
    assert due_s(tale, case) == 4_200


def test_pause_where_nothing_is_aimed_at_stops_what_stands_still_as_a_rule() -> None:
    tale = Tale(rules=aimed(check(QUEUES, ZONES).at_revision(1)))
    case = tale.waiting(queue="aimless")
    tale.do(hold(case, 3_600, epoch=0), SAM)
    until(tale, 3_000)
    tale.do(ChangeQueue(case.own, 0, "", "returns", "MISROUTED"), SAM)
    assert due_s(tale, case) == 4_200


def test_case_waits_in_word_even_where_no_clock_stands_still() -> None:
    tale = told(NEVER)
    one, two = tale.owned(1), tale.owned(2, topic="repair")
    for case in (one, two):
        tale.do(PauseCase(case.own, 1, CUSTOMER, at(500), ""), ANNA)
    assert (pauses(tale, one), due_s(tale, one)) == ([(0, 500, 0)], 600)
    stays, goes = tale.case(one.own), tale.case(two.own)
    seen = stays.last_customer_entry, goes.last_customer_entry
    tale.do(MergeCases(stays.own, stays.epoch, goes.own, *seen), ANNA)
    assert tale.case(one.own).state is CaseState.PENDING_CUSTOMER
    assert pauses(tale, one) == [(0, 500, 0)]
    assert kinds(tale.do(ResumeCase(one.own, 1, CUSTOMER, ""), ANNA)) == ["CaseResumed"]


# ---- two made one


@pytest.mark.parametrize(
    ("mine", "theirs", "found"),
    [
        ((HOLD, DONE.bit | NEXT.bit), (HOLD, DONE.bit | FIRST.bit), (HOLD, DONE.bit)),
        ((HOLD, DONE.bit), (CUSTOMER, DONE.bit | NEXT.bit), (CUSTOMER, DONE.bit)),
        ((HOLD, DONE.bit), (CUSTOMER, NEXT.bit), None),
        ((HOLD, 0), (HOLD, DONE.bit), (HOLD, 0)),
        ((HOLD, FIRST.bit), ENDED, (HOLD, FIRST.bit)),
        ((HOLD, 0), ENDED, None),
        (ENDED, ENDED, ENDED),
    ],
)
def test_clock_of_two_cases_stood_still_where_neither_of_its_went_on(
    mine: tuple[PauseCause, int],
    theirs: tuple[PauseCause, int],
    found: tuple[PauseCause, int] | None,
) -> None:
    case = told(USUAL).owned()
    one = replace(case, pauses=(Pause(at(0), at(50), *mine),))
    other = replace(case, pauses=(Pause(at(20), at(90), *theirs),))
    wanted = () if found is None else (Pause(at(20), at(50), *found),)
    assert both(one, other) == both(other, one) == wanted


def test_case_that_was_there_first_stood_still_alone_before_the_other_was_opened() -> None:
    case = told(USUAL).owned()
    old = replace(case, pauses=(Pause(at(0), at(50), HOLD, FIRST.bit | DONE.bit),))
    young = replace(case, opened_at=at(40))
    assert both(old, young) == (Pause(at(0), at(40), HOLD, FIRST.bit | DONE.bit),)
