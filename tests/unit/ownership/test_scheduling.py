"""Callbacks keep their place, appointments are not waited for, and both are asked for once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import GATEWAY, RULES, START, offer
from tests.unit.ownership.tale import ANNA, BRAM, SAM, Tale, kinds
from toldonce.kernel.calendar import Calendar, Interval
from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.errors import Rejected
from toldonce.kernel.sla import facts_of
from toldonce.kernel.story.bounds import LIMITS, bounds, stuck
from toldonce.kernel.story.types import Case, WorkState
from toldonce.ownership.core.commands import (
    AbandonCase,
    ChangeQueue,
    CloseCase,
    MergeCases,
    ReopenCase,
    RequestCallback,
    ScheduleCase,
)
from toldonce.ownership.handler import past

HOUR = timedelta(hours=1)
DAYTIME = Calendar("office", weekly=((Interval(8 * 3_600, 17 * 3_600),),) * 5 + ((), ()))


def call_back(case: Case, at: datetime | None = None, *, to_other: bool = False) -> RequestCallback:
    return RequestCallback(case.own, at, to_other)


def later(case: Case, at: datetime | None, *, callback: bool = False) -> ScheduleCase:
    return ScheduleCase(case.own, case.epoch, at, callback, to_other=False, reason="AT_HER_WISH")


def office_hours() -> Tale:
    queues = {**RULES.queues, "orders": replace(RULES.queues["orders"], hours=DAYTIME)}
    return Tale(rules=replace(RULES, queues=queues))


def test_caller_who_asks_for_a_callback_keeps_age_place_and_clocks() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.later(300)
    assert kinds(tale.do(call_back(case), GATEWAY)) == ["CallbackRequested"]
    asked = tale.case(case.own)
    assert asked == replace(case, callback_at=tale.now)
    assert facts_of(asked) == facts_of(case)


def test_caller_who_asks_twice_has_asked_once() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case), GATEWAY)
    tale.later(60)
    assert tale.do(call_back(case), GATEWAY) == ()
    assert tale.case(case.own).callback_at == START


def test_caller_who_names_another_number_is_still_asked_for_since_the_first_time() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case), GATEWAY)
    tale.later(60)
    assert kinds(tale.do(call_back(case, to_other=True), GATEWAY)) == ["CallbackRequested"]
    assert tale.case(case.own).callback_at == START


def test_offer_that_is_out_is_made_anew_because_nobody_is_on_the_line() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.offered(case.own, "anna")
    assert kinds(tale.do(call_back(case), GATEWAY)) == ["OfferRevoked", "CallbackRequested"]
    assert tale.case(case.own).work is WorkState.QUEUED


def test_caller_whom_somebody_has_is_not_called_back_by_the_gateway() -> None:
    tale = Tale()
    assert tale.refused(call_back(tale.owned()), GATEWAY) == "OWNED"


def test_hanging_up_does_not_end_what_is_to_be_called_back() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case), GATEWAY)
    assert tale.do(AbandonCase(case.own, "ABANDONED"), GATEWAY) == ()
    assert tale.case(case.own).callback_at
    assert kinds(tale.do(AbandonCase(case.own, "WITHDRAWN"), GATEWAY)) == ["CaseAbandoned"]
    assert not tale.story.cases


def test_hanging_up_ends_what_nobody_asked_to_be_called_back_for() -> None:
    tale = Tale()
    case = tale.waiting()
    assert kinds(tale.do(AbandonCase(case.own, "ABANDONED"), GATEWAY)) == ["CaseAbandoned"]


def test_appointment_is_offered_to_nobody_before_its_time() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case, START + HOUR), GATEWAY)
    tale.later(3_599)
    assert tale.refused(offer(case.own, "anna", now=tale.now)) == "NOT_YET"
    tale.later(1)
    assert kinds(tale.do(offer(case.own, "anna", now=tale.now))) == ["Offered"]
    assert tale.case(case.own).enqueued_at == case.enqueued_at


def test_no_clock_of_an_appointment_runs_before_its_time() -> None:
    tale = Tale(rules=aimed(aims(wait=300, first=400)))
    case = tale.waiting()
    old = fired(case, ClockKind.QUEUE_WAIT, BREACH)
    tale.later(60)
    tale.do(call_back(case, START + HOUR), GATEWAY)
    facts = facts_of(tale.case(case.own))
    waits = (ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE)
    assert [facts[kind].started_at for kind in waits] == 2 * [START + HOUR]
    tale.later(600)
    assert tale.refused(old) == "CLOCK_STOPPED"


def test_case_that_was_answered_keeps_its_first_answer_through_later_appointments() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case, START + HOUR), GATEWAY)
    tale.later(3_600)
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    answered = replace(tale.case(case.own), first_reply_at=tale.now)
    tale.story = tale.story.with_case(answered)
    before = facts_of(tale.case(case.own))[ClockKind.FIRST_RESPONSE]
    tale.do(later(tale.case(case.own), tale.now + HOUR), ANNA)
    assert facts_of(tale.case(case.own))[ClockKind.FIRST_RESPONSE] == before
    assert before.started_at == START + HOUR


def test_appointment_that_is_asked_for_again_takes_the_latest_time() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case, START + HOUR), GATEWAY)
    assert tale.do(call_back(case, START + HOUR), GATEWAY) == ()
    tale.do(call_back(case, START + 2 * HOUR), GATEWAY)
    assert tale.case(case.own).not_before_at == START + 2 * HOUR
    tale.later(60)
    tale.do(call_back(case), GATEWAY)
    asked = tale.case(case.own)
    assert (asked.not_before_at, asked.scheduled_at(tale.now)) == (tale.now, None)


def test_time_that_cannot_be_is_refused_and_named() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.later(3_600)
    assert tale.refused(call_back(case, tale.now - 2 * HOUR), GATEWAY) == (
        "not_before_at: lies in the past"
    )
    far = tale.now + timedelta(days=31)
    assert "more than 30 days" in tale.refused(call_back(case, far), GATEWAY)
    assert kinds(tale.do(call_back(case, tale.now - timedelta(seconds=59)), GATEWAY)) == [
        "CallbackRequested"
    ]
    assert tale.case(case.own).not_before_at is None


def test_callback_at_closed_hours_is_refused_with_the_next_opening() -> None:
    tale = office_hours()
    case = tale.waiting()
    night = datetime(2026, 1, 9, 18, tzinfo=UTC)  # a Friday
    command = call_back(case, night)
    with pytest.raises(Rejected, match="it opens next at 2026-01-12T08:00:00Z") as no:
        tale.do(command, GATEWAY)
    assert no.value.reason == "CLOSED_THEN"
    assert kinds(tale.do(call_back(case, night - 2 * HOUR), GATEWAY)) == ["CallbackRequested"]
    assert tale.refused(later(case, night), SAM) == "CLOSED_THEN"


def test_work_that_calls_nobody_may_begin_at_any_hour() -> None:
    tale = office_hours()
    case = tale.waiting()
    night = datetime(2026, 1, 5, 23, tzinfo=UTC)
    assert kinds(tale.do(later(case, night), SAM)) == ["CaseScheduled"]
    assert tale.case(case.own).scheduled_at(tale.now) == night


def test_owner_gives_back_until_later_and_may_have_it_again() -> None:
    tale = Tale()
    case = tale.owned()
    tale.do(tale.handing(case.own), ANNA)
    given = tale.do(later(case, tale.now + HOUR, callback=True), ANNA)
    assert kinds(given) == ["HandoffCancelled", "OwnershipReleased", "CallbackRequested"]
    back = tale.case(case.own)
    assert (back.owner, back.last_owner, back.epoch) == ("", "anna", case.epoch + 1)
    assert (back.callback_at, back.not_before_at) == (tale.now, tale.now + HOUR)


def test_nobody_but_owner_and_supervisor_puts_a_case_off() -> None:
    tale = Tale()
    case = tale.owned()
    assert tale.refused(later(case, tale.now + HOUR), BRAM) == "NOT_OWNER"
    stale = replace(later(case, tale.now + HOUR), epoch=7)
    assert tale.refused(stale, ANNA) == "STALE_EPOCH"
    assert tale.refused(later(tale.waiting(2, topic="b"), tale.now + HOUR), BRAM) == "NOT_OWNED"
    assert "say why" in tale.refused(replace(later(case, None), reason=""), SAM)
    assert "say from when on" in tale.refused(later(case, None), ANNA)


def test_appointment_moves_queue_at_its_time_and_age() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case, START + HOUR), GATEWAY)
    tale.do(ChangeQueue(case.own, 0, "", "returns", "MISROUTED"), SAM)
    moved = tale.case(case.own)
    assert (moved.queue, moved.not_before_at) == ("returns", START + HOUR)


def test_appointment_is_stuck_only_when_it_waits_for_too_long_after_its_time() -> None:
    tale = Tale()
    case = tale.waiting()
    at = START + timedelta(days=20)
    tale.do(call_back(case, at), GATEWAY)
    (bound,) = bounds(tale.story)
    assert bound.at == at + timedelta(seconds=LIMITS.queue_s)
    assert not stuck(tale.story, at + timedelta(seconds=LIMITS.queue_s))
    assert stuck(tale.story, at + timedelta(seconds=LIMITS.queue_s + 60))


def test_case_that_opens_again_has_no_appointment() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(call_back(case, START + HOUR), GATEWAY)
    tale.later(3_600)
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    owned = tale.case(case.own)
    seen = owned.last_customer_entry
    tale.do(CloseCase(case.own, owned.epoch, "resolved", seen), ANNA)
    ended = past.Ended(owned, tale.now)
    tale.do(ReopenCase(case.own, "CAME_BACK", closed=ended), SAM)
    again = tale.case(case.own)
    assert (again.callback_at, again.not_before_at, again.answer_from_at) == (None, None, None)


def test_two_matters_made_one_wait_as_soon_as_one_of_them_does() -> None:
    tale = Tale()
    stays, gone = tale.waiting(1), tale.waiting(2, topic="b")
    tale.do(call_back(stays, START + HOUR), GATEWAY)
    tale.later(60)
    merge = MergeCases(stays.own, 0, gone.own, stays.last_customer_entry, gone.last_customer_entry)
    tale.do(merge, SAM)
    one = tale.case(stays.own)
    assert one.scheduled_at(tale.now) is None
    assert one.callback_at == START


def test_two_appointments_made_one_are_the_earlier() -> None:
    tale = Tale()
    stays, gone = tale.waiting(1), tale.waiting(2, topic="b")
    tale.do(call_back(stays, START + 2 * HOUR), GATEWAY)
    tale.do(call_back(gone, START + HOUR), GATEWAY)
    tale.do(
        MergeCases(stays.own, 0, gone.own, stays.last_customer_entry, gone.last_customer_entry),
        SAM,
    )
    one = tale.case(stays.own)
    assert one.not_before_at == START + HOUR
    facts = facts_of(one)
    waits = (ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE)
    assert [facts[kind].started_at for kind in waits] == 2 * [START + HOUR]
