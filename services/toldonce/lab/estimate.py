"""From groups of replications to figures with half-widths: jackknife, corrected by the dice.

Pseudo-values of each group are regressed on how far its dice fell from their known means (control
variates): what the dice explain is taken out of the figure and of its uncertainty. The intervals
are of 95 percent, by Student's t with what degrees of freedom the regression leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from toldonce.lab.scenario import Scenario
from toldonce.lab.sums import Sums, controls, figures

LEVEL = 0.975
_CONTROLLED_MIN = 4  # groups for each control, at least


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the half-width of its interval of 95 percent; `plain` is without control."""

    value: float
    half_width: float
    plain: float


type Known = tuple[Sequence[Sums], str, float]


def estimates(
    groups: Sequence[Sums], scenario: Scenario, known: Known | None = None
) -> Mapping[str, Estimate]:
    """Estimate every figure from groups of equally many replications, at least two of them.

    `known` are the same groups under another policy, a figure, and its exact mean: then what that
    was off by corrects, and not the dice.
    """
    everything = whole(groups)
    all_of_it = figures(everything, scenario)
    without = [figures(everything.plus(group, -1), scenario) for group in groups]
    dice = np.array([controls(group, scenario) for group in groups])
    count = len(groups)
    if known is not None:
        beside, figure, exact = known
        dice = np.array([[figures(group, scenario)[figure] - exact] for group in beside])
    found = {}
    for name, value in all_of_it.items():
        pseudo = np.array([count * value - (count - 1) * less[name] for less in without])
        found[name] = _controlled(pseudo, dice, value)
    return found


def compared(
    one: Sequence[Sums], other: Sequence[Sums], scenario: Scenario, figure: str, *, share: bool
) -> Estimate:
    """Estimate by how much a figure of `one` is above that of `other`, on the same dice.

    As a share of the other's in percent, or as a difference.
    """

    def differs(left: Sums, right: Sums) -> float:
        a, b = figures(left, scenario)[figure], figures(right, scenario)[figure]
        return 100 * (a / b - 1) if share and b else a - b

    count = len(one)
    left, right = whole(one), whole(other)
    value = differs(left, right)
    without = [
        differs(left.plus(a, -1), right.plus(b, -1)) for a, b in zip(one, other, strict=True)
    ]
    pseudo = np.array([count * value - (count - 1) * less for less in without])
    return _regressed(pseudo, np.empty((count, 0)), value)


def whole(groups: Sequence[Sums]) -> Sums:
    """Add up groups, at least one."""
    found = groups[0]
    for other in groups[1:]:
        found = found.plus(other)
    return found


def beside(sums: Sums, known: Sums, known_well: Sums) -> Sums:
    """Correct counts by what the same days did to a policy that is known from many more days.

    What a day's luck did to both of them is taken away, and what is usual put in its place: a
    control variate for every count. Of waits, so many more or fewer than usual are in each bin.
    """
    usual = known_well.times(sums.replications / known_well.replications)
    return sums.plus(known, -1).plus(usual)


def _controlled(pseudo: NDArray[np.float64], off: NDArray[np.float64], plain: float) -> Estimate:
    """Take out what was off, if there are groups enough to tell; luck has no choice in it."""
    enough = off.shape[1] * _CONTROLLED_MIN <= len(pseudo)
    return _regressed(pseudo, off if enough else off[:, :0], plain)


def _regressed(pseudo: NDArray[np.float64], dice: NDArray[np.float64], plain: float) -> Estimate:
    count = len(pseudo)
    design = np.column_stack((np.ones(count), dice))
    solution, _, rank, _ = np.linalg.lstsq(design, pseudo, rcond=None)
    free = count - int(rank)
    if free < 1:
        return Estimate(float(pseudo.mean()), float("inf"), plain)
    left = pseudo - design @ solution
    variance = float(left @ left) / free
    spread = np.linalg.pinv(design.T @ design)[0, 0]
    half = float(stats.t.ppf(LEVEL, free) * np.sqrt(variance * spread))
    return Estimate(float(solution[0]), half, plain)
