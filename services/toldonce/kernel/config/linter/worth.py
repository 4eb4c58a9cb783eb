"""What work is worth to an agent, as far as that is settled beforehand.

An agent takes the work that is worth most: priority + `weigh.base` + `weigh.wait` x minutes waited
(`age_points_per_minute` where `weigh` does not say), by the weights for the agent's group; what has
waited `wait_max_s` comes before all that has not. Weights whose terms differ from moment to moment
(how many wait, who is free, fit) decide nothing beforehand: where order hangs on them, nobody is
told of it. What a breach adds (`raise_priority_by`) is left out: it is asked for in so many words.
"""

from dataclasses import dataclass, replace

from toldonce.kernel.config.linter.crew import Crew, Work
from toldonce.kernel.config.types import Config, RoutingPolicy
from toldonce.kernel.config.weighing import MILLI


@dataclass(frozen=True, slots=True)
class Runner:
    """A sort of work, its policy, and who can take it (a set of kinds)."""

    work: Work
    policy: RoutingPolicy
    bits: int

    def points(self, group: str) -> int:
        """Return what it is worth when it comes, in thousandths of a point."""
        return self.work.priority * MILLI + self.policy.weigh.of(group).base

    def gains(self, group: str) -> int:
        """Return what a minute of waiting adds, in thousandths of a point."""
        return self.policy.weigh.of(group).wait


def runners(config: Config, crew: Crew, works: tuple[Work, ...]) -> list[Runner]:
    """Give all work, the highest priority first."""
    found = [Runner(work, config.policy_of(work.queue), crew.ever(work)) for work in works]
    return sorted(found, key=lambda one: -one.work.priority)


def comparable(one: Runner, other: Runner, group: str) -> bool:
    """Tell whether wait and base alone decide between two for an agent of a group."""
    mine, theirs = one.policy.weigh.of(group), other.policy.weigh.of(group)
    if any((each.queue or each.serving or each.fit) for each in (mine, theirs)):
        return False
    return replace(mine, base=0, wait=0) == replace(theirs, base=0, wait=0)


def key(config: Config, policy: RoutingPolicy, queue: str, key: str) -> str:
    """Return the path of a policy's key; that of the queue where the policy is the built-in one."""
    if config.policies.get(policy.name) is policy:
        return f"policies[{list(config.policies).index(policy.name)}].{key}"
    return f"queues[{list(config.queues).index(queue)}].policy"
