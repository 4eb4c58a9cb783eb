"""Who will have the last word on an incident: a plain linear model, and a ranker over history.

`baseline` is scikit-learn's LinearSVC (C = .1, no weights) on the one-hot intake fields; as it
comes (C = 1) it is three points weaker, and would flatter us.

Ours is two models. A linear one (LinearSVC, C = .1, an incident counting half as much every 30 days
of age) on the same one-hot fields; and gradient-boosted trees that look at each incident beside
each of its likely teams and say whether that team is the one: they see the shares of
`triage_history`, what the linear model says, and the moment. The two are blended in log space;
the weight of the linear one is chosen on the last 15 % of the training part.

For the trees' own lessons the linear model is taught anew along the training part, each time only
on what was opened before, so that they see it err as it will err later.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from loadtests.triage_history import Floats, shares
from loadtests.triage_log import INTAKE, UNKNOWN, Incident

type Places = NDArray[np.int64]
type Say = Callable[[str], None]

SEED = 20_160_229
VALIDATION = 0.15
BASELINE_C = 0.1
BLENDS = (0.0, 0.3, 0.6, 1.0, 3.0)
_FLOOR = 1e-4
_SHARPNESS = 3.0  # from the margins of a LinearSVC to something like probabilities
_LINEAR_HALF_DAYS = 30.0
_UNTAUGHT = 0.2  # the first share of the training part teaches the linear model only


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work is done: teams looked at per incident, rounds of boosting, relearnings."""

    candidates: int = 14
    rounds: int = 90
    relearnings: int = 16


@dataclass(frozen=True, slots=True)
class Ranked:
    """`teams` best first per incident (places in the list of teams), and the chosen blend."""

    teams: Places
    blend: float


def one_hot(
    train: Sequence[Mapping[str, str]], test: Sequence[Mapping[str, str]]
) -> tuple[Any, Any, list[str]]:
    """Encode fields as sparse columns learned from `train`; unknown values are left out."""
    encoder = DictVectorizer()
    parts = [encoder.fit_transform(train), encoder.transform(test)]
    for part in parts:  # LinearSVC refuses the 64-bit indices that this one makes
        part.indices, part.indptr = part.indices.astype(np.int32), part.indptr.astype(np.int32)
    return parts[0], parts[1], list(encoder.get_feature_names_out())


def fields(incident: Incident, *, human: bool) -> dict[str, str]:
    """Return what stands at intake, with `human` also the human's first team."""
    known = dict(zip(INTAKE, incident.fields, strict=True))
    return known | {"assignment_group": incident.first_team} if human else known


def faded(days: Floats, now: float, half_days: float) -> Floats:
    """Weigh by age: half after `half_days`, on average 1."""
    weights: Floats = 2.0 ** ((days - now) / half_days)
    return weights / weights.mean()


def baseline(
    train: Sequence[Incident], teams: Sequence[str], test: Sequence[Incident]
) -> list[str]:
    """Return what a plain LinearSVC says of `test`, on the intake fields without the human.

    `teams` are the labels of `train`.
    """
    taught, asked, _ = one_hot(*([fields(each, human=False) for each in p] for p in (train, test)))
    model = LinearSVC(C=BASELINE_C, random_state=SEED).fit(taught, teams)
    return [str(team) for team in model.predict(asked)]


class Ranker:
    """Our model, over a training part and a test part that follows it in time."""

    def __init__(
        self,
        train: Sequence[Incident],
        test: Sequence[Incident],
        *,
        human: bool,
        effort: Effort,
        labels: Callable[[Incident, float], str],
    ) -> None:
        """`labels` gives the team to learn from an incident for a model made on a given day."""
        self._log = [*train, *test]
        self._taught, self._human, self._effort, self._labels = len(train), human, effort, labels
        self._now = test[0].day
        self.teams = sorted({labels(each, self._now) for each in train} - {UNKNOWN})
        self._places = {team: place for place, team in enumerate(self.teams)}
        self._days = np.array([each.day for each in self._log])
        self._shares = shares(self._log, self.teams, human=human)
        self._linear = self._progressive()
        mixed = np.log(self._shares.teams + _FLOOR).mean(axis=1)
        self._mixed = mixed + 0.7 * np.log(self._linear + _FLOOR)
        self._first = np.array([self._places.get(each.first_team, -1) for each in self._log])

    def rank(self, say: Say) -> Ranked:
        """Choose the blend inside the training part, learn from all of it, rank the test part."""
        cut = int((1 - VALIDATION) * self._taught)
        truth = self._truth(self._now)
        held = np.flatnonzero(truth[: self._taught] >= 0)
        held = held[held >= cut]
        trees, linear, near = self._scores(cut, held)
        right = {}
        for blend in BLENDS:
            best = near[np.arange(len(held)), np.argmax(trees + blend * linear, axis=1)]
            right[blend] = float(np.mean(best == truth[held]))
        blend = max(BLENDS, key=lambda each: right[each])
        told = ", ".join(f"{each:g}: {value:.4f}" for each, value in right.items())
        say(f"  top-1 on the last {VALIDATION:.0%} of the training part by blend: {told}")
        rows = np.arange(self._taught, len(self._log))
        trees, linear, near = self._scores(self._taught, rows)
        order = np.argsort(-(trees + blend * linear), axis=1, kind="stable")
        return Ranked(np.take_along_axis(near, order, axis=1), blend)

    def _truth(self, day: float) -> Places:
        found = [self._places.get(self._labels(each, day), -1) for each in self._log]
        return np.array(found)

    def _progressive(self) -> Floats:
        """Teach the linear model again and again, each time for the incidents that come next."""
        found = np.full((len(self._log), len(self.teams)), _FLOOR)
        cuts = np.linspace(_UNTAUGHT, 1.0, self._effort.relearnings + 1) * self._taught
        for begin, end in pairwise([*(int(cut) for cut in cuts), len(self._log)]):
            truth = self._truth(self._log[begin].day)[:begin]
            known = np.flatnonzero(truth >= 0)
            taught, asked, _ = one_hot(
                [fields(self._log[place], human=self._human) for place in known],
                [fields(each, human=self._human) for each in self._log[begin:end]],
            )
            weights = faded(self._days[known], self._log[begin].day, _LINEAR_HALF_DAYS)
            model = LinearSVC(C=0.1, random_state=SEED)
            model.fit(taught, truth[known], sample_weight=weights)
            margins = model.decision_function(asked) * _SHARPNESS
            likely = np.exp(margins - margins.max(axis=1, keepdims=True))
            found[begin:end, model.classes_] = likely / likely.sum(axis=1, keepdims=True)
        return found

    def _scores(self, cut: int, rows: Places) -> tuple[Floats, Floats, Places]:
        """Teach the trees before place `cut`; return both models' logs and the teams they are of.

        Each is [row, candidate].
        """
        truth = self._truth(self._log[cut].day)[:cut]
        known = np.flatnonzero(truth >= 0)
        known = known[known >= int(_UNTAUGHT * self._taught)]
        near, asked = self._pairs(known)
        # No weights by age: the shares fade already, and weighted bins take longer than the rest.
        trees = HistGradientBoostingClassifier(
            learning_rate=0.08,
            max_iter=self._effort.rounds,
            max_leaf_nodes=10,
            min_samples_leaf=80,
            l2_regularization=10.0,
            max_features=0.3,
            early_stopping=False,
            random_state=SEED,
        )
        is_it = (near == truth[known][:, None]).ravel()
        with threadpool_limits(1):  # on a busy machine its threads wait for each other
            trees.fit(asked, is_it)
            near, asked = self._pairs(rows)
            likely = trees.predict_proba(asked)[:, 1].reshape(near.shape)
        linear = np.take_along_axis(self._linear[rows], near, axis=1)
        return np.log(likely + 1e-5), np.log(linear + _FLOOR), near

    def _pairs(self, rows: Places) -> tuple[Places, NDArray[np.float32]]:
        """Put each incident beside its likely teams: [row, candidate], [row x candidate, what]."""
        wanted = self._mixed[rows].copy()
        if self._human:
            named = self._first[rows] >= 0
            wanted[named, self._first[rows][named]] += 100.0  # the human's choice always is one
        count = min(self._effort.candidates, len(self.teams))
        near = np.argsort(-wanted, axis=1, kind="stable")[:, :count]
        part = np.take_along_axis(self._shares.teams[rows], near[:, None, :], axis=2)
        linear = np.take_along_axis(self._linear[rows], near, axis=1)
        mixed = np.take_along_axis(self._mixed[rows], near, axis=1)
        place = np.argsort(np.argsort(-linear, axis=1, kind="stable"), axis=1)
        behind = linear - self._linear[rows].max(axis=1, keepdims=True)
        lag = mixed - mixed.max(axis=1, keepdims=True)
        own = np.stack(
            [linear, mixed, lag, place, behind, near, part.mean(axis=1), part.max(axis=1)], axis=2
        )
        moments = np.array([_moment(self._log[row]) for row in rows])
        solved = self._shares.weights[rows][:, : part.shape[1] // 2]
        shared = np.concatenate([solved, moments], axis=1)
        columns = [part.transpose(0, 2, 1), own, np.repeat(shared[:, None, :], count, axis=1)]
        if self._human:
            columns.append((near == self._first[rows][:, None])[:, :, None])
        pairs = np.concatenate(columns, axis=2, dtype=np.float32)
        return near, pairs.reshape(len(rows) * count, -1)


def _moment(incident: Incident) -> tuple[float, ...]:
    """Hour, weekday, and the leading figures of impact and urgency (1 high .. 3 low; 0 unknown)."""
    impact, urgency = incident.field("impact")[:1], incident.field("urgency")[:1]
    levels = (int(each) if each.isdigit() else 0 for each in (impact, urgency))
    return (incident.hour, incident.weekday, *levels)
