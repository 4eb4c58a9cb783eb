"""Work of a lower priority that goes before work of a higher one (INVERSION).

For two sorts of work A and B that some agent can take, A has the higher priority p and is worth
more when both come, at the same instant (see `worth`):

- by points: B gains g_B points a minute, A only g_A, and so B passes A after
  60 (p_A - p_B) / (g_B - g_A) seconds (p with `base`), sooner than A's `wait_max_s`;
- by waiting: B's `wait_max_s` is shorter, and from then until A's own B goes first.
"""

from collections.abc import Iterator

from toldonce.kernel.config.linter.crew import Crew, Work
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity
from toldonce.kernel.config.linter.worth import Runner, comparable, key, runners
from toldonce.kernel.config.types import Config
from toldonce.kernel.config.weighing import MILLI

_MINUTE_S = 60


def inverted(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find work of a lower priority that goes before work of a higher one, as old as itself.

    One finding for each two policies and reason, of the widest gap in priority it is true of.
    """
    highs = runners(config, crew, works)
    lows = sorted(highs, key=lambda one: one.work.priority)
    told: set[tuple[str, str, str]] = set()
    for low in lows:
        for high in highs:
            if high.work.priority <= low.work.priority:
                break
            shared = low.bits & high.bits
            if high.policy is low.policy or not shared:
                continue
            pair = (low.policy.name, high.policy.name)
            if (*pair, "points") not in told:
                sooner = _soonest(crew, shared, high, low)
                if sooner is not None and sooner[0] < high.policy.wait_max_s:
                    told.add((*pair, "points"))
                    yield _by_points(config, high, low, *sooner)
            if low.policy.wait_max_s < high.policy.wait_max_s and (*pair, "waiting") not in told:
                told.add((*pair, "waiting"))
                yield _by_waiting(config, high, low)


def _soonest(crew: Crew, bits: int, high: Runner, low: Runner) -> tuple[int, str] | None:
    """Say after how many seconds the lower is worth more, and to which group; None for never."""
    passed: list[tuple[int, str]] = []
    for group in crew.groups(bits):
        gains = low.gains(group) - high.gains(group)
        gap = high.points(group) - low.points(group)
        if gains > 0 and gap > 0 and comparable(high, low, group):
            passed.append((_MINUTE_S * gap // gains + 1, group))
    return min(passed, default=None)


def _by_points(config: Config, high: Runner, low: Runner, after_s: int, group: str) -> Finding:
    whom = f"agents of group {group}" if group else "the same agents"
    return Finding(
        Severity.WARNING,
        Rule.INVERSION,
        key(config, low.policy, low.work.queue, "age_points_per_minute"),
        f"{low.work.name} (priority {low.work.priority}) gains {low.gains(group) / MILLI:g} points "
        f"a minute and passes {high.work.name} (priority {high.work.priority}, "
        f"{high.gains(group) / MILLI:g} a minute) after {after_s} s, with {whom}: give both the "
        "same points a minute",
    )


def _by_waiting(config: Config, high: Runner, low: Runner) -> Finding:
    return Finding(
        Severity.WARNING,
        Rule.INVERSION,
        key(config, low.policy, low.work.queue, "wait_max_s"),
        f"{low.work.name} (priority {low.work.priority}) goes before {high.work.name} (priority "
        f"{high.work.priority}) of the same age from {low.policy.wait_max_s} s of waiting until "
        f"{high.policy.wait_max_s} s: let what counts more have the shorter wait_max_s",
    )
