"""What the log knew about similar incidents when an incident was opened: shares of teams.

For each key (a caller, a subcategory with a location, ...) two tables are kept of the incidents
before: which team solved them ("solved", counted when the log says resolved) and which team had
them last as far as the log went ("seen", counted at the first line and moved with each change). An
older incident counts less: by half after `HALF_LIFE_DAYS`. A share is smoothed towards the share
of all incidents by `SMOOTH` incidents (additive smoothing with a prior).

Only lines strictly older than the incident's `opened_at` are counted, so nothing of what is told
about an incident depends on its own later lines or on those of later incidents.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.triage_log import INTAKE, UNKNOWN, Incident

type Floats = NDArray[np.float64]
type Key = tuple[str, ...]

HALF_LIFE_DAYS = 14.0
SMOOTH = 2.0
_PLACES = {name: place for place, name in enumerate(INTAKE)}
_BLIND: tuple[Key, ...] = (
    (),
    ("caller_id",),
    ("opened_by",),
    ("location",),
    ("category",),
    ("subcategory",),
    ("u_symptom",),
    ("category", "subcategory"),
    ("category", "subcategory", "u_symptom"),
    ("subcategory", "location"),
    ("u_symptom", "location"),
    ("category", "subcategory", "u_symptom", "location"),
    ("subcategory", "opened_by"),
    ("location", "opened_by"),
    ("caller_id", "category"),
    ("category", "subcategory", "opened_by"),
)
_WITH_TEAM = (
    (),
    ("caller_id",),
    ("opened_by",),
    ("location",),
    ("category",),
    ("subcategory",),
    ("u_symptom",),
    ("category", "subcategory", "u_symptom"),
    ("subcategory", "location"),
    ("subcategory", "opened_by"),
    ("category", "subcategory", "u_symptom", "location"),
)


def keys(*, human: bool) -> tuple[Key, ...]:
    """Return the keys; with `human` also those that hold the human's first team."""
    return _BLIND + tuple(("assignment_group", *key) for key in _WITH_TEAM if human)


@dataclass(slots=True)
class _Table:
    """Weights of teams under each value of one key, scaled to one fixed day."""

    teams: int
    rows: dict[tuple[str, ...], Floats] = field(default_factory=dict)

    def add(self, value: tuple[str, ...], team: int, weight: float) -> None:
        row = self.rows.get(value)
        if row is None:
            row = self.rows[value] = np.zeros(self.teams)
        row[team] += weight


@dataclass(frozen=True, slots=True)
class Shares:
    """`teams[i, k, t]`: share of team t under key k when incident i was opened; `weights[i, k]`.

    The first half of the keys are the solved ones, the other half the seen ones; a weight is how
    many incidents, after fading, a share rests on.
    """

    teams: Floats
    weights: Floats


def shares(incidents: Sequence[Incident], teams: Sequence[str], *, human: bool) -> Shares:
    """Walk through the log in the order of time and note what it knew at each opening.

    `incidents` are in the order of `opened_at`; `teams` are those that get a share.
    """
    used = keys(human=human)
    tables = [_Table(len(teams)) for _ in range(2 * len(used))]
    size = (len(incidents), len(tables))
    found = Shares(np.zeros((*size, len(teams))), np.zeros(size))
    start = incidents[0].day
    facts = sorted(_facts(incidents, {team: place for place, team in enumerate(teams)}))
    told = 0
    values = [[_value(each, key) for key in used] for each in incidents]
    for place, incident in enumerate(incidents):
        while told < len(facts) and facts[told][0] < incident.day:
            _, about, kind, taken, given = facts[told]
            told += 1
            for at, value in enumerate(values[about], kind * len(used)):
                if taken >= 0:
                    tables[at].add(value, taken, -_weight(incidents[about].day - start))
                if given >= 0:
                    tables[at].add(value, given, _weight(incidents[about].day - start))
        fade = 1 / _weight(incident.day - start)
        for at, (table, value) in enumerate(zip(tables, values[place] * 2, strict=True)):
            row = table.rows.get(value)
            if row is not None:
                np.multiply(row, fade, out=found.teams[place, at])
    _smooth(found, len(used))
    return found


def _smooth(found: Shares, used: int) -> None:
    """Turn faded weights into smoothed shares, in place; key 0 of each half is all incidents."""
    np.maximum(found.teams, 0.0, out=found.teams)
    found.teams.sum(axis=2, out=found.weights)
    for base in (0, used):
        prior = np.full((len(found.teams), found.teams.shape[2]), 1 / found.teams.shape[2])
        for at in range(base, base + used):
            row = found.teams[:, at]
            row += SMOOTH * prior
            row /= found.weights[:, at, None] + SMOOTH
            if at == base:
                prior = row.copy()


def _facts(
    incidents: Sequence[Incident], places: dict[str, int]
) -> Iterator[tuple[float, int, int, int, int]]:
    """Give (day, which incident, 0 solved or 1 seen, team that loses it, team that gets it)."""
    for about, each in enumerate(incidents):
        if each.resolved is not None and each.resolved.team != UNKNOWN:
            yield each.resolved.day, about, 0, -1, places.get(each.resolved.team, -1)
        had = -1
        for move in each.moves:
            if move.team == UNKNOWN:
                continue
            gets = places.get(move.team, -1)
            yield move.day, about, 1, had, gets
            had = gets


def _value(incident: Incident, key: Key) -> tuple[str, ...]:
    return tuple(
        incident.first_team if name == "assignment_group" else incident.fields[_PLACES[name]]
        for name in key
    )


def _weight(days: float) -> float:
    return float(2.0 ** (days / HALF_LIFE_DAYS))
