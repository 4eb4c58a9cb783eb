"""Which timers there were to be, worked out from the heads, against those that were recorded.

A timer is armed while some head wants it (`kernel.sla`). It was lost when its clock ran on for more
than LATE_S behind its instant and nothing was recorded; early when it was recorded before it. When
a case comes under another policy its instants move, also into the past: lateness then counts from
the move.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.sla import Moment, Timer, timers_of
from toldonce.kernel.story.events import Escalated, SlaBreached, SlaWarned
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import Case, Story

LATE_S = 1.5


@dataclass(slots=True)
class TimerBook:
    """The timers of all cases, as the log goes by."""

    config: Config
    armed: set[str] = field(default_factory=set)
    fired: dict[str, float] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    _stopped: dict[Own, tuple[Timer, datetime]] = field(default_factory=dict)
    _planned: dict[Own, tuple[datetime, datetime]] = field(default_factory=dict)
    _wanted: dict[tuple[str, str], dict[Own, Timer]] = field(default_factory=dict)

    def take(self, before: Story, record: Record, after: Story) -> None:
        """Take one append: the story before it and after it."""
        for event in record.events:
            match event:
                case SlaWarned(own, timer, clock) | SlaBreached(own, timer, clock):
                    self._record((record.customer, own), timer, clock, record.at)
                case Escalated(own) if record.actor.startswith("service"):
                    self._climb((record.customer, own), record.at)
                case _:
                    pass
        owns = {case.own for case in before.cases} | {case.own for case in after.cases}
        for own in owns:
            self._settle((record.customer, own), after.case(own), record.at)

    def finish(self, now: datetime) -> None:
        """Count as lost what should have been recorded by now."""
        for wanted in self._wanted.values():
            for timer in wanted.values():
                if timer.own not in self.fired and not self._climbed(wanted, timer):
                    self._stopped[timer.own] = (timer, now)
        self.lost += [
            own for own, (timer, at) in self._stopped.items() if self._late_s(timer, at) > LATE_S
        ]

    def _settle(self, key: tuple[str, str], case: Case | None, at: datetime) -> None:
        known = self._wanted.get(key, {})
        wanted: dict[Own, Timer] = (
            {} if case is None else {one.own: one for one in self._of(case, at)}
        )
        for own, timer in known.items():
            if own not in wanted and own not in self.fired and not self._climbed(known, timer):
                self._stopped[own] = (timer, at)
        self.armed.update(wanted)
        for own, timer in wanted.items():
            self._stopped.pop(own, None)
            if self._planned.get(own, (None, at))[0] != timer.fires_at:
                self._planned[own] = (timer.fires_at, max(timer.fires_at, at))
        if wanted:
            self._wanted[key] = wanted
        else:
            self._wanted.pop(key, None)

    def _of(self, case: Case, at: datetime) -> tuple[Timer, ...]:
        up = self.config.escalation_of(case.queue)
        climbs = bool(up) and up != case.queue and case.rung == 0
        return tuple(
            timer
            for timer in timers_of(case, self.config, at)
            if climbs or timer.moment is not Moment.ESCALATE
        )

    def _record(self, key: tuple[str, str], own: Own, clock: ClockKind, at: datetime) -> None:
        stopped, stopped_at = self._stopped.pop(own, (None, at))
        timer = self._wanted.get(key, {}).get(own) or stopped
        if own in self.fired:
            self.doubled.append(own)
        elif timer is None or min(at, stopped_at) < timer.fires_at:
            self.early.append(own)  # before its instant, or of a clock that had stopped by then
            self.said.append(_early(timer, clock, at, stopped_at))
        else:
            self._fire(timer, at)

    def _climb(self, key: tuple[str, str], at: datetime) -> None:
        """Find the timer an escalation was for: the first whose clock ran to its instant."""
        standing = [(timer, at) for timer in self._wanted.get(key, {}).values()]
        stopped = [pair for pair in self._stopped.values() if pair[0].case == key[1]]
        ladder = sorted(
            (pair for pair in (*standing, *stopped) if pair[0].moment is Moment.ESCALATE),
            key=lambda pair: pair[0].fires_at,
        )
        timer = next((one for one, until in ladder if one.fires_at <= min(at, until)), None)
        if timer is None:
            self.early.append(f"escalation of {key[1]}")
            first = ladder[0] if ladder else (None, at)
            self.said.append(_early(first[0], None, at, first[1]))
            return
        self._stopped.pop(timer.own, None)
        self._fire(timer, at)

    def _fire(self, timer: Timer, at: datetime) -> None:
        late_s = self.fired[timer.own] = self._late_s(timer, at)
        if late_s > LATE_S:
            self.said.append(f"late: {timer.moment} {timer.clock.name}, {late_s:.1f} s")

    def _late_s(self, timer: Timer, at: datetime) -> float:
        _, could_at = self._planned.get(timer.own, (timer.fires_at, timer.fires_at))
        return (at - could_at).total_seconds()

    def _climbed(self, known: Mapping[Own, Timer], timer: Timer) -> bool:
        """Tell whether the case climbed for its other clock: a rung is climbed once."""
        return timer.moment is Moment.ESCALATE and any(
            one.moment is Moment.ESCALATE and one.own in self.fired for one in known.values()
        )


def _early(timer: Timer | None, clock: ClockKind | None, at: datetime, stopped_at: datetime) -> str:
    if timer is None:
        name = "ESCALATE" if clock is None else clock.name
        return f"a timer of {name} was recorded that no head had wanted"
    early_s = (timer.fires_at - min(at, stopped_at)).total_seconds()
    what = "its clock had stopped" if stopped_at < timer.fires_at else "it was recorded"
    return f"early: {timer.moment} {timer.clock.name}: {what} {early_s:.3f} s before its instant"
