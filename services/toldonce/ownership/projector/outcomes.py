"""What became of cases, in numbers: outcomes, hops, told again, once and done.

All of it is read from the log. A case is once and done when it is closed under epoch 1, by the only
owner it ever had: each release, handoff, move and reopening raises the epoch.
"""

from collections.abc import Sequence

from toldonce.kernel.story.events import CaseClosed, CaseReopened
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Case
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import StoryKey
from toldonce.runtime.telemetry import (
    CASE_HOPS,
    CASES_CLOSED,
    CASES_REOPENED,
    ONCE_AND_DONE,
    ONCE_REOPENED,
    RESOLVED_FIRST,
    RETOLD,
)

PAIRS_MAX = 500
OTHER = "other"


class Outcomes:
    """Counts how cases end; it is told what a subscriber of the feed is, and keeps open cases."""

    def __init__(self, meter: Meter) -> None:
        """Export the counters from the start."""
        self._meter = meter
        self._open: dict[StoryKey, tuple[Case, ...]] = {}
        self._pairs: set[tuple[str, str]] = set()
        for metric in (CASE_HOPS, CASES_REOPENED, ONCE_AND_DONE, ONCE_REOPENED):
            meter.declare(metric)

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`."""
        del position
        self._open = {
            (story.tenant, story.customer): story.head.cases
            for story in stories
            if story.head.cases
        }

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""
        for logged in batch:
            record = logged.record
            key = (record.tenant, record.customer)
            for event in record.events:
                match event:
                    case CaseClosed():
                        self._closed(event, self._open.get(key, ()))
                    case CaseReopened(case):
                        self._meter.add(CASES_REOPENED)
                        if case.epoch == 2 and case.last_owner:  # noqa: PLR2004 - 1 when it ended
                            self._meter.add(ONCE_REOPENED)
                    case _:
                        pass
            if record.head.cases:
                self._open[key] = record.head.cases
            else:
                self._open.pop(key, None)

    def _closed(self, event: CaseClosed, before: tuple[Case, ...]) -> None:
        case = next((one for one in before if one.own == event.case), None)
        queue = OTHER if case is None else case.queue
        self._meter.add(CASES_CLOSED, *self._bounded(queue, event.disposition))
        if case is not None:
            self._meter.observe(CASE_HOPS, case.hops)
            if case.epoch == 1 and case.owner:
                self._meter.add(ONCE_AND_DONE)
        if event.re_told_known:
            self._meter.add(RETOLD, _word(answer=event.re_told))
        if event.resolved_known:
            self._meter.add(RESOLVED_FIRST, _word(answer=event.resolved_first_owner))

    def _bounded(self, queue: str, disposition: str) -> tuple[str, str]:
        pair = (queue, disposition)
        if pair not in self._pairs:
            if len(self._pairs) >= PAIRS_MAX:
                return (OTHER, OTHER)
            self._pairs.add(pair)
        return pair


def _word(*, answer: bool) -> str:
    return "yes" if answer else "no"
