"""Every instant at which something changes by itself, as data in one heap.

A timer is never taken out: it carries a guard, and whoever set it says whether it still counts.
"""

from collections.abc import Callable
from enum import IntEnum
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from toldonce.routing.core.state import Agent, Item, Live

_SLACK_MAX = 1_024


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


type Subject = Item | Agent | Live | None


class Timer(NamedTuple):
    """One alarm; `guard` tells a timer that counts from one that was overtaken."""

    at_us: int
    alarm: Alarm
    subject: Subject
    guard: int | str


class Timers:
    """A heap of timers with lazy deletion."""

    def __init__(self, counts: Callable[[Timer], bool]) -> None:
        """Take the test that says whether a timer still counts."""
        self._counts = counts
        self._heap: list[tuple[int, int, Timer]] = []
        self._number = 0
        self._after_sweep = 0

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, at_us: int, alarm: Alarm, subject: Subject, guard: int | str) -> None:
        """Add a timer."""
        self._number += 1
        heappush(self._heap, (at_us, self._number, Timer(at_us, alarm, subject, guard)))
        if len(self._heap) > 2 * self._after_sweep + _SLACK_MAX:
            self._heap = [entry for entry in self._heap if self._counts(entry[2])]
            heapify(self._heap)
            self._after_sweep = len(self._heap)

    def next_us(self) -> int | None:
        """Say when the next timer that counts goes off."""
        heap = self._heap
        while heap and not self._counts(heap[0][2]):
            heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now_us: int) -> Timer | None:
        """Take out the next timer that counts and is due."""
        at_us = self.next_us()
        if at_us is None or at_us > now_us:
            return None
        return heappop(self._heap)[2]
