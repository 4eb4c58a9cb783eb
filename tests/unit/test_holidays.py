"""Holiday sets become dates with names; dated exceptions win, and what is unknown is refused."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.unit.test_config import DAYTIME, small
from toldonce.kernel.calendar import is_open
from toldonce.kernel.closing import ClosedDay, closed_by, closed_days, holidays_between
from toldonce.kernel.config import Config, Holidays, HolidaySet, read
from toldonce.kernel.config.holidays import DOCUMENT_SETS_MAX, NOTHING_EXPANDED
from toldonce.kernel.errors import Invalid
from toldonce.runtime.document import Stored, pack, unpack
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
WHEEL = WheelHolidays(2026)
KING = date(2026, 4, 27)  # a Monday
WEEK = {"weekly": {day: ["09:00-17:00"] for day in ("monday", "thursday", "friday")}}


class Wheel(WheelHolidays):
    """Another release, which says otherwise."""

    def __init__(self, release: str, days: Mapping[date, str]) -> None:
        super().__init__(2026)
        self._told = release, days

    @property
    def release(self) -> str:
        return self._told[0]

    def days(self, asked: HolidaySet) -> Mapping[date, str] | None:
        return self._told[1]


def tree(*sets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return small(calendars=[DAYTIME | WEEK | {"holiday_sets": list(sets)} | more])


def config(*sets: dict[str, Any], source: Holidays = WHEEL, **more: Any) -> Config:
    return read(tree(*sets, **more), ZONES, source)


def refused(*sets: dict[str, Any], **more: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as no:
        config(*sets, **more)
    return {problem.field: problem.sentence for problem in no.value.problems}


def test_country_closes_its_holidays_by_their_names_from_last_year_on() -> None:
    day = config({"country": "NL"}).calendars["day"]
    assert day.holidays[KING] == "Koningsdag"
    assert day.exceptions[KING] == ()
    assert (min(day.holidays).year, max(day.holidays).year) == (2025, 2028)
    assert day.holidays_until == date(2028, 12, 31)


def test_number_of_years_is_stated() -> None:
    day = config({"country": "NL"}, holiday_years=1).calendars["day"]
    assert ({on.year for on in day.holidays}, day.holidays_until) == (
        {2025, 2026},
        date(2026, 12, 31),
    )


def test_region_has_days_of_its_own_and_sets_add_up() -> None:
    epiphany = date(2026, 1, 6)
    germany, bavaria = {"country": "DE"}, {"country": "DE", "region": "BY"}
    assert epiphany not in config(germany).calendars["day"].holidays
    both = config({"country": "NL"}, bavaria).calendars["day"].holidays
    assert both[epiphany] == "Heilige Drei Könige"
    assert both[KING] == "Koningsdag"
    assert both[date(2026, 12, 25)] == "Eerste kerstdag"


def test_region_of_digits_needs_no_quotes() -> None:
    leopold = date(2026, 11, 15)
    assert config({"country": "AT", "region": 9}) == config({"country": "AT", "region": 9})
    assert config({"country": "AT", "region": 9}).expansion.sets[0].asked.region == "9"
    assert leopold not in config({"country": "AT", "region": 9}).calendars["day"].holidays


def test_dated_exception_wins_over_a_holiday() -> None:
    hours = [{"date": KING.isoformat(), "open": ["10:00-14:00"]}]
    day = config({"country": "NL"}, exceptions=hours).calendars["day"]
    assert [span.opens_s for span in day.exceptions[KING]] == [36_000]
    assert KING not in day.holidays
    assert is_open(day, datetime(2026, 4, 27, 9, tzinfo=UTC))
    shut = config({"country": "NL"}, exceptions=[{"date": KING.isoformat(), "open": []}])
    assert shut.calendars["day"].holidays[KING] == "Koningsdag"


def test_dates_of_ones_own_stay_beside_the_sets() -> None:
    day = config({"country": "NL"}, holidays=["2026-04-27", "2026-06-01"]).calendars["day"]
    assert day.exceptions[date(2026, 6, 1)] == ()
    assert date(2026, 6, 1) not in day.holidays
    assert day.holidays[KING] == "Koningsdag"


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"country": "nl"}, "country", "no country 'nl' in release RELEASE of holidays"),
        ({"country": "nl"}, "country", "did you mean NL?"),
        ({"country": "Netherlands"}, "country", "did you mean NL?"),
        ({"country": "Netherland"}, "country", "did you mean NL?"),
        ({"country": "NLD"}, "country", "did you mean NL?"),
        ({"country": "LN"}, "country", "did you mean NL?"),
        ({"country": "United Kingdom"}, "country", "did you mean GB?"),
        ({"country": "Atlantis"}, "country", "two letters, such as NL"),
        ({"country": ""}, "country", "wanted 1 to"),
        ({"country": ["NL"]}, "country", "wanted text"),
        ({"region": "BY"}, "country", "is missing"),
        ({"country": "DE", "region": "YB"}, "region", "did you mean BY?"),
        ({"country": "DE", "region": "Bayern"}, "region", "did you mean BY?"),
        ({"country": "DE", "region": "Bayrn"}, "region", "did you mean BY?"),
        ({"country": "DE", "region": "Holland"}, "region", "known are Augsburg, BB, BE"),
        ({"country": "JP", "region": "Tokyo"}, "region", "it has none"),
        ({"country": "IO"}, "country", "has no public holiday"),
        ({"country": "NL", "regon": "Noord"}, "regon", "did you mean region?"),
    ],
)
def test_set_that_is_not_there_is_refused_with_a_guess(
    asked: dict[str, Any], field: str, says: str
) -> None:
    found = refused({"country": "NL"}, asked)
    assert says.replace("RELEASE", WHEEL.release) in found[f"calendars[0].holiday_sets[1].{field}"]


def test_years_are_bounded_and_mean_nothing_alone() -> None:
    key = "calendars[0].holiday_years"
    assert "from 1 to 10" in refused({"country": "NL"}, holiday_years=0)[key]
    assert "from 1 to 10" in refused({"country": "NL"}, holiday_years=11)[key]
    assert "without holiday_sets" in refused(holiday_years=2)[key]


def test_sets_do_not_go_with_a_calendar_that_never_closes() -> None:
    night = {"name": "night", "always": True, "holiday_sets": [{"country": "NL"}]}
    with pytest.raises(Invalid) as no:
        read(small(calendars=[DAYTIME, night]), ZONES, WHEEL)
    assert no.value.problems[0].field == "calendars[1].holiday_sets"


def test_document_has_a_bound_on_its_sets() -> None:
    codes = sorted(set(WHEEL.countries().values()) - {"IO", "HM", "BV", "UA"})
    sets = [{"country": code} for code in codes[: DOCUMENT_SETS_MAX + 1]]
    many = [
        DAYTIME | {"name": f"c{n}", "holiday_sets": sets[n * 20 : n * 20 + 20]} for n in range(6)
    ]
    with pytest.raises(Invalid) as no:
        read(small(calendars=[DAYTIME, *many]), ZONES, WHEEL)
    assert [problem.field for problem in no.value.problems] == [
        "calendars[6].holiday_sets[0].country"
    ]


def test_what_is_stored_gives_the_same_document_back_and_asks_no_library() -> None:
    applied = config({"country": "NL"}, {"country": "DE", "region": "BY"})
    kept = unpack(pack(Stored("text", datetime(2026, 6, 1, tzinfo=UTC), "r", applied.expansion)))
    assert kept.expansion == applied.expansion
    again = config({"country": "NL"}, {"country": "DE", "region": "BY"}, source=kept.expansion)
    assert again == applied
    assert again.calendar_version == applied.calendar_version


def test_document_whose_dates_were_not_stored_is_refused() -> None:
    with pytest.raises(Invalid) as no:
        config({"country": "NL"}, source=NOTHING_EXPANDED)
    assert "apply it again" in no.value.problems[0].sentence


def test_calendar_version_changes_with_the_dates_and_names_the_release() -> None:
    plain = read(tree(), ZONES)
    assert plain.calendar_version == f"{plain.digest[:6]}-{ZONES.version}"
    one = config({"country": "NL"}, source=Wheel("1.0", {KING: "Koningsdag"}))
    same = config({"country": "NL"}, source=Wheel("1.1", {KING: "Koningsdag"}))
    other = config({"country": "NL"}, source=Wheel("1.1", {date(2026, 4, 28): "Koningsdag"}))
    assert one.calendar_version == f"{one.digest[:6]}-{ZONES.version}-holidays-1.0"
    assert same.digest == one.digest
    assert other.digest != one.digest
    assert other.calendar_version != same.calendar_version


def test_closed_day_is_named_by_the_wall_of_its_zone() -> None:
    day = config({"country": "NL"}).calendars["day"]
    assert closed_by(day, datetime(2026, 4, 26, 21, 59, tzinfo=UTC)) == ""
    assert closed_by(day, datetime(2026, 4, 26, 22, 0, tzinfo=UTC)) == "Koningsdag"
    assert closed_by(day, datetime(2026, 4, 27, 22, 0, tzinfo=UTC)) == ""


def test_next_closed_days_are_those_that_the_week_has_open() -> None:
    day = config({"country": "NL"}, holidays=["2026-12-28", "2026-12-29"]).calendars["day"]
    days = closed_days(day, date(2026, 12, 20))
    assert [next(days) for _ in range(3)] == [
        ClosedDay(date(2026, 12, 25), "Eerste kerstdag"),
        ClosedDay(date(2026, 12, 28), ""),
        ClosedDay(date(2027, 1, 1), "Nieuwjaarsdag"),
    ]
    eve, after = datetime(2026, 12, 24, 20, tzinfo=UTC), datetime(2027, 1, 4, 8, tzinfo=UTC)
    assert holidays_between(day, eve, after) == ("Eerste kerstdag", "Nieuwjaarsdag")
