"""Accounts of clocks: what counted and what did not, with the reason a manager asks for."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from toldonce.kernel.account import (
    CLOSED_DATE,
    CLOSED_EXCEPTION,
    CLOSED_HOURS,
    CLOSED_WEEKDAY,
    OPEN,
    OPEN_EXCEPTION,
    REASON_BYTES_MAX,
    SPANS_MAX,
    account,
)
from toldonce.kernel.calendar import ALWAYS, Calendar, Interval
from toldonce.kernel.clocks import ClockFacts, ClockKind, Pause, Target, clock
from toldonce.kernel.errors import Rejected
from toldonce.runtime.zones import WheelZones

ZONE = WheelZones().zone("Europe/Amsterdam") or UTC
DAY = (Interval(9 * 3600, 12 * 3600), Interval(13 * 3600, 17 * 3600))
OFFICE = Calendar(
    "office",
    "Europe/Amsterdam",
    ZONE,
    (DAY,) * 5 + ((), ()),
    {date(2026, 12, 24): (Interval(9 * 3600, 11 * 3600),), date(2026, 12, 25): ()},
)
TARGET = Target(ClockKind.FIRST_RESPONSE, 8 * 3600)


def at(text: str) -> datetime:
    """An instant by the wall in Amsterdam."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def told(facts: ClockFacts, now: str, calendar: Calendar = OFFICE) -> list[tuple[str, str, float]]:
    """Give when each span ends by the wall, its reason, and the hours that counted."""
    return [
        (f"{span.to_at.astimezone(ZONE):%a %H:%M}", span.reason, span.counted_s / 3600)
        for span in account(calendar, facts, at(now))
    ]


def test_account_tells_lunch_evening_and_weekend_apart() -> None:
    facts = ClockFacts(at("2026-06-05 11:30"))  # a Friday
    assert told(facts, "2026-06-08 09:20") == [
        ("Fri 12:00", OPEN, 0.5),
        ("Fri 13:00", CLOSED_HOURS, 0),
        ("Fri 17:00", OPEN, 4),
        ("Sat 00:00", CLOSED_HOURS, 0),
        ("Mon 00:00", CLOSED_WEEKDAY, 0),
        ("Mon 09:00", CLOSED_HOURS, 0),
        ("Mon 09:20", OPEN, pytest.approx(1 / 3)),
    ]


def test_account_names_holidays_and_dates_with_hours_of_their_own() -> None:
    facts = ClockFacts(at("2026-12-23 16:00"))
    assert told(facts, "2026-12-28 10:00") == [
        ("Wed 17:00", OPEN, 1),
        ("Thu 00:00", CLOSED_HOURS, 0),
        ("Thu 09:00", CLOSED_EXCEPTION, 0),
        ("Thu 11:00", OPEN_EXCEPTION, 2),
        ("Fri 00:00", CLOSED_EXCEPTION, 0),
        ("Sat 00:00", CLOSED_DATE, 0),
        ("Mon 00:00", CLOSED_WEEKDAY, 0),
        ("Mon 09:00", CLOSED_HOURS, 0),
        ("Mon 10:00", OPEN, 1),
    ]


def test_account_says_pauses_with_every_cause_whether_open_or_closed() -> None:
    facts = ClockFacts(
        at("2026-06-01 10:00"),
        (
            Pause(at("2026-06-01 11:00"), at("2026-06-01 12:30"), "waiting for the customer"),
            Pause(at("2026-06-01 11:30"), at("2026-06-01 12:10"), "incident"),
            Pause(at("2026-06-01 14:00"), None, "CUSTOMER"),
        ),
    )
    assert told(facts, "2026-06-01 16:00") == [
        ("Mon 11:00", OPEN, 1),
        ("Mon 11:30", "paused: waiting for the customer", 0),
        ("Mon 12:10", "paused: incident, waiting for the customer", 0),
        ("Mon 12:30", "paused: waiting for the customer", 0),
        ("Mon 13:00", CLOSED_HOURS, 0),
        ("Mon 14:00", OPEN, 1),
        ("Mon 16:00", "paused: waiting for the customer", 0),
    ]


def test_account_ends_where_its_clock_stopped_and_is_empty_before_it_began() -> None:
    stopped = ClockFacts(at("2026-06-01 10:00"), stopped_at=at("2026-06-01 10:30"))
    assert told(stopped, "2026-06-03 10:00") == [("Mon 10:30", OPEN, 0.5)]
    assert told(ClockFacts(at("2026-06-02 10:00")), "2026-06-01 10:00") == []


def test_account_of_a_night_with_a_change_of_the_clocks_counts_what_the_wall_showed() -> None:
    night = Calendar("night", "Europe/Amsterdam", ZONE, ((Interval(0, 6 * 3600),),) * 7)
    for eve, hours in (("2026-03-28 23:00", 5), ("2026-10-24 23:00", 7), ("2026-06-01 23:00", 6)):
        begun = at(eve)
        spans = account(night, ClockFacts(begun), begun + timedelta(hours=hours + 1))
        assert [(span.reason, span.lasts_s / 3600) for span in spans] == [
            (CLOSED_HOURS, 1),
            (OPEN, hours),
        ]


def test_account_of_a_clock_that_never_closes_is_one_span() -> None:
    assert told(ClockFacts(at("2026-06-01 10:00")), "2027-06-01 10:00", ALWAYS) == [
        ("Tue 10:00", OPEN, 8760)
    ]


def test_long_account_keeps_its_ends_and_says_how_much_counted_between() -> None:
    facts, now = ClockFacts(at("2026-01-05 08:00")), at("2027-06-01 10:00")
    spans = account(OFFICE, facts, now)
    assert len(spans) == SPANS_MAX
    (merged,) = [span for span in spans if span.merged > 1]
    assert merged.reason == f"{merged.merged} stretches, too many to tell apart"
    assert 0 < merged.counted_s < merged.lasts_s
    assert sum(s.counted_s for s in spans) == clock(TARGET, OFFICE, facts, now).elapsed_s
    assert all(a.to_at == b.from_at for a, b in pairwise(spans))


def test_reason_stays_within_its_bytes() -> None:
    facts = ClockFacts(at("2026-06-01 10:00"), (Pause(at("2026-06-01 10:00"), None, "é" * 500),))
    ((_, reason, _),) = told(facts, "2026-06-01 11:00")
    assert len(reason.encode()) <= REASON_BYTES_MAX
    assert reason.startswith("paused: é")


def test_account_of_more_than_calendars_look_ahead_is_refused() -> None:
    with pytest.raises(Rejected, match="3660 days"):
        account(OFFICE, ClockFacts(at("2010-01-01 10:00")), at("2026-01-01 10:00"))
