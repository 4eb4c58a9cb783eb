"""Calendars as they lie ahead: with no day left to open, and with holidays that run out."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from toldonce.kernel.calendar import HORIZON_DAYS_MAX, next_open
from toldonce.kernel.config.linter.finding import NAMED_MAX, Finding, Rule, Severity
from toldonce.kernel.config.types import Config

RUNS_OUT_DAYS = 183


def never_open(config: Config, now: datetime) -> Iterator[Finding]:
    """Find calendars that holidays and exceptions close on every day of the horizon.

    At most `NAMED_MAX`: to be sure of one takes a look at every day of ten years.
    """
    horizon = timedelta(days=HORIZON_DAYS_MAX)
    shut = (
        Finding(
            Severity.ERROR,
            Rule.CALENDAR,
            f"calendars[{index}].weekly",
            f"has no open time left: holidays and exceptions close each day from {now:%Y-%m-%d} on",
        )
        for index, calendar in enumerate(config.calendars.values())
        if not calendar.always and next_open(calendar, now) >= now + horizon
    )
    yield from islice(shut, NAMED_MAX)


def running_out(config: Config, now: datetime) -> Iterator[Finding]:
    """Find holiday sets whose dates end soon: the days after are as any other day."""
    for index, calendar in enumerate(config.calendars.values()):
        until = calendar.holidays_until
        if until is not None and (until - now.date()).days < RUNS_OUT_DAYS:
            yield Finding(
                Severity.WARNING,
                Rule.CALENDAR,
                f"calendars[{index}].holiday_years",
                f"the holidays of calendar {calendar.name} are known until {until} only: "
                "more holiday_years reach further",
            )
