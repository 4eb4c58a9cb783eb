"""Learns from labelled texts what texts are about, and writes it as a file for intake.

Multinomial logistic regression with an L2 penalty, by L-BFGS: from nothing, without chance, so the
same rows give the same file (on one machine: the last digit of a sum may differ on another). The
features are those of `intake.core.learned`; of too many, those that say most of some class are
kept (chi-square: Yang and Pedersen 1997, A Comparative Study on Feature Selection in Text
Categorization). How sure it may be is learned on every fifth row of each class, held out.

Numpy and scipy take a while to import: only who trains imports this module.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.sparse import csr_array, diags_array

from toldonce.intake.core import Model, features_of, parse_model
from toldonce.intake.core.learned_file import CLASSES_MAX, FORMAT, RARITY_MAX, SCALE_MAX, WEIGHT_MAX
from toldonce.kernel.errors import Invalid, Problem

type Row = tuple[str, str]
type Floats = NDArray[np.float64]
type Say = Callable[[str], None]

ROWS_MAX = 100_000
EACH_MIN = 5  # examples of a class: every fifth is held out
FEATURES_MAX = 20_000
PIECES = (3, 4)
LOSS_WEIGHT = 10.0  # of the examples against the penalty
STEPS_MAX = 100
_SEEN_MIN = 2
_PROBLEMS_MAX = 10
_FINE = 2  # weights are kept in halves
_RARITY = 64
_UNIT = log(64 / 63)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model said of texts whose class is known; shares of `texts`."""

    texts: int
    accuracy: float
    unknown: float
    right_when_sure: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A file for intake, the model that is in it, and how it did on what was held out."""

    raw: bytes
    model: Model
    held_out: Judged


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What was learned: `weights[f, c]` of features on texts of length 1, and their rarity.

    `unseen` is the rarity of any other feature: that of one which no text had.
    """

    classes: Sequence[str]
    rarity: Floats
    unseen: float
    weights: Floats
    places: Mapping[str, int] = field(repr=False)

    def scores(self, rows: Sequence[Row]) -> Floats:
        """Score texts: [row, class]."""
        scaled = _scaled(*_matrix(rows, self.places), self.rarity, self.unseen)
        scored: Floats = scaled @ self.weights
        return scored


def train(rows: Sequence[Row], *, unknown_below_pct: int, say: Say) -> Trained:
    """Learn from (text, class) rows; raises Invalid where there are too few, or too many."""
    classes = _classes(rows)
    nth: Counter[str] = Counter()
    parts: tuple[list[Row], list[Row]] = [], []
    for row in rows:
        nth[row[1]] += 1
        parts[nth[row[1]] % EACH_MIN == 0].append(row)
    taught, held = parts
    say(f"{len(taught)} rows teach, {len(held)} are held out, {len(classes)} topics")
    part = _fit(taught, classes)
    sharpness = _sharpness(part.scores(held), _places_of(held, classes))
    judged = judge(parse_model(_written(part, sharpness, unknown_below_pct, {}), "held out"), held)
    say(f"learning from all {len(rows)} rows")
    made = {"rows": len(rows), "held_out": {"rows": len(held), "accuracy": judged.accuracy}}
    raw = _written(_fit(rows, classes), sharpness, unknown_below_pct, {"made": made})
    return Trained(raw, parse_model(raw, "new"), judged)


def judge(model: Model, rows: Sequence[Row]) -> Judged:
    """Ask a model about texts whose class is known; `accuracy` counts unsure answers too."""
    right, sure, both = 0, 0, 0
    for text, name in rows:
        found, best = model.guess((text,)), model.likeliest((text,))
        right += best is not None and best.name == name
        sure += found is not None
        both += found is not None and found.name == name
    total = len(rows)
    return Judged(
        total,
        round(right / total, 4),
        round(1 - sure / total, 4),
        round(both / sure, 4) if sure else 0.0,
    )


def _classes(rows: Sequence[Row]) -> list[str]:
    if len(rows) > ROWS_MAX:
        raise Invalid("FILE", f"has more than {ROWS_MAX} rows: take the latest")
    counted = Counter(name for _, name in rows)
    few = [name for name in sorted(counted) if counted[name] < EACH_MIN]
    if few:
        first, *more = (
            Problem("--topic-column", f"{name}: {counted[name]} rows, at least {EACH_MIN} needed")
            for name in few[:_PROBLEMS_MAX]
        )
        raise Invalid(first.field, first.sentence, *more)
    if not 1 < len(counted) <= CLASSES_MAX:
        raise Invalid("--topic-column", f"{len(counted)} topics; wanted 2 to {CLASSES_MAX}")
    return sorted(counted)


def _fit(rows: Sequence[Row], classes: Sequence[str]) -> _Fitted:
    seen = Counter(one for text, _ in rows for one in set(features_of((text,), PIECES)))
    names = sorted(name for name, count in seen.items() if count >= _SEEN_MIN)
    if not names:
        raise Invalid("--text-column", "no two texts have a word in common")
    found, sizes = _matrix(rows, {name: at for at, name in enumerate(names)})
    truth = np.zeros((len(rows), len(classes)))
    truth[np.arange(len(rows)), _places_of(rows, classes)] = 1.0
    kept = _telling(found, truth)
    names, found = [names[at] for at in kept], found[:, kept]
    rarity = np.log((1 + len(rows)) / (1 + found.sum(axis=0))) + 1
    unseen = log(1 + len(rows)) + 1
    weights = _weights(_scaled(found, sizes, rarity, unseen), truth)
    places = {name: at for at, name in enumerate(names)}
    return _Fitted(classes, rarity, unseen, weights, places)


def _telling(found: csr_array, truth: Floats) -> NDArray[np.int64]:
    """Choose the features that say most of some class, at most `FEATURES_MAX`, in their order."""
    there = found.T @ truth
    expected = np.outer(found.sum(axis=0), truth.mean(axis=0))
    most = ((there - expected) ** 2 / expected).max(axis=1)
    return np.sort(np.argsort(-most, kind="stable")[:FEATURES_MAX])


def _weights(found: csr_array, truth: Floats) -> Floats:
    """Fit; [feature, class]."""
    shape = (found.shape[1], truth.shape[1])
    turned = found.T.tocsr()

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        scores = found @ weights
        scores -= scores.max(axis=1, keepdims=True)
        likely = np.exp(scores)
        shares = likely.sum(axis=1, keepdims=True)
        missed = float(np.log(shares).sum() - (scores * truth).sum())
        slope = LOSS_WEIGHT * (turned @ (likely / shares - truth)) + weights
        return LOSS_WEIGHT * missed + 0.5 * float(flat @ flat), slope.ravel()

    options = {"maxiter": STEPS_MAX, "maxcor": 5}
    done = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
    fitted: Floats = done.x.reshape(shape)
    return fitted


def _sharpness(scores: Floats, truth: NDArray[np.int64]) -> float:
    """Find the factor of the scores with which the held-out classes are the least surprising."""

    def surprise(power: float) -> float:
        sharp = scores * np.exp(power)
        sharp -= sharp.max(axis=1, keepdims=True)
        own = sharp[np.arange(len(truth)), truth]
        return float(np.mean(np.log(np.exp(sharp).sum(axis=1)) - own))

    return float(np.exp(minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded").x))


def _written(fitted: _Fitted, sharpness: float, floor_pct: int, more: Mapping[str, Any]) -> bytes:
    """Round to whole numbers and write the file: one feature a line, weights of 0 left out."""
    weights = np.rint(fitted.weights * fitted.rarity[:, None] * _FINE).astype(int)
    weights = np.clip(weights, -WEIGHT_MAX, WEIGHT_MAX)
    rarity = np.clip(np.rint(fitted.rarity * _RARITY), 1, RARITY_MAX).astype(int)
    scale = min(max(round(sharpness * _RARITY / (_FINE * _UNIT)), 1), SCALE_MAX)
    lines = []
    for name, at in fitted.places.items():
        pairs = [
            part for place in np.flatnonzero(weights[at]) for part in (place, weights[at, place])
        ]
        numbers = ",".join(str(number) for number in (rarity[at], *pairs))
        lines.append(f"{json.dumps(name, ensure_ascii=False)}:[{numbers}]")
    head = {
        "format": FORMAT,
        "classes": [*fitted.classes],
        "pieces": [*PIECES],
        "scale": scale,
        "unseen": round(fitted.unseen * _RARITY),
        "unknown_below_pct": floor_pct,
        **more,
    }
    opened = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    return (opened + ',\n "features": {\n' + ",\n".join(lines) + "\n}}\n").encode()


def _matrix(rows: Sequence[Row], places: Mapping[str, int]) -> tuple[csr_array, Floats]:
    """Say which features are in which text (1 or nothing), and how many a text has in all."""
    found, ends, sizes = [], [0], []
    for text, _ in rows:
        features = set(features_of((text,), PIECES))
        found += sorted(places[one] for one in features if one in places)
        ends.append(len(found))
        sizes.append(len(features))
    shape = (len(rows), len(places))
    return csr_array((np.ones(len(found)), found, ends), shape=shape), np.array(sizes, dtype=float)


def _scaled(found: csr_array, sizes: Floats, rarity: Floats, unseen: float) -> csr_array:
    """Weigh features by rarity, and bring each text to length 1, what is unseen in it included."""
    weighed = csr_array(found @ diags_array(rarity))
    others = sizes - np.diff(found.indptr)
    lengths = np.sqrt(np.asarray(weighed.power(2).sum(axis=1)).ravel() + others * unseen**2)
    return csr_array(diags_array(1 / np.where(lengths, lengths, 1)) @ weighed)


def _places_of(rows: Sequence[Row], classes: Sequence[str]) -> NDArray[np.int64]:
    places = {name: at for at, name in enumerate(classes)}
    return np.array([places[name] for _, name in rows])
