"""A tenant's document: YAML that is checked, and the form in which it is stored."""

import json
import zlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from importlib import resources
from typing import Any

from toldonce.kernel.config import (
    NOTHING_EXPANDED,
    Config,
    Expansion,
    Holidays,
    HolidaySet,
    Zones,
    read,
)
from toldonce.kernel.config.holidays import Expanded
from toldonce.kernel.errors import Invalid
from toldonce.runtime.yaml_tree import TEXT_BYTES_MAX, line_of, lines, load

_FORM = b"z1"
_UNPACKED_BYTES_MAX = 16 * TEXT_BYTES_MAX  # text and names take six bytes a letter at worst


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it was stored: its text, when, and by whom (subject of the token).

    `expansion` holds the dates of its holiday sets, so that they stay what they were.
    """

    yaml: str
    applied_at: datetime
    applied_by: str
    expansion: Expansion = NOTHING_EXPANDED


def check(text: str, zones: Zones, holidays: Holidays = NOTHING_EXPANDED) -> Config:
    """Read and lint a document; raises Invalid with path and line of every key that is wrong.

    `holidays` is what it was stored with, or `WheelHolidays` for what is being applied.
    """
    tree = load(text)
    try:
        return read(tree, zones, holidays)
    except Invalid as refusal:
        raise located(text, refusal) from None


def located(text: str, refusal: Invalid) -> Invalid:
    """Add to each problem of a readable text the line of its key."""
    known = lines(text)
    first, *rest = (
        replace(problem, sentence=f"line {line_of(known, problem.field)}: {problem.sentence}")
        for problem in refusal.problems
    )
    return Invalid(first.field, first.sentence, *rest)


def pack(stored: Stored) -> bytes:
    """Return the form in which a document is stored; raises Invalid for what is too large."""
    facts: dict[str, object] = {
        "yaml": stored.yaml,
        "at": stored.applied_at.isoformat(),
        "by": stored.applied_by,
    }
    if stored.expansion.sets:
        made = stored.expansion
        facts["holidays"] = {"release": made.release, "year": made.year, "sets": made.plain()}
    raw = json.dumps(facts).encode()
    if len(raw) > _UNPACKED_BYTES_MAX:
        raise Invalid(
            "", f"the document and its holidays take more than {_UNPACKED_BYTES_MAX} bytes"
        )
    return _FORM + zlib.compress(raw, 9)


def unpack(kept: bytes) -> Stored:
    """Read the stored form; raises Invalid for anything else."""
    if not kept.startswith(_FORM):
        raise Invalid("", "the document is stored in a form this program does not read")
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(kept[len(_FORM) :], _UNPACKED_BYTES_MAX)
        facts = json.loads(raw) if inflate.eof else {}
        return Stored(
            facts["yaml"],
            datetime.fromisoformat(facts["at"]),
            facts["by"],
            _expansion(facts["holidays"]) if "holidays" in facts else NOTHING_EXPANDED,
        )
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("", "the document is stored damaged") from error


def _expansion(facts: dict[str, Any]) -> Expansion:
    sets = (
        Expanded(
            HolidaySet(one["country"], one["region"], one["years"]),
            {date.fromisoformat(on): name for on, name in one["days"].items()},
        )
        for one in facts["sets"]
    )
    return Expansion(facts["release"], facts["year"], tuple(sets))


def demo_text() -> str:
    """Return the document that a system starts with when it is given none."""
    return resources.files("toldonce").joinpath("config", "demo.yaml").read_text(encoding="utf-8")
