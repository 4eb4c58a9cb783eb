"""How many there are of each, and how long they take: what the worth of a pair depends on."""

from collections.abc import Iterable
from typing import Final

from toldonce.kernel.instants import MINUTE, SECOND

_PRIOR: Final = 10  # cases that what is known of many counts for
_UNKNOWN_US: Final = 5 * MINUTE  # what a case takes until anything is known


class Count:
    """How many there are of something, and (`all`) of everything like it; the sum is its own."""

    __slots__ = ("all", "own")

    def __init__(self, whole: "Count | None" = None) -> None:
        """Start at nothing."""
        self.own = 0
        self.all = self if whole is None else whole

    def add(self, number: int) -> None:
        """Count some more (never asked of the sum)."""
        self.own += number
        self.all.own += number


class Tally:
    """How many cases of one queue wait, and how many somebody has now or is asked to take.

    `closed` says in words that the queue is, until `opens_us`; "" while it is open.
    """

    __slots__ = ("closed", "opens_us", "serving", "waiting")

    def __init__(self, waiting: Count) -> None:
        """Start at nothing, and open."""
        self.waiting = waiting
        self.serving = 0
        self.closed, self.opens_us = "", 0

    def open(self) -> None:
        """Have work of the queue offered."""
        self.closed, self.opens_us = "", 0

    def close(self, opens_us: int, words: str) -> None:
        """Have work of the queue wait until then."""
        self.closed, self.opens_us = words, opens_us


class Pace:
    """How long a case of a queue takes one of a group; `wider` is how long it takes anybody.

    What is known of few is drawn towards what is known of many: the mean of `_PRIOR` cases more at
    the wider pace (the shrinkage of empirical Bayes estimates; Efron and Morris 1975).
    """

    __slots__ = ("count", "total_us", "wider")

    def __init__(self, wider: "Pace | None" = None) -> None:
        """Know nothing yet."""
        self.count = 0
        self.total_us = 0
        self.wider = wider

    def see(self, took_us: int, count: int = 1) -> None:
        """Learn of one case more, or of so many that took so long together."""
        self.count += count
        self.total_us += took_us
        if self.wider is not None:
            self.wider.see(took_us, count)

    def mean_us(self) -> int:
        """Say how long one takes, at least a second."""
        prior_us = _UNKNOWN_US if self.wider is None else self.wider.mean_us()
        found = (self.total_us + _PRIOR * prior_us) // (self.count + _PRIOR)
        return max(found, SECOND)

    def per_minute(self) -> int:
        """Say how many of them are done a minute, in thousandths."""
        return 1_000 * MINUTE // self.mean_us()


class Paces:
    """How long cases take, by queue and group, learned from those that ended."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._all = Pace()
        self._queues: dict[str, Pace] = {}
        self._groups: dict[tuple[str, str], Pace] = {}

    def of(self, queue: str, group: str) -> Pace:
        """Return what is known of a group with a queue's cases."""
        found = self._groups.get((queue, group))
        if found is None:
            wider = self._queues.setdefault(queue, Pace(self._all))
            found = self._groups[queue, group] = Pace(wider)
        return found

    def known(self) -> tuple[tuple[str, str, int, int], ...]:
        """Tell what is known: queue, group, how many cases, how many microseconds in all."""
        return tuple(
            [(*key, pace.count, pace.total_us) for key, pace in self._groups.items() if pace.count]
        )

    def learn(self, known: Iterable[tuple[str, str, int, int]]) -> None:
        """Take over what another knew."""
        for queue, group, count, total_us in known:
            self.of(queue, group).see(total_us, count)


class Tallies:
    """The tallies of all queues."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.waiting = Count()
        self._of: dict[str, Tally] = {}

    def of(self, queue: str) -> Tally:
        """Return the tally of a queue."""
        found = self._of.get(queue)
        if found is None:
            found = self._of[queue] = Tally(Count(self.waiting))
        return found

    def items(self) -> Iterable[tuple[str, Tally]]:
        """Give every tally with the name of its queue."""
        return self._of.items()

    def nobody_waits(self) -> None:
        """Forget who waits, but not who is served."""
        self.waiting.own = 0
        for tally in self._of.values():
            tally.waiting.own = 0
