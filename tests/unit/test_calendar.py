"""Hours on wall clocks: lunch, weekends, holidays, midnight, and days of 23 and 25 hours."""

from datetime import UTC, date, datetime, timedelta

import pytest

from toldonce.kernel.calendar import (
    ALWAYS,
    Calendar,
    Interval,
    add_business_time,
    business_time_between,
    is_open,
    next_closed,
    next_open,
    weekly_open_s,
)
from toldonce.runtime.zones import WheelZones

HOUR = 3600


def hours(*spans: tuple[float, float]) -> tuple[Interval, ...]:
    return tuple(Interval(int(a * HOUR), int(b * HOUR)) for a, b in spans)


def calendar(zone: str, *weekly: tuple[Interval, ...], **exceptions: object) -> Calendar:
    rules = WheelZones().zone(zone)
    assert rules is not None
    return Calendar("test", zone, rules, tuple(weekly), **exceptions)  # type: ignore[arg-type]


OFFICE = calendar("Europe/Amsterdam", *[hours((9, 12), (13, 17))] * 5, (), ())
EVERY_DAY = calendar("Europe/Amsterdam", *[hours((0, 24))] * 7)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_office_is_closed_over_lunch_and_weekend() -> None:
    assert is_open(OFFICE, at("2026-06-01T11:59:59+02:00"))
    assert not is_open(OFFICE, at("2026-06-01T12:00:00+02:00"))
    assert is_open(OFFICE, at("2026-06-01T13:00:00+02:00"))
    assert not is_open(OFFICE, at("2026-06-06T10:00:00+02:00"))


def test_next_opening_skips_the_weekend() -> None:
    assert next_open(OFFICE, at("2026-06-05T17:00:00+02:00")) == at("2026-06-08T09:00:00+02:00")
    inside = at("2026-06-05T16:59:59.5+02:00")
    assert next_open(OFFICE, inside) == inside


def test_business_time_stops_over_lunch_and_night() -> None:
    start = at("2026-06-01T11:30:00+02:00")
    assert add_business_time(OFFICE, start, HOUR) == at("2026-06-01T13:30:00+02:00")
    assert add_business_time(OFFICE, start, 5 * HOUR) == at("2026-06-02T09:30:00+02:00")
    assert business_time_between(OFFICE, start, at("2026-06-02T09:30:00+02:00")) == 5 * HOUR


def test_business_time_ends_at_closing_and_not_at_the_next_opening() -> None:
    assert add_business_time(OFFICE, at("2026-06-05T16:00:00+02:00"), HOUR) == at(
        "2026-06-05T17:00:00+02:00"
    )


def test_no_business_time_is_added_for_nothing() -> None:
    night = at("2026-06-06T03:00:00+02:00")
    assert add_business_time(OFFICE, night, 0) == night
    assert business_time_between(OFFICE, night, night - timedelta(days=3)) == 0


def test_holiday_closes_and_exception_replaces_the_hours() -> None:
    christmas = {date(2026, 12, 25): (), date(2026, 12, 24): hours((9, 11))}
    office = calendar("Europe/Amsterdam", *OFFICE.weekly, exceptions=christmas)
    eve = at("2026-12-24T10:00:00+01:00")
    assert add_business_time(office, eve, 2 * HOUR) == at("2026-12-28T10:00:00+01:00")


def test_always_open_is_plain_addition() -> None:
    start = at("2026-03-29T00:30:00+00:00")
    assert add_business_time(ALWAYS, start, 86400.25) == start + timedelta(seconds=86400.25)
    assert business_time_between(ALWAYS, start, start + timedelta(hours=2)) == 2 * HOUR
    assert is_open(ALWAYS, start)
    assert next_open(ALWAYS, start) == start
    assert weekly_open_s(ALWAYS) == 7 * 24 * HOUR


def test_day_of_the_gap_has_23_hours_and_of_the_fold_25() -> None:
    for day, length in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)):
        start = datetime.fromisoformat(day).replace(tzinfo=EVERY_DAY.zone).astimezone(UTC)
        end = start.astimezone(EVERY_DAY.zone).replace(tzinfo=None) + timedelta(days=1)
        end = end.replace(tzinfo=EVERY_DAY.zone).astimezone(UTC)
        assert business_time_between(EVERY_DAY, start, end) == length * HOUR


def test_hours_in_the_gap_are_never_there_and_in_the_fold_twice() -> None:
    night = calendar("Europe/Amsterdam", *[hours((2, 3))] * 7)
    gap, fold = at("2026-03-28T12:00:00Z"), at("2026-10-24T12:00:00Z")
    assert business_time_between(night, gap, gap + timedelta(days=1)) == 0
    assert business_time_between(night, fold, fold + timedelta(days=1)) == 2 * HOUR


def test_half_hour_change_of_lord_howe_is_counted() -> None:
    island = calendar("Australia/Lord_Howe", *[hours((0, 24))] * 7)
    noon = at("2026-10-03T12:00:00+10:30")
    next_noon = at("2026-10-04T12:00:00+11:00")
    assert business_time_between(island, noon, next_noon) == 23.5 * HOUR


def test_shift_over_midnight_is_two_intervals_without_a_seam() -> None:
    late = calendar("Europe/Amsterdam", *[hours((0, 2), (22, 24))] * 7)
    start = at("2026-06-01T23:00:00+02:00")
    assert add_business_time(late, start, 2 * HOUR) == at("2026-06-02T01:00:00+02:00")


def test_calendar_that_never_opens_ends_at_the_horizon() -> None:
    shut = Calendar("shut")
    start = at("2026-06-01T12:00:00Z")
    end = add_business_time(shut, start, 1)
    assert end - start > timedelta(days=3650)
    assert next_open(shut, start) == end
    assert business_time_between(shut, start, start + timedelta(days=9000)) == 0


def test_memory_of_expanded_days_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toldonce.kernel.calendar.REMEMBERED_DAYS_MAX", 10)
    start = at("2026-06-01T12:00:00Z")
    assert business_time_between(OFFICE, start, start + timedelta(days=70)) == 50 * 7 * HOUR
    assert len(OFFICE._days) <= 10  # noqa: SLF001


def test_hours_end_at_the_first_closed_instant_though_days_adjoin() -> None:
    assert next_closed(OFFICE, at("2026-01-05T09:30+01:00")) == at("2026-01-05T12:00+01:00")
    assert next_closed(OFFICE, at("2026-01-05T12:30+01:00")) == at("2026-01-05T12:30+01:00")
    night = calendar("Europe/Amsterdam", *[hours((0, 2), (8, 24))] * 7)
    assert next_closed(night, at("2026-01-05T20:00+01:00")) == at("2026-01-06T02:00+01:00")
    assert next_closed(EVERY_DAY, at("2026-01-05T09:30+01:00")) is None
    assert next_closed(ALWAYS, at("2026-01-05T09:30+01:00")) is None
