"""Reading calendars: wall hours such as `09:00-17:30`, dates, zones, and what cannot be.

Zones and holidays come in as arguments, because they are read from files. A day is as `exceptions`
have it, else closed by `holidays` or a holiday set, else as the week has it.
"""

import re
from datetime import UTC, date, tzinfo
from itertools import pairwise
from typing import Protocol

from toldonce.kernel.calendar import Calendar, Interval
from toldonce.kernel.config.holidays import KEYS, Expander
from toldonce.kernel.config.tree import Fields
from toldonce.kernel.config.types import ALWAYS_NAME
from toldonce.kernel.config.words import near, shown

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INTERVALS_MAX = 24
DATES_MAX = 2_000
_KNOWN = ("name", "always", "zone", "weekly", "holidays", *KEYS, "exceptions")
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d) ?- ?([01]\d|2[0-4]):([0-5]\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DAY_S = 86_400


class Zones(Protocol):
    """Where time zones come from."""

    @property
    def version(self) -> str:
        """The release of the zone rules."""

    @property
    def names(self) -> frozenset[str]:
        """All IANA names there are."""

    def zone(self, name: str) -> tzinfo | None:
        """Return the zone of this IANA name, or None."""


def calendars(document: Fields, zones: Zones, expander: Expander) -> dict[str, Calendar]:
    """Read the section `calendars`; `always` is there without being written down."""
    found: dict[str, Calendar] = {}
    for entry in document.sections("calendars", _KNOWN):
        calendar = _calendar(entry, zones, expander)
        if calendar.name == ALWAYS_NAME and not calendar.always:
            entry.wrong("name", f"{ALWAYS_NAME!r} is the built-in calendar that never closes")
        if calendar.name in found:
            entry.wrong("name", f"{calendar.name!r} is there twice")
        found[calendar.name] = calendar
    return found


def _calendar(entry: Fields, zones: Zones, expander: Expander) -> Calendar:
    name = entry.name("name")
    if entry.flag("always", default=False):
        for key in ("zone", "weekly", "holidays", *KEYS, "exceptions"):
            if key in entry.values:
                entry.wrong(key, "does not go with always: true")
        return Calendar(name, always=True)
    zone_name = entry.text("zone")
    zone = zones.zone(zone_name) if zone_name else None
    if zone is None and zone_name:
        entry.wrong("zone", f"{shown(zone_name)} is no IANA zone; {_guess(zone_name, zones)}")
    week = entry.section("weekly", WEEKDAYS)
    weekly = tuple(_intervals(week, day) for day in WEEKDAYS)
    if not any(weekly):
        entry.wrong("weekly", "has no open time")
    rules = UTC if zone is None else zone
    named, until = expander.expand(entry)
    replaced = dict.fromkeys(named, ()) | _exceptions(entry)
    closed = {on: holiday for on, holiday in named.items() if not replaced[on]}
    return Calendar(name, zone_name, rules, weekly, replaced, holidays=closed, holidays_until=until)


def _guess(word: str, zones: Zones) -> str:
    """Say which zone was probably meant: one spelled alike, or the one of that city."""
    cities = {name.rpartition("/")[2].lower(): name for name in sorted(zones.names, reverse=True)}
    found = near(word, zones.names) or cities.get(
        near(word.rpartition("/")[2].replace(" ", "_").lower(), cities)
    )
    return f"did you mean {found}?" if found else "one is Europe/Amsterdam"


def _exceptions(entry: Fields) -> dict[date, tuple[Interval, ...]]:
    found: dict[date, tuple[Interval, ...]] = {}
    for path, value in entry.items("holidays", DATES_MAX):
        on = _date(entry, path, value)
        if on is not None:
            found[on] = ()
    for other in entry.sections("exceptions", ("date", "open"), count_max=DATES_MAX):
        on = _date(entry, other.at("date"), other.values.get("date"))
        if on in found:
            other.wrong("date", f"{on} is there twice")
        if on is not None:
            found[on] = _intervals(other, "open")
    return found


def _intervals(entry: Fields, key: str) -> tuple[Interval, ...]:
    """Read the hours of one day; in any order, but they may not overlap."""
    found: list[tuple[Interval, str]] = []
    for path, value in entry.items(key, INTERVALS_MAX):
        match = _HOURS.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            entry.problems.add(path, f"wanted hours such as 09:00-17:30, got {shown(value)}")
            continue
        a, b, c, d = (int(part) for part in match.groups())
        hours = Interval(a * 3_600 + b * 60, c * 3_600 + d * 60)
        if hours.opens_s >= hours.closes_s or hours.closes_s > _DAY_S:
            entry.problems.add(
                path,
                f"{value} must open before it closes, at 24:00 at the latest"
                " (hours over midnight are two intervals)",
            )
            continue
        found.append((hours, path))
    found.sort(key=lambda pair: (pair[0].opens_s, pair[0].closes_s))
    for (one, _), (other, path) in pairwise(found):
        if other.opens_s < one.closes_s:
            entry.problems.add(path, "overlaps other hours of the same day")
    return tuple(hours for hours, _ in found)


def _date(entry: Fields, path: str, value: object) -> date | None:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    entry.problems.add(path, f"wanted a date such as 2026-12-25, got {shown(value)}")
    return None
