"""A scenario: who contacts a desk when, who answers, how long all of it takes, what counts.

All times are minutes, all rates per minute. Contacts of a type come in a Poisson stream whose rate
holds for a period; a day's rates may all be multiplied by one Gamma number of mean 1 (busyness).
How long a contact takes depends on its type, on the group that answers and on the period it came
in. A scenario is a YAML document; what is wrong in it is told with the path of the key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, log, sqrt
from statistics import NormalDist

from toldonce.kernel.config.success import Success
from toldonce.kernel.config.weighing import Weighing

_NORMAL = NormalDist()


class Figure(StrEnum):
    """By which number the policies of a scenario are compared; less is better."""

    J = "J"  # goals missed, abandonment and the tail together
    SHORTFALL = "shortfall"  # squared points of service level missed, each type and all
    WAIT = "mean_wait"  # minutes, over all contacts
    COST = "waiting_cost"  # of all who wait, a minute
    REPEATS = "repeat_pct"  # of all who were served, how many had to come again


class Closing(StrEnum):
    """What becomes of those who wait when the last period ends."""

    SERVE = "serve"
    CLEAR = "clear"


class Shape(StrEnum):
    """How durations are spread."""

    EXPONENTIAL = "exponential"
    UNIFORM = "uniform"
    LOGNORMAL = "lognormal"


@dataclass(frozen=True, slots=True)
class Spread:
    """A duration in minutes.

    `first` and `second` are mean and nothing (exponential), least and most (uniform), or mean and
    squared coefficient of variation (lognormal).
    """

    shape: Shape
    first: float
    second: float = 0.0

    def at(self, unit: float) -> float:
        """Turn a draw from the exponential distribution of mean 1 into a duration."""
        match self.shape:
            case Shape.EXPONENTIAL:
                return self.first * unit
            case Shape.UNIFORM:
                return self.first + (self.second - self.first) * (1.0 - exp(-unit))
            case Shape.LOGNORMAL:
                sigma = sqrt(log(1.0 + self.second))
                share = min(max(1.0 - exp(-unit), 1e-12), 1.0 - 1e-12)
                return self.first * exp(sigma * _NORMAL.inv_cdf(share) - sigma * sigma / 2)

    @property
    def mean(self) -> float:
        """The mean in minutes."""
        return (self.first + self.second) / 2 if self.shape is Shape.UNIFORM else self.first


@dataclass(frozen=True, slots=True)
class Type:
    """One kind of contact; lists hold one entry a period, the last one for all later periods.

    Who was served and not helped comes again `repeat_after` minutes later.
    `patience` None: they wait for ever. Of those who hang up, `redial` come back after
    `redial_after` minutes. Answered within `within` minutes counts for the service level, of which
    `goal` percent are wanted. `cost` is that of one who waits, a minute.
    """

    name: str
    arrivals: tuple[float, ...]
    patience: tuple[Spread, ...] | None
    within: float
    goal: float
    weight: float
    cost: float
    redial: float
    redial_after: float
    repeat_after: float = 60.0


@dataclass(frozen=True, slots=True)
class Group:
    """Agents who are alike; how many in each period, and how long each type takes them.

    But for `resolves`: which share of a type they resolve, evenly spread over the agents from the
    first number to the second; a type that is not named they always resolve.
    """

    name: str
    agents: tuple[int, ...]
    service: Mapping[str, tuple[Spread, ...]]
    resolves: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """What pairs are worth, by type, and what is learned of who resolves what."""

    name: str
    weigh: Mapping[str, Weighing] = field(default_factory=dict)
    success: Success = field(default_factory=Success)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything but the dice.

    `periods` are lengths; one replication is all of them, or, when `warm_up` is above 0, one
    endless period of which the first `warm_up` minutes are not counted. At most `lines` contacts
    are in the house at a time (0: any number); more are turned away.
    """

    name: str
    title: str
    source: str
    figure: Figure
    periods: tuple[float, ...]
    warm_up: float
    busyness: float
    lines: int
    closing: Closing
    replications: int
    types: tuple[Type, ...]
    groups: tuple[Group, ...]
    policies: Mapping[str, Policy]

    @property
    def length(self) -> float:
        """Minutes that are counted in one replication."""
        return sum(self.periods)

    def period_at(self, minute: float) -> int:
        """Give the number of the period of a minute, from 0; the last one goes on."""
        for number, length in enumerate(self.periods):
            minute -= length
            if minute < 0:
                return number
        return len(self.periods) - 1


def of_period[T](values: tuple[T, ...], period: int) -> T:
    """Pick what holds in a period."""
    return values[min(period, len(values) - 1)]
