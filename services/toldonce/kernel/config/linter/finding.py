"""What the linter says: how bad it is, which rule found it, where it is written, and a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

NAMED_MAX = 5


class Severity(StrEnum):
    """ERROR can never work, WARNING works but hardly as meant, NOTE may well be meant."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Rule(StrEnum):
    """What is looked for; the words are stable, for machines."""

    DOCUMENT = "document"  # what `lint` refuses, and whatever cannot be read at all
    UNSATISFIABLE = "unsatisfiable"
    UNREACHABLE = "unreachable"
    STEP = "step"
    STARVING = "starving"
    INVERSION = "inversion"
    COST = "cost"
    LOAD = "load"
    CALENDAR = "calendar"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `field` is the path of a key such as `queues[2].sla`."""

    severity: Severity
    rule: Rule
    field: str
    sentence: str


def some(names: Iterable[str]) -> str:
    """Name a few of many: `a, b, c, d, e and 7 more`."""
    listed = list(dict.fromkeys(names))
    shown = ", ".join(listed[:NAMED_MAX])
    left = len(listed) - NAMED_MAX
    return f"{shown} and {left} more" if left > 0 else shown
