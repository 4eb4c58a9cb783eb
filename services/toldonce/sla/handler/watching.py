"""One who watches the cases at risk: what they were told, and what they have yet to be told.

There is no queue of messages. A watcher who is slow to read is told how things stand when they do
read: what changed in between is a set of cases with a bound. Beyond it everything is looked through
once, and they are told that they were behind. Time alone brings cases in and takes none out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

from toldonce.kernel.instants import SECOND, micros
from toldonce.sla.core import Due, Horizon, Looming, Prediction

LISTED_MAX = 10_000
CHANGED_MAX = 10_000
_MORE_BELOW = LISTED_MAX * 9 // 10
_NEWS_US = 10 * SECOND  # a prediction is told again when it moved by so much


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is watched: clocks due within `within_s`, of one queue or ("") of all."""

    within_s: int
    queue: str = ""


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A case at risk, and by which clock; `prediction`: by what is known of its line."""

    looming: Looming
    due: Due
    prediction: Prediction | None = None

    def same(self, other: "AtRisk") -> bool:
        """Tell whether who was told the other one need not be told again."""
        if self.due != other.due or not self.looming.same(other.looming):
            return False
        mine, theirs = self.prediction, other.prediction
        if mine is None or theirs is None:
            return mine is theirs
        return mine.due == theirs.due and abs(mine.expected_us - theirs.expected_us) < _NEWS_US


@dataclass(frozen=True, slots=True)
class Gone:
    """A case is no longer at risk; `last` is what was told of it."""

    last: AtRisk


@dataclass(frozen=True, slots=True)
class Listed:
    """All was told that there is to tell now: `cases` are at risk, at most LISTED_MAX told.

    `behind`: changes had been passed over because they were not read.
    """

    cases: int
    behind: bool


type Told = AtRisk | Gone | Listed


class Watcher:
    """What one watcher knows; `predictions` are those of the tenant, as they stand."""

    def __init__(
        self, horizon: Horizon, predictions: Mapping[str, Prediction], wanted: Wanted
    ) -> None:
        """Know nothing yet."""
        self.wanted = wanted
        self._horizon = horizon
        self._predictions = predictions
        self._told: dict[str, AtRisk] = {}
        self._changed: dict[str, None] = {}
        self._until_us = 0
        self._lost = self._begins = True
        self._counted = -1

    def stir(self, case_id: str, *queues: str) -> None:
        """Note that something about a case is not as it was; `queues` are those it was or is in."""
        if self._lost or (self.wanted.queue and self.wanted.queue not in queues):
            return
        self._changed[case_id] = None
        if len(self._changed) > CHANGED_MAX:
            self._lost = True
            self._changed.clear()

    def turn(self, now: datetime) -> list[Told]:
        """Say what is to be told now: the end of what is over, then the clocks first due first.

        Where everything is told, or there is more than is told, the number of all comes last.
        """
        before_us, behind = self._until_us, self._lost and not self._begins
        lost, self._lost, self._begins = self._lost, False, False
        changed, self._changed = self._changed, {}
        until = micros(now + timedelta(seconds=self.wanted.within_s))
        self._until_us = max(before_us, until)
        cut = self._counted > len(self._told)
        if lost or (cut and len(self._told) < _MORE_BELOW):
            seen = dict.fromkeys(chain(self._told, self._all()))
        else:
            entered = self._horizon.between(before_us, self._until_us, self._queue)
            ids = (one.case_id for one in islice(entered, LISTED_MAX))
            seen = dict.fromkeys(chain(changed, ids))
        gone, news = self._looked(seen)
        count = self._count()
        beyond = max(count, self._counted) > LISTED_MAX
        listed = lost or (beyond and count != self._counted)
        self._counted = count
        return [*gone, *news, *([Listed(count, behind)] if listed else [])]

    def _looked(self, seen: Iterable[str]) -> tuple[list[Gone], list[AtRisk]]:
        """Look at cases, and remember what is told of them."""
        gone, news = list[Gone](), list[AtRisk]()
        for case_id in seen:
            last, now = self._told.get(case_id), self._now(case_id)
            if now is not None and (last is None or not now.same(last)):
                news.append(now)
            elif now is None and last is not None:
                del self._told[case_id]
                gone.append(Gone(last))
        told = []
        for one in sorted(news, key=lambda one: one.due):
            case_id = one.looming.case_id
            if case_id in self._told or len(self._told) < LISTED_MAX:
                self._told[case_id] = one
                told.append(one)
        return gone, told

    def _count(self) -> int:
        later = (one for one in map(self._now, self._predictions) if one and self._later(one))
        return self._horizon.count(self._until_us, self._queue) + sum(1 for _ in later)

    def _all(self) -> Iterator[str]:
        due = self._horizon.until(self._until_us, self._queue)
        return chain((one.case_id for one in islice(due, LISTED_MAX)), self._predictions)

    @property
    def _queue(self) -> str | None:
        return self.wanted.queue or None

    def _now(self, case_id: str) -> AtRisk | None:
        one = self._horizon.get(case_id)
        if one is None or self.wanted.queue not in {"", one.queue}:
            return None
        prediction = self._predictions.get(case_id)
        if prediction is not None and prediction.due not in one.awaited:
            prediction = None  # somebody took it since
        if one.due is not None and one.due.at_us <= self._until_us:
            return AtRisk(one, one.due, prediction)
        return None if prediction is None else AtRisk(one, prediction.due, prediction)

    def _later(self, one: AtRisk) -> bool:
        due = one.looming.due
        return due is None or due.at_us > self._until_us
