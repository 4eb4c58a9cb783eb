"""The science suite: published and exact figures that the real routing core has to reach.

Every figure comes from the engine itself. A figure passes when it lies where it must and its
interval of 95 percent is no wider than the tolerance. Where the exact mean of another policy on the
same dice is known, the difference to it is what is estimated (a coupled control variate).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from math import isinf

from toldonce.lab.estimate import Estimate, compared
from toldonce.lab.formulas import ErlangA, ErlangC
from toldonce.lab.reading import ADAPTIVE
from toldonce.lab.running import Plan, Result, run
from toldonce.lab.scenario import Scenario

SEED = 20_261_130
_WITHIN = 1 / 3  # minutes: twenty seconds
_PATIENT = ErlangC(arrival_rate=4.2, service_rate=0.5, agents=12)  # of S1, in minutes
_HASTY = ErlangA(arrival_rate=4.2, service_rate=0.5, agents=12, patience_rate=1.0)


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of one policy: from `low` to `high`, known to half of `tolerance` or better.

    `limit` is what it is held against, in words; `scale` turns the figure into the published one.
    """

    figure: str
    low: float
    high: float
    tolerance: float
    limit: str
    scale: float = 1.0

    def passed(self, found: Estimate) -> bool:
        """Tell whether it lies where it must, known well enough; a bound must hold surely."""
        value, half = found.value * self.scale, found.half_width * self.scale
        if isinf(self.low):
            return value + half <= self.high and half <= self.tolerance
        if isinf(self.high):
            return value - half >= self.low and half <= self.tolerance
        return self.low <= value <= self.high and half <= self.tolerance


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy on a scenario, and what must hold. `known`: another policy whose mean is exact."""

    scenario: str
    file: str
    policy: str
    replications: int
    checks: tuple[Check, ...]
    known: tuple[str, str, float] | None = None


def near(figure: str, exact: float, share: float, scale: float = 1.0) -> Check:
    """Ask for an exact figure within a share of it."""
    off = exact * share
    return Check(figure, exact - off, exact + off, off, f"{exact:g} within {share:.0%}", scale)


def inside(figure: str, low: float, high: float, scale: float = 1.0) -> Check:
    """Ask for a figure inside a published interval."""
    return Check(figure, low, high, (high - low) / 2, f"{low:g} to {high:g}", scale)


def most(figure: str, high: float, tolerance: float) -> Check:
    """Ask for at most so much."""
    return Check(figure, float("-inf"), high, tolerance, f"at most {high:g}")


def least(figure: str, low: float, tolerance: float) -> Check:
    """Ask for at least so much."""
    return Check(figure, low, float("inf"), tolerance, f"at least {low:g}")


SUITE = (
    Entry(
        "S1",
        "s1-mmc",
        "fifo",
        1_216,
        (inside("mean_wait", 0.097, 0.102), inside("sl", 90.0, 90.4)),
    ),
    Entry(
        "S1",
        "s1-mmcab",
        "fifo",
        1_152,
        (
            inside("abandoned", 57.6, 59.6),
            inside("in_target", 1_903.8, 1_908.2),
            inside("sl", 96.8, 96.9),
        ),
    ),
    Entry(
        "S1",
        "s1-mmc-endless",
        "fifo",
        704,
        (
            near("mean_wait", _PATIENT.mean_wait, 0.01),
            near("sl", 100 * _PATIENT.within(_WITHIN), 0.01),
        ),
    ),
    Entry(
        "S1",
        "s1-mmcab-endless",
        "fifo",
        96,
        (
            near("abandon_pct", 100 * _HASTY.abandonment, 0.01),
            near("sl", 100 * _HASTY.service_level(_WITHIN), 0.01),
        ),
    ),
    Entry(
        "S2",
        "s2",
        "bent",
        512,
        (least("sl", 59.0, 1.0), most("p99_min", 5.0, 0.25), most("abandon_pct", 17.8, 0.5)),
    ),
    Entry(
        "S3",
        "s3",
        "by-lot",
        1_536,
        (
            inside("sl_of_expected_english", 97.83, 98.07),
            inside("sl_of_expected_spanish", 97.81, 98.05),
            near("abandoned", 142.8, 0.03, scale=5.0),
        ),
    ),
    Entry("S4", "s4", "fifo", 32, (near("mean_wait", 0.573, 0.03),)),
    Entry("S5", "s5-b", "weighed", 20, (most("shortfall", 41.9, 10.0),)),
    Entry("S5", "s5-a", "weighed", 16, (most("shortfall", 33.0, 10.0),)),
    Entry(
        "S6",
        "s6",
        "keep-one-quick",
        32,
        (near("mean_wait", 2.504, 0.01),),
        known=("shortest-first", "mean_wait", 2.560107),
    ),
    Entry(
        "S7",
        "s7-80",
        "switching-line",
        16,
        (near("waiting_cost", 7.839, 0.02),),
        known=("max-weight", "waiting_cost", 8.052954),
    ),
    Entry(
        "S7",
        "s7-90",
        "switching-line",
        16,
        (near("waiting_cost", 19.686, 0.02),),
        known=("max-weight", "waiting_cost", 20.376306),
    ),
)


@dataclass(frozen=True, slots=True)
class Rivals:
    """The shipped policies that `adaptive` is held against, by the scenario's own figure.

    It may be `off` percent above the best of them; by a service level, that many points below.
    """

    scenario: str
    file: str
    rivals: tuple[str, ...]
    figure: str
    replications: int
    off: float = 15.0


ADAPTIVE_SUITE = (
    Rivals("S2", "s2", ("bent", "own-first"), "J", 128),
    Rivals("S3", "s3", ("fifo", "spare-the-bilingual"), "J", 128),
    Rivals("S4", "s4", ("fifo",), "mean_wait", 12),
    Rivals("S5B", "s5-b", ("weighed",), "sl", 6, 1.5),
    Rivals("S5A", "s5-a", ("weighed",), "sl", 6, 1.5),
    Rivals("S6", "s6", ("keep-one-quick",), "mean_wait", 24),
    Rivals("S7", "s7-80", ("switching-line",), "waiting_cost", 16),
    Rivals("S7H", "s7-90", ("switching-line",), "waiting_cost", 16),
)


def shipped() -> tuple[str, ...]:
    """Name the scenarios that come with ToldOnce."""
    folder = resources.files("toldonce.lab") / "scenarios"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir()))


def text_of(name: str) -> str:
    """Read a scenario that comes with ToldOnce."""
    file = resources.files("toldonce.lab") / "scenarios" / f"{name}.yaml"
    return file.read_text(encoding="utf-8")


def run_suite(
    read: Callable[[str], Scenario],
    *,
    processes: int = 0,
    only: Sequence[str] = (),
    told: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Run the suite; `read` turns the text of a scenario into one. Returns the report."""
    entries = [entry for entry in SUITE if not only or entry.scenario in only]
    held = [one for one in ADAPTIVE_SUITE if not only or one.scenario[:2] in only]
    plans = [_plan(entry, read(text_of(entry.file))) for entry in entries]
    for one in held:
        scenario = read(text_of(one.file))
        plans += [
            Plan(scenario, scenario.policies[name], one.replications, SEED + 1)
            for name in (ADAPTIVE, *one.rivals)
        ]
    results = run(plans, processes, told)
    scenarios = _scenarios(list(zip(entries, results, strict=False)))
    adaptive, place = {}, len(entries)
    for one in held:
        mine = results[place : place + 1 + len(one.rivals)]
        adaptive[one.scenario] = _held(one, plans[place].scenario, mine)
        place += len(mine)
    failed = sum(not one["passed"] for one in (*scenarios.values(), *adaptive.values()))
    return {"scenarios": scenarios, "adaptive": adaptive, "failed": failed}


def _plan(entry: Entry, scenario: Scenario) -> Plan:
    known = None
    if entry.known is not None:
        policy, figure, value = entry.known
        known = (scenario.policies[policy], figure, value)
    return Plan(scenario, scenario.policies[entry.policy], entry.replications, SEED, known)


def _held(one: Rivals, scenario: Scenario, results: Sequence[Result]) -> dict[str, object]:
    """Hold `adaptive`, the first of the results, against the best of the others."""
    mine, *others = results
    level = one.figure == "sl"
    sign = -1.0 if level else 1.0
    best = min(others, key=lambda result: sign * result.figures[one.figure].value)
    off = compared(mine.groups, best.groups, scenario, one.figure, share=not level)
    return {
        "figure": one.figure,
        "adaptive": round(mine.figures[one.figure].value, 5),
        "best": round(best.figures[one.figure].value, 5),
        "best_policy": best.policy,
        "off": round(sign * off.value, 3),
        "half_width": round(off.half_width, 3),
        "may_be_off": one.off,
        "passed": sign * off.value <= one.off and off.half_width <= one.off,
    }


def _scenarios(found: Iterable[tuple[Entry, Result]]) -> dict[str, dict[str, object]]:
    scenarios: dict[str, dict[str, object]] = {}
    for entry, result in found:
        into = scenarios.setdefault(entry.scenario, {"figures": {}, "limit": {}, "passed": True})
        figures, limits = into["figures"], into["limit"]
        for check in entry.checks:
            estimate = result.figures[check.figure]
            name = f"{entry.file}.{entry.policy}.{check.figure}"
            if isinstance(figures, dict) and isinstance(limits, dict):
                figures[name] = {
                    "value": round(estimate.value * check.scale, 5),
                    "half_width": round(estimate.half_width * check.scale, 5),
                    "tolerance": check.tolerance,
                    "passed": check.passed(estimate),
                }
                limits[name] = check.limit
            into["passed"] = bool(into["passed"]) and check.passed(estimate)
    return scenarios
