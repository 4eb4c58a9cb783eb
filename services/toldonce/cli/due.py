"""What `toldonce sla due` reckons: an instant from a calendar, a beginning, minutes and pauses."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from toldonce.cli.accounts import length, moments, span_figures, span_lines, written
from toldonce.kernel.account import Span, account
from toldonce.kernel.calendar import HORIZON_DAYS_MAX, Calendar
from toldonce.kernel.clocks import (
    WHOLE_PERMILLE,
    Clock,
    ClockFacts,
    ClockKind,
    Target,
    clock,
)
from toldonce.kernel.config import Config
from toldonce.kernel.config.types import ALWAYS_NAME
from toldonce.kernel.errors import Invalid

MINUTES_MAX = 366 * 24 * 60


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What was asked, the clock that answers, and the account of the time until it is due.

    Where an open pause keeps it from being due, the account ends with the last that was told.
    """

    calendar: Calendar
    calendar_version: str
    facts: ClockFacts
    target: Target
    clock: Clock
    spans: tuple[Span, ...]


def calendar_named(name: str, document: Config) -> Calendar:
    """Find a calendar; raises Invalid with a guess and those there are."""
    known = sorted({*document.calendars, ALWAYS_NAME})
    if name in known:
        return document.calendar(name)
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise Invalid("--calendar", f"there is no {name!r}; {guess}There are: {', '.join(known)}")


def reckon(
    document: Config, calendar: Calendar, facts: ClockFacts, minutes: int, warn_fraction: float
) -> Reckoning:
    """Ask the clock; raises Invalid naming the option that cannot be."""
    if not 0 < minutes <= MINUTES_MAX:
        raise Invalid("--minutes", f"wanted 1 to {MINUTES_MAX}, got {minutes}")
    if not 0 < warn_fraction < 1:
        raise Invalid(
            "--warn-fraction", f"wanted more than 0 and less than 1, got {warn_fraction:g}"
        )
    permille = min(max(round(warn_fraction * WHOLE_PERMILLE), 1), WHOLE_PERMILLE - 1)
    target = Target(ClockKind.RESOLUTION, minutes * 60, permille)
    begins = facts.started_at
    read = clock(target, calendar, facts, begins)
    told = [edge for one in facts.pauses for edge in (one.from_at, one.to_at) if edge is not None]
    until = read.due_at or max([begins, *told])
    if until - begins > timedelta(days=HORIZON_DAYS_MAX):
        raise Invalid("--minutes", f"{minutes} are not over within {HORIZON_DAYS_MAX} days")
    spans = account(calendar, facts, until)
    return Reckoning(calendar, document.calendar_version, facts, target, read, spans)


def lines(found: Reckoning) -> Iterator[str]:
    """Tell people."""
    zone, read = found.calendar.zone, found.clock
    shown = moments(zone, (found.facts.started_at, read.warn_at, read.due_at))
    aim = length(found.target.target_s)
    yield f"{aim} of working time, calendar {found.calendar.name} ({found.calendar.zone_name})"
    yield f"  begins   {shown[0]}"
    if read.warn_at is not None:
        yield f"  warning  {shown[1]}"
    if read.due_at is None:
        yield "  due      not known while a pause is still open"
    else:
        yield f"  due      {shown[2]}, that is {written(read.due_at, zone)}"
    yield from span_lines(found.spans, zone)


def figures(found: Reckoning, notes: Sequence[str]) -> dict[str, Any]:
    """Tell machines; instants are ISO 8601 with the offset of the calendar's zone."""
    zone, read = found.calendar.zone, found.clock
    return {
        "due": written(read.due_at, zone),
        "warn": written(read.warn_at, zone),
        "from": written(found.facts.started_at, zone),
        "minutes": found.target.target_s // 60,
        "warn_fraction": found.target.warn_permille / WHOLE_PERMILLE,
        "calendar": found.calendar.name,
        "zone": found.calendar.zone_name,
        "calendar_version": found.calendar_version,
        "pauses": [
            {"from": written(one.from_at, zone), "to": written(one.to_at, zone)}
            for one in found.facts.pauses
        ],
        "notes": list(notes),
        "spans": span_figures(found.spans, zone),
    }
