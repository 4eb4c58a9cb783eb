"""What was counted over many replications, and every figure that follows from it.

Service level: served within the type's time, of those who were served or hung up after that time
(SCIENCE of the field calls the others not offered). J (S2, S4 to S6): `missed`, the weighted mean
over types of the squared points of service level missed, plus 10 a percent abandoned, plus 5 a
minute of the 99th percentile of all waits. Shortfall (Chan, Koole and L'Ecuyer 2014): the squared
points missed of every type and of all together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toldonce.kernel.instants import MINUTE
from toldonce.lab.desk import Desk
from toldonce.lab.scenario import Scenario, of_period

BINS = 40_000
BIN = 0.005  # minutes; 200 minutes in all, later ones count as that
_COLUMNS = (
    "came",
    "first",
    "good",
    "based",
    "served",
    "lost",
    "blocked",
    "cleared",
    "waited",
    "work",
    "speed",
    "ended",
    "unresolved",
)
_AT = {name: place for place, name in enumerate(_COLUMNS)}


class Sums:
    """Counts of any number of replications; they add up and can be taken apart again."""

    def __init__(self, types: int, groups: int) -> None:
        """Start at nothing."""
        self.replications = 0
        self.events = 0
        self.busyness = 0.0
        self.counts: NDArray[np.float64] = np.zeros((types, len(_COLUMNS)))
        self.waits: NDArray[np.float64] = np.zeros(BINS)
        self.busy: NDArray[np.float64] = np.zeros(groups)  # minutes

    def see(self, desk: Desk, busyness: float) -> None:
        """Add a replication."""
        self.replications += 1
        self.events += desk.events
        self.busyness += busyness
        self.busy += np.array(desk.busy_us) / MINUTE
        for number, (tally, type_) in enumerate(zip(desk.seen, desk.scenario.types, strict=True)):
            served, lost = np.array(tally.served), np.array(tally.lost)
            good = np.count_nonzero(served <= type_.within)
            based = served.size + np.count_nonzero(lost > type_.within)
            self.counts[number] += (
                tally.came,
                tally.first,
                good,
                based,
                served.size,
                lost.size,
                tally.blocked,
                tally.cleared,
                tally.waited,
                tally.work,
                served.sum(),
                tally.ended,
                tally.unresolved,
            )
            waits = np.concatenate((served, lost))
            places = np.minimum((waits / BIN).astype(np.int64), BINS - 1)
            self.waits += np.bincount(places, minlength=BINS)

    def plus(self, other: "Sums", sign: int = 1) -> "Sums":
        """Add others to these, or take them away again."""
        found = Sums(len(self.counts), len(self.busy))
        found.replications = self.replications + sign * other.replications
        found.events = self.events + sign * other.events
        found.busyness = self.busyness + sign * other.busyness
        found.counts = self.counts + sign * other.counts
        found.waits = self.waits + sign * other.waits
        found.busy = self.busy + sign * other.busy
        return found

    def times(self, factor: float) -> "Sums":
        """Count as if there had been so many times as many replications."""
        found = Sums(len(self.counts), len(self.busy))
        found.replications = round(self.replications * factor)
        found.events = round(self.events * factor)
        found.busyness = self.busyness * factor
        found.counts = self.counts * factor
        found.waits = self.waits * factor
        found.busy = self.busy * factor
        return found

    def of(self, name: str) -> NDArray[np.float64]:
        """Return a column: one number a type."""
        column: NDArray[np.float64] = self.counts[:, _AT[name]]
        return column


def figures(sums: Sums, scenario: Scenario) -> dict[str, float]:
    """Work out every figure; times in minutes, shares in percent unless their name says else."""
    came, good, based = sums.of("came"), sums.of("good"), sums.of("based")
    lost, waited = sums.of("lost"), sums.of("waited")
    levels = 100 * _share(good, based)
    level = 100 * _ratio(good.sum(), based.sum())
    goals = np.array([type_.goal for type_ in scenario.types])
    weights = np.array([type_.weight for type_ in scenario.types])
    missed = np.maximum(0.0, goals - levels) ** 2
    minutes = scenario.length * max(sums.replications, 1)
    costs = np.array([type_.cost for type_ in scenario.types])
    abandoned = 100 * _ratio(lost.sum(), came.sum())
    p99 = _percentile(sums.waits, 0.99)
    overall = float(np.average(goals, weights=came)) if came.sum() else 0.0
    found = {
        "sl": level,
        "abandon_pct": abandoned,
        "p99_min": p99,
        "p95_min": _percentile(sums.waits, 0.95),
        "mean_wait": _ratio(waited.sum(), came.sum() - sums.of("blocked").sum()),
        "speed_of_answer": _ratio(sums.of("speed").sum(), sums.of("served").sum()),
        "waiting_cost": float((costs * waited).sum() / minutes),
        "missed": float((weights * missed).mean()),
        "J": float((weights * missed).mean()) + 10 * abandoned + 5 * p99,
        "shortfall": float(missed.sum()) + max(0.0, overall - level) ** 2,
        "blocked_pct": 100 * _ratio(sums.of("blocked").sum(), came.sum()),
        "repeat_pct": 100 * _ratio(sums.of("unresolved").sum(), sums.of("ended").sum()),
        "came": came.sum() / max(sums.replications, 1),
        "served": sums.of("served").sum() / max(sums.replications, 1),
        "abandoned": lost.sum() / max(sums.replications, 1),
        "in_target": good.sum() / max(sums.replications, 1),
        "disconnected": sums.of("cleared").sum() / max(sums.replications, 1),
    }
    for number, type_ in enumerate(scenario.types):
        hoped = expected(scenario, number) * max(sums.replications, 1)
        found[f"sl_{type_.name}"] = float(levels[number])
        found[f"wait_{type_.name}"] = _ratio(waited[number], came[number])
        found[f"sl_of_expected_{type_.name}"] = 100 * _ratio(good[number], hoped)
    for number, group in enumerate(scenario.groups):
        on = _agent_minutes(scenario, group.agents) * max(sums.replications, 1)
        found[f"occupancy_{group.name}"] = 100 * _ratio(float(sums.busy[number]), on)
    return found


def controls(sums: Sums, scenario: Scenario) -> NDArray[np.float64]:
    """Tell by how much the dice differed from their means, a replication: what came, what work."""
    each = max(sums.replications, 1)
    first = sums.of("first") / each
    hoped = np.array([expected(scenario, number) for number in range(len(scenario.types))])
    off = [*(first - hoped), *((sums.of("work") - sums.of("came")) / each)]
    if scenario.busyness:
        off.append(sums.busyness / each - 1.0)
    return np.array(off)


def expected(scenario: Scenario, number: int) -> float:
    """Say how many of a type come for the first time in one replication, on average."""
    rates = scenario.types[number].arrivals
    return sum(length * of_period(rates, period) for period, length in enumerate(scenario.periods))


def _agent_minutes(scenario: Scenario, agents: Sequence[int]) -> float:
    if scenario.warm_up:
        return agents[0] * (scenario.warm_up + scenario.length)
    return sum(
        length * of_period(tuple(agents), period) for period, length in enumerate(scenario.periods)
    )


def _percentile(waits: NDArray[np.float64], share: float) -> float:
    total = waits.sum()
    if not total:
        return 0.0
    place = int(np.argmax(np.cumsum(waits) >= share * total))
    return BIN * (place + 0.5)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
