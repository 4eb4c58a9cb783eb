"""How often the first team is the right one, on a real hand-off log: the human's, theirs, ours.

The truth of an incident is the team of its last line; one whose last line names no team has none
and is left out of the teams' figures, not of the promise's. The human is right where the first
line already names that team. Everything is chosen inside the training part; the test part is read
once, at the end, except that an incident of it may look back at lines of the log older than itself
(as a running house would), also where those lines are in the test part.

`strict` makes every model learn only from outcomes that were known when the incidents it is asked
about began; without it, as is usual, from the outcome of every incident opened before them.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loadtests import triage_models, triage_promise
from loadtests.triage_log import UNKNOWN, Incident, labelled, read, split
from loadtests.triage_models import Effort, Ranker, Say
from toldonce.kernel.errors import Invalid

SHARE = 0.7
type Report = dict[str, Any]

FIGURES = (
    "first_team_human",
    "blind_baseline",
    "ours_blind",
    "ours_with_human",
    "top3",
    "sla_brier_baseline",
    "sla_brier",
)
_TRAIN_MIN, _TEST_MIN = 100, 10
_TOP = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """What teaches and what is asked about, each in the order of `opened_at`."""

    train: list[Incident]
    test: list[Incident]


def parts(log: Path | None, train: Path | None, test: Path | None) -> Parts:
    """Read one log and split it, or two; raises Invalid or Missing with what to do."""
    match log, train, test:
        case Path(), None, None:
            return _enough(Parts(*split(read(log), SHARE)))
        case None, Path(), Path():
            return _enough(_apart(Parts(read(train), read(test))))
        case _:
            raise Invalid("", "give either --log FILE, or --train FILE and --test FILE")


def triage(found: Parts, say: Say, *, strict: bool = False, effort: Effort | None = None) -> Report:
    """Measure everything; the keys of `FIGURES`, and under `detail` what they rest on.

    Raises Invalid where the log is too small or too uniform to learn from.
    """
    say(f"{len(found.train)} incidents teach, {len(found.test)} are asked about; seed {_seed()}")
    effort = effort or Effort()
    train, test = labelled(found.train), labelled(found.test)
    begin = found.test[0].day
    labels = [(each, _team(each, begin, strict=strict)) for each in found.train]
    learned = [(each, team) for each, team in labels if team != UNKNOWN]
    say(f"teams: {len(train)} and {len(test)} of them name a last team")
    incidents, teams = zip(*learned, strict=True)
    plain = triage_models.baseline(incidents, teams, test)
    blind = _ours(found, say, human=False, strict=strict, effort=effort)
    seeing = _ours(found, say, human=True, strict=strict, effort=effort)
    forecasts = _promise(found, say, strict=strict)
    truth = [each.final_team for each in test]
    figures = {
        "first_team_human": _share(each.first_team == each.final_team for each in test),
        "blind_baseline": _share(a == b for a, b in zip(plain, truth, strict=True)),
        "ours_blind": _share(a[0] == b for a, b in zip(blind, truth, strict=True)),
        "ours_with_human": _share(a[0] == b for a, b in zip(seeing, truth, strict=True)),
        "top3": _share(b in a[:_TOP] for a, b in zip(seeing, truth, strict=True)),
        **{name: round(score, 4) for name, (score, _) in forecasts.items()},
    }
    detail = {
        "strict": strict,
        "seed": _seed(),
        "train": {"incidents": len(found.train), "with_team": len(train), "learned": len(learned)},
        "test": {"incidents": len(found.test), "with_team": len(test)},
        "top3_blind": _share(b in a[:_TOP] for a, b in zip(blind, truth, strict=True)),
        "standard_error": round(float(np.sqrt(0.21 / len(test))), 4),
        "sla": {name: told for name, (_, told) in forecasts.items()},
    }
    return {**figures, "detail": detail}


def told(report: Report) -> str:
    """Write the figures for people."""
    detail = report["detail"]
    test = detail["test"]
    lines = [
        f"{detail['train']['incidents']} incidents teach, {test['incidents']} are asked about",
        f"{test['with_team']} of these name a last team",
        "",
        *(f"{name:20}{report[name]:8.4f}" for name in FIGURES),
        "",
        f"{'with human - human':20}{report['ours_with_human'] - report['first_team_human']:+8.4f}",
        f"{'blind - baseline':20}{report['ours_blind'] - report['blind_baseline']:+8.4f}",
        f"{'Brier - baseline':20}{report['sla_brier'] - report['sla_brier_baseline']:+8.4f}",
    ]
    return "\n".join([*lines, ""])


def _ours(found: Parts, say: Say, *, human: bool, strict: bool, effort: Effort) -> list[list[str]]:
    """Rank the teams for each labelled incident of the test part, best first."""
    say("our teams, " + ("with the human's first" if human else "blind"))

    def label(incident: Incident, day: float) -> str:
        return _team(incident, day, strict=strict)

    ranker = Ranker(found.train, found.test, human=human, effort=effort, labels=label)
    names = [[ranker.teams[place] for place in row] for row in ranker.rank()]
    return [row for row, each in zip(names, found.test, strict=True) if each.final_team != UNKNOWN]


def _promise(found: Parts, say: Say, *, strict: bool) -> dict[str, tuple[float, dict[str, Any]]]:
    say("the promise")

    def known(incident: Incident, day: float) -> bool:
        return not strict or incident.closed < day

    plain = triage_promise.plain(found.train, found.test, known)
    choice = triage_promise.choose(found.train, known, found.test[0].day, say)
    ours = triage_promise.following(found.train, found.test, known, choice)
    kept = _share(each.made_sla for each in found.test)
    return {
        "sla_brier_baseline": (
            triage_promise.brier(plain, found.test),
            {"mean": round(float(plain.mean()), 4), "kept": kept},
        ),
        "sla_brier": (
            triage_promise.brier(ours, found.test),
            {"mean": round(float(ours.mean()), 4), "choice": repr(choice)},
        ),
    }


def _team(incident: Incident, day: float, *, strict: bool) -> str:
    """Return the team to learn from an incident: its last, or in strict, what was known by `day`.

    That is the team that resolved it, if it had; before the line that closes it nobody knows more.
    """
    if not strict or incident.closed < day:
        return incident.final_team
    solved = incident.resolved
    return solved.team if solved is not None and solved.day < day else UNKNOWN


def _apart(found: Parts) -> Parts:
    late, early = found.train[-1], found.test[0]
    if early.day < late.day:
        raise Invalid(
            "--test",
            f"{early.number} was opened before {late.number} of --train: the test file must hold "
            "only incidents opened after those of the training file, or it would be foretold",
        )
    return found


def _enough(found: Parts) -> Parts:
    train, test = labelled(found.train), labelled(found.test)
    if len(train) < _TRAIN_MIN or len(test) < _TEST_MIN:
        raise Invalid(
            "",
            f"{len(train)} incidents that name a last team to learn from and {len(test)} to ask "
            f"about are too few: at least {_TRAIN_MIN} and {_TEST_MIN} are needed",
        )
    for what, kinds in (
        ("last team", {each.final_team for each in train}),
        ("made_sla", {each.made_sla for each in found.train}),
    ):
        if len(kinds) == 1:
            raise Invalid("", f"all incidents of the training part have the same {what}")
    return found


def _share(hits: Iterable[bool]) -> float:
    return round(float(np.mean([*hits])), 4)


def _seed() -> int:
    return triage_models.SEED


def run_triage(asked: argparse.Namespace, say: Say) -> Report:
    """Do what the options ask; raises Invalid or Missing with what to do."""
    say("reading the log")
    found = parts(asked.log, asked.train, asked.test)
    return triage(found, say, strict=asked.strict)
