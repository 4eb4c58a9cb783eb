"""Chance, drawn once and the same for every policy: who comes when, how patient, how much work.

Each type of contact has streams of its own for arrivals, patience, work and redials, and the n-th
contact of a type gets the n-th draw of each, whatever a policy does with it. So two policies are
compared on the same day (common random numbers).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.random import PCG64DXSM, Generator, SeedSequence

from toldonce.lab.scenario import Scenario, Type, of_period

_CHUNK = 4_096
_ARRIVALS, _PATIENCE, _WORK, _REDIAL, _DAY, _RESOLVED = range(6)


def _generator(seed: int, replication: int, type_: int, what: int) -> Generator:
    return Generator(PCG64DXSM(SeedSequence((seed, replication, type_, what))))


class Row:
    """Exponential draws of mean 1, one after the other."""

    __slots__ = ("_generator", "_left")

    def __init__(self, generator: Generator) -> None:
        """Draw from this generator, many at a time."""
        self._generator = generator
        self._left: list[float] = []

    def next(self) -> float:
        """Give the next draw."""
        left = self._left
        if not left:
            left.extend(self._generator.standard_exponential(_CHUNK).tolist())
            left.reverse()
        return left.pop()


@dataclass(slots=True)
class Dice:
    """The draws of one replication."""

    busyness: float
    arrivals: list[Row] = field(default_factory=list)
    patience: list[Row] = field(default_factory=list)
    work: list[Row] = field(default_factory=list)
    redial: list[Row] = field(default_factory=list)  # whether they come again
    resolved: list[Row] = field(default_factory=list)  # whether they were helped


def dice(scenario: Scenario, seed: int, replication: int) -> Dice:
    """Roll for one replication."""
    day = _generator(seed, replication, 0, _DAY)
    shape = scenario.busyness
    drawn = Dice(float(day.gamma(shape, 1.0 / shape)) if shape else 1.0)
    rows = {
        _ARRIVALS: drawn.arrivals,
        _PATIENCE: drawn.patience,
        _WORK: drawn.work,
        _REDIAL: drawn.redial,
        _RESOLVED: drawn.resolved,
    }
    for number in range(len(scenario.types)):
        for what, row in rows.items():
            row.append(Row(_generator(seed, replication, number, what)))
    return drawn


def next_arrival(
    scenario: Scenario, type_: Type, busyness: float, after: float, unit: float
) -> float:
    """Say when the next contact of a type comes; infinity when none does any more.

    `unit` is spent period by period at the rate that holds there, which is exact for rates that
    change in steps.
    """
    begins = 0.0
    last = len(scenario.periods) - 1
    for period, length in enumerate(scenario.periods):
        ends = begins + length
        endless = period == last and scenario.warm_up > 0
        if after < ends or endless:
            rate = of_period(type_.arrivals, period) * busyness
            start = max(after, begins)
            if rate > 0:
                at = start + unit / rate
                if at < ends or endless:
                    return at
                unit -= (ends - start) * rate
        begins = ends
    return float(np.inf)
