"""What timers a case wants, and what each asks."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tellers import START, own
from tests.unit.sla.bureau import DOCUMENT, ZONES, after, config
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.ids import Own
from toldonce.kernel.next_timers import NextTimers
from toldonce.kernel.story.runs import marked
from toldonce.kernel.story.types import (
    EMPTY,
    Case,
    CaseState,
    Commitment,
    Pause,
    PauseCause,
    Story,
    WorkState,
)
from toldonce.kernel.timers import Timer, story_timers, timers_of
from toldonce.runtime.document import check
from toldonce.sla.core import Act, Planning, acts_of, operation_of

CASE = Case(
    own=own("case"),
    epoch=0,
    state=CaseState.OPEN,
    work=WorkState.QUEUED,
    owner="",
    last_owner="",
    queue="orders",
    channel="chat",
    gateway="web",
    topic="order",
    language="nl",
    skills=(),
    priority=100,
    opened_at=START,
    enqueued_at=START,
    waiting_since=START,
    owned_at=None,
    first_reply_at=None,
    wrap_until=None,
    last_customer_entry=own("entry"),
    offers=(),
    handoff=None,
    rung=0,
    hops=0,
    disposition="",
)


UP = Moment(1)


def story(*cases: Case, promises: tuple[Commitment, ...] = ()) -> Story:
    return replace(EMPTY, cases=cases, commitments=promises)


def wanted(case: Case) -> tuple[Timer, ...]:
    return story_timers(story(case), config())


def moments(case: Case) -> list[tuple[Moment, float]]:
    return [(timer.moment, (timer.fires_at - START).total_seconds()) for timer in wanted(case)]


def recorded(case: Case, *found: Moment, clock: ClockKind = ClockKind.QUEUE_WAIT) -> Case:
    for moment in found:
        case = marked(case, clock, moment.bit)
    return case


def test_a_waiting_case_wants_its_warning_its_breach_and_its_rung_in_that_order():
    assert moments(CASE) == [(WARN, 30), (BREACH, 60), (UP, 80)]


def test_what_the_story_has_recorded_is_not_wanted_again():
    assert moments(recorded(CASE, WARN, BREACH)) == [(UP, 80)]


def test_what_comes_before_something_recorded_is_not_wanted_any_more():
    assert moments(recorded(CASE, BREACH)) == [(UP, 80)]


@pytest.mark.parametrize(
    "ended",
    [
        replace(CASE, owner="anna", owned_at=after(5), work=WorkState.ASSIGNED),
        replace(CASE, owner="anna", owned_at=after(500), work=WorkState.ASSIGNED),
        replace(CASE, state=CaseState.CLOSED),
        replace(CASE, queue="escalations"),
        replace(CASE, queue="a-queue-that-left-the-configuration"),
    ],
)
def test_a_clock_that_ended_or_was_never_aimed_at_wants_nothing(ended: Case):
    assert moments(ended) == []


def test_nobody_is_handed_up_twice():
    assert moments(replace(CASE, rung=1)) == [(WARN, 30), (BREACH, 60)]


def test_each_timer_asks_its_own_thing():
    warn, breach, up = wanted(CASE)
    assert acts_of(story(CASE), config(), warn.own, START) == (Act(warn),)
    assert acts_of(story(CASE), config(), breach.own, START) == (Act(breach),)
    (act,) = acts_of(story(recorded(CASE, BREACH)), config(), up.own, START)
    assert (act.timer, act.reason) == (up, "SLA breached: QUEUE_WAIT")
    assert act.summary


def test_a_rung_comes_after_its_breach_even_when_it_is_asked_first():
    _, breach, up = wanted(CASE)
    first, second = acts_of(story(CASE), config(), up.own, START)
    assert (first, second.timer) == (Act(breach), up)


MAYBE = st.none() | st.integers(0, 200).map(after)
PAUSES = st.lists(
    st.builds(
        lambda at, long, cause, clocks: Pause(after(at), after(at + long), cause, clocks),
        st.integers(0, 200),
        st.integers(1, 100),
        st.sampled_from(PauseCause),
        st.integers(0, 15),
    ),
    max_size=4,
)
CASES = st.builds(
    replace,
    st.just(CASE),
    waiting_since=st.integers(0, 200).map(after),
    owned_at=MAYBE,
    first_reply_at=MAYBE,
    asked_at=MAYBE,
    replied_at=MAYBE,
    rung=st.integers(0, 1),
    queue=st.sampled_from(
        ["orders", "returns", "everything", "escalations", "a-queue-that-left-the-configuration"]
    ),
    pauses=PAUSES.map(tuple),
)
EVERYTHING = (
    DOCUMENT.replace("CALENDAR_OF", "")
    .replace("{CALENDAR}", "{monday: ['09:00-12:00', '13:00-17:00'], tuesday: ['09:00-17:00']}")
    .replace("WAIT", "60")
    .replace(
        "agents:",
        "  - {name: everything, calendar: office, sla: all, dispositions: [resolved],"
        " escalation_queue: escalations}\nagents:",
    )
    + """
  - name: all
    targets: {queue_wait_s: 60, first_response_s: 90, next_response_s: 30, resolution_s: 200}
    pause_on: {first_response: [customer], next_response: [hold]}
    ladder:
      - {at_fraction: 0.5, notify: true}
      - {at_fraction: 0.9, raise_priority_by: 10, clocks: [resolution, queue_wait]}
      - {after_breach_s: 0, hand_up: 1}
      - {after_breach_s: 50, hand_to: returns, page: true}
"""
)
ALL = check(EVERYTHING, ZONES).at_revision(1)


@given(case=CASES, marks=st.lists(st.tuples(st.sampled_from(ClockKind), st.integers(-1, 4))))
def test_what_is_planned_of_each_clock_is_the_first_it_wants(case: Case, marks):
    for clock, rung in marks:
        case = marked(case, clock, Moment(rung).bit)
    firsts: dict[ClockKind, tuple[Own, datetime]] = {}
    for timer in timers_of(case, ALL):
        firsts.setdefault(timer.clock, (timer.own, timer.fires_at))
    assert sorted(NextTimers(ALL).of(case)) == sorted(firsts.values())


NAMES = [own("case"), own("another")]
PROMISES = st.builds(
    Commitment,
    st.sampled_from([own("promise"), own("second")]),
    st.sampled_from([*NAMES, own("a case that ended")]),
    st.just("anna"),
    st.just(START),
    st.integers(50, 150).map(after),
    st.booleans(),
)
STORIES = st.builds(
    lambda cases, promises: story(*cases, promises=tuple(promises)),
    st.permutations(NAMES)
    .flatmap(lambda owns: st.tuples(*(st.builds(replace, CASES, own=st.just(one)) for one in owns)))
    .map(lambda cases: cases[: len(cases[0].pauses) + 1]),
    st.lists(PROMISES, max_size=2, unique_by=lambda one: one.own),
)


@given(told=st.lists(STORIES, min_size=1, max_size=4), data=st.data())
def test_what_is_remembered_of_a_story_changes_nothing_about_its_plan(told, data):
    remembering = Planning(ALL)
    story_now = EMPTY
    for one in told:
        kept = data.draw(st.sampled_from([(), story_now.cases[:1]]))
        fresh = [case for case in one.cases if case.own not in {old.own for old in kept}]
        promises = data.draw(st.sampled_from([story_now.commitments, one.commitments]))
        story_now = replace(one, cases=(*kept, *fresh), commitments=promises)
        timers = remembering.timers("x", story_now)
        assert timers == Planning(ALL).timers("x", story_now)
        for named, _ in timers:
            narrow = remembering.narrowed("x", story_now, named)
            assert acts_of(narrow, ALL, named, after(500)) == (
                acts_of(story_now, ALL, named, after(500))
            )
    remembering.forget("x")
    assert remembering.narrowed("x", story_now, NAMES[0]) is story_now


def test_a_promise_is_planned_anew_when_its_case_goes_elsewhere_or_ends():
    promise = Commitment(own("promise"), CASE.own, "anna", START, after(100))
    planning, warned = Planning(config()), list[datetime]()
    for cases in ((CASE,), (replace(CASE, queue="returns"),), (), (CASE,)):
        (*_, (_, at)) = planning.timers("x", story(*cases, promises=(promise,)))
        warned.append(at)
    assert warned == [after(50), after(80), after(100), after(50)]


def test_a_timer_nothing_wants_asks_nothing():
    assert acts_of(story(CASE), config(), own("another"), START) == ()
    assert acts_of(EMPTY, config(), own("another"), START) == ()
    assert acts_of(story(CASE), config(), "what a store may hold", START) == ()


def test_the_envelope_tells_the_facts_and_nobodys_words():
    up = wanted(CASE)[-1]
    (*_, act) = acts_of(story(CASE), config(), up.own, after(900))
    assert act.summary == (
        "The wait for an agent took longer than 60 s of working time in queue orders; it was due "
        "2026-01-05 09:01:00 UTC. Nobody has the case yet. Channel chat, priority 100, "
        "handed over 0 times."
    )


def test_the_same_timer_is_the_same_act_for_everybody_and_another_run_is_another():
    warn, breach, _ = wanted(CASE)
    assert operation_of(warn) == operation_of(wanted(CASE)[0])
    assert operation_of(warn) != operation_of(breach)
    again = replace(CASE, waiting_since=START + timedelta(seconds=1))
    assert operation_of(wanted(again)[0]) != operation_of(warn)


def test_a_case_that_waits_for_its_first_answer_is_timed_though_somebody_has_it():
    held = replace(CASE, queue="returns", owner="anna", owned_at=after(5))
    clocks = {(timer.clock, timer.moment) for timer in wanted(held)}
    assert clocks == {(ClockKind.FIRST_RESPONSE, moment) for moment in (WARN, BREACH, UP)}


def test_an_appointment_has_its_timers_anew_from_its_own_time():
    later = START + timedelta(hours=1)
    put_off = replace(recorded(CASE, WARN), not_before_at=later, answer_from_at=later)
    assert moments(put_off) == [(WARN, 3_630), (BREACH, 3_660), (UP, 3_680)]
    owned = replace(put_off, owned_at=later + timedelta(seconds=10), first_reply_at=later)
    assert moments(owned) == []


def test_a_promise_has_a_warning_while_its_case_is_open_and_a_breach_whatever_becomes_of_it():
    promise = Commitment(own("promise"), CASE.own, "anna", START, after(100))
    held = replace(CASE, owner="anna", owned_at=START)
    found = story_timers(story(held, promises=(promise,)), config())
    assert [(one.clock, one.moment, one.fires_at) for one in found] == [
        (ClockKind.COMMITMENT, WARN, after(50)),
        (ClockKind.COMMITMENT, BREACH, after(100)),
    ]
    assert Planning(config()).timers("x", story(held, promises=(promise,))) == (
        (found[0].own, after(50)),
    )
    alone = story_timers(story(promises=(promise,)), config())
    assert [one.moment for one in alone] == [BREACH]
    warned = replace(promise, warned=True)
    assert [one.moment for one in story_timers(story(held, promises=(warned,)), config())] == [
        BREACH
    ]
