"""Clocks: due, warned, breached, met, paused, reopened, each from facts alone."""

from datetime import UTC, datetime, timedelta

from toldonce.kernel.calendar import ALWAYS, Calendar, Interval
from toldonce.kernel.clocks import (
    ClockFacts,
    ClockKind,
    ClockState,
    Pause,
    Target,
    clock,
    reach,
)

T0 = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)  # a Monday
TARGET = Target(ClockKind.FIRST_RESPONSE, 100, 800)
STARTED = ClockFacts(T0)
DAYTIME = Calendar("day", weekly=((Interval(9 * 3600, 17 * 3600),),) * 5 + ((), ()))


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def stopped(seconds: float, *, cancelled: bool = False) -> ClockFacts:
    return ClockFacts(T0, stopped_at=after(seconds), cancelled=cancelled)


def paused(from_s: float, to_s: float | None = None) -> ClockFacts:
    to_at = None if to_s is None else after(to_s)
    return ClockFacts(T0, (Pause(after(from_s), to_at, "customer"),))


def state_at(facts: ClockFacts, seconds: float) -> ClockState:
    return clock(TARGET, ALWAYS, facts, after(seconds)).state


def test_clock_runs_warns_and_breaches_at_its_instants() -> None:
    read = clock(TARGET, ALWAYS, STARTED, after(30))
    assert (read.warn_at, read.due_at) == (after(80), after(100))
    assert reach(ALWAYS, STARTED, 150) == after(150)
    assert (read.elapsed_s, read.remaining_s, read.ended) == (30, 70, False)
    assert [state_at(STARTED, s) for s in (79.9, 80, 99.9, 100)] == [
        ClockState.RUNNING,
        ClockState.WARNED,
        ClockState.WARNED,
        ClockState.BREACHED,
    ]


def test_overdue_clock_says_by_how_much() -> None:
    assert clock(TARGET, ALWAYS, STARTED, after(130)).remaining_s == -30


def test_answer_before_due_meets_and_at_due_breaches() -> None:
    met, late = stopped(99.999), stopped(100)
    assert state_at(met, 500) is ClockState.MET
    assert state_at(late, 500) is ClockState.BREACHED
    assert clock(TARGET, ALWAYS, met, after(500)).elapsed_s == 99.999
    assert clock(TARGET, ALWAYS, met, after(500)).ended


def test_cancelled_clock_is_cancelled_unless_it_was_breached() -> None:
    assert state_at(stopped(50, cancelled=True), 60) is ClockState.CANCELLED
    assert state_at(stopped(150, cancelled=True), 160) is ClockState.BREACHED


def test_pause_moves_everything_by_its_length() -> None:
    read = clock(TARGET, ALWAYS, paused(10, 40), after(50))
    assert (read.due_at, read.warn_at) == (after(130), after(110))
    assert reach(ALWAYS, paused(10, 40), 150) == after(180)
    assert read.elapsed_s == 20


def test_open_pause_keeps_anything_from_becoming_due() -> None:
    read = clock(TARGET, ALWAYS, paused(10), after(99999))
    assert (read.state, read.due_at, read.remaining_s) == (ClockState.PAUSED, None, 90)


def test_breach_before_a_pause_stays_a_breach() -> None:
    read = clock(TARGET, ALWAYS, paused(120), after(500))
    assert (read.state, read.due_at) == (ClockState.BREACHED, after(100))
    assert reach(ALWAYS, paused(120), 150) is None


def test_overlapping_pauses_count_once() -> None:
    facts = ClockFacts(T0, (Pause(after(20), after(50), "b"), Pause(after(10), after(40), "a")))
    assert clock(TARGET, ALWAYS, facts, after(60)).due_at == after(140)


def test_reopened_clock_runs_on_without_the_time_in_between() -> None:
    assert clock(TARGET, ALWAYS, paused(60, 1000), after(1010)).due_at == after(1040)


def test_escalation_waits_for_opening_hours() -> None:
    target = Target(ClockKind.QUEUE_WAIT, 3600, 500)
    facts = ClockFacts(datetime(2026, 6, 5, 15, 30, tzinfo=UTC))
    read = clock(target, DAYTIME, facts, facts.started_at)
    assert read.warn_at == datetime(2026, 6, 5, 16, 0, tzinfo=UTC)
    assert read.due_at == datetime(2026, 6, 5, 16, 30, tzinfo=UTC)
    assert reach(DAYTIME, facts, 7200) == datetime(2026, 6, 8, 9, 30, tzinfo=UTC)


def test_clock_that_begins_later_is_paused_until_then_and_known_to_be_due() -> None:
    facts = ClockFacts(T0 + timedelta(hours=1))
    before = clock(TARGET, ALWAYS, facts, T0)
    assert (before.state, before.elapsed_s) == (ClockState.PAUSED, 0)
    assert before.due_at == T0 + timedelta(hours=1, seconds=TARGET.target_s)
    begun = clock(TARGET, ALWAYS, facts, T0 + timedelta(hours=1))
    assert begun.state is ClockState.RUNNING
