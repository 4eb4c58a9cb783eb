"""Work that what counts less overtakes, and work that may wait for ever behind what counts more.

The engine ranks by points, priority + `age_points_per_minute` x minutes waited, and puts work that
has waited `wait_max_s` before all that has not. So for two sorts of work A and B, some agent can
take both, A has the higher priority, and both came at the same instant:

- INVERSION by points: B gains more a minute, and passes A after
  60 (p_A - p_B) / (g_B - g_A) seconds, sooner than A's `wait_max_s`.
- INVERSION by waiting: B's `wait_max_s` is shorter, and from then until A's own B goes first.
- STARVING by points: B goes before every new A once it has waited
  min(wait_max_s, 60 (p_A - p_B) / g_B) seconds. More than `STARVED_S` is as good as never; so long
  an A that keeps coming is always served first.
- STARVING by waiting: an offer nobody answers (`offer_timeout_s`), or waiting for the owner
  (`prefer_owner_s`), takes as long as the work may wait at all.

What a breach adds (`raise_priority_by`) is left out: it is asked for in so many words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from toldonce.kernel.config.linter.crew import Crew, Work
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity
from toldonce.kernel.config.owning import DAY_S
from toldonce.kernel.config.types import Config, RoutingPolicy

STARVED_S = DAY_S
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class _Runner:
    """A sort of work, its policy, and who can take it (a set of kinds)."""

    work: Work
    policy: RoutingPolicy
    bits: int

    def beside(self, other: "_Runner") -> bool:
        """Tell whether somebody can take both."""
        return bool(self.bits & other.bits)


def inverted(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find work of a lower priority that goes before work of a higher one, as old as itself.

    One finding for each two policies and reason, of the widest gap in priority it is true of.
    """
    highs = _runners(config, crew, works)
    lows = sorted(highs, key=lambda one: one.work.priority)
    told: set[tuple[str, str, str]] = set()
    for low in lows:
        for high in highs:
            if high.work.priority <= low.work.priority:
                break
            if high.policy is low.policy or not high.beside(low):
                continue
            passes_s = _passes_s(high, low)
            pair = (low.policy.name, high.policy.name)
            sooner = passes_s is not None and passes_s < high.policy.wait_max_s
            if sooner and (*pair, "points") not in told:
                told.add((*pair, "points"))
                yield _by_points(config, high, low, passes_s or 0)
            if low.policy.wait_max_s < high.policy.wait_max_s and (*pair, "waiting") not in told:
                told.add((*pair, "waiting"))
                yield _by_waiting(config, high, low)


def starved(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find work that may stand behind new work of a higher priority for more than `STARVED_S`."""
    runners = _runners(config, crew, works)
    told: set[str] = set()
    for low in runners:
        if low.policy.wait_max_s <= STARVED_S or low.work.queue in told:
            continue
        high = next((one for one in runners if one.beside(low)), low)
        gap, gains = high.work.priority - low.work.priority, low.policy.age_points_per_minute
        behind_s = min(low.policy.wait_max_s, _MINUTE_S * gap // gains)
        if behind_s <= STARVED_S:
            continue
        told.add(low.work.queue)
        yield Finding(
            Severity.WARNING,
            Rule.STARVING,
            _key(config, low.policy, low.work.queue, "age_points_per_minute"),
            f"{low.work.name} (priority {low.work.priority}) stands behind every new work of "
            f"{high.work.name} (priority {high.work.priority}) for {behind_s} s: give it more "
            f"points a minute than {gains}, or a wait_max_s below {low.policy.wait_max_s}",
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
                place if own else _key(config, policy, queue.name, "offer_timeout_s"),
                f"an offer of queue {queue.name} that nobody answers stands for "
                f"{config.offer_timeout_s(queue.name)} s, as long as its work may wait "
                f"(wait_max_s {policy.wait_max_s}): shorten it",
            )
        if policy.wait_max_s <= policy.prefer_owner_s:
            yield Finding(
                Severity.WARNING,
                Rule.STARVING,
                _key(config, policy, queue.name, "prefer_owner_s"),
                f"work of queue {queue.name} waits {policy.prefer_owner_s} s for the owner of its "
                f"case alone, as long as it may wait (wait_max_s {policy.wait_max_s}): shorten it",
            )


def _runners(config: Config, crew: Crew, works: tuple[Work, ...]) -> list[_Runner]:
    """Give all work, the highest priority first."""
    runners = [_Runner(work, config.policy_of(work.queue), crew.ever(work)) for work in works]
    return sorted(runners, key=lambda one: -one.work.priority)


def _passes_s(high: _Runner, low: _Runner) -> int | None:
    """Say after how many seconds the lower has more points than the higher, or None for never."""
    gains = low.policy.age_points_per_minute - high.policy.age_points_per_minute
    if gains <= 0:
        return None
    return _MINUTE_S * (high.work.priority - low.work.priority) // gains + 1


def _by_points(config: Config, high: _Runner, low: _Runner, passes_s: int) -> Finding:
    return Finding(
        Severity.WARNING,
        Rule.INVERSION,
        _key(config, low.policy, low.work.queue, "age_points_per_minute"),
        f"{low.work.name} (priority {low.work.priority}) gains "
        f"{low.policy.age_points_per_minute} points a minute and passes {high.work.name} "
        f"(priority {high.work.priority}, {high.policy.age_points_per_minute} a minute) after "
        f"{passes_s} s, with the same agents: give both the same points a minute",
    )


def _by_waiting(config: Config, high: _Runner, low: _Runner) -> Finding:
    return Finding(
        Severity.WARNING,
        Rule.INVERSION,
        _key(config, low.policy, low.work.queue, "wait_max_s"),
        f"{low.work.name} (priority {low.work.priority}) goes before {high.work.name} (priority "
        f"{high.work.priority}) of the same age from {low.policy.wait_max_s} s of waiting until "
        f"{high.policy.wait_max_s} s: let what counts more have the shorter wait_max_s",
    )


def _key(config: Config, policy: RoutingPolicy, queue: str, key: str) -> str:
    """Return the path of a policy's key; that of the queue where the policy is the built-in one."""
    if config.policies.get(policy.name) is policy:
        return f"policies[{list(config.policies).index(policy.name)}].{key}"
    return f"queues[{list(config.queues).index(queue)}].policy"
