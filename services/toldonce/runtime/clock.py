"""The clock every service is given: real in production, the loop's own in tests.

Nothing else in the house asks what time it is. `now()` is wall time for facts that are written
down; `monotonic()` is for leases, deadlines and durations and never goes back.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class Clock(Protocol):
    """What time it is, said in the two ways that matter."""

    def now(self) -> datetime:
        """Return wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now(self) -> datetime:
        """Return the system's wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()


class LoopClock:
    """Time as the running event loop tells it; on a virtual-time loop, virtual time.

    `skew_s` can be set at any moment to make this clock's wall time wrong, for tests of what a
    process does when its clock is off.
    """

    __slots__ = ("_start", "_zero", "skew_s")

    def __init__(self, start: datetime = _EPOCH, *, skew_s: float = 0.0) -> None:
        """`start` is the wall time at the moment this clock is first asked."""
        self._start = start
        self._zero: float | None = None
        self.skew_s = skew_s

    def now(self) -> datetime:
        """Return `start` plus the loop seconds gone by since the first call, plus the skew."""
        return self._start + timedelta(seconds=self._elapsed_s() + self.skew_s)

    def monotonic(self) -> float:
        """Return the loop's time in seconds."""
        return asyncio.get_running_loop().time()

    def _elapsed_s(self) -> float:
        now = self.monotonic()
        if self._zero is None:
            self._zero = now
        return now - self._zero
