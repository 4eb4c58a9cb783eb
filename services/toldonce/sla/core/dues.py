"""When the clocks of a case are due, and in which line it stands. Pure.

Of each case only the clock nearest to being due counts. A clock in a pause whose end is not known
has no due time, so it is left out; one that is overdue and has not stopped stays. Instants are
microseconds since 1970.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from toldonce.kernel.calendar import Calendar, add_business_us
from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import ClockKind, reach
from toldonce.kernel.config import Config
from toldonce.kernel.ids import NO_OWN, Own, whole
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.sla import facts_of, policy_of
from toldonce.kernel.story.runs import runs
from toldonce.kernel.story.types import Case, CaseState, Commitment, Story, TargetKind, WorkState

AIMS_MAX = 4_096
_WAITING = frozenset({WorkState.QUEUED, WorkState.OFFERED})
_FOR_AN_AGENT = frozenset({ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE})


class Due(NamedTuple):
    """When a clock is due; `commitment` is the promise whose clock it is, "" for one of the case.

    `started_us` tells runs of one clock apart.
    """

    at_us: int
    kind: ClockKind
    started_us: int
    commitment: Own = NO_OWN


class Rank(NamedTuple):
    """What decides who comes first in a line: the smallest does."""

    behind: int
    enqueued_us: int


@dataclass(frozen=True, slots=True)
class Looming:
    """A case that has a clock with a due time, or that stands in a line.

    `case` is None where only a promise is left of it: then it is in no queue. `due` is its clock
    nearest to being due. `line` is the queue in whose line it stands, "" for none; `awaited` are
    the clocks that wait for an agent to take it from there, the first to be due first.
    """

    customer: str
    own: Own
    sequence: int
    case: Case | None
    due: Due | None
    line: str
    rank: Rank
    awaited: tuple[Due, ...]
    commitments: tuple[Commitment, ...]

    @property
    def case_id(self) -> str:
        """Name it."""
        return whole(self.customer, self.own)

    @property
    def queue(self) -> str:
        """Name its queue; "" where only a promise is left."""
        return "" if self.case is None else self.case.queue

    def same(self, other: "Looming") -> bool:
        """Tell whether somebody who saw the other one need not look again."""
        return (self.case, self.due, self.line) == (other.case, other.due, other.line)


class Dues:
    """Reads due times by one configuration; what a kind of work aims at is worked out once."""

    def __init__(self, config: Config) -> None:
        """Aim as `config` does."""
        self.config = config
        self._aims: dict[_Kind, _Aim] = {}

    def of(
        self, customer: str, story: Story, sequence: int, before: Iterable[Looming] = ()
    ) -> tuple[Looming, ...]:
        """Give what looms in a story as it stood after log position `sequence`.

        `before`: what these same `Dues` gave of it last; only what has changed is read again.
        """
        known = {one.own: one for one in before}
        promised: dict[str, list[Commitment]] = {}
        for promise in story.commitments:
            promised.setdefault(promise.case, []).append(promise)
        found = [
            self._again(known.get(case.own), customer, case, sequence, promised.pop(case.own, []))
            for case in story.cases
        ]
        found += [_promised(customer, sequence, tuple(left)) for left in promised.values()]
        return tuple(one for one in found if one.due or one.line)

    def _again(
        self,
        last: Looming | None,
        customer: str,
        case: Case,
        sequence: int,
        promised: Iterable[Commitment],
    ) -> Looming:
        promises = tuple(promised)
        if last is not None and last.case == case and last.commitments == promises:
            return replace(last, sequence=sequence, case=case, commitments=promises)
        return self._looming(customer, case, sequence, promises)

    def _looming(
        self, customer: str, case: Case, sequence: int, promises: tuple[Commitment, ...]
    ) -> Looming:
        dues = sorted(self._of(case))
        line = "" if case.offers else line_of(case)
        free = bool(line) and not case.owner
        return Looming(
            customer,
            case.own,
            sequence,
            case,
            min((*dues, *map(_due, promises)), default=None),
            line,
            Rank(-case.priority, micros(case.enqueued_at)),
            tuple(due for due in dues if due.kind in _FOR_AN_AGENT) if free else (),
            promises,
        )

    def _of(self, case: Case) -> Iterator[Due]:
        if case.state is CaseState.CLOSED:
            return
        key = (case.queue, case.channel, case.priority, case.tier, case.former_queues)
        aim = self._aims.get(key) or self._aim(case, key)
        facts = facts_of(case) if case.pauses and aim.targets else {}
        for run in runs(case):
            target_us = aim.targets.get(run.clock)
            if target_us is None or run.stopped_at is not None:
                continue
            started_us = micros(run.started_at)
            if run.clock in facts:
                at = reach(aim.calendar, facts[run.clock], target_us / SECOND)
                if at is not None:
                    yield Due(micros(at), run.clock, started_us)
            else:
                at_us = add_business_us(aim.calendar, started_us, target_us)
                yield Due(at_us, run.clock, started_us)

    def _aim(self, case: Case, key: "_Kind") -> "_Aim":
        if len(self._aims) >= AIMS_MAX:
            self._aims.clear()
        policy = policy_of(case, self.config)
        targets = {} if policy is None else policy.targets
        made = self._aims[key] = _Aim(
            self.config.counting(policy, case.queue),
            {kind: round(target.target_s * SECOND) for kind, target in targets.items()},
        )
        return made


type _Kind = tuple[str, str, int, str, tuple[str, ...]]  # what decides which policy holds


class _Aim(NamedTuple):
    """What a kind of work aims at, in microseconds of a calendar."""

    calendar: Calendar
    targets: dict[ClockKind, int]


def line_of(case: Case) -> str:
    """Name the queue in whose line a case is; "" for none, by appointment or one person only.

    As routing counts who stands there: what is on offer does not.
    """
    if case.handoff is not None:
        return "" if case.handoff.target_kind is TargetKind.AGENT else case.handoff.target
    if case.lapse is not None:
        return "" if case.lapse.backup else case.queue
    waits = case.not_before_at is None and not case.owner and case.work in _WAITING
    return case.queue if waits else ""


def _due(promise: Commitment) -> Due:
    made_us = micros(promise.made_at)
    return Due(micros(promise.due_at), ClockKind.COMMITMENT, made_us, promise.own)


def _promised(customer: str, sequence: int, promises: tuple[Commitment, ...]) -> Looming:
    own, due = promises[0].case, min(map(_due, promises))
    return Looming(customer, own, sequence, None, due, "", Rank(0, 0), (), promises)
