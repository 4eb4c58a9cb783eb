"""The cases of one tenant in the order in which they are due, queue by queue. Pure.

Rows in order: who is due until an instant is a slice, and how many are is a place. What a change or
a question costs does not grow with the number of cases, but for its logarithm. Nothing is left
behind by a change, so what is held is what is known.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from toldonce.sla.core.dues import Looming
from toldonce.sla.core.ordered import Ordered


class Change(NamedTuple):
    """A case as it was held before, and as it is now; None: not at all."""

    before: Looming | None
    after: Looming | None


class Horizon:
    """Who is due when."""

    def __init__(self) -> None:
        """Hold nobody yet."""
        self._cases: dict[str, Looming] = {}
        self._stories: dict[str, tuple[str, ...]] = {}
        self._due: dict[str, Ordered[int]] = {}
        self._lines: dict[str, _Line] = {}

    def __len__(self) -> int:
        """Count the cases."""
        return len(self._cases)

    def of(self, customer: str) -> list[Looming]:
        """Give what is held of a story."""
        return [self._cases[case_id] for case_id in self._stories.get(customer, ())]

    def get(self, case_id: str) -> Looming | None:
        """Find a case."""
        return self._cases.get(case_id)

    def put(self, customer: str, found: Sequence[Looming]) -> list[Change]:
        """Hold of a story exactly these; returns what that changed."""
        new = {one.case_id: one for one in found}
        changes = []
        for case_id in {**dict.fromkeys(self._stories.get(customer, ())), **new}:
            before, after = self._cases.get(case_id), new.get(case_id)
            if before is not None and after is not None and _place(before) == _place(after):
                self._cases[case_id] = after
            else:
                self._drop(case_id, before)
                self._add(case_id, after)
            changes.append(Change(before, after))
        if new:
            self._stories[customer] = tuple(new)
        else:
            self._stories.pop(customer, None)
        return changes

    @property
    def queues(self) -> list[str]:
        """Name the queues in which something is due some time."""
        return list(self._due)

    @property
    def lines(self) -> list[str]:
        """Name the queues in whose line a case waits for an agent by a clock."""
        return [queue for queue, line in self._lines.items() if line.awaited]

    def until(self, until_us: int, queue: str | None = None) -> Iterator[Looming]:
        """Give those due by an instant, overdue ones too, in the order in which they are due.

        `queue` None: in all, also those that are in none. The same holds for what is below.
        """
        return self._between(None, until_us, queue)

    def between(self, after_us: int, until_us: int, queue: str | None = None) -> Iterator[Looming]:
        """Give those due after one instant and by another."""
        return self._between(after_us, until_us, queue)

    def count(self, until_us: int, queue: str | None = None) -> int:
        """Count those due by an instant."""
        return sum(due.until(until_us) for due in self._lanes(queue))

    def place(self, looming: Looming) -> int:
        """Say which place a case has in its line; 1 is next."""
        return self._lines[looming.line].standing.before(looming.rank, looming.case_id) + 1

    def awaited(
        self, line: str, after_us: int, until_us: int, cases_max: int
    ) -> Iterator[tuple[Looming, int]]:
        """Give those in a line with a clock for an agent due between two instants, those first due.

        With each the instant. At most `cases_max`; a case can come once for each such clock.
        """
        found = self._lines.get(line)
        if found is None:
            return
        for at_us, case_id in islice(found.awaited.between(after_us, until_us), cases_max):
            yield self._cases[case_id], at_us

    def _between(self, after_us: int | None, until_us: int, queue: str | None) -> Iterator[Looming]:
        slices = [due.between(after_us, until_us) for due in self._lanes(queue)]
        rows = slices[0] if len(slices) == 1 else merge(*slices)
        return (self._cases[case_id] for _, case_id in rows)

    def _lanes(self, queue: str | None) -> Iterator[Ordered[int]]:
        if queue is None:
            yield from self._due.values()
        elif queue in self._due:
            yield self._due[queue]

    def _add(self, case_id: str, one: Looming | None) -> None:
        if one is None:
            return
        self._cases[case_id] = one
        if one.due is not None:
            if one.queue not in self._due:
                self._due[one.queue] = Ordered()
            self._due[one.queue].add(one.due.at_us, case_id)
        if one.line:
            line = self._lines.get(one.line)
            if line is None:
                line = self._lines[one.line] = _Line(Ordered(), Ordered())
            line.standing.add(one.rank, case_id)
            for due in one.awaited:
                line.awaited.add(due.at_us, case_id)

    def _drop(self, case_id: str, one: Looming | None) -> None:
        if one is None:
            return
        del self._cases[case_id]
        if one.due is not None:
            self._due[one.queue].remove(one.due.at_us, case_id)
            if not self._due[one.queue]:
                del self._due[one.queue]
        if one.line:
            line = self._lines[one.line]
            line.standing.remove(one.rank, case_id)
            for awaited in one.awaited:
                line.awaited.remove(awaited.at_us, case_id)
            if not line.standing:
                del self._lines[one.line]


def _place(one: Looming) -> tuple[object, ...]:
    """Say where it is held: there, and nowhere else, a change has to be made."""
    return one.due and one.due.at_us, one.queue, one.line, one.rank, one.awaited


class _Line(NamedTuple):
    """Who stands in a line by rank, and the clocks that wait for an agent there."""

    standing: Ordered[tuple[int, int]]
    awaited: Ordered[int]
