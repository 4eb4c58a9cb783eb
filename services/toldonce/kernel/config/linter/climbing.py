"""Rungs of ladders that hand work to nobody, because nothing is as high above its queue.

A policy is asked in each queue whose work it can hold for, and in those without one of their own to
which its lower rungs hand. What waits was handed on by every lower rung that is for all clocks of a
higher one; what somebody has stays until the other accepts. A rung that can hand nobody anything is
a WARNING, and so is a queue that has less above it than a rung wants. A queue to which others
escalate, with nothing above it, is the end of their ladder, which may well be meant (NOTE), unless
that is all there is. Work that is already where a rung hands it needs none.
"""

from collections.abc import Iterator
from dataclasses import replace

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config.aims import Rung, SlaPolicy, When
from toldonce.kernel.config.climbing import onward
from toldonce.kernel.config.linter.aiming import covering
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity, some
from toldonce.kernel.config.types import Config


def handing_to_nobody(config: Config) -> Iterator[Finding]:
    """Find the rungs that hand nobody the work of some queue, or of any."""
    whens = [one for one in config.sla.values() if one.when is not None]
    for index, policy in enumerate(config.sla.values()):
        if not any(rung.hands for rung in policy.ladder):
            continue
        tried = whens if policy.when is None else whens[: whens.index(policy)]
        begins = [
            name for name, queue in config.queues.items() if _holds(tried, policy, name, queue.sla)
        ]
        for number, rung in enumerate(policy.ladder, 1):
            if not rung.hands:
                continue
            for severity, names, how in _stuck(config, policy, number, begins):
                came = "" if set(names) & set(begins) else " (a lower rung hands it there)"
                yield Finding(
                    severity,
                    Rule.UNREACHABLE,
                    f"sla[{index}].{rung.key}",
                    f"rung {number} of policy {policy.name} {how}: "
                    f"{_why(config, rung, names, came)}",
                )


def _stuck(
    config: Config, policy: SlaPolicy, number: int, begins: list[str]
) -> Iterator[tuple[Severity, list[str], str]]:
    """Give the queues whose work a rung hands to nobody: how bad that is, which, and in words."""
    rung = policy.ladder[number - 1]

    def dead(where: list[str]) -> list[str]:
        return [name for name in where if not onward(config, rung, name)]

    anywhere = _places(config, policy, number, begins, owned=True)
    if anywhere and dead(anywhere) == anywhere:
        yield Severity.WARNING, anywhere, "never hands work to anybody"
        return
    waiting = _places(config, policy, number, begins, owned=False)
    found = dead(waiting)
    ends = _ends(config) if found != waiting else set[str]()
    found = [name for name in found if name != rung.hand_to]
    for severity, names in (
        (Severity.WARNING, [name for name in found if name not in ends]),
        (Severity.NOTE, [name for name in found if name in ends]),
    ):
        if names:
            yield severity, names, "hands work to nobody"


def _ends(config: Config) -> set[str]:
    """Give the queues that others escalate to and that have nothing above them."""
    found = {queue.escalation_queue for queue in config.queues.values()}
    return found - {name for name, queue in config.queues.items() if queue.escalation_queue}


def _why(config: Config, rung: Rung, names: list[str], came: str) -> str:
    if rung.hand_to:
        return f"that of queue {rung.hand_to} is there already{came}, and nothing is above it"
    if rung.tiers > 1:
        above = some(f"{name} has {_above(config, name)}" for name in names)
        return f"it wants {rung.tiers} queues above, and {above}{came}: hand up fewer"
    return f"nothing is above queue {some(names)}{came}: name its escalation_queue, or use hand_to"


def _above(config: Config, queue: str) -> int:
    """Count the escalations above a queue."""
    found = set[str]()
    while queue in config.queues and queue not in found:
        found.add(queue)
        queue = config.queues[queue].escalation_queue
    return len(found) - 1


def _places(
    config: Config, policy: SlaPolicy, number: int, begins: list[str], *, owned: bool
) -> list[str]:
    """Name the queues where work can be when it comes to a rung, in the order of the document.

    What somebody has may still be where it was. Where another policy holds, the rungs of that are
    climbed.
    """
    clocks, found = _clocks(policy, policy.ladder[number - 1]), set(begins)
    for lower in policy.ladder[: number - 1]:
        moved = {onward(config, lower, name) or name for name in found} if lower.hands else found
        moved = {name for name in moved if name in found or _goes_on(config, policy, name)}
        sure = not owned and clocks <= _clocks(policy, lower)
        found = moved if sure else found | moved
    return [name for name in config.queues if name in found]


def _clocks(policy: SlaPolicy, rung: Rung) -> frozenset[ClockKind]:
    return rung.clocks or frozenset(policy.targets)


def _holds(tried: list[SlaPolicy], policy: SlaPolicy, queue: str, named: str) -> bool:
    """Tell whether a policy can hold for work of a queue that came from nowhere else.

    `tried` are the policies with a `when` that are tried before it; the queue names `named`.
    """
    if policy.when is None:
        return named == policy.name and not covering(tried, When(queues=(queue,)))
    if policy.when.queues and queue not in policy.when.queues:
        return False
    return not covering(tried, replace(policy.when, queues=(queue,)))


def _goes_on(config: Config, policy: SlaPolicy, queue: str) -> bool:
    """Tell whether a policy can go on for work that came to a queue from one where it held."""
    if config.sla_of(queue) is not None:
        return False
    tried = [one for one in config.sla.values() if one.when is not None]
    return not covering(tried, replace(policy.when or When(), queues=(queue,)))
