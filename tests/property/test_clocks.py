"""What no order of facts and no pause may do to a clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from toldonce.kernel.calendar import ALWAYS, Calendar, Interval
from toldonce.kernel.clocks import (
    ClockFacts,
    ClockKind,
    ClockState,
    Pause,
    Target,
    clock,
)

T0 = datetime(2026, 6, 5, 14, 0, tzinfo=UTC)
OFFICE = Calendar(
    "day", weekly=((Interval(32_400, 43_200), Interval(46_800, 61_200)),) * 5 + ((),) * 2
)
instants = st.integers(0, 400_000).map(lambda s: T0 + timedelta(seconds=s))
calendars = st.sampled_from((ALWAYS, OFFICE))
targets = st.builds(
    Target,
    kind=st.sampled_from(ClockKind),
    target_s=st.integers(1, 200_000),
    warn_permille=st.integers(1, 999),
)
pauses = st.builds(
    lambda a, b: Pause(min(a, b), max(a, b), "drawn"), instants, instants
) | st.builds(Pause, instants, st.none())
facts_drawn = st.builds(
    ClockFacts,
    started_at=st.just(T0),
    pauses=st.lists(pauses, max_size=5).map(tuple),
    stopped_at=st.none() | instants,
    cancelled=st.booleans(),
)
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


@settings(max_examples=300, deadline=None)
@given(targets, calendars, facts_drawn, pauses)
def test_pausing_never_makes_anything_due_sooner(
    target: Target, calendar: Calendar, facts: ClockFacts, extra: Pause
) -> None:
    plain = clock(target, calendar, facts, T0)
    longer = clock(target, calendar, replace(facts, pauses=(*facts.pauses, extra)), T0)
    for name in ("warn_at", "due_at"):
        assert (getattr(longer, name) or FOREVER) >= (getattr(plain, name) or FOREVER)


@settings(max_examples=300, deadline=None)
@given(targets, calendars, facts_drawn, instants, st.randoms(use_true_random=False))
def test_order_in_which_pauses_are_learned_does_not_matter(
    target: Target, calendar: Calendar, facts: ClockFacts, now: datetime, random: object
) -> None:
    shuffled = list(facts.pauses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = replace(facts, pauses=tuple(shuffled))
    assert clock(target, calendar, again, now) == clock(target, calendar, facts, now)


@settings(max_examples=300, deadline=None)
@given(targets, calendars, facts_drawn, instants)
def test_elapsed_and_remaining_time_make_the_target_and_the_state_follows(
    target: Target, calendar: Calendar, facts: ClockFacts, now: datetime
) -> None:
    read = clock(target, calendar, facts, now)
    assert read.elapsed_s + read.remaining_s == target.target_s
    assert (read.state is ClockState.BREACHED) == (read.remaining_s <= 0)
    if read.due_at is not None and read.warn_at is not None:
        assert T0 <= read.warn_at <= read.due_at


@settings(max_examples=300, deadline=None)
@given(targets, targets, calendars, facts_drawn, instants)
def test_changing_the_policy_keeps_the_elapsed_time(
    old: Target, new: Target, calendar: Calendar, facts: ClockFacts, now: datetime
) -> None:
    before, after = clock(old, calendar, facts, now), clock(new, calendar, facts, now)
    assert before.elapsed_s == after.elapsed_s


@settings(max_examples=200, deadline=None)
@given(targets, calendars, instants, instants)
def test_reopening_keeps_the_elapsed_time(
    target: Target, calendar: Calendar, one: datetime, other: datetime
) -> None:
    stop, again = min(one, other), max(one, other)
    before = clock(target, calendar, ClockFacts(T0, stopped_at=stop), again)
    reopened = ClockFacts(T0, (Pause(stop, again, "ended"),))
    assert clock(target, calendar, reopened, again).elapsed_s == before.elapsed_s
