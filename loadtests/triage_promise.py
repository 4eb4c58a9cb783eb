"""Will the promise be kept (`made_sla`): a plain logistic regression, and one that follows time.

The baseline is scikit-learn's LogisticRegression as it comes (C = 1, no weights) on the one-hot
intake fields, as in `triage_models`, without the human's team. Ours sees the same fields, the hour
and the weekday; older incidents count less, and its level is moved so that it fits the latest days
(one number added to the log odds). Both half-lives and C are chosen by the Brier score (Brier 1950:
mean squared difference of forecast and outcome) on two later pieces of the training part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

import numpy as np
from sklearn.linear_model import LogisticRegression

from loadtests.triage_history import Floats
from loadtests.triage_log import Incident
from loadtests.triage_models import SEED, Say, faded, fields, one_hot
from toldonce.kernel.errors import Invalid

type Known = Callable[[Incident, float], bool]

_PIECES = ((0.7, 0.85), (0.85, 1.0))
_STEPS = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """Half-lives in days of what is learned and of the level (0: it is not moved), and C."""

    half_days: float
    level_days: float
    c: float


CHOICES = tuple(
    Choice(*each) for each in product((2.0, 4.0, 7.0, 14.0), (0.0, 2.0, 4.0), (0.1, 0.5))
)


def brier(forecast: Floats, incidents: Sequence[Incident]) -> float:
    """Return the mean squared difference between forecast and outcome."""
    return float(np.mean((forecast - _kept(incidents)) ** 2))


def plain(train: Sequence[Incident], test: Sequence[Incident], known: Known) -> Floats:
    """Return the baseline's probability for each of `test` that the promise is kept."""
    train = _learnable(train, test[0].day, known)
    taught, asked, _ = one_hot(*([fields(each, human=False) for each in p] for p in (train, test)))
    model = LogisticRegression(solver="liblinear", random_state=SEED)
    likely: Floats = model.fit(taught, _kept(train)).predict_proba(asked)[:, 1]
    return likely


def following(
    train: Sequence[Incident], test: Sequence[Incident], known: Known, choice: Choice
) -> Floats:
    """Return our probability for each of `test`; `known` says whose outcome may be learned."""
    now = test[0].day
    train = _learnable(train, now, known)
    taught, asked, _ = one_hot([_moment(each) for each in train], [_moment(each) for each in test])
    days, kept = np.array([each.day for each in train]), _kept(train)
    model = LogisticRegression(C=choice.c, solver="liblinear", random_state=SEED)
    model.fit(taught, kept, sample_weight=faded(days, now, choice.half_days))
    odds: Floats = model.decision_function(asked)
    if choice.level_days:
        weights = faded(days, now, choice.level_days)
        odds = odds + _level(model.decision_function(taught), kept, weights)
    return _likely(odds)


def choose(train: Sequence[Incident], known: Known, now: float, say: Say) -> Choice:
    """Choose on later pieces of the training part, each forecast from what came before it.

    Of a piece count the incidents whose outcome is `known` on the day `now`.
    """
    found: dict[Choice, float] = {}
    for choice in CHOICES:
        scores = []
        for begin, end in _PIECES:
            first, last = int(begin * len(train)), int(end * len(train))
            piece = [each for each in train[first:last] if known(each, now)]
            if piece:
                scores.append(brier(following(train[:first], piece, known, choice), piece))
        if not scores:
            raise Invalid("made_sla", "no outcome of the later training incidents is known yet")
        found[choice] = fmean(scores)
    best = min(CHOICES, key=lambda each: found[each])
    say(f"  of {len(CHOICES)} choices {best}, Brier {found[best]:.4f} inside the training part")
    return best


def _learnable(train: Sequence[Incident], day: float, known: Known) -> list[Incident]:
    found = [each for each in train if known(each, day)]
    if len({each.made_sla for each in found}) == 1 or not found:
        told = f"the {len(found)} outcomes there are to learn from are not of both kinds"
        raise Invalid("made_sla", f"{told}: take a longer log")
    return found


def _level(odds: Floats, kept: Floats, weights: Floats) -> float:
    """Find by bisection what must be added to fit the weighted share that was kept."""
    wanted = float(np.average(kept, weights=weights))
    low, high = -10.0, 10.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if float(np.average(_likely(odds + middle), weights=weights)) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _moment(incident: Incident) -> dict[str, str]:
    moment = {"hours": str(incident.hour // 3), "weekday": str(incident.weekday)}
    return fields(incident, human=False) | moment


def _kept(incidents: Sequence[Incident]) -> Floats:
    return np.array([each.made_sla for each in incidents], dtype=np.float64)


def _likely(odds: Floats) -> Floats:
    likely: Floats = 1 / (1 + np.exp(-odds))
    return likely
