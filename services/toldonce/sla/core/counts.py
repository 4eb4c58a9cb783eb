"""What is counted of the service on each channel, and the windows of event time it is kept for.

Whole numbers that only add up, so it does not matter in which order stories are read (but for which
channels are `other` where there are more than 24). Each number
belongs to the hour of the event it tells of (`at`, never the clock of who reads). A day is kept in
hours, seven days in halves of a day; what is older is forgotten, so what is kept does not grow with
the log. A ledger takes what stands behind its place in the log and nothing else: reading a stretch
twice counts it once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from toldonce.kernel.errors import Invalid
from toldonce.kernel.instants import SECOND, instant, micros

FORMULAS = 1  # rises with every change of what is counted or how: then the past is counted anew
CHANNELS_MAX = 24
OTHER = "other"
_HOUR_US = 3_600 * SECOND
_MILLI_US = 1_000

type Counts = Counter[str]


class Count(StrEnum):
    """The numbers; `ANSWER_...` is of waits for the first answer, `WAIT_...` of those for a person.

    `..._N`, `..._MS` and `..._MS2`: waits that ended as they should, their business milliseconds,
    and the squares of these. `..._AIMED`: those of them that had a target, `..._IN_TIME`: that met
    it. `..._LEFT_EARLY` and `..._LEFT_LATE`: the customer went away before it and after it.
    """

    ANSWER_N = "answer_n"
    ANSWER_MS = "answer_ms"
    ANSWER_MS2 = "answer_ms2"
    ANSWER_AIMED = "answer_aimed"
    ANSWER_IN_TIME = "answer_in_time"
    ANSWER_LEFT_EARLY = "answer_left_early"
    ANSWER_LEFT_LATE = "answer_left_late"
    WAIT_N = "wait_n"
    WAIT_MS = "wait_ms"
    WAIT_MS2 = "wait_ms2"
    WAIT_AIMED = "wait_aimed"
    WAIT_IN_TIME = "wait_in_time"
    WAIT_LEFT_EARLY = "wait_left_early"
    WAIT_LEFT_LATE = "wait_left_late"
    CLOSED = "closed"
    CLOSED_BY_BOT = "closed_by_bot"
    UNANSWERED = "unanswered"
    ABANDONED = "abandoned"
    REOPENED = "reopened"
    FIRST_YES = "first_yes"
    FIRST_NO = "first_no"
    RETOLD_YES = "retold_yes"
    RETOLD_NO = "retold_no"
    AIMED = "aimed"
    BREACHED = "breached"
    KEPT = "kept"
    BROKEN = "broken"


class Mark(NamedTuple):
    """Something to count for a channel, of an event at `at`."""

    channel: str
    at: datetime
    counts: Mapping[str, int]


class Window(StrEnum):
    """How far back is looked: whole steps of event time, the one that runs included."""

    DAY = "24h"
    WEEK = "7d"

    @property
    def step(self) -> timedelta:
        """How long a step is."""
        return timedelta(hours=_STEPS[self][0])

    @property
    def steps(self) -> int:
        """How many steps are looked at, that which runs included."""
        return _STEPS[self][1]

    def step_of(self, at: datetime) -> int:
        """Say in which step an instant lies, counted from 1970."""
        return micros(at) // (_STEPS[self][0] * _HOUR_US)

    def begins_at(self, now: datetime) -> datetime:
        """Say from when on is looked at `now`."""
        first = self.step_of(now) - self.steps + 1
        return instant(first * _STEPS[self][0] * _HOUR_US)


_STEPS = {Window.DAY: (1, 24), Window.WEEK: (12, 14)}
KEPT = Window.WEEK.step * Window.WEEK.steps

type _Steps = dict[int, dict[str, Counts]]


class Ledger:
    """The counts of one tenant up to `position` in the log."""

    def __init__(self, position: int = 0) -> None:
        """Begin with nothing, behind that place."""
        self.position = position
        self._windows: dict[Window, _Steps] = {window: {} for window in Window}

    def take(self, sequence: int, marks: Iterable[Mark]) -> bool:
        """Count what the append at `sequence` tells; False, and nothing, if that was before."""
        if sequence <= self.position:
            return False
        self.position = sequence
        for mark in marks:
            for window in Window:
                self._add(window, mark)
        return True

    def of(self, window: Window, now: datetime) -> dict[str, Counts]:
        """Add up what a window holds at `now`, by channel."""
        found: dict[str, Counts] = {}
        first = window.step_of(now) - window.steps + 1
        for step, by_channel in self._windows[window].items():
            if step >= first:
                for channel, counts in by_channel.items():
                    found.setdefault(channel, Counter()).update(counts)
        return found

    def _add(self, window: Window, mark: Mark) -> None:
        steps, step = self._windows[window], window.step_of(mark.at)
        last = max(steps, default=step)
        if step <= last - window.steps:
            return
        if step > last:
            for old in [one for one in steps if one <= step - window.steps]:
                del steps[old]
        by_channel = steps.setdefault(step, {})
        counts = by_channel.get(mark.channel)
        if counts is None:
            known = {name for by_channel in steps.values() for name in by_channel}
            room = mark.channel in known or len(known) < CHANNELS_MAX
            counts = by_channel.setdefault(mark.channel if room else OTHER, Counter())
        counts.update(mark.counts)

    # ---- as it is kept

    def kept(self) -> dict[str, object]:
        """Give it as plain data: rows of numbers, and once the names of their places."""
        return {
            "formulas": FORMULAS,
            "position": self.position,
            "counts": [str(count) for count in Count],
            "windows": {
                window.value: {
                    str(step): {
                        channel: [counts[count] for count in Count]
                        for channel, counts in by_channel.items()
                    }
                    for step, by_channel in steps.items()
                }
                for window, steps in self._windows.items()
            },
        }

    @classmethod
    def of_kept(cls, kept: object) -> "Ledger | None":
        """Read what `kept` gave; None if other formulas counted it. Raises Invalid."""
        try:
            match kept:
                case {"formulas": formulas} if formulas != FORMULAS:
                    return None
                case {"position": int(position), "counts": list(names), "windows": windows}:
                    made = cls(position)
                    for window in Window:
                        made._windows[window] = {
                            int(step): {
                                channel: Counter(dict(zip(names, numbers, strict=True)))
                                for channel, numbers in by_channel.items()
                            }
                            for step, by_channel in windows[window.value].items()
                        }
                    return made
                case _:
                    pass
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        raise Invalid("", "these are no counts of channels")
