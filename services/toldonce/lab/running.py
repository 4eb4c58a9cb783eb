"""Replications of a scenario under its policies, on every core there is, always the same ones.

Replications are dealt to groups beforehand, so that what comes out does not depend on how many
processes there are or which is quicker.
"""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from toldonce.lab.desk import Desk
from toldonce.lab.dice import dice
from toldonce.lab.estimate import Estimate, estimates
from toldonce.lab.scenario import Policy, Scenario
from toldonce.lab.sums import Sums

GROUPS_MIN = 8
GROUPS_MAX = 64
type Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: replications from number 0 on, under one seed.

    `known` is another policy, a figure, and the exact mean of that figure under that policy: both
    are run on the same dice, and what the other's figure was off by corrects this one's.
    """

    scenario: Scenario
    policy: Policy
    replications: int
    seed: int
    known: tuple[Policy, str, float] | None = None

    @property
    def groups(self) -> int:
        """How many groups of equally many replications there are."""
        return max(2, min(GROUPS_MAX, self.replications))


@dataclass(frozen=True, slots=True)
class Result:
    """What one policy came to: every figure, its groups, and how many events it took."""

    policy: str
    figures: Mapping[str, Estimate]
    groups: Sequence[Sums]
    replications: int
    events: int


def run(plans: Sequence[Plan], processes: int = 0, told: Told | None = None) -> list[Result]:
    """Run everything; `told(done, of)` hears how many groups are done. 0 processes: all cores."""
    tasks = [(number, group) for number, plan in enumerate(plans) for group in range(plan.groups)]
    found: dict[tuple[int, int], tuple[Sums, Sums | None]] = {}
    for done, (task, sums) in enumerate(_each(plans, tasks, processes or _cores()), 1):
        found[task] = sums
        if told is not None:
            told(done, len(tasks))
    results = []
    for number, plan in enumerate(plans):
        pairs = [found[number, group] for group in range(plan.groups)]
        groups = [sums for sums, _ in pairs]
        beside = [other for _, other in pairs if other is not None]
        known = None if plan.known is None else (beside, *plan.known[1:])
        results.append(
            Result(
                plan.policy.name,
                estimates(groups, plan.scenario, known),
                groups,
                sum(group.replications for group in groups),
                sum(group.events for group in (*groups, *beside)),
            )
        )
    return results


def _each(
    plans: Sequence[Plan], tasks: Sequence[tuple[int, int]], processes: int
) -> Iterator[tuple[tuple[int, int], tuple[Sums, Sums | None]]]:
    if processes == 1:
        gc.freeze()  # what was there before is not gone through again after every replication
        try:
            for task in tasks:
                yield task, group_of(plans[task[0]], task[1])
        finally:
            gc.unfreeze()
        return
    apart = multiprocessing.get_context("fork")
    with apart.Pool(processes, initializer=_take, initargs=(plans,)) as pool:
        yield from pool.imap_unordered(_task, tasks)


_plans: list[Plan] = []  # of a process of the pool, which inherits them when it is forked


def _take(plans: Sequence[Plan]) -> None:
    _plans[:] = plans
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began it all ends it


def _task(task: tuple[int, int]) -> tuple[tuple[int, int], tuple[Sums, Sums | None]]:
    return task, group_of(_plans[task[0]], task[1])


def group_of(plan: Plan, group: int) -> tuple[Sums, Sums | None]:
    """Run the replications of one group, and those of the known policy beside it."""
    beside = None if plan.known is None else _run_group(plan, plan.known[0], group)
    return _run_group(plan, plan.policy, group), beside


def _run_group(plan: Plan, policy: Policy, group: int) -> Sums:
    """Run; leaves the collector of garbage alone meanwhile."""
    scenario = plan.scenario
    sums = Sums(len(scenario.types), len(scenario.groups))
    each = -(-plan.replications // plan.groups)  # rounded up: groups are equally large
    for number in range(group * each, (group + 1) * each):
        rolled = dice(scenario, plan.seed, number)
        gc.disable()
        try:
            desk = Desk(scenario, policy, rolled)
            desk.run()
        finally:
            gc.enable()
        sums.see(desk, rolled.busyness)
        del desk
        gc.collect()
    return sums


def _cores() -> int:
    return len(os.sched_getaffinity(0))
