"""Who will have the last word on an incident: a plain linear model, and a ranker over history.

`baseline` is scikit-learn's LinearSVC (C = .1, no weights) on the one-hot intake fields; as it
comes (C = 1) it is three points weaker, and would flatter us.

Ours are gradient-boosted trees that look at each incident beside each of its likely teams and say
whether that team is the one. They see the shares of `triage_history`, the moment, and what a linear
model says (LinearSVC, C = .1, an incident counting half as much every 30 days of age, on the same
one-hot fields). They are grown several times, each time with other dice for which columns a split
may look at, and their answers are averaged (Breiman 1996, Bagging Predictors): by one throw alone
the answer swings by as much as a third of a point.

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
type Floats32 = NDArray[np.float32]
type Say = Callable[[str], None]

SEED = 20_160_229
BASELINE_C = 0.1
_FLOOR = 1e-4
_SHARPNESS = 3.0  # from the margins of a LinearSVC to something like probabilities
_LINEAR_HALF_DAYS = 30.0
_UNTAUGHT = 0.2  # the first share of the training part teaches the linear model only


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work: teams looked at per incident, groves and rounds of each, relearnings."""

    candidates: int = 14
    groves: int = 4
    rounds: int = 90
    relearnings: int = 16


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

    def rank(self) -> Places:
        """Learn from the training part, and rank the teams for the test part: [incident, place]."""
        truth = self._truth(self._now)[: self._taught]
        known = np.flatnonzero(truth >= 0)
        known = known[known >= int(_UNTAUGHT * self._taught)]
        near, taught = self._pairs(known)
        is_it = (near == truth[known][:, None]).ravel()
        near, asked = self._pairs(np.arange(self._taught, len(self._log)))
        likely = np.zeros(len(asked))
        with threadpool_limits(1):  # on a busy machine its threads wait for each other
            for grove in range(self._effort.groves):
                trees = self._grown(taught, is_it, SEED + grove)
                likely += trees.predict_proba(asked)[:, 1]
        order = np.argsort(-likely.reshape(near.shape), axis=1, kind="stable")
        return np.take_along_axis(near, order, axis=1)

    def _grown(self, pairs: Floats32, is_it: Any, seed: int) -> Any:  # noqa: ANN401 - scikit-learn
        # No weights by age: the shares fade already, and weighted bins take longer than the rest.
        trees = HistGradientBoostingClassifier(
            learning_rate=0.08,
            max_iter=self._effort.rounds,
            max_leaf_nodes=10,
            min_samples_leaf=80,
            l2_regularization=10.0,
            max_features=0.15,  # the fewer, the more the groves differ
            early_stopping=False,
            random_state=seed,
        )
        return trees.fit(pairs, is_it)

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

    def _pairs(self, rows: Places) -> tuple[Places, Floats32]:
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
