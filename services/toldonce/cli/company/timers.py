"""Which timers there were to be, worked out from the heads, against those that were recorded.

A timer is armed while some head wants it (`kernel.timers`). It was lost when its clock ran on for
more than LATE_S behind its instant and nothing was recorded; early when it was recorded before it.
When a case comes under another policy its instants move, also into the past: lateness then counts
from the move.
"""

from dataclasses import dataclass, field
from datetime import datetime

from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import CommitmentBroken, RungClimbed, SlaBreached, SlaWarned
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import Story
from toldonce.kernel.timers import Timer, story_timers, timer_id

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
    _wanted: dict[str, dict[Own, Timer]] = field(default_factory=dict)

    def take(self, before: Story, record: Record, after: Story) -> None:
        """Take one append: the story before it and after it."""
        for event in record.events:
            match event:
                case SlaWarned(_, timer, clock) | SlaBreached(_, timer, clock):
                    self._record(record.customer, timer, clock, record.at)
                case RungClimbed(_, timer, clock):
                    self._record(record.customer, timer, clock, record.at)
                case CommitmentBroken(commitment):
                    own = _breach_of(before, commitment)
                    if own:
                        self._record(record.customer, own, ClockKind.COMMITMENT, record.at)
                case _:
                    pass
        self._settle(record.customer, after, record.at)

    def finish(self, now: datetime) -> None:
        """Count as lost what should have been recorded by now, and say of each why it was not."""
        for own, (timer, at) in self._stopped.items():
            self._lose(own, timer, at, "its clock stopped or went further first")
        for wanted in self._wanted.values():
            for own, timer in wanted.items():
                if own not in self.fired:
                    self._lose(own, timer, now, "its clock runs on")

    def _lose(self, own: Own, timer: Timer, at: datetime, why: str) -> None:
        if self._late_s(timer, at) > LATE_S:
            self.lost.append(own)
            self.said.append(f"lost: {timer.moment} {timer.clock.name}: {why}")

    def _settle(self, customer: str, after: Story, at: datetime) -> None:
        known = self._wanted.get(customer, {})
        wanted = {one.own: one for one in story_timers(after, self.config)}
        for own, timer in known.items():
            if own not in wanted and own not in self.fired:
                self._stopped[own] = (timer, at)
        self.armed.update(wanted)
        for own, timer in wanted.items():
            self._stopped.pop(own, None)
            if self._planned.get(own, (None, at))[0] != timer.fires_at:
                self._planned[own] = (timer.fires_at, max(timer.fires_at, at))
        if wanted:
            self._wanted[customer] = wanted
        else:
            self._wanted.pop(customer, None)

    def _record(self, customer: str, own: Own, clock: ClockKind, at: datetime) -> None:
        stopped, stopped_at = self._stopped.pop(own, (None, at))
        timer = self._wanted.get(customer, {}).get(own) or stopped
        if own in self.fired:
            self.doubled.append(own)
        elif timer is None or min(at, stopped_at) < timer.fires_at:
            self.early.append(own)  # before its instant, or of a clock that had stopped by then
            self.said.append(_early(timer, clock, at, stopped_at))
        else:
            self._fire(timer, at)

    def _fire(self, timer: Timer, at: datetime) -> None:
        late_s = self.fired[timer.own] = self._late_s(timer, at)
        if late_s > LATE_S:
            self.said.append(f"late: {timer.moment} {timer.clock.name}, {late_s:.1f} s")

    def _late_s(self, timer: Timer, at: datetime) -> float:
        _, could_at = self._planned.get(timer.own, (timer.fires_at, timer.fires_at))
        return (at - could_at).total_seconds()


def _breach_of(story: Story, commitment: Own) -> Own | None:
    promise = story.commitment(commitment)
    if promise is None:
        return None
    return timer_id(promise.own, ClockKind.COMMITMENT, BREACH, promise.made_at)


def _early(timer: Timer | None, clock: ClockKind, at: datetime, stopped_at: datetime) -> str:
    if timer is None:
        return f"a timer of {clock.name} was recorded that no head had wanted"
    early_s = (timer.fires_at - min(at, stopped_at)).total_seconds()
    what = "its clock had stopped" if stopped_at < timer.fires_at else "it was recorded"
    return f"early: {timer.moment} {timer.clock.name}: {what} {early_s:.3f} s before its instant"
