"""What a policy learns from how cases end, and what it does with it: `success`.

Learned is, for each agent and subject, how often the first owner of a case resolved it and how long
that took. A subject is told by attributes of the work alone: nothing of the customer ever counts.
"""

from dataclasses import dataclass
from enum import StrEnum

from toldonce.kernel.config.tree import Fields
from toldonce.kernel.config.words import shown

MILLI = 1_000
EXPLORE_MAX = 500
WEIGHT_MAX = 10_000
DAY_S = 86_400
WEEK_S = 7 * DAY_S
WEEK_MINUTES = 7 * 24 * 60
ATTRIBUTES = ("topic", "channel", "language")
_KEYS = ("mode", "weight", "explore", "cycle_minutes", "by", "resolved", "repeat_s")


class Mode(StrEnum):
    """What is done with what was learned: nothing is, it is told but not used, it is used."""

    NONE = "none"
    SHADOW = "shadow"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Success:
    """How success counts under a policy.

    `weight` thousandths of a point for each case resolved in the time that such a case takes on
    average. A share of `explore` thousandths of the cases goes by everything else alone, and so do
    all cases in half of the intervals of `cycle_minutes` (0: in none). Learned is apart for each
    combination of the attributes `by`. A case counts as resolved with an outcome of `resolved`
    (empty: with any), unless the customer is back about its topic within `repeat_s`.
    """

    mode: Mode = Mode.NONE
    weight: int = 10 * MILLI
    explore: int = 50
    cycle_minutes: int = 30
    by: tuple[str, ...] = ("topic",)
    resolved: tuple[str, ...] = ()
    repeat_s: int = DAY_S


def success(policy: Fields) -> Success:
    """Read `success` of a policy."""
    plain = Success()
    entry = policy.section("success", _KEYS)
    weight = entry.milli("weight", WEIGHT_MAX) if "weight" in entry.values else plain.weight
    if weight < 0:
        entry.wrong("weight", "wanted 0 or more: success is never a reason against somebody")
    return Success(
        mode=entry.choice("mode", Mode, plain.mode),
        weight=weight,
        explore=_explore(entry, plain.explore),
        cycle_minutes=entry.whole("cycle_minutes", 0, WEEK_MINUTES, plain.cycle_minutes),
        by=_by(entry) or plain.by,
        resolved=entry.names("resolved"),
        repeat_s=entry.whole("repeat_s", 0, WEEK_S, plain.repeat_s),
    )


def _explore(entry: Fields, plain: int) -> int:
    value = entry.values.get("explore")
    if value == 0 and value is not False:
        return 0
    found = entry.permille("explore", plain)
    if found > EXPLORE_MAX:
        entry.wrong("explore", "is more than half of the cases: then little is left to be used")
    return found


def _by(entry: Fields) -> tuple[str, ...]:
    """Read the attributes that tell subjects apart, in a fixed order."""
    found = []
    for path, value in entry.items("by", len(ATTRIBUTES)):
        if value in ATTRIBUTES and value not in found:
            found.append(value)
        elif value in ATTRIBUTES:
            entry.problems.add(path, f"{shown(value)} is there twice")
        else:
            entry.problems.add(
                path,
                f"{shown(value)} is none of {', '.join(ATTRIBUTES)}: success is learned by what "
                "the work is about, never by an attribute of the customer",
            )
    return tuple(name for name in ATTRIBUTES if name in found)
