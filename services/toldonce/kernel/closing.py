"""What a calendar says of days that are closed though the week has them open."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from toldonce.kernel.calendar import HORIZON_DAYS_MAX, Calendar


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day that an exception or a holiday closes; `name` is the holiday's, or ""."""

    on: date
    name: str


def closed_by(calendar: Calendar, at: datetime) -> str:
    """Name the holiday that closes the wall day of `at` (aware), or "" when none does."""
    if calendar.always:
        return ""
    return calendar.holidays.get(at.astimezone(calendar.zone).date(), "")


def closed_days(calendar: Calendar, since: date, until: date | None = None) -> Iterator[ClosedDay]:
    """Give, in order, the days from `since` to `until` (None: the horizon) that are closed.

    Left out are the days of the week that never open.
    """
    last = until if until is not None else since + timedelta(days=HORIZON_DAYS_MAX)
    for on in sorted(on for on, hours in calendar.exceptions.items() if not hours):
        if since <= on <= last and calendar.weekly[on.weekday()]:
            yield ClosedDay(on, calendar.holidays.get(on, ""))


def holidays_between(calendar: Calendar, a: datetime, b: datetime) -> tuple[str, ...]:
    """Name the holidays that keep a calendar closed on the wall days from `a` to `b`."""
    if calendar.always:
        return ()
    first, last = a.astimezone(calendar.zone).date(), b.astimezone(calendar.zone).date()
    names = (day.name for day in closed_days(calendar, first, last))
    return tuple(dict.fromkeys(name for name in names if name))
