"""What timers a case wants, and what each asks."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tellers import START, own
from tests.unit.sla.bureau import after, config
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.sla import Moment
from toldonce.kernel.story.types import Case, CaseState, WorkState
from toldonce.sla.core import Breach, Escalate, Warn, acts_of, operation_of, upcoming, wanted

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
    timers=(),
    disposition="",
)


def moments(case: Case) -> list[tuple[Moment, float]]:
    found = wanted([case], config(), START)
    return [(timer.moment, (timer.fires_at - START).total_seconds()) for timer in found]


def test_a_waiting_case_wants_its_warning_its_breach_and_its_rung_in_that_order():
    assert moments(CASE) == [(Moment.WARN, 30), (Moment.BREACH, 60), (Moment.ESCALATE, 80)]


def test_what_the_story_has_recorded_is_not_wanted_again():
    warn, breach, _ = wanted([CASE], config(), START)
    recorded = replace(CASE, timers=(warn.own, breach.own))
    assert moments(recorded) == [(Moment.ESCALATE, 80)]


@pytest.mark.parametrize(
    "ended",
    [
        replace(CASE, owner="anna", owned_at=after(5), work=WorkState.ASSIGNED),
        replace(CASE, state=CaseState.CLOSED),
        replace(CASE, queue="escalations"),
        replace(CASE, queue="a-queue-that-left-the-configuration"),
    ],
)
def test_a_clock_that_ended_or_was_never_aimed_at_wants_nothing(ended: Case):
    assert moments(ended) == []


def test_nobody_is_handed_up_twice():
    assert moments(replace(CASE, rung=1)) == [(Moment.WARN, 30), (Moment.BREACH, 60)]


def test_each_timer_asks_its_own_thing():
    warn, breach, up = wanted([CASE], config(), START)
    assert acts_of([CASE], config(), warn.own, START) == (Warn(warn),)
    assert acts_of([CASE], config(), breach.own, START) == (Breach(breach, 150),)
    recorded = replace(CASE, timers=(breach.own,))
    (act,) = acts_of([recorded], config(), up.own, START)
    assert isinstance(act, Escalate)
    assert (act.queue, act.rung, act.reason) == ("escalations", 1, "SLA breached: QUEUE_WAIT")


def test_a_rung_comes_after_its_breach_even_when_it_is_asked_first():
    _, breach, up = wanted([CASE], config(), START)
    first, second = acts_of([CASE], config(), up.own, START)
    assert (first, second.timer) == (Breach(breach, 150), up)


MAYBE = st.none() | st.integers(0, 200).map(after)


CASES = st.builds(
    replace,
    st.just(CASE),
    waiting_since=st.integers(0, 200).map(after),
    owned_at=MAYBE,
    first_reply_at=MAYBE,
    rung=st.integers(0, 1),
    queue=st.sampled_from(["orders", "escalations", "a-queue-that-left-the-configuration"]),
)


@given(case=CASES, recorded=st.sets(st.integers(0, 5)))
def test_what_is_planned_of_each_clock_is_the_first_it_wants(case: Case, recorded: set[int]):
    timers = wanted([case], config(), START)
    known = tuple(timer.own for number, timer in enumerate(timers) if number in recorded)
    case = replace(case, timers=known)
    firsts = {}
    for timer in wanted([case], config(), START):
        firsts.setdefault(timer.clock, (timer.own, timer.fires_at))
    assert sorted(upcoming(config()).of(case)) == sorted(firsts.values())


def test_a_timer_nothing_wants_asks_nothing():
    assert acts_of([CASE], config(), own("another"), START) == ()
    assert acts_of([], config(), own("another"), START) == ()


def test_the_envelope_tells_the_facts_and_nobodys_words():
    up = wanted([CASE], config(), START)[-1]
    (*_, act) = acts_of([CASE], config(), up.own, after(900))
    assert isinstance(act, Escalate)
    assert act.summary == (
        "The wait for an agent took longer than 60 s of working time in queue orders; it was due "
        "2026-01-05 09:01:00 UTC. Nobody has the case yet. Channel chat, priority 100, "
        "handed over 0 times."
    )


def test_the_same_timer_is_the_same_act_for_everybody_and_another_run_is_another():
    warn, breach, _ = wanted([CASE], config(), START)
    assert operation_of(warn) == operation_of(wanted([CASE], config(), after(50))[0])
    assert operation_of(warn) != operation_of(breach)
    again = replace(CASE, waiting_since=START + timedelta(seconds=1))
    assert operation_of(wanted([again], config(), START)[0]) != operation_of(warn)


def test_a_case_that_waits_for_its_first_answer_is_timed_though_somebody_has_it():
    held = replace(CASE, queue="returns", owner="anna", owned_at=after(5))
    clocks = {(timer.clock, timer.moment) for timer in wanted([held], config(), START)}
    assert clocks == {(ClockKind.FIRST_RESPONSE, moment) for moment in Moment}


def test_an_appointment_has_its_timers_anew_from_its_own_time():
    recorded = wanted([CASE], config(), START)[0].own
    later = START + timedelta(hours=1)
    put_off = replace(CASE, not_before_at=later, answer_from_at=later, timers=(recorded,))
    assert moments(put_off) == [
        (Moment.WARN, 3_630),
        (Moment.BREACH, 3_660),
        (Moment.ESCALATE, 3_680),
    ]
    owned = replace(put_off, owned_at=later + timedelta(seconds=10), first_reply_at=later)
    assert moments(owned) == []
