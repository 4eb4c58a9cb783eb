"""Holiday sets of countries and regions: what is asked for, and the dates that came of it.

They become dates when a document is applied, and are stored with it. So a document that stands is
read with the dates it was applied with, whatever release of the library is installed by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from toldonce.kernel.config.tree import Fields
from toldonce.kernel.config.words import near, shown

KEYS = ("holiday_sets", "holiday_years")
CALENDAR_SETS_MAX = 20
DOCUMENT_SETS_MAX = 100
YEARS_MAX = 10
YEARS = 3
_REGIONS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class HolidaySet:
    """The public holidays of a country, or of one region of it ("": what holds everywhere).

    They are wanted for the year of applying and the ones after it, `years` together, and for the
    year before: a clock that runs over New Year still counts last year's days as they were.
    """

    country: str
    region: str
    years: int


@dataclass(frozen=True, slots=True)
class Expanded:
    """A set and its dates, each with the name by which the country calls it."""

    asked: HolidaySet
    days: Mapping[date, str]


class Holidays(Protocol):
    """Where the dates come from: a library at applying, what is stored with the document later."""

    @property
    def release(self) -> str:
        """Which release of the library makes, or made, the dates."""

    @property
    def year(self) -> int:
        """The year of applying."""

    def days(self, asked: HolidaySet) -> Mapping[date, str] | None:
        """Return the dates of a set, or None when there is no such set."""

    def countries(self) -> Mapping[str, str]:
        """Give the code of each country by all the words for it, in small letters."""

    def regions(self, country: str) -> Mapping[str, str]:
        """Give the code of each region of a country by all the words for it."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """All sets of a document as they were expanded; reading it again, these are the dates.

    Without sets it expands nothing: a document that has some is refused.
    """

    release: str = ""
    year: int = 0
    sets: tuple[Expanded, ...] = ()

    def days(self, asked: HolidaySet) -> Mapping[date, str] | None:
        """Return the stored dates of a set, or None when it was not stored."""
        return next((one.days for one in self.sets if one.asked == asked), None)

    def countries(self) -> Mapping[str, str]:
        """Give nothing: what is stored knows no other countries."""
        return {}

    def regions(self, country: str) -> Mapping[str, str]:  # noqa: ARG002 - as of any source
        """Give nothing: what is stored knows no other regions."""
        return {}

    def plain(self) -> list[object]:
        """Return the dates as a plain tree: two expansions that close the same days are equal."""
        return [
            {
                "country": one.asked.country,
                "region": one.asked.region,
                "years": one.asked.years,
                "days": {on.isoformat(): name for on, name in sorted(one.days.items())},
            }
            for one in self.sets
        ]


NOTHING_EXPANDED = Expansion()


class Expander:
    """Expands the sets of one document, each once, and remembers them."""

    def __init__(self, source: Holidays) -> None:
        """Ask `source`."""
        self._source = source
        self._found: dict[HolidaySet, Mapping[date, str]] = {}

    def expansion(self) -> Expansion:
        """Return what was expanded so far."""
        if not self._found:
            return NOTHING_EXPANDED
        sets = tuple(Expanded(asked, days) for asked, days in self._found.items())
        return Expansion(self._source.release, self._source.year, sets)

    def expand(self, calendar: Fields) -> tuple[dict[date, str], date | None]:
        """Read the sets of a calendar: its holidays with their names, and the last date they cover.

        The first set that has a date names it. The last date is None where there are no sets.
        """
        years = calendar.whole("holiday_years", 1, YEARS_MAX, YEARS)
        named: dict[date, str] = {}
        entries = list(
            calendar.sections("holiday_sets", ("country", "region"), count_max=CALENDAR_SETS_MAX)
        )
        for entry in entries:
            for on, name in self._days(entry, years).items():
                named.setdefault(on, name)
        if not entries and "holiday_years" in calendar.values:
            calendar.wrong("holiday_years", "means nothing without holiday_sets")
        if not entries:
            return {}, None
        return named, date(self._source.year + years - 1, 12, 31)

    def _days(self, entry: Fields, years: int) -> Mapping[date, str]:
        country, region = _code(entry, "country"), _code(entry, "region", "")
        asked = HolidaySet(country, region, years)
        if not country or asked in self._found:
            return self._found.get(asked, {})
        if len(self._found) >= DOCUMENT_SETS_MAX:
            entry.wrong("country", f"is one set too many: a document has {DOCUMENT_SETS_MAX}")
            return {}
        days = self._source.days(asked)
        if days is None:
            entry.wrong(*self._unknown(country, region))
            return {}
        if not days:
            entry.wrong("country", f"has no public holiday in {self._known_by()}")
            return {}
        self._found[asked] = days
        return days

    def _unknown(self, country: str, region: str) -> tuple[str, str]:
        """Say which key is wrong, and what was probably meant."""
        countries = self._source.countries()
        if not countries:
            return "country", "has no dates stored with this document: apply it again"
        if country not in countries.values():
            guess = _guess(country.lower().replace(" ", "_"), countries)
            hint = f"; did you mean {guess}?" if guess else " (two letters, such as NL)"
            return "country", f"there is no country {shown(country)} in {self._known_by()}{hint}"
        regions = self._source.regions(country)
        guess = _guess(region, regions)
        codes = sorted(set(regions.values()))
        if guess:
            hint = f"; did you mean {guess}?"
        elif codes:
            more = ", ..." if len(codes) > _REGIONS_SHOWN_MAX else ""
            hint = f"; known are {', '.join(codes[:_REGIONS_SHOWN_MAX])}{more}"
        else:
            hint = "; it has none"
        return "region", f"there is no region {shown(region)} of {country}{hint}"

    def _known_by(self) -> str:
        return f"release {self._source.release} of holidays"


def _guess(word: str, codes: Mapping[str, str]) -> str:
    """Return the code that was probably meant, or "": of short words first the swapped one."""
    swapped = [known for known in codes if sorted(known) == sorted(word)]
    alike = [known for known in codes if known[:1] == word[:1]]
    found = (word, *swapped, near(word, alike), near(word, codes))
    return next((codes[known] for known in found if known in codes), "")


def _code(entry: Fields, key: str, default: str | None = None) -> str:
    """Read a code; Austria's are digits, which YAML takes for numbers."""
    value = entry.values.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return shown(value)
    return entry.text(key, default)
