"""What a configuration says of owning a case: handing it over, and an owner who is absent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DAY_S = 86_400
SUBSTITUTES_MAX = 64


class HandoffPart(StrEnum):
    """A part of the handoff envelope that a policy can require to be filled in."""

    REASON = "reason"
    SUMMARY = "summary"
    TRIED = "tried"
    PROMISED = "promised"
    TOLD = "told"
    MOOD = "mood"


class AbsentPolicy(StrEnum):
    """What becomes of a case whose owner is absent: it waits for them, for another, or for all."""

    KEEP = "keep"
    BACKUP = "backup"
    REQUEUE = "requeue"


@dataclass(frozen=True, slots=True)
class OwnerAbsent:
    """What a channel does about an owner who is stale, off shift, or may not own it any more.

    It is done `grace_s` after the absence began; None is `gone_s` of the presence. KEEP waits
    `keep_max_s` more and then requeues, BACKUP waits so long for whoever stands in and then
    requeues. A right that was lost never comes back by waiting, so there KEEP requeues at once.
    """

    policy: AbsentPolicy = AbsentPolicy.REQUEUE
    grace_s: int | None = None
    keep_max_s: int = 7 * DAY_S
    backup_s: int = 60


@dataclass(frozen=True, slots=True)
class Handoff:
    """How a case is handed over, and what the envelope must hold.

    A handoff waits `timeout_s` for its receiver. More than `hops_max` of them need a reason. In a
    warm one the sender stays for `warm_max_s` at most, an agent who is consulted for
    `consult_max_s`.
    """

    timeout_s: int = 60
    required: tuple[HandoffPart, ...] = (HandoffPart.REASON, HandoffPart.SUMMARY)
    hops_max: int = 5
    warm_max_s: int = 900
    consult_max_s: int = 3_600


@dataclass(frozen=True, slots=True)
class StandIns:
    """Who stands in for whom, from `substitute` of each agent that has one."""

    of: Mapping[str, str] = field(default_factory=dict)

    def after(self, agent: str) -> Iterator[str]:
        """Give the substitute, their substitute and so on; ends where a circle would begin."""
        seen = {agent}
        while len(seen) <= SUBSTITUTES_MAX and (agent := self.of.get(agent, "")):
            if agent in seen:
                return
            seen.add(agent)
            yield agent

    def circles(self) -> Iterator[tuple[str, ...]]:
        """Give each circle once, as (a, b, a), from the first of the mapping that is in it."""
        told: set[str] = set()
        for start in self.of:
            line = [start, *self.after(start)]
            if start not in told and self.of.get(line[-1]) == start:
                told.update(line)
                yield (*line, start)


def substitutes(pairs: Iterable[tuple[str, str]]) -> StandIns:
    """Make it from (agent, substitute or "")."""
    return StandIns({agent: other for agent, other in pairs if other})
