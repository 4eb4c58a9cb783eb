"""How long somebody in line may have to wait, with a band that is measured, not assumed.

The mean. Who finds p cases in line, oneself included, waits for p takings: with takings at a steady
rate that is the sum of p exponential times, an Erlang law of p stages with mean p x (time between
two takings) (Whitt 1999, Predicting queueing delays; Ibrahim and Whitt 2009). To it comes the time
until an offer is answered. That the time between takings is itself measured, on n of them, widens
the law: 1/p + 1/n stands for 1/p.

The band. A real desk is not that law, so each wait that ends says how far it was from what was
said: its score is the cube root of wait / mean, less 1 - 1/9p, over the square root of 1/9p, which
under the law is nearly normal for every p (Wilson and Hilferty 1931). The quantiles of the last
scores, taken back through the same formula, are the band (split conformal prediction with a scale
of its own, Lei et al. 2018): about as many of the next waits lie in it as of the last ones did.

Who gives up before they are served has waited *at least* so long: such a wait is censored, and the
quantiles are those of the product-limit estimator (Kaplan and Meier 1958; for waits Brown et al.
2005). Where so many give up that a quantile is not reached, nothing is known.
"""

from collections import deque
from itertools import islice
from math import ceil, floor
from typing import NamedTuple

SHARE = 0.8
SCORES_MAX = 500
KNOWN_MIN = 30  # waits with an owner, before anything is said
_MEAN_MIN_S = 0.1
_READ_EVERY = 32  # the quantiles are read again when one in so many scores is new
_GRAIN_S = 0.01
_NINE = 9.0


class Band(NamedTuple):
    """Seconds: half of such waits end before `estimate_s`, SHARE of them from `low` to `high`."""

    estimate_s: float
    low_s: float
    high_s: float


class Outlook(NamedTuple):
    """A wait under the law: its mean in seconds, and of how many stages."""

    mean_s: float
    stages: float

    def score(self, wait_s: float) -> float:
        """Say how far from its mean a wait was, in deviations of the law."""
        spread = 1.0 / (_NINE * self.stages)
        root = (max(0.0, wait_s) / max(self.mean_s, _MEAN_MIN_S)) ** (1.0 / 3.0)
        return float((root - 1.0 + spread) / spread**0.5)

    def wait_s(self, score: float) -> float:
        """Say which wait has a score: the inverse of `score`, not below 0."""
        spread = 1.0 / (_NINE * self.stages)
        root = max(0.0, 1.0 - spread + score * spread**0.5)
        return float(max(self.mean_s, _MEAN_MIN_S) * root**3)


class Scores:
    """The scores of the last SCORES_MAX waits, with an owner at their end or without."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._last: deque[tuple[float, bool]] = deque(maxlen=SCORES_MAX)
        self._levels: tuple[float, float, float] | None = None
        self._unread = 0

    def add(self, score: float, *, served: bool) -> None:
        """Learn of a wait; not `served` is one that was given up."""
        self._last.append((score, served))
        self._unread += 1

    def band(self, outlook: Outlook) -> Band | None:
        """Say how long such a wait may be; None while too little is known."""
        if self._unread > len(self._last) // _READ_EVERY:
            self._levels, self._unread = self._read(), 0
        if self._levels is None:
            return None
        low, middle, high = self._levels
        low_s = floor(outlook.wait_s(low) / _GRAIN_S) * _GRAIN_S
        high_s = ceil(outlook.wait_s(high) / _GRAIN_S) * _GRAIN_S
        return Band(outlook.wait_s(middle), low_s, high_s)

    def _read(self) -> tuple[float, float, float] | None:
        """Read the three quantiles; those of n scores are taken a little wider, by 1/n."""
        count = sum(served for _, served in self._last)
        if count < KNOWN_MIN:
            return None
        outside = (1.0 - SHARE) / 2.0
        wider = (1.0 + count) / count
        levels = (max(0.0, wider * outside - 1.0 / count), 0.5, wider * (1.0 - outside))
        found = _quantiles(sorted(self._last, key=_served_first), levels)
        return None if found is None else (found[0], found[1], found[2])


def _served_first(one: tuple[float, bool]) -> tuple[float, bool]:
    return one[0], not one[1]


def _quantiles(
    ordered: list[tuple[float, bool]], levels: tuple[float, ...]
) -> tuple[float, ...] | None:
    """Find the scores by which such shares have ended (product-limit); None: one is not reached."""
    found: list[float] = []
    left = 1.0
    at_risk = len(ordered)
    for score, served in ordered:
        if served:
            left *= 1.0 - 1.0 / at_risk
            while len(found) < len(levels) and left <= 1.0 - levels[len(found)] + 1e-12:
                found.append(score)
        at_risk -= 1
    return tuple(islice(found, len(levels))) if len(found) == len(levels) else None
