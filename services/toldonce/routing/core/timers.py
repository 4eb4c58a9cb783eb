"""Every instant at which something changes by itself, as data in one heap.

A timer is never taken out: it carries a guard, and whoever set it says whether it still counts.
"""

from collections.abc import Callable
from enum import IntEnum
from heapq import heapify, heappop, heappush
from typing import Final

from toldonce.routing.core.state import Agent, Item, Live

_SLACK_MAX: Final = 1_024


class Alarm(IntEnum):
    """What an alarm is about."""

    OFFER = 1
    HANDOFF = 2
    WRAP_UP = 3
    ITEM = 4
    AGENT = 5
    GRACE = 6
    THAW = 7
    APART = 8
    HOURS = 9


type Subject = Item | Agent | Live | None


class Timer:
    """One alarm; `guard` tells a timer that counts from one that was overtaken.

    They sort by when they go off, then by `number`, which rises with each.
    """

    __slots__ = ("alarm", "at_us", "guard", "number", "subject")

    def __init__(
        self, at_us: int, number: int, alarm: Alarm, subject: Subject, guard: int | str
    ) -> None:
        """Make one that may go off then."""
        self.at_us, self.number, self.alarm = at_us, number, alarm
        self.subject, self.guard = subject, guard

    def __lt__(self, other: "Timer") -> bool:
        if self.at_us == other.at_us:
            return self.number < other.number
        return self.at_us < other.at_us


class Timers:
    """A heap of timers with lazy deletion: `swept` were left by the last sweep of `number` set."""

    def __init__(self, counts: Callable[[Timer], bool]) -> None:
        """Take the test that says whether a timer still counts."""
        self._counts = counts
        self._heap: list[Timer] = []
        self.number = 0
        self.swept = 0

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, at_us: int, alarm: Alarm, subject: Subject, guard: int | str) -> None:
        """Add a timer."""
        self.number += 1
        heappush(self._heap, Timer(at_us, self.number, alarm, subject, guard))
        if len(self._heap) > 2 * self.swept + _SLACK_MAX:
            self._heap = [one for one in self._heap if not _over(one) and self._counts(one)]
            heapify(self._heap)
            self.swept = len(self._heap)

    def all(self) -> list[Timer]:
        """Give every timer, those that do not count too, in the order of going off."""
        return sorted(self._heap)

    def load(self, timers: list[Timer], number: int, swept: int) -> None:
        """Take over what `all` gave, with `number` and `swept` as they were."""
        self._heap, self.number, self.swept = timers, number, swept
        heapify(self._heap)

    def next_us(self) -> int | None:
        """Say when the next timer that counts goes off."""
        heap = self._heap
        while heap and not self._counts(heap[0]):
            heappop(heap)
        return heap[0].at_us if heap else None

    def pop_due(self, now_us: int) -> Timer | None:
        """Take out the next timer that counts and is due."""
        heap = self._heap
        while heap and heap[0].at_us <= now_us:
            timer = heappop(heap)
            if self._counts(timer):
                return timer
        return None


def _over(timer: Timer) -> bool:
    """Tell whether it is about an offer that is over, as most are that do not count any more."""
    return isinstance(timer.subject, Live) and not timer.subject.live
