"""Accounts of clocks have no gaps, add up exactly, and say of every minute what the wall says."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.clock_cases import (
    CHANGING,
    SEED,
    Case,
    drawn,
    kernel_facts,
    kernel_week,
    walls_of,
)
from tests.property.minutes import counted
from toldonce.kernel.account import CLOSED_DATE, SPANS_MAX, account
from toldonce.kernel.calendar import ALWAYS, Calendar, Interval
from toldonce.kernel.clocks import ClockFacts, ClockKind, Pause, Target, clock
from toldonce.runtime.zones import WheelZones

CASES = 1_500
ZONE = WheelZones().zone("Australia/Lord_Howe")
assert ZONE is not None
T0 = datetime(2026, 4, 3, 14, 0, 0, 123_457, tzinfo=UTC)
OFFICE = Calendar(
    "office",
    "Australia/Lord_Howe",
    ZONE,
    ((Interval(3_600, 43_200), Interval(46_800, 86_400)),) * 5 + ((), ()),
)
instants = st.integers(-(10**11), 10**12).map(lambda us: T0 + timedelta(microseconds=us))
pauses = st.builds(Pause, instants, st.none() | instants, st.sampled_from(("", "a", "b")))
TARGET = Target(ClockKind.RESOLUTION, 3_600)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from((ALWAYS, OFFICE)),
    st.lists(pauses, max_size=6).map(tuple),
    st.none() | instants,
    instants,
)
def test_account_has_no_gaps_and_what_counted_is_the_elapsed_time_exactly(
    calendar: Calendar, paused: tuple[Pause, ...], stopped_at: datetime | None, now: datetime
) -> None:
    facts = ClockFacts(T0, paused, stopped_at)
    spans = account(calendar, facts, now)
    until = min(now, stopped_at or now)
    if until <= T0:
        assert not spans
        return
    assert (spans[0].from_at, spans[-1].to_at) == (T0, until)
    assert all(one.to_at == other.from_at for one, other in pairwise(spans))
    assert all(one.reason != other.reason for one, other in pairwise(spans))
    assert all(span.counted_s in {0, span.lasts_s} and span.lasts_s > 0 for span in spans)
    counted_us = sum(round(span.counted_s * 1_000_000) for span in spans)
    assert counted_us / 1_000_000 == clock(TARGET, calendar, facts, now).elapsed_s
    assert len(spans) <= SPANS_MAX


def test_account_agrees_with_the_wall_about_every_minute() -> None:
    walls = walls_of(CHANGING)
    compared = sum(_compare(drawn(number, walls)[0]) for number in range(CASES))
    print(f"\n{compared} spans of {CASES} accounts agree, seed {SEED}")  # noqa: T201 - its figures
    assert compared > 3 * CASES


def _compare(case: Case) -> int:
    """Hold an account against the minutes; returns how many spans it had."""
    facts, calendar = case.facts, kernel_week(case)
    counts = counted(case.open, facts)
    spans = account(calendar, kernel_facts(case), case.wall.at(facts.now))
    for span in spans:
        here, there = (
            (at - case.wall.first) // timedelta(minutes=1) - facts.start
            for at in (span.from_at, span.to_at)
        )
        told = counts[here:there]
        what = (SEED, case.number, span)
        assert span.counted_s == 60 * told.sum(), what
        assert span.merged > 1 or told.all() or not told.any(), what
        if span.reason == CLOSED_DATE:
            on = {case.wall.date_of(facts.start + place) for place in range(here, there)}
            assert all(not case.week.exceptions[datetime.fromordinal(day).date()] for day in on)
    return len(spans)
