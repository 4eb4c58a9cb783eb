"""A slow oracle of calendars and clocks that shares nothing with the kernel: it counts minutes.

What the wall showed is looked up for every single minute of the years of a zone. The hours say of
that date and time whether the minute is open; it counts unless it is paused; and what is asked for
is found by counting. Instants are whole minutes, given as places: how many minutes after the first
minute (UTC) of the wall. So a minute is open, paused or counted as a whole.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

DAY = 1440
_MINUTE_US = 60_000_000
_PERMILLE_US = 1_000

type Hours = tuple[tuple[int, int], ...]


class TooShort(Exception):
    """The years looked at end before what was asked for."""


@dataclass(frozen=True)
class Wall:
    """What clocks on walls showed, minute by minute: minutes since the day before year 1.

    `changes` are the places of the minutes at which it did not go on by one minute.
    """

    zone_name: str
    zone: tzinfo
    first: datetime
    shown: NDArray[np.int64]
    changes: tuple[int, ...]

    def at(self, place: int) -> datetime:
        return self.first + timedelta(minutes=place)

    def date_of(self, place: int) -> int:
        return int(self.shown[place]) // DAY


@dataclass(frozen=True)
class Week:
    """Opening hours in minutes after midnight on the wall, Monday first; or always."""

    weekly: tuple[Hours, ...]
    exceptions: dict[date, Hours]
    always: bool = False


@dataclass(frozen=True)
class Facts:
    """What happened to a clock, in places; a pause that ends at None is still open."""

    start: int
    pauses: tuple[tuple[int, int | None], ...]
    stop: int | None
    cancelled: bool
    now: int


@dataclass(frozen=True)
class Reading:
    """What the clock says; instants in microseconds after the first minute of the wall."""

    state: str
    due_us: int | None
    warn_us: int | None
    elapsed_s: int
    remaining_s: int
    ended: bool


def wall(zone_name: str, zone: tzinfo, first_year: int, years: int) -> Wall:
    """Look at the wall in every minute of these years."""
    first, last = (datetime(first_year + n, 1, 1, tzinfo=UTC) for n in (0, years))
    seconds = range(int(first.timestamp()), int(last.timestamp()), 60)
    written = (
        on.toordinal() * DAY + on.hour * 60 + on.minute
        for on in (datetime.fromtimestamp(second, zone) for second in seconds)
    )
    shown = np.fromiter(written, dtype=np.int64, count=len(seconds))
    jumps = np.flatnonzero(np.diff(shown) != 1)
    return Wall(zone_name, zone, first, shown, tuple(int(place) + 1 for place in jumps))


def opened(wall: Wall, week: Week, start: int, end: int) -> NDArray[np.bool_]:
    """Tell of each minute in [start, end) whether it is open."""
    shown = wall.shown[start:end]
    if week.always:
        return np.ones(len(shown), dtype=np.bool_)
    first, last = int(shown.min()) // DAY, int(shown.max()) // DAY
    days = np.zeros((last - first + 1, DAY), dtype=np.bool_)
    for number in range(first, last + 1):
        on = date.fromordinal(number)
        for opens, closes in week.exceptions.get(on, week.weekly[on.weekday()]):
            days[number - first, opens:closes] = True
    told: NDArray[np.bool_] = days.ravel()[shown - first * DAY]
    return told


def counted(opened: NDArray[np.bool_], facts: Facts) -> NDArray[np.bool_]:
    """Tell of each minute from the start on whether it counts.

    After the stop nothing is paused any more: it is known what would have been.
    """
    counts = opened.copy()
    for begins, ends in _pauses(facts):
        upto = len(counts) if ends is None else max(0, ends - facts.start)
        counts[max(0, begins - facts.start) : upto] = False
    return counts


def read(counts: NDArray[np.bool_], facts: Facts, target_s: int, warn_permille: int) -> Reading:
    """Read the clock by counting `counts`, which begins at the start; raises TooShort."""
    endless = any(ends is None for _, ends in _pauses(facts))
    places = np.flatnonzero(counts)
    due_us = _reached(places, facts, target_s * 1_000 * _PERMILLE_US, endless=endless)
    warn_us = _reached(places, facts, target_s * warn_permille * _PERMILLE_US, endless=endless)
    ended = facts.stop is not None and facts.stop <= facts.now
    until = facts.stop if ended and facts.stop is not None else facts.now
    elapsed_s = 60 * int(np.count_nonzero(counts[: max(0, until - facts.start)]))
    late = due_us is not None and due_us <= until * _MINUTE_US
    near = warn_us is not None and warn_us <= facts.now * _MINUTE_US
    if late:
        state = "BREACHED"
    elif ended:
        state = "CANCELLED" if facts.cancelled else "MET"
    elif facts.now < facts.start or _stands_still(facts):
        state = "PAUSED"
    else:
        state = "WARNED" if near else "RUNNING"
    return Reading(state, due_us, warn_us, elapsed_s, target_s - elapsed_s, ended)


def _pauses(facts: Facts) -> list[tuple[int, int | None]]:
    return [one for one in facts.pauses if facts.stop is None or one[0] < facts.stop]


def _stands_still(facts: Facts) -> bool:
    return any(
        begins <= facts.now and (ends is None or facts.now < ends) for begins, ends in facts.pauses
    )


def _reached(places: NDArray[np.int64], facts: Facts, need_us: int, *, endless: bool) -> int | None:
    """Find the instant by which so much has counted; None when an open pause keeps it away."""
    whole, rest = divmod(need_us, _MINUTE_US)
    last = whole if rest else whole - 1  # the minute, among those that count, that brings it
    if last >= len(places):
        if endless:
            return None
        raise TooShort
    begins = facts.start + int(places[last])
    return begins * _MINUTE_US + (rest or _MINUTE_US)
