"""Several searches at once, from the rules that somebody wrote; the worst of them is given up.

The evaluations are dealt out in as many equal parts as there are searches, and after each part one
search less goes on: the idea of successive halving (Jamieson and Talwalkar 2016), one at a time.
All searches are told about the same days, so that they can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from toldonce.lab.knobs import Knobs
from toldonce.lab.scenario import Policy
from toldonce.lab.search import Numbers, Search, size_for

STEPS = (0.5, 1.0, 0.25)  # of searches that begin from the same rule, one after the other
type Key = tuple[float, ...]  # a figure, and what decides when that is equal; less is better


@dataclass(slots=True)
class _Start:
    """A search, what it asked, and how well its generations of this part did."""

    name: str
    knobs: Knobs
    search: Search
    asked: list[Numbers] = field(default_factory=list)
    best: Numbers | None = None
    did: list[float] = field(default_factory=list)


class Starts:
    """The searches that go on."""

    def __init__(self, rules: Sequence[Knobs], count: int, evaluations: int, seed: int) -> None:
        """Begin `count` searches from rules, the best first; with other steps when they run out."""
        count = max(1, min(count, len(rules) * len(STEPS)))
        self._parts = count
        self._evaluations = evaluations
        self._told = 0
        self._alive: list[_Start] = []
        for number in range(count):
            knobs = rules[number % len(rules)]
            numbers = knobs.start()
            size = min(size_for(numbers.size), evaluations // count)
            search = Search(numbers, STEPS[number // len(rules)], (seed, number), size)
            self._alive.append(_Start(f"search-{number}", knobs, search))

    def __len__(self) -> int:
        """Count the searches that go on."""
        return len(self._alive)

    def ask(self) -> list[Policy]:
        """Give the next candidates of all that go on."""
        asked = []
        for start in self._alive:
            start.asked = start.search.ask()
            asked += [start.knobs.policy(start.name, numbers) for numbers in start.asked]
        return asked

    def tell(self, keys: Sequence[Key]) -> None:
        """Say how each candidate did, in the order in which they were given."""
        place = 0
        for start in self._alive:
            own = keys[place : place + len(start.asked)]
            place += len(own)
            best_first = sorted(range(len(own)), key=own.__getitem__)
            start.best = start.asked[best_first[0]]
            start.did.append(fmean(own[one][0] for one in best_first[: -(-len(own) // 2)]))
            start.search.tell(best_first)
        self._told += place
        done = self._parts - len(self._alive) + 1
        if len(self._alive) > 1 and self._told * self._parts >= done * self._evaluations:
            self._alive.remove(max(self._alive, key=lambda start: fmean(start.did)))
            for start in self._alive:
                start.did.clear()

    def ends(self) -> list[Policy]:
        """Give where each has come to, and the best it asked last; nothing before it was told."""
        found = []
        for start in self._alive:
            if start.best is not None:
                ends = (start.search.mean, start.best)
                found += [start.knobs.policy(start.name, numbers) for numbers in ends]
        return found
