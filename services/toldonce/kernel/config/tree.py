"""Reading a plain tree (mappings, lists, text, numbers) while collecting everything that is wrong.

A reader never stops at the first mistake and never raises: what is missing or misshaped becomes a
harmless stand-in plus a `Problem` with the path of its key, and the caller refuses the lot.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from toldonce.kernel.config.words import SHOWN_MAX, near, shown
from toldonce.kernel.errors import Invalid, Problem

PROBLEMS_MAX = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(slots=True)
class Problems:
    """What was found wrong, at most `PROBLEMS_MAX` of it."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: str, sentence: str) -> None:
        """Note a problem; the same one is noted once."""
        problem = Problem(path, sentence)
        if len(self.found) < PROBLEMS_MAX and problem not in self.found:
            self.found.append(problem)

    def refuse(self) -> None:
        """Raise Invalid holding every problem, if there is any."""
        if self.found:
            first, *rest = self.found
            raise Invalid(first.field, first.sentence, *rest)


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping of the tree whose keys are known beforehand; `path` is "" for the whole tree."""

    path: str
    values: Mapping[str, object]
    problems: Problems

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, sentence: str) -> None:
        """Note a problem with a key."""
        self.problems.add(self.at(key), sentence)

    def text(self, key: str, default: str | None = None, *, chars_max: int = 200) -> str:
        """Return printable text; without a default the key must be there."""
        if key not in self.values:
            return self._missing(key, default)
        return _text(self.at(key), self.values[key], self.problems, chars_max)

    def name(self, key: str, default: str | None = None) -> str:
        """Return a name: 1 to 63 of a-z, 0-9, _ and -."""
        if key not in self.values:
            return self._missing(key, default)
        return _name(self.at(key), self.values[key], self.problems)

    def names(self, key: str, *, required: bool = False, count_max: int = 1_000) -> tuple[str, ...]:
        """Return a list of different names."""
        found = tuple(
            _name(path, value, self.problems)
            for path, value in self.items(key, count_max, required=required)
        )
        self._refuse_twice(key, found)
        return found

    def texts(self, key: str, *, count_max: int = 1_000) -> tuple[str, ...]:
        """Return a list of printable texts."""
        items = self.items(key, count_max)
        return tuple(_text(path, value, self.problems, 200) for path, value in items)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.values.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        if key not in self.values:
            self._missing(key, None)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.wrong(key, f"wanted a whole number from {low} to {high}, got {shown(value)}")
        else:
            self.wrong(key, f"wanted a whole number, got {shown(value)}")
        return low

    def permille(self, key: str, default: int, *, all_of_it: bool = False) -> int:
        """Return a fraction between 0 and 1 in thousandths; 1 itself only for `all_of_it`."""
        value = self.values.get(key, default / 1_000)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if all_of_it and value == 1:
                return 1_000
            if 0 < value < 1:
                return min(max(round(value * 1_000), 1), 999)
        top = "at most" if all_of_it else "below"
        self.wrong(key, f"wanted a fraction above 0 and {top} 1, got {shown(value)}")
        return default

    def milli(self, key: str, high: int) -> int:
        """Return a number from -`high` to `high` in thousandths, rounded to a whole one."""
        value = self.values.get(key)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and -high <= value <= high
        ):
            return round(value * 1_000)
        self.wrong(key, f"wanted a number from -{high} to {high}, got {shown(value)}")
        return 0

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"wanted true or false, got {shown(value)}")
        return default

    def choice[E: StrEnum](self, key: str, kinds: type[E], default: E | None = None) -> E:
        """Return one of the words of an enumeration."""
        first = next(iter(kinds))
        if key in self.values:
            return one_of(self.at(key), self.values[key], kinds, self.problems) or first
        if default is None:
            self.wrong(key, f"is missing: one of {', '.join(kinds)}")
        return default or first

    def choices[E: StrEnum](
        self, key: str, kinds: type[E], default: tuple[E, ...] = ()
    ) -> tuple[E, ...]:
        """Return a list of different words of an enumeration."""
        if key not in self.values:
            return default
        items = self.items(key, len(kinds))
        found = [one_of(path, value, kinds, self.problems) for path, value in items]
        return tuple(dict.fromkeys(word for word in found if word is not None))

    def levels(self, key: str, *, count_max: int = 200) -> dict[str, int]:
        """Return a mapping of names to levels from 1 to 5."""
        inner = self.mapping(key, count_max)
        for name in inner.values:
            _name(inner.at(name), name, self.problems)
        return {name: inner.whole(name, 1, 5) for name in inner.values}

    def mapping(self, key: str, count_max: int = 200) -> "Fields":
        """Return a mapping whose keys are free text; empty when it is not there."""
        return fields(self.at(key), self.values.get(key, {}), None, self.problems, count_max)

    def section(self, key: str, known: Sequence[str]) -> "Fields":
        """Return a mapping with known keys; empty when it is not there."""
        return fields(self.at(key), self.values.get(key, {}), known, self.problems)

    def sections(
        self, key: str, known: Sequence[str], *, required: bool = False, count_max: int = 1_000
    ) -> Iterator["Fields"]:
        """Give each mapping of a list."""
        for path, value in self.items(key, count_max, required=required):
            yield fields(path, value, known, self.problems)

    def items(
        self, key: str, count_max: int, *, required: bool = False
    ) -> Iterator[tuple[str, object]]:
        """Give each item of a list with its path."""
        value = self.values.get(key, [])
        if not isinstance(value, list | tuple):
            self.wrong(key, f"wanted a list, got {shown(value)}")
            return
        if required and not value:
            self.wrong(key, "must hold at least one" if key in self.values else "is missing")
        if len(value) > count_max:
            self.wrong(key, f"holds {len(value)}, at most {count_max} are allowed")
        for index, item in enumerate(value[:count_max]):
            yield f"{self.at(key)}[{index}]", item

    def _missing(self, key: str, default: str | None) -> str:
        if default is None:
            self.wrong(key, "is missing")
        return default or ""

    def _refuse_twice(self, key: str, found: Sequence[str]) -> None:
        seen: set[str] = set()
        for index, item in enumerate(found):
            if item and item in seen:
                self.problems.add(f"{self.at(key)}[{index}]", f"{shown(item)} is there twice")
            seen.add(item)


def fields(
    path: str,
    value: object,
    known: Sequence[str] | None,
    problems: Problems,
    count_max: int = 1_000,
) -> Fields:
    """Open a mapping; keys that are not in `known` (None: all are) are refused with a guess."""
    if not isinstance(value, Mapping):
        problems.add(path, f"wanted keys and values, got {shown(value)}")
        return Fields(path, {}, problems)
    if len(value) > count_max:
        problems.add(path, f"holds {len(value)} keys, at most {count_max} are allowed")
    values: dict[str, object] = {}
    opened = Fields(path, values, problems)
    for key, inner in islice(value.items(), count_max):
        if not isinstance(key, str):
            problems.add(path, f"has the key {shown(key)}, which is not text")
        elif known is None or key in known:
            values[key] = inner
        else:
            guess = near(key, known)
            hint = f"; did you mean {guess}?" if guess else f"; known are {', '.join(known)}"
            opened.wrong(_clean(key), f"is an unknown key{hint}")
    return opened


def one_of[E: StrEnum](path: str, value: object, kinds: type[E], problems: Problems) -> E | None:
    """Return the word of an enumeration that `value` is, or None with a problem."""
    for word in kinds:
        if value == word.value:
            return word
    guess = near(value, tuple(kinds)) if isinstance(value, str) else ""
    hint = f"; did you mean {guess}?" if guess else ""
    problems.add(path, f"wanted one of {', '.join(kinds)}, got {shown(value)}{hint}")
    return None


def _text(path: str, value: object, problems: Problems, chars_max: int) -> str:
    if not isinstance(value, str):
        problems.add(path, f"wanted text, got {shown(value)}")
    elif not value.strip() or len(value) > chars_max:
        problems.add(path, f"wanted 1 to {chars_max} characters, got {len(value.strip())}")
    elif _UNPRINTABLE.search(value):
        problems.add(path, "holds control characters")
    else:
        return value
    return ""


def _name(path: str, value: object, problems: Problems) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    problems.add(path, f"wanted 1 to 63 of a-z, 0-9, _ and -, got {shown(value)}")
    return ""


def _clean(key: str) -> str:
    """Shorten a key so that it can stand in a path."""
    return _UNPRINTABLE.sub("?", key[:SHOWN_MAX])
