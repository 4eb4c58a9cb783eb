"""What became of the timers, by the log alone: lost, early, doubled, and how late.

Late is the time of the append less the timer's instant. A fault is on from its instant until it is
over: that of a wipe when every story has been planned again, that of a kill at once; and then for
as long as a lease, because what the killed replica had claimed comes again only then. A timer is
inside a fault when one was on at some moment between its instant and its record, but not when it
had been late for longer than LATE_MAX_S before the fault began: no fault excuses that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from toldonce.kernel.story.events import SlaBreached, SlaWarned
from toldonce.kernel.story.record import Record

LATE_MAX_S = 2.0

type TimerKey = tuple[str, str]  # customer, own id


@dataclass(frozen=True, slots=True)
class Fault:
    """Something done to the system, and until when it is on (its lease included)."""

    what: str
    at: datetime
    until: datetime

    def covers(self, due_at: datetime, recorded_at: datetime) -> bool:
        """Tell whether a timer's lateness is this fault's."""
        return (
            due_at <= self.until
            and recorded_at >= self.at
            and due_at >= self.at - timedelta(seconds=LATE_MAX_S)
        )


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of so many timers, in seconds; 0 where there are none."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log says. `stray` are recorded timers that nobody was to record by then: early."""

    fired: int
    breached: int
    lost: int
    early: int
    stray: int
    duplicated: int
    all: Lateness
    outside: Lateness
    inside: Lateness


@dataclass(slots=True)
class Judge:
    """Takes what was appended; `awaited` is every timer due by the end, with its instant."""

    awaited: Mapping[TimerKey, datetime]
    recorded: dict[TimerKey, datetime] = field(default_factory=dict)
    breached: int = 0
    early: int = 0
    stray: int = 0
    duplicated: int = 0

    def take(self, record: Record) -> None:
        """Take one append."""
        for event in record.events:
            if isinstance(event, SlaWarned | SlaBreached):
                self._take((record.customer, event.timer), event, record.at)

    def _take(self, key: TimerKey, event: SlaWarned | SlaBreached, at: datetime) -> None:
        if key in self.recorded:
            self.duplicated += 1
            return
        self.recorded[key] = at
        self.breached += isinstance(event, SlaBreached)
        due_at = self.awaited.get(key)
        self.stray += due_at is None
        self.early += due_at is None or at < due_at

    def left(self) -> int:
        """Count what is not recorded yet."""
        return len(self.awaited.keys() - self.recorded.keys())

    def verdict(self, faults: Sequence[Fault] = ()) -> Verdict:
        """Say how it went."""
        inside, outside = list[float](), list[float]()
        for key, at in self.recorded.items():
            due_at = self.awaited.get(key)
            if due_at is None:
                continue
            excused = any(fault.covers(due_at, at) for fault in faults)
            (inside if excused else outside).append((at - due_at).total_seconds())
        return Verdict(
            fired=len(self.recorded),
            breached=self.breached,
            lost=self.left(),
            early=self.early,
            stray=self.stray,
            duplicated=self.duplicated,
            all=_lateness([*inside, *outside]),
            outside=_lateness(outside),
            inside=_lateness(inside),
        )


def _lateness(late_s: list[float]) -> Lateness:
    late_s.sort()
    return Lateness(len(late_s), _share(late_s, 0.5), _share(late_s, 0.99), _share(late_s, 1.0))


def _share(ordered: Sequence[float], share: float) -> float:
    """Give the value that `share` of them do not exceed (nearest rank)."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3) if ordered else 0.0
