"""What a pair of waiting work and a free agent is worth: the weights of the affine index router.

The pair that is worth most is matched first; one that is worth less than nothing is left apart
until it is worth more, or until the work has waited as long as its policy allows. All numbers are
thousandths of a point, so that they are whole and ties do not depend on the platform. The shape is
that of weight-based routing (Chan, Koole and L'Ecuyer 2014) with terms for how many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from toldonce.kernel.config.tree import Fields

MILLI = 1_000
POINTS_MAX = 1_000_000
DAY_S = 86_400
KEYS = (
    "base",
    "wait",
    "idle",
    "spare",
    "spare_all",
    "queue",
    "queue_all",
    "serving",
    "fit",
    "in_time",
    "pace",
)
_OTHERS = ("groups", "within_s", "adaptive", "cost", "by_lot", "batch")
NOT_NEGATIVE = ("idle", "in_time", "pace")
ADAPTIVE_BASE = 1_000
ADAPTIVE_IN_TIME = 1_000


@dataclass(frozen=True, slots=True)
class Weights:
    """Thousandths of a point for a pair of waiting work and a free agent.

    `base` once; `wait` a minute the work has waited; `idle` a minute the agent has been without
    anything new; `spare` a free agent of the agent's group, and `spare_all` of all groups (the one
    at hand included); `queue` a case that waits in the work's queue, and `queue_all` in all queues
    (the one at hand included); `serving` a case of the queue that somebody has now; `fit` a level
    that the agent has above what is asked; `in_time` once, while the work has not waited `within_s`
    (of the policy) yet; `pace` a case that waits in the queue, times how many of them a minute one
    of the agent's group gets done, as far as that is known by now.
    """

    base: int = 0
    wait: int = 10 * MILLI
    idle: int = 0
    spare: int = 0
    spare_all: int = 0
    queue: int = 0
    queue_all: int = 0
    serving: int = 0
    fit: int = 0
    in_time: int = 0
    pace: int = 0


PLAIN = Weights()


@dataclass(frozen=True, slots=True)
class Weighing:
    """The weights of a policy: those of a group of agents, and those of everybody else.

    Work that has waited less than `within_ms` milliseconds is in time. Of agents who are equal in
    worth the longest idle comes first, or, `by_lot`, any of them. In a `batch`, several cases and
    several free agents who come together are matched as a whole: as many as can be, then those that
    are worth most together.
    """

    everybody: Weights = PLAIN
    groups: Mapping[str, Weights] = field(default_factory=lambda: MappingProxyType({}))

    within_ms: int = 0
    by_lot: bool = False
    batch: bool = False

    def of(self, group: str) -> Weights:
        """Return the weights for agents of a group ("" for those who are in none)."""
        return self.groups.get(group, self.everybody)

    @property
    def wait(self) -> int:
        """Thousandths of a point a minute by which the work of a queue is ordered among itself."""
        return self.everybody.wait


def weighing(policy: Fields, points_per_minute: int) -> Weighing:
    """Read `weigh` and `weigh.groups`; a group takes what it does not say from everybody.

    With `adaptive`, weights that learn are what is changed by the others.
    """
    entry = policy.section("weigh", (*KEYS, *_OTHERS))
    plain = replace(PLAIN, wait=points_per_minute * MILLI)
    within_ms = entry.milli("within_s", DAY_S) if "within_s" in entry.values else 0
    if within_ms < 0:
        entry.wrong("within_s", "wanted 0 or more seconds")
    if entry.flag("adaptive", default=False):
        cost = entry.milli("cost", POINTS_MAX) if "cost" in entry.values else MILLI
        plain = adaptive(cost, within_ms)
    elif "cost" in entry.values:
        entry.wrong("cost", "means nothing without `adaptive: true`")
    everybody = _weights(entry, plain)
    groups = entry.mapping("groups")
    return Weighing(
        everybody,
        MappingProxyType(
            {name: _weights(groups.section(name, KEYS), everybody) for name in groups.values}
        ),
        within_ms,
        entry.flag("by_lot", default=False),
        entry.flag("batch", default=False),
    )


def adaptive(cost: int, within_ms: int) -> Weights:
    """Weigh by what is learned: no rates, loads or groups have to be known beforehand.

    Who waits counts for `cost` (thousandths) times how quickly it is done: MaxWeight, which is
    stable wherever any rule is (Tassiulas and Ephremides 1992; Stolyar 2004). Where a service level
    is aimed at, work that can still be answered in time comes before work that cannot: under
    overload that keeps whole classes in time instead of all of them a little late.
    """
    return Weights(
        base=ADAPTIVE_BASE * MILLI,
        wait=1,
        pace=cost,
        in_time=ADAPTIVE_IN_TIME * MILLI if within_ms else 0,
    )


def _weights(entry: Fields, plain: Weights) -> Weights:
    said = {key: entry.milli(key, POINTS_MAX) for key in KEYS if key in entry.values}
    for key in NOT_NEGATIVE:
        if said.get(key, 0) < 0:
            entry.wrong(key, "wanted 0 or more: work would be left apart from whom it waits for")
    return replace(plain, **said)
