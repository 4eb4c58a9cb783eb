"""Business time against a slow oracle that looks at the wall clock of every minute."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toldonce.kernel.calendar import (
    Calendar,
    Interval,
    add_business_time,
    business_time_between,
    is_open,
    next_open,
    weekly_open_s,
)
from toldonce.runtime.zones import WheelZones

MINUTE = timedelta(minutes=1)
CHANGES = {  # a day before each change of the clocks
    "Europe/Amsterdam": ("2026-03-28", "2026-10-24"),
    "America/New_York": ("2026-03-07", "2026-10-31"),
    "Australia/Lord_Howe": ("2026-04-04", "2026-10-03"),
    "Africa/Casablanca": ("2026-02-14", "2026-03-21"),
    "Pacific/Apia": ("2011-12-29", "2026-01-01"),  # in 2011 a whole date never was
}


@st.composite
def hours(draw: st.DrawFn) -> tuple[Interval, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 1440), max_size=6)))
    return tuple(Interval(a * 60, b * 60) for a, b in zip(edges[::2], edges[1::2], strict=False))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    zone_name = draw(st.sampled_from(sorted(CHANGES)))
    zone = WheelZones().zone(zone_name)
    assert zone is not None
    day = date.fromisoformat(draw(st.sampled_from(CHANGES[zone_name])))
    offsets = st.integers(0, 3).map(lambda n: day + timedelta(days=n))
    calendar = Calendar(
        "drawn",
        zone_name,
        zone,
        tuple(draw(hours()) for _ in range(7)),
        draw(st.dictionaries(offsets, hours(), max_size=2)),
    )
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return calendar, start + draw(st.integers(-720, 2880)) * MINUTE


def open_on_the_wall(calendar: Calendar, at: datetime) -> bool:
    wall = at.astimezone(calendar.zone)
    spans = calendar.exceptions.get(wall.date(), calendar.weekly[wall.weekday()])
    return any(s.opens_s <= wall.hour * 3600 + wall.minute * 60 < s.closes_s for s in spans)


@settings(max_examples=300, deadline=None)
@given(situations(), st.integers(0, 2000))
def test_business_time_agrees_with_the_wall_clock_of_every_minute(
    situation: tuple[Calendar, datetime], length: int
) -> None:
    calendar, start = situation
    minutes = [start + n * MINUTE for n in range(length)]
    opened = [m for m in minutes if open_on_the_wall(calendar, m)]
    end = start + length * MINUTE
    assert business_time_between(calendar, start, end) == 60 * len(opened)
    assert all(is_open(calendar, m) == open_on_the_wall(calendar, m) for m in minutes[::37])
    if opened:
        assert next_open(calendar, start) == opened[0]
        assert add_business_time(calendar, start, 60 * len(opened)) == opened[-1] + MINUTE


@settings(max_examples=300, deadline=None)
@given(situations(), st.integers(1, 5 * 86_400_000_000))
def test_adding_business_time_is_undone_by_measuring_it(
    situation: tuple[Calendar, datetime], micros: int
) -> None:
    calendar, start = situation
    seconds = min(micros / 1_000_000, weekly_open_s(calendar) * 100)  # within the horizon
    assume(seconds > 0)
    due = add_business_time(calendar, start, seconds)
    assert business_time_between(calendar, start, due) == seconds
    earlier = due - timedelta(microseconds=1)
    assert business_time_between(calendar, start, earlier) < seconds
