"""Calendars as they lie ahead: some never open again, some know of no more holidays."""

from datetime import UTC, datetime
from typing import Any

from tests.unit.linter.desk import desk
from tests.unit.linter.impossible import MONDAYS, OFFICE
from toldonce.kernel.config import read
from toldonce.kernel.config.linter import Finding, Rule, Severity, findings
from toldonce.kernel.config.linter.finding import NAMED_MAX
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.zones import WheelZones


def found(calendar: dict[str, Any], now: datetime) -> list[Finding]:
    config = read(desk(calendars=[OFFICE | calendar]), WheelZones(), WheelHolidays(now.year))
    return [one for one in findings(config, now=now) if one.rule is Rule.CALENDAR]


def test_calendar_with_no_day_left_is_an_error_from_the_day_on_that_it_is_so() -> None:
    assert found({"holidays": MONDAYS}, datetime(2019, 12, 30, 11, tzinfo=UTC)) == []
    (one,) = found({"holidays": MONDAYS}, datetime(2026, 3, 1, tzinfo=UTC))
    assert (one.severity, one.field) == (Severity.ERROR, "calendars[0].weekly")
    assert found({"holidays": MONDAYS[:-1_500]}, datetime(2026, 3, 1, tzinfo=UTC)) == []


def test_a_few_of_many_calendars_that_never_open_are_told() -> None:
    many = [OFFICE | {"name": f"c{n}", "holidays": MONDAYS} for n in range(NAMED_MAX + 1)]
    config = read(desk(calendars=many), WheelZones())
    said = findings(config, now=datetime(2026, 3, 1, tzinfo=UTC))
    assert len([one for one in said if one.rule is Rule.CALENDAR]) == NAMED_MAX


def test_one_monday_that_an_exception_opens_is_enough() -> None:
    kept = [on for on in MONDAYS if on != "2035-01-01"]
    assert found({"holidays": kept}, datetime(2026, 3, 1, tzinfo=UTC)) == []


def test_holidays_that_run_out_within_half_a_year_are_warned_of() -> None:
    nl = {"holiday_sets": [{"country": "NL"}], "holiday_years": 1}
    assert found(nl, datetime(2026, 6, 30, tzinfo=UTC)) == []
    (one,) = found(nl, datetime(2026, 7, 2, tzinfo=UTC))
    assert (one.severity, one.field) == (Severity.WARNING, "calendars[0].holiday_years")
    assert "until 2026-12-31" in one.sentence
    assert found(nl | {"holiday_years": 2}, datetime(2026, 12, 31, tzinfo=UTC)) == []


def test_what_depends_on_the_day_is_left_aside_where_no_day_is_said() -> None:
    config = read(desk(calendars=[OFFICE | {"holidays": MONDAYS}]), WheelZones())
    assert [one for one in findings(config) if one.rule is Rule.CALENDAR] == []
