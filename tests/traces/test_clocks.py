"""Clocks that every manager argues about, told as they run: where did the time go?"""

from collections.abc import Callable
from datetime import UTC, date, tzinfo

from tests.traces.watch import Watch
from toldonce.kernel.calendar import Calendar, Interval
from toldonce.kernel.clocks import ClockKind, Target
from toldonce.runtime.zones import WheelZones

type Golden = Callable[[str, str], None]

HOUR = 3600
DAY = (Interval(9 * HOUR, 12 * HOUR), Interval(13 * HOUR, 17 * HOUR))
SHOWN = "Monday to Friday 09:00-12:00 and 13:00-17:00"
ANSWER = Target(ClockKind.FIRST_RESPONSE, 4 * HOUR, 750)


def zone(name: str) -> tzinfo:
    return WheelZones().zone(name) or UTC


def office(exceptions: dict[date, tuple[Interval, ...]] | None = None) -> Calendar:
    rules = zone("Europe/Amsterdam")
    return Calendar("office", "Europe/Amsterdam", rules, (DAY,) * 5 + ((), ()), exceptions or {})


def test_manager_reads_how_a_weekend_does_not_count(golden: Golden) -> None:
    watch = (
        Watch(office(), ANSWER, SHOWN)
        .begins("2026-06-05 15:00", "a customer writes on a Friday afternoon")
        .looks("2026-06-06 11:00")
        .looks("2026-06-08 10:30")
        .stops("2026-06-08 11:20", "anna answers")
        .accounts("2026-06-09 09:00")
    )
    golden("clock_weekend", watch.text)


def test_manager_reads_how_a_lunch_break_does_not_count(golden: Golden) -> None:
    watch = (
        Watch(office(), Target(ClockKind.FIRST_RESPONSE, HOUR, 750), SHOWN)
        .begins("2026-06-02 11:30", "a customer writes half an hour before lunch")
        .looks("2026-06-02 12:45")
        .looks("2026-06-02 13:20")
        .stops("2026-06-02 13:30", "bram answers at the very moment it is due: too late")
        .accounts("2026-06-02 13:30")
    )
    golden("clock_lunch", watch.text)


def test_manager_reads_how_holidays_do_not_count(golden: Golden) -> None:
    short = (Interval(9 * HOUR, 11 * HOUR),)
    dates: dict[date, tuple[Interval, ...]] = {date(2026, 12, 24): short, date(2026, 12, 25): ()}
    shown = f"{SHOWN}; 24 December 09:00-11:00; closed on 25 December"
    watch = (
        Watch(office(dates), ANSWER, shown)
        .begins("2026-12-23 16:00", "a customer writes two days before Christmas")
        .looks("2026-12-24 11:00")
        .looks("2026-12-25 10:00")
        .looks("2026-12-28 10:00")
        .accounts("2026-12-28 10:00")
    )
    golden("clock_holiday", watch.text)


def test_manager_reads_how_waiting_for_the_customer_does_not_count(golden: Golden) -> None:
    watch = (
        Watch(office(), ANSWER, SHOWN)
        .begins("2026-06-01 10:00", "a customer writes")
        .pauses("2026-06-01 11:00", "waiting for the customer")
        .looks("2026-06-02 15:00")
        .goes_on("2026-06-03 12:30", "the customer answers, during lunch")
        .looks("2026-06-03 15:30")
        .pauses("2026-06-03 15:45", "waiting for the customer")
        .goes_on("2026-06-03 18:00", "the customer answers, after closing time")
        .looks("2026-06-04 09:20")
        .accounts("2026-06-04 09:20")
    )
    golden("clock_pause", watch.text)


def test_manager_reads_how_the_hour_that_comes_twice_counts_twice(golden: Golden) -> None:
    """On Lord Howe half an hour comes twice, and the night shift works it twice."""
    night = (Interval(0, 6 * HOUR), Interval(22 * HOUR, 24 * HOUR))
    island = Calendar("night", "Australia/Lord_Howe", zone("Australia/Lord_Howe"), (night,) * 7)
    watch = (
        Watch(island, ANSWER, "every night 22:00-06:00")
        .begins("2026-04-04 22:30", "a guest calls, on the night on which summer time ends")
        .looks("2026-04-05 01:45+11:00")
        .looks("2026-04-05 01:45+10:30")
        .looks("2026-04-05 02:30")
        .accounts("2026-04-05 06:30")
    )
    golden("clock_change_back", watch.text)


def test_manager_reads_how_the_hour_that_is_skipped_does_not_count(golden: Golden) -> None:
    night = Calendar(
        "night", "America/New_York", zone("America/New_York"), ((Interval(0, 6 * HOUR),),) * 7
    )
    watch = (
        Watch(night, ANSWER, "every night 00:00-06:00")
        .begins("2026-03-08 01:00", "a customer writes, on the night on which summer time begins")
        .looks("2026-03-08 03:00")
        .looks("2026-03-08 05:30")
        .accounts("2026-03-09 01:00")
    )
    golden("clock_change_forward", watch.text)
