"""Public holidays from the pinned `holidays` wheel, for documents that are being applied.

The wheel is imported when somebody asks, not before: most processes never do. Only public holidays
are taken, days given in lieu of them included; not bank days, school days or half days.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from toldonce.kernel.config.holidays import HolidaySet

REMEMBERED_MAX = 256


class WheelHolidays:
    """The holidays as of a year; satisfies `kernel.config.Holidays`."""

    def __init__(self, year: int) -> None:
        """`year` is the one in which a document is applied."""
        self._year = year

    @property
    def release(self) -> str:
        """The release of the wheel, such as `0.109`."""
        return str(_library().__version__)

    @property
    def year(self) -> int:
        """The year of applying."""
        return self._year

    def days(self, asked: HolidaySet) -> Mapping[date, str] | None:
        """Return the dates of a set from last year on, or None when there is no such set."""
        if asked.region not in (*_known().get(asked.country, ()), ""):
            return None
        if asked.country not in _known():
            return None
        return _days(asked, self._year)

    def countries(self) -> Mapping[str, str]:
        """Give the code of each country by its names and other codes, in small letters."""
        return _countries()

    def regions(self, country: str) -> Mapping[str, str]:
        """Give the code of each region of a country by its names and codes."""
        if country not in _known():
            return {}
        aliases = _library().country_holidays(country).get_subdivision_aliases()
        words = {str(word): str(code) for code, words in aliases.items() for word in words}
        return words | {code: code for code in _known()[country]}


@cache
def _library() -> Any:  # noqa: ANN401 - a module imported late
    return import_module("holidays")


@cache
def _known() -> Mapping[str, tuple[str, ...]]:
    """Give the codes of the regions of each country."""
    listed = _library().list_supported_countries(include_aliases=False)
    return {str(country): tuple(map(str, regions)) for country, regions in listed.items()}


@cache
def _countries() -> Mapping[str, str]:
    words: dict[str, str] = {}
    registry = import_module("holidays.registry").COUNTRIES
    for name, (_, code, *others) in registry.items():
        if code in _known():
            words |= {str(word).lower(): str(code) for word in (*others, name, code)}
    return words


@lru_cache(maxsize=REMEMBERED_MAX)
def _days(asked: HolidaySet, year: int) -> Mapping[date, str]:
    years = range(year - 1, year + asked.years)
    found = _library().country_holidays(
        asked.country, subdiv=asked.region or None, years=years, expand=False
    )
    return {on: str(name) for on, name in sorted(found.items()) if on.year in years}
