"""Work that may wait for ever although it could be taken (STARVING; by units, see `fitting`).

- By points: everybody who can take B can take A, and B goes before new work of A only once it has
  waited min(wait_max_s, 60 (p_A - p_B) / g_B) seconds (see `worth` and `ranking`). More than
  `STARVED_S` is as good as never: so long, an A that keeps coming is always served first.
- By worth: B is worth less than nothing to everybody, and so left apart even when all are free,
  until `wait_max_s`.
- By waiting: an offer nobody answers (`offer_timeout_s`), or waiting for the owner
  (`prefer_owner_s`), takes as long as the work may wait at all.
"""

from collections.abc import Iterator
from dataclasses import astuple, replace

from toldonce.kernel.config.linter.crew import Crew, Work
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity
from toldonce.kernel.config.linter.worth import Runner, comparable, key, runners
from toldonce.kernel.config.owning import DAY_S
from toldonce.kernel.config.types import Config

STARVED_S = DAY_S
_MINUTE_S = 60


def starved(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find work that may stand behind new work of a higher priority for more than `STARVED_S`."""
    all_work = runners(config, crew, works)
    told: set[str] = set()
    for low in all_work:
        if low.policy.wait_max_s <= STARVED_S or low.work.queue in told:
            continue
        high = next(one for one in all_work if not low.bits & ~one.bits)
        behind = [_behind_s(high, low, group) for group in crew.groups(low.bits)]
        if any(wait_s is None or wait_s <= STARVED_S for wait_s in behind):
            continue
        told.add(low.work.queue)
        yield Finding(
            Severity.WARNING,
            Rule.STARVING,
            key(config, low.policy, low.work.queue, "age_points_per_minute"),
            f"{low.work.name} (priority {low.work.priority}) stands behind every new work of "
            f"{high.work.name} (priority {high.work.priority}) for "
            f"{min(wait_s for wait_s in behind if wait_s is not None)} s: give it more points a "
            f"minute, or a wait_max_s below {low.policy.wait_max_s}",
        )


def left_apart(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find work that is worth less than nothing to everybody until it has waited its longest."""
    for one in runners(config, crew, works):
        groups = crew.groups(one.bits)
        if groups and all(_worthless(one, group) for group in groups):
            yield Finding(
                Severity.WARNING,
                Rule.STARVING,
                key(config, one.policy, one.work.queue, "weigh"),
                f"{one.work.name} (priority {one.work.priority}) is worth less than nothing to "
                f"all who can take it, so it waits {one.policy.wait_max_s} s (wait_max_s) even "
                "when they are free: raise base or wait for some group",
            )


def bounds(config: Config) -> Iterator[Finding]:
    """Find waits that a single unanswered offer, or hoping for the owner, uses up."""
    for queue in config.queues.values():
        policy = config.policy_of(queue.name)
        if policy.wait_max_s <= config.offer_timeout_s(queue.name):
            own = queue.offer_timeout_s is not None
            place = f"queues[{list(config.queues).index(queue.name)}].offer_timeout_s"
            yield Finding(
                Severity.WARNING,
                Rule.STARVING,
                place if own else key(config, policy, queue.name, "offer_timeout_s"),
                f"an offer of queue {queue.name} that nobody answers stands for "
                f"{config.offer_timeout_s(queue.name)} s, as long as its work may wait "
                f"(wait_max_s {policy.wait_max_s}): shorten it",
            )
        if policy.wait_max_s <= policy.prefer_owner_s:
            yield Finding(
                Severity.WARNING,
                Rule.STARVING,
                key(config, policy, queue.name, "prefer_owner_s"),
                f"work of queue {queue.name} waits {policy.prefer_owner_s} s for the owner of its "
                f"case alone, as long as it may wait (wait_max_s {policy.wait_max_s}): shorten it",
            )


def _behind_s(high: Runner, low: Runner, group: str) -> int | None:
    """Say how long the lower stands behind what is new of the higher; None: that is not known."""
    if not comparable(high, low, group):
        return None
    gap, gains = high.points(group) - low.points(group), low.gains(group)
    if gap <= 0:
        return 0
    longest_s = low.policy.wait_max_s
    return min(longest_s, _MINUTE_S * gap // gains) if gains > 0 else longest_s


def _worthless(one: Runner, group: str) -> bool:
    """Tell whether it is worth less than nothing to a group for as long as it may wait."""
    weights = one.policy.weigh.of(group)
    if max(astuple(replace(weights, base=0, wait=0))) > 0:
        return False
    points, gains = one.points(group), max(one.gains(group), 0)
    return points * _MINUTE_S + gains * one.policy.wait_max_s < 0
