"""Calendars: when a company is open, and how business time passes.

An instant is open when the clock on the office wall, in the calendar's zone, then reads within the
hours of that wall date. Hours that a daylight-saving gap skips are therefore never there, and hours
that a fold repeats are there twice. Intervals hold their beginning and not their end.

Everything is computed in whole microseconds since 1970 and is exact. Zone rules come in with the
calendar, so nothing here reads a file. A calendar remembers the days it has expanded: the
remembering changes speed, never an answer. Looking ahead ends after `HORIZON_DAYS_MAX`: business
time that has not passed by then counts as passed (the linter refuses policies that get near it).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from toldonce.kernel.instants import DAY_S, EPOCH, SECOND, instant, micros

HORIZON_DAYS_MAX = 3_660
REMEMBERED_DAYS_MAX = 8_192

_EPOCH_ORDINAL = EPOCH.toordinal()
_DAY_US = DAY_S * SECOND
_PROBE_S = 21_600  # offsets are compared four times a day: no zone changes and changes back faster
_LAST_DAY = date.max.toordinal() - _EPOCH_ORDINAL - 2  # leaves room for the furthest zone


@dataclass(frozen=True, slots=True)
class Interval:
    """Open hours by the wall clock, in seconds after midnight: 0 <= opens_s < closes_s <= 86400."""

    opens_s: int
    closes_s: int


class Part(NamedTuple):
    """A stretch [from_us, to_us) of one date on the wall (days since 1970), open or closed."""

    from_us: int
    to_us: int
    wall_day: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class _Day:
    """One UTC day: its open pieces in microseconds since 1970, in order, and their sum."""

    pieces: tuple[tuple[int, int], ...]
    open_us: int


_MIDNIGHT = Interval(DAY_S, DAY_S)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening hours in one zone.

    `weekly` has seven entries, Monday first, each in order and without overlap. `exceptions` maps
    a date to the hours that replace that day's, none for a closed day. `always` is 24x7 and then
    nothing else matters. `holidays` names those of the closed days that are public holidays: they
    are known up to `holidays_until` (None: nobody asked for any).
    """

    name: str
    zone_name: str = "UTC"
    zone: tzinfo = field(default=UTC, repr=False, compare=False)
    weekly: tuple[tuple[Interval, ...], ...] = ((),) * 7
    exceptions: Mapping[date, tuple[Interval, ...]] = field(default_factory=dict)
    always: bool = False
    holidays: Mapping[date, str] = field(default_factory=dict)
    holidays_until: date | None = None
    _days: dict[int, _Day] = field(default_factory=dict, init=False, repr=False, compare=False)


ALWAYS = Calendar(name="always", always=True)


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Tell whether `at` (aware) is inside opening hours."""
    if calendar.always:
        return True
    at_us = micros(at)
    return any(a <= at_us < b for a, b in _day(calendar, at_us // _DAY_US).pieces)


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """Return the first open instant at or after `at`, in UTC; the horizon when there is none."""
    if calendar.always:
        return at.astimezone(UTC)
    at_us = micros(at)
    first = at_us // _DAY_US
    last = min(first + HORIZON_DAYS_MAX, _LAST_DAY)
    for number in range(first, last + 1):
        for opens, closes in _day(calendar, number).pieces:
            if closes > at_us:
                return instant(max(opens, at_us))
    return instant(max(at_us, (last + 1) * _DAY_US))


def next_closed(calendar: Calendar, at: datetime) -> datetime | None:
    """Return the first closed instant at or after `at`, in UTC; None within the horizon."""
    if calendar.always:
        return None
    at_us = micros(at)
    last = min(at_us // _DAY_US + HORIZON_DAYS_MAX, _LAST_DAY)
    while (number := at_us // _DAY_US) <= last:
        pieces = _day(calendar, number).pieces
        closes_us = next((b for a, b in pieces if a <= at_us < b), None)
        if closes_us is None:
            return instant(at_us)
        at_us = closes_us
    return None


def add_business_time(calendar: Calendar, start: datetime, seconds: float) -> datetime:
    """Return the earliest instant, in UTC, by which `seconds` of open time have passed since start.

    Exact to the microsecond; zero or less gives `start` itself. At most the horizon.
    """
    return instant(add_business_us(calendar, micros(start), round(seconds * SECOND)))


def add_business_us(calendar: Calendar, at_us: int, left: int) -> int:
    """Do `add_business_time` in whole microseconds: from an instant, so many."""
    if left <= 0 or calendar.always:
        return at_us + max(left, 0)
    first = at_us // _DAY_US
    last = min(first + HORIZON_DAYS_MAX, _LAST_DAY)
    days = calendar._days  # noqa: SLF001 - this module's own memory
    number = first
    while number <= last:
        day = days.get(number) or _day(calendar, number)
        if day.open_us < left and number > first:
            left -= day.open_us
        else:
            for opens, closes in day.pieces:
                if closes <= at_us:
                    continue
                begins = opens if opens > at_us else at_us  # noqa: FURB136 - a call costs more
                if closes - begins >= left:
                    return begins + left
                left -= closes - begins
        number += 1
    return max(at_us, (last + 1) * _DAY_US)


def business_time_between(calendar: Calendar, a: datetime, b: datetime) -> float:
    """Return the open seconds in [a, b), exact to the microsecond; 0 when b is not later."""
    a_us, b_us = micros(a), micros(b)
    if b_us <= a_us:
        return 0.0
    if calendar.always:
        return (b_us - a_us) / SECOND
    first, last = a_us // _DAY_US, min(b_us // _DAY_US, a_us // _DAY_US + HORIZON_DAYS_MAX)
    total = 0
    for number in range(first, last + 1):
        day = _day(calendar, number)
        if first < number < last:
            total += day.open_us
        else:
            total += sum(max(0, min(y, b_us) - max(x, a_us)) for x, y in day.pieces)
    return total / SECOND


def parts(calendar: Calendar, from_us: int, to_us: int) -> Iterator[Part]:
    """Cut [from_us, to_us) where hours begin or end, the wall's date or its offset changes."""
    for number in range(from_us // _DAY_US, (to_us - 1) // _DAY_US + 1):
        for part in _cut(calendar, number):
            begins, ends = max(part.from_us, from_us), min(part.to_us, to_us)
            if begins < ends:
                yield Part(begins, ends, part.wall_day, part.is_open)


def weekly_open_s(calendar: Calendar) -> int:
    """Return the open seconds of an ordinary week, exceptions and clock changes left aside."""
    if calendar.always:
        return 7 * DAY_S
    return sum(i.closes_s - i.opens_s for hours in calendar.weekly for i in hours)


def _day(calendar: Calendar, number: int) -> _Day:
    known = calendar._days.get(number)  # noqa: SLF001 - this module's own memory
    if known is not None:
        return known
    if len(calendar._days) >= REMEMBERED_DAYS_MAX:  # noqa: SLF001
        calendar._days.clear()  # noqa: SLF001
    day = calendar._days[number] = _expand(calendar, number)  # noqa: SLF001
    return day


def _expand(calendar: Calendar, number: int) -> _Day:
    pieces = tuple((part.from_us, part.to_us) for part in _cut(calendar, number) if part.is_open)
    return _Day(pieces, sum(b - a for a, b in pieces))


def _cut(calendar: Calendar, number: int) -> Iterator[Part]:
    """Cut a UTC day where the zone's offset changes and lay the wall hours over each part."""
    start_s = number * DAY_S
    for begins_s, ends_s, offset_s in _steady(calendar.zone, start_s, start_s + DAY_S):
        wall_from, wall_to = begins_s + offset_s, ends_s + offset_s
        for wall_day in range(wall_from // DAY_S, (wall_to - 1) // DAY_S + 1):
            done = max(wall_day * DAY_S, wall_from)
            until = min((wall_day + 1) * DAY_S, wall_to)
            for hours in (*_hours(calendar, wall_day), _MIDNIGHT):
                opens = min(max(wall_day * DAY_S + hours.opens_s, done), until)
                closes = min(max(wall_day * DAY_S + hours.closes_s, done), until)
                for begins, ends, is_open in ((done, opens, False), (opens, closes, True)):
                    if begins < ends:
                        yield Part(
                            (begins - offset_s) * SECOND,
                            (ends - offset_s) * SECOND,
                            wall_day,
                            is_open,
                        )
                done = closes


def _hours(calendar: Calendar, wall_day: int) -> tuple[Interval, ...]:
    """Return the hours of a wall date, given in days since 1970."""
    on = date.fromordinal(wall_day + _EPOCH_ORDINAL)
    hours = calendar.exceptions.get(on)
    return calendar.weekly[on.weekday()] if hours is None else hours


def _steady(zone: tzinfo, from_s: int, to_s: int) -> list[tuple[int, int, int]]:
    """Cut [from_s, to_s) into stretches (begin, end, offset) of one UTC offset, all in seconds."""
    stretches: list[tuple[int, int, int]] = []
    begins, offset = from_s, _offset_s(zone, from_s)
    for probe in range(from_s + _PROBE_S, to_s + 1, _PROBE_S):
        beyond = _offset_s(zone, probe)
        if beyond == offset:
            continue
        low, high = probe - _PROBE_S, probe
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset_s(zone, middle) == offset else (low, middle)
        if high < to_s:
            stretches.append((begins, high, offset))
            begins, offset = high, beyond
    stretches.append((begins, to_s, offset))
    return stretches


def _offset_s(zone: tzinfo, at_s: int) -> int:
    offset = (EPOCH + timedelta(seconds=at_s)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(seconds=1)
