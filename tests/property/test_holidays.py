"""A holiday is closed all its wall day, in any zone, unless an exception gives that date hours."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_config import small
from toldonce.kernel.calendar import business_time_between, is_open, next_open
from toldonce.kernel.closing import closed_by
from toldonce.kernel.config import read
from toldonce.kernel.config.hours import WEEKDAYS
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
SETS = ("NL", "DE/BY", "US/CA", "AU/NSW", "MA", "WS", "IR", "GB/SCT", "AT/9", "JP")
ZONE_NAMES = (
    "Europe/Amsterdam",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Tehran",
    "America/Sao_Paulo",
)
QUARTER = timedelta(minutes=15)


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], int, set[date]]:
    """A document open day and night, its year, and the dates to which exceptions give hours."""
    year = draw(st.integers(2024, 2030))
    sets = draw(st.lists(st.sampled_from(SETS), min_size=1, max_size=3, unique=True))
    asked = [dict(zip(("country", "region"), one.split("/"), strict=False)) for one in sets]
    calendar: dict[str, Any] = {
        "name": "day",
        "zone": draw(st.sampled_from(ZONE_NAMES)),
        "weekly": {day: ["00:00-24:00"] for day in WEEKDAYS},
        "holiday_sets": asked,
        "holiday_years": draw(st.integers(1, 4)),
    }
    holidays = sorted(read_in(calendar, year)[0])
    chosen = draw(st.sets(st.sampled_from(holidays), max_size=3))
    calendar["exceptions"] = [
        {"date": on.isoformat(), "open": ["00:00-24:00"]} for on in sorted(chosen)
    ]
    return calendar, year, chosen


def read_in(calendar: dict[str, Any], year: int) -> tuple[dict[date, str], Any]:
    found = read(small(calendars=[calendar]), ZONES, WheelHolidays(year)).calendars["day"]
    return dict(found.holidays), found


@settings(max_examples=150, deadline=None)
@given(documents(), st.data())
def test_holiday_is_closed_all_its_wall_day_unless_an_exception_gives_hours(
    drawn: tuple[dict[str, Any], int, set[date]], data: st.DataObject
) -> None:
    asked, year, given_hours = drawn
    named, calendar = read_in(asked, year)
    without = read_in(asked | {"exceptions": []}, year)[0]
    assert set(without) == set(named) | given_hours
    assert given_hours.isdisjoint(named)
    on = data.draw(st.sampled_from(sorted(without)))
    at = datetime(on.year, on.month, on.day, tzinfo=UTC) - timedelta(hours=15)
    moments = [at + n * QUARTER for n in range(4 * 54)]  # every wall day of that date lies within
    of_day = [one for one in moments if one.astimezone(calendar.zone).date() == on]
    assert len(of_day) >= 4 * 23  # at least, where clocks go forward
    for moment in of_day:
        assert is_open(calendar, moment) == (on in given_hours)
        assert closed_by(calendar, moment) == named.get(on, "")
    if on not in given_hours:
        assert business_time_between(calendar, of_day[0], of_day[-1] + QUARTER) == 0
        assert next_open(calendar, of_day[0]).astimezone(calendar.zone).date() > on


@settings(max_examples=60, deadline=None)
@given(documents())
def test_day_that_is_no_holiday_is_as_the_week_has_it(
    drawn: tuple[dict[str, Any], int, set[date]],
) -> None:
    asked, year, _ = drawn
    named, calendar = read_in(asked, year)
    first = date(year - 1, 1, 2)
    for on in (first + timedelta(days=n) for n in range(365)):
        noon = datetime(on.year, on.month, on.day, 12, tzinfo=calendar.zone)
        assert is_open(calendar, noon.astimezone(UTC)) == (on not in named)
