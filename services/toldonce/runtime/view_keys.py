"""What stands where in the views: the keys of a generation, and a case's places in its lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from toldonce.kernel.story.types import PRIORITY_MAX, Case, Story, TargetKind, WorkState
from toldonce.runtime import names
from toldonce.runtime.view_queries import BAND
from toldonce.runtime.view_scripts import PREFIX_OF

VIEW = "cases"
FORMAT = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class ViewKeys:
    """The keys of one generation of a tenant's view; generation 0 holds no stories."""

    tenant: str
    generation: int

    @property
    def pointer(self) -> str:
        """Which generation is live."""
        return names.redis_pointer(VIEW, self.tenant)

    @property
    def old(self) -> str:
        """Generations to be dropped, by the time (ms) from which they may be."""
        return names.redis_key(VIEW, self.tenant, 0, "old")

    @property
    def meta(self) -> str:
        """Position, log, freshness and counts of a generation."""
        return names.redis_key(VIEW, self.tenant, self.generation)

    @property
    def head(self) -> list[str]:
        """What every reading script begins with."""
        return [self.pointer, self.meta, self._key("stories"), self._key("lists")]

    @property
    def rows(self) -> list[str]:
        """What every writing script ends with: stories, index, lists."""
        return [self._key("stories"), self._key("index"), self._key("lists")]

    @property
    def every(self) -> str:
        """All open cases, oldest first."""
        return self._key("every")

    def owner(self, agent: str) -> str:
        """Name the list of an owner's cases, oldest first."""
        return self._key("owner", agent)

    def waiting(self, queue: str) -> str:
        """Name the list of the cases waiting in a queue, most urgent first, then oldest."""
        return self._key("waiting", queue)

    def offered(self, queue: str) -> str:
        """Name the list of those of them that are offered to somebody."""
        return self._key("offered", queue)

    def named(self, lists: Iterable[bytes]) -> list[str]:
        """Give the keys of lists as the scripts name them."""
        prefix = self._key("stories").removesuffix(PREFIX_OF)
        return [prefix + name.decode() for name in lists]

    def _key(self, *parts: str) -> str:
        return names.redis_key(VIEW, self.tenant, self.generation, *parts)


def waits_in(case: Case) -> str:
    """Name the queue a case waits in for a person; empty when it does not wait in one."""
    if case.handoff is not None:
        to_agent = case.handoff.target_kind is TargetKind.AGENT
        return "" if to_agent else case.handoff.target
    waiting = not case.owner and case.work in {WorkState.QUEUED, WorkState.OFFERED}
    return case.queue if waiting else ""


def places(head: Story) -> bytes:
    """Write the places a story's cases have in the lists, as lines `list own score`."""
    lines = []
    for case in head.cases:
        own, enqueued = case.own, ms(case.enqueued_at)
        lines.append(f"every {own} {enqueued}")
        if case.owner:
            lines.append(f"owner:{case.owner} {own} {enqueued}")
        if queue := waits_in(case):
            urgency = PRIORITY_MAX - min(max(case.priority, 0), PRIORITY_MAX)
            lines.append(f"waiting:{queue} {own} {urgency * BAND + enqueued}")
            if case.offers:
                lines.append(f"offered:{queue} {own} {enqueued}")
    return "\n".join(lines).encode()


def ms(instant: datetime) -> int:
    """Count the milliseconds since 1970."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(count: int) -> datetime:
    """Read milliseconds since 1970."""
    return _EPOCH + count * _MILLISECOND
