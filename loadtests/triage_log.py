"""The hand-off log of a service desk: incidents with what was known at intake, and what came of it.

The file is the "incident management process enriched event log" (Amaral, Fantinato, Reijers and
Peres 2018), CSV or CSV in gzip: one line a change of an incident, `?` where nothing is known, times
as day/month/year hour:minute.

Known at intake are only `INTAKE`, the moment, and for a model that may see the human's choice the
team, all from the incident's first line. Not taken, though they stand in the first line:

- `closed_code`, `resolved_by`, `resolved_at`, `closed_at`: the end, filled back into every line.
- `assigned_to`: filled back too. Of the incidents whose team changes, most name from the first line
  on the one person who solves it in the last team; a linear model with it "reaches" 90 %.
- `sys_created_by`, `sys_created_at`, `sys_updated_by` and `sys_updated_at` less `opened_at`: the
  creation is missing just where a certain team will have the last word (of 5,183 incidents with it
  3 end there, without it three quarters do).
- `incident_state`, `knowledge`, `u_priority_confirmation`, `problem_id`, `rfc`, `vendor`,
  `caused_by`: what the work brought, not what came in.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from toldonce.kernel.errors import Invalid, Missing

UNKNOWN = "?"
INTAKE = (
    "caller_id",
    "opened_by",
    "contact_type",
    "location",
    "category",
    "subcategory",
    "u_symptom",
    "cmdb_ci",
    "impact",
    "urgency",
    "priority",
    "notify",
)
_OTHERS = (
    "number",
    "opened_at",
    "assignment_group",
    "incident_state",
    "made_sla",
    "sys_updated_at",
)
_HOURS, _MINUTES = 24, 60
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Move:
    """From `day` on (days since 1970, the log's clock) the incident was with `team`, or nobody."""

    day: float
    team: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident: `fields` in the order of `INTAKE`; `first_team` is the human's first choice.

    Everything from `moves` on became known only later: `moves` when each happened, `resolved` (the
    first line that says resolved or closed) at its day, `final_team` and `made_sla` at `closed`.
    """

    number: str
    day: float
    fields: tuple[str, ...]
    first_team: str
    moves: tuple[Move, ...]
    resolved: Move | None
    closed: float
    final_team: str
    made_sla: bool

    def field(self, name: str) -> str:
        """Return what intake knew under one of the names of `INTAKE`, or the human's team."""
        return self.first_team if name == "assignment_group" else self.fields[INTAKE.index(name)]

    @property
    def hour(self) -> int:
        """The hour of the day at which it was opened."""
        return round(self.day % 1 * _HOURS * _MINUTES) // _MINUTES

    @property
    def weekday(self) -> int:
        """The day of the week at which it was opened, 0 is Monday."""
        return int(self.day + 3) % 7


def read(path: Path) -> list[Incident]:
    """Read a log, oldest incident first (by `opened_at`, then number).

    Raises Missing where there is no such file, Invalid where it is not such a log.
    """
    if not path.is_file():
        raise Missing("log", f"there is no file {path}: name the hand-off log, see --help")
    by_number: dict[str, list[dict[str, str]]] = {}
    try:
        for place, line in enumerate(_lines(path), 2):
            _check(path, place, line)
            by_number.setdefault(line["number"], []).append(line)
        found = [_incident(lines) for lines in by_number.values()]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as why:
        raise Invalid(str(path), f"this is not CSV, nor CSV in gzip ({why})") from why
    if not found:
        raise Invalid(str(path), "the log holds no incident")
    return sorted(found, key=lambda each: (each.day, each.number))


def split(incidents: Sequence[Incident], share: float) -> tuple[list[Incident], list[Incident]]:
    """Split incidents in the order of `opened_at`: the first `share` of them, and the rest."""
    ordered = sorted(incidents, key=lambda each: (each.day, each.number))
    at = int(share * len(ordered))
    return ordered[:at], ordered[at:]


def labelled(incidents: Iterable[Incident]) -> list[Incident]:
    """Leave out the incidents whose last line names no team: nobody knows where they ended."""
    return [each for each in incidents if each.final_team != UNKNOWN]


def day_of(text: str) -> float:
    """Parse day/month/year hour:minute to days since 1970; raises ValueError."""
    midnight, _, clock = text.partition(" ")
    hour, minute = clock.split(":")
    if not (0 <= int(hour) < _HOURS and 0 <= int(minute) < _MINUTES):
        raise ValueError(text)
    return _midnight(midnight) + (int(hour) * _MINUTES + int(minute)) / (_HOURS * _MINUTES)


@lru_cache(maxsize=4_096)
def _midnight(text: str) -> int:
    """Parse a date once: a log names the same few hundred thousands of times."""
    day, month, year = text.split("/")
    return date(int(year), int(month), int(day)).toordinal() - _EPOCH


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    kind = gzip.open if packed else open
    with kind(path, "rt", encoding="utf-8", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        lacking = [name for name in (*_OTHERS, *INTAKE) if name not in (reader.fieldnames or ())]
        if lacking:
            raise Invalid(str(path), f"the first line lacks the columns {', '.join(lacking)}")
        yield from reader


def _check(path: Path, place: int, line: dict[str, str]) -> None:
    if any(line[name] is None for name in (*_OTHERS, *INTAKE)):
        raise Invalid(str(path), f"line {place} has fewer fields than the first line")
    for name in ("opened_at", "sys_updated_at"):
        try:
            day_of(line[name])
        except ValueError as why:
            told = f"line {place}: {name} is {line[name]!r}, not day/month/year hour:minute"
            raise Invalid(str(path), told) from why
    if line["made_sla"] not in {"true", "false"}:
        raise Invalid(
            str(path), f"line {place}: made_sla is {line['made_sla']!r}, not true or false"
        )


def _incident(lines: Sequence[dict[str, str]]) -> Incident:
    first, last = lines[0], lines[-1]
    moves = [Move(day_of(line["sys_updated_at"]), line["assignment_group"]) for line in lines]
    changed = [after for before, after in pairwise(moves) if after.team != before.team]
    ended = (
        move
        for move, line in zip(moves, lines, strict=True)
        if line["incident_state"] in {"Resolved", "Closed"}
    )
    return Incident(
        number=first["number"],
        day=day_of(first["opened_at"]),
        fields=tuple(first[name] for name in INTAKE),
        first_team=first["assignment_group"],
        moves=(moves[0], *changed),
        resolved=next(ended, None),
        closed=moves[-1].day,
        final_team=last["assignment_group"],
        made_sla=last["made_sla"] == "true",
    )
