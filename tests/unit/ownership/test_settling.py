"""Whoever stops a clock that ran out says so in the same append, and it is never said twice."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import GATEWAY, RULES, START, contact, own
from tests.unit.ownership.tale import ANNA, SAM, Tale, kinds
from toldonce.kernel.clocks import BREACH, WARN, ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    CommitmentBroken,
    EntryKind,
    Event,
    PriorityRaised,
    SlaBreached,
)
from toldonce.kernel.story.types import EVENTS_MAX, PRIORITY_MAX, Case, PauseCause
from toldonce.kernel.timers import story_timers
from toldonce.ownership.core import Command, Rules
from toldonce.ownership.core.commands import (
    AbandonCase,
    AppendEntry,
    ChangeQueue,
    Escalate,
    MergeCases,
    PauseCase,
    RequestCallback,
    ResumeCase,
    ScheduleCase,
    SetPriority,
    SplitCase,
)

WAIT, FIRST = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE
NEXT, DONE = ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION
BARE = "on_breach: {raise_priority_by: 0}"
ANSWER, ASK = EntryKind.MESSAGE_OUT, EntryKind.MESSAGE_IN


def told(config: Config | None = None, rules: Rules = RULES) -> Tale:
    return Tale(rules=aimed(config or aims(more=BARE), rules))


def until(tale: Tale, seconds: float) -> None:
    tale.later((at(seconds) - tale.now).total_seconds())


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def late(events: tuple[Event, ...]) -> dict[tuple[str, str], datetime]:
    """Say which clocks of which cases are said to have run out, and when they did."""
    said = [event for event in events if isinstance(event, SlaBreached)]
    found = {(event.case, event.clock.name): event.due_at for event in said}
    assert len(found) == len(said)
    return found


def recorded(tale: Tale) -> list[str]:
    """Name every breach of a story, in order; none has the timer of another."""
    said = [e for record in tale.records for e in record.events if isinstance(e, SlaBreached)]
    assert len({event.timer for event in said}) == len(said)
    return [event.clock.name for event in said]


def all_fire(tale: Tale) -> None:
    """Fire whatever of breaches is still planned and due, as the timers' service would."""
    assert tale.rules.config is not None
    for timer in story_timers(tale.story, tale.rules.config):
        case = tale.story.case(timer.case)
        if timer.moment == BREACH and timer.fires_at <= tale.now and case is not None:
            tale.do(fired(case, timer.clock, BREACH))


def merging(tale: Tale, into: Case, ended: Case) -> MergeCases:
    stays, goes = tale.case(into.own), tale.case(ended.own)
    seen = (stays.last_customer_entry, goes.last_customer_entry)
    return MergeCases(stays.own, stays.epoch, goes.own, *seen)


# ---- each way a clock can stop


@pytest.mark.parametrize("early", [True, False])
def test_accept_settles_the_wait_and_nothing_else(*, early: bool) -> None:
    tale = told(aims(first=30, more=BARE))
    case = tale.waiting()
    until(tale, 59.999 if early else 60)
    tale.offered(case.own, "anna")
    said = tale.accept(case.own)
    assert late(said) == ({} if early else {(case.own, "QUEUE_WAIT"): at(60)})
    assert kinds(said)[-1] == "OfferAccepted"
    assert tale.story.bad_experiences == (0 if early else 1)


@pytest.mark.parametrize("early", [True, False])
def test_whoever_takes_a_call_answers_and_settles_the_first_response(*, early: bool) -> None:
    tale = told(aims(wait=300, first=120, done=10_000, more=BARE, spoken=True))
    case = tale.waiting()
    until(tale, 119 if early else 120)
    tale.offered(case.own, "anna")
    said = tale.accept(case.own)
    assert late(said) == ({} if early else {(case.own, "FIRST_RESPONSE"): at(120)})
    until(tale, 5_000)
    all_fire(tale)
    assert recorded(tale) == ([] if early else ["FIRST_RESPONSE"])
    assert tale.refused(fired(case, FIRST, WARN)) == "CLOCK_STOPPED"


def test_whoever_takes_a_case_to_call_back_answers_by_that() -> None:
    tale = told(aims(first=120, done=10_000, more=BARE))
    case = tale.waiting()
    tale.do(RequestCallback(case.own, None, to_other=False), GATEWAY)
    until(tale, 50)
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    until(tale, 500)
    assert kinds(tale.do(tale.closing(case.own), ANNA)) == ["CaseClosed"]


def test_customer_who_calls_again_in_a_call_waits_for_no_written_answer() -> None:
    tale = told(aims(next_s=10, done=10_000, more=BARE, spoken=True))
    case = tale.owned()
    tale.do(contact(2), GATEWAY)
    until(tale, 500)
    all_fire(tale)
    assert recorded(tale) == []
    assert tale.case(case.own).asked_at is None


@pytest.mark.parametrize("early", [True, False])
def test_first_reply_settles_the_first_response(*, early: bool) -> None:
    tale = told()
    case = tale.owned()
    until(tale, 119.999 if early else 120)
    said = tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
    assert late(said) == ({} if early else {(case.own, "FIRST_RESPONSE"): at(120)})
    assert kinds(said)[-1] == "EntryAppended"


def test_next_reply_settles_the_next_response() -> None:
    tale = told()
    case = tale.owned()
    tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
    until(tale, 10)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    until(tale, 70)
    said = tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
    assert late(said) == {(case.own, "NEXT_RESPONSE"): at(70)}


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.ATTACHMENT])
def test_entry_that_answers_nobody_settles_nothing(kind: EntryKind) -> None:
    tale = told()
    case = tale.owned()
    until(tale, 1_000)
    assert kinds(tale.do(AppendEntry(case.own, 1, kind), ANNA)) == ["EntryAppended"]


def test_close_settles_every_clock_that_ran_out_by_then() -> None:
    tale = told()
    case = tale.owned()
    until(tale, 600)
    said = tale.do(tale.closing(case.own), ANNA)
    assert late(said) == {
        (case.own, "FIRST_RESPONSE"): at(120),
        (case.own, "RESOLUTION"): at(600),
    }
    assert kinds(said)[-1] == "CaseClosed"
    assert tale.story.bad_experiences == 2


def test_close_in_time_settles_nothing_although_nobody_answered() -> None:
    tale = told()
    case = tale.owned()
    until(tale, 119)
    assert kinds(tale.do(tale.closing(case.own), ANNA)) == ["CaseClosed"]


def test_customer_who_leaves_after_waiting_too_long_has_waited_too_long() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    said = tale.do(AbandonCase(case.own, "ABANDONED"), GATEWAY)
    assert late(said) == {(case.own, "QUEUE_WAIT"): at(60)}
    assert kinds(said) == ["SlaBreached", "CaseAbandoned"]


@pytest.mark.parametrize("callback", [True, False])
def test_appointment_made_after_the_wait_ran_out_does_not_undo_that(*, callback: bool) -> None:
    tale = told(aims(done=10_000, more=BARE))
    case = tale.waiting()
    until(tale, 130)
    asked: Command = ScheduleCase(
        case.own, 0, at(900), callback=False, to_other=False, reason="AT_HER_WISH"
    )
    if callback:
        asked = RequestCallback(case.own, at(900), to_other=False)
    said = tale.do(asked, SAM if not callback else GATEWAY)
    assert late(said) == {
        (case.own, "QUEUE_WAIT"): at(60),
        (case.own, "FIRST_RESPONSE"): at(120),
    }
    until(tale, 961)
    all_fire(tale)
    assert recorded(tale) == ["QUEUE_WAIT", "FIRST_RESPONSE", "QUEUE_WAIT"]  # the new one: 960


def test_callback_without_an_appointment_stops_nothing() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 130)
    said = tale.do(RequestCallback(case.own, None, to_other=False), GATEWAY)
    assert kinds(said) == ["CallbackRequested"]


def test_wait_that_ran_out_ends_with_the_merge_and_is_said_there() -> None:
    tale = told()
    mine = tale.owned(1)
    until(tale, 10)
    other = tale.waiting(2, topic="repair")
    until(tale, 100)
    said = tale.do(merging(tale, mine, other), ANNA)
    assert late(said) == {(other.own, "QUEUE_WAIT"): at(70)}
    assert kinds(said)[-1] == "CaseMerged"


def test_first_answer_that_was_late_is_late_although_the_other_case_was_answered() -> None:
    tale = told(aims(done=10_000, more=BARE))
    old = tale.owned(1, topic="repair")
    until(tale, 50)
    new = tale.owned(2)
    tale.do(AppendEntry(new.own, 1, ANSWER), ANNA)
    until(tale, 121)
    said = tale.do(merging(tale, new, old), ANNA)
    assert late(said) == {(old.own, "FIRST_RESPONSE"): at(120)}
    all_fire(tale)
    assert recorded(tale) == ["FIRST_RESPONSE"]


def test_merge_of_two_that_are_late_says_so_of_each_and_of_neither_again() -> None:
    tale = told()
    one, two = tale.owned(1), tale.owned(2, topic="repair")
    until(tale, 700)
    said = tale.do(merging(tale, one, two), ANNA)
    assert sorted(late(said)) == sorted(
        (case.own, clock) for case in (one, two) for clock in ("FIRST_RESPONSE", "RESOLUTION")
    )
    all_fire(tale)
    assert len(recorded(tale)) == 4


def test_split_settles_nothing_because_the_case_goes_on() -> None:
    tale = told()
    case = tale.owned()
    tale.do(contact(2), GATEWAY)
    until(tale, 130)
    entry = tale.case(case.own).last_customer_entry
    asked = SplitCase(case.own, 1, (own("contact", 2),), others=1, latest=entry)
    assert kinds(tale.do(asked, ANNA)) == ["CaseSplit"]


# ---- other policies

SLOW = """on_breach: {raise_priority_by: 0}
  - name: high
    when: {priority_min: 500}
    targets: {queue_wait_s: 600, first_response_s: 700}"""
SLOW_ABOVE = SLOW.replace("priority_min: 500", "queues: [escalations]")


@pytest.mark.parametrize("early", [True, False])
def test_wait_that_ran_out_before_the_case_went_elsewhere_did(*, early: bool) -> None:
    tale = told(aims(more=SLOW_ABOVE))
    case = tale.waiting()
    until(tale, 59 if early else 130)
    said = tale.do(ChangeQueue(case.own, 0, "", "escalations", "FULL"), SAM)
    waits = {(case.own, "QUEUE_WAIT"): at(60), (case.own, "FIRST_RESPONSE"): at(120)}
    assert late(said) == ({} if early else waits)


def test_wait_that_ran_out_is_left_to_its_timer_where_it_is_due_elsewhere_too() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 130)
    assert kinds(tale.do(ChangeQueue(case.own, 0, "", "returns", "FULL"), SAM)) == ["QueueChanged"]
    all_fire(tale)
    assert recorded(tale) == ["QUEUE_WAIT", "FIRST_RESPONSE"]


def test_higher_priority_under_a_slower_policy_does_not_undo_what_ran_out() -> None:
    tale = told(aims(more=SLOW))
    case = tale.waiting()
    until(tale, 61)
    said = tale.do(SetPriority(case.own, 500, "ANGRY"), SAM)
    assert late(said) == {(case.own, "QUEUE_WAIT"): at(60)}
    until(tale, 701)
    all_fire(tale)
    assert recorded(tale) == ["QUEUE_WAIT", "FIRST_RESPONSE"]


def test_escalation_of_a_waiting_case_to_a_slower_queue_says_what_ran_out() -> None:
    tale = told(aims(more=SLOW_ABOVE))
    case = tale.waiting()
    until(tale, 61)
    said = tale.do(Escalate(case.own, 0, 0, "", "ANGRY"), SAM)
    assert late(said) == {(case.own, "QUEUE_WAIT"): at(60)}
    until(tale, 601)
    all_fire(tale)
    assert recorded(tale) == ["QUEUE_WAIT"]  # its resolution is none of that policy's aims


def test_case_that_goes_to_a_queue_without_aims_leaves_what_ran_out_to_its_timer() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 61)
    assert kinds(tale.do(Escalate(case.own, 0, 0, "", "ANGRY"), SAM)) == ["Escalated"]
    all_fire(tale)
    assert recorded(tale) == ["QUEUE_WAIT"]


def test_breach_that_raises_the_case_into_a_slower_policy_is_recorded_once() -> None:
    tale = told(aims(first=50, more=SLOW.replace("by: 0", "by: 500", 1)))
    case = tale.waiting()
    until(tale, 61)
    said = tale.do(fired(case, WAIT, BREACH))
    assert late(said) == {(case.own, "FIRST_RESPONSE"): at(50), (case.own, "QUEUE_WAIT"): at(60)}
    assert tale.case(case.own).priority == PRIORITY_MAX  # 100, and 500 for each of them


@pytest.mark.parametrize("early", [True, False])
def test_wait_that_goes_on_after_its_breach_is_raised_by_that(*, early: bool) -> None:
    tale = told(aims(more=SLOW_ABOVE.replace("by: 0", "by: 70", 1)))
    case = tale.waiting()
    until(tale, 59 if early else 130)
    tale.do(ChangeQueue(case.own, 0, "", "escalations", "FULL"), SAM)
    assert tale.case(case.own).priority == case.priority + (0 if early else 140)


def test_case_in_which_another_ends_is_raised_for_what_it_still_owes() -> None:
    tale = told(aims(done=10_000, more="on_breach: {raise_priority_by: 70}"))
    one, two = tale.owned(1), tale.owned(2, topic="repair")
    until(tale, 200)
    said = tale.do(merging(tale, one, two), ANNA)
    assert [e for e in said if isinstance(e, PriorityRaised)] == [
        PriorityRaised(one.own, one.priority + 70, "SLA_BREACHED")
    ]


def test_case_whose_late_clock_has_stopped_is_raised_no_more() -> None:
    tale = told(aims(more="on_breach: {raise_priority_by: 70}"))
    case = tale.waiting()
    until(tale, 60)
    tale.offered(case.own, "anna")
    assert kinds(tale.accept(case.own)) == ["SlaBreached", "OfferAccepted"]


# ---- never twice


@pytest.mark.parametrize("first", ["timer", "accept"])
def test_timer_that_races_the_accept_is_recorded_once(first: str) -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    timer = fired(case, WAIT, BREACH)
    tale.offered(case.own, "anna")
    if first == "timer":
        tale.do(timer)
        assert late(tale.accept(case.own)) == {}
    else:
        tale.accept(case.own)
        assert tale.do(timer) == ()
    assert recorded(tale) == ["QUEUE_WAIT"]
    assert tale.story.bad_experiences == 1


def test_timer_and_the_append_that_settles_it_name_the_same() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    timer = fired(case, WAIT, BREACH)
    tale.offered(case.own, "anna")
    (breach,) = [e for e in tale.accept(case.own) if isinstance(e, SlaBreached)]
    assert (breach.timer, breach.clock) == (timer.timer, timer.clock)


def test_pause_that_began_after_the_due_time_does_not_undo_it() -> None:
    tale = told(aims(done=100, first=10_000, more=BARE))
    case = tale.owned()
    until(tale, 101)
    tale.do(PauseCase(case.own, 1, PauseCause.HOLD, None, "SUPPLIER"), ANNA)
    until(tale, 500)
    assert late(tale.do(tale.closing(case.own), ANNA)) == {(case.own, "RESOLUTION"): at(100)}


def test_pause_that_was_on_before_the_due_time_keeps_the_close_in_time() -> None:
    tale = told(aims(done=100, first=10_000, more=BARE))
    case = tale.owned()
    until(tale, 99)
    tale.do(PauseCase(case.own, 1, PauseCause.HOLD, None, "SUPPLIER"), ANNA)
    until(tale, 500)
    tale.do(ResumeCase(case.own, 1, PauseCause.HOLD, ""), ANNA)
    assert kinds(tale.do(tale.closing(case.own), ANNA)) == ["CaseClosed"]


def test_nothing_is_settled_where_nothing_is_aimed_at() -> None:
    tale = Tale()
    case = tale.owned()
    until(tale, 10_000)
    assert kinds(tale.do(tale.closing(case.own), ANNA)) == ["CaseClosed"]


# ---- what it means


def pointed(points: int = 50) -> Rules:
    queues = {
        name: replace(queue, bad_experience_points=points) for name, queue in RULES.queues.items()
    }
    return replace(RULES, queues=queues)


def raises(events: tuple[Event, ...]) -> list[str]:
    return [event.case for event in events if isinstance(event, PriorityRaised)]


def test_append_that_tells_of_two_bad_experiences_raises_what_still_waits_once() -> None:
    tale = told(rules=pointed())
    case, other = tale.owned(1), tale.waiting(2, topic="repair")
    until(tale, 600)
    said = tale.do(tale.closing(case.own), ANNA)
    assert len(late(said)) == 2
    assert raises(said) == [other.own]
    assert tale.case(other.own).priority == other.priority + 50


@pytest.mark.parametrize("before", [0, 1])
def test_late_clock_and_late_promise_of_one_answer_raise_once(before: int) -> None:
    tale = told(rules=pointed())
    promised = replace(contact(1), promised_at=at(100), commits=True)
    tale.do(promised, GATEWAY)
    case = tale.story.cases[0]
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    tale.story = replace(tale.story, bad_experiences=before)
    until(tale, 130)
    said = tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
    assert late(said) == {(case.own, "FIRST_RESPONSE"): at(120)}
    assert sum(isinstance(event, CommitmentBroken) for event in said) == 1
    assert raises(said) == [case.own]
    assert tale.story.bad_experiences == before + 2
    assert tale.case(case.own).priority == case.priority + 50


def test_fullest_close_fits_one_append_and_leaves_no_breach_out() -> None:
    tale = told(rules=pointed())
    promised = replace(contact(1), promised_at=at(100), commits=True)
    tale.do(promised, GATEWAY)
    case = tale.story.cases[0].own
    others = [tale.waiting(number, topic=f"t{number}") for number in range(2, 9)]
    tale.offered(case, "anna")
    tale.accept(case)
    until(tale, 600)
    tale.do(Escalate(case, 1, 1, "escalations", "ANGRY", 1, bytes(32)), SAM)
    tale.offered(case, "bram")
    said = tale.do(tale.closing(case), SAM)
    assert kinds(said)[:2] == ["SlaBreached", "SlaBreached"]
    assert len(said) <= EVENTS_MAX
    assert raises(said) == [one.own for one in others[: len(raises(said))]]
    assert Own(case) not in raises(said)
