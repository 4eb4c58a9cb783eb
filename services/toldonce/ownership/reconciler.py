"""The reconciler: finds what is past its bound and its grace, and puts it back.

It follows the feed like every reader of open state and needs nothing else: it works while routing
and sla are dead. Any number of replicas may run it; what one has done, the log tells the others.
What cannot be ended here (a case nobody takes, an answer nobody confirms) stays counted.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.ids import whole
from toldonce.kernel.story.bounds import GRACE_S, LIMITS, Bound, Limits, Waiting, bounds
from toldonce.kernel.story.events import Absorbed, Carried
from toldonce.kernel.story.record import Logged
from toldonce.ownership.handler.reconciling import Reconciling
from toldonce.runtime.clock import Clock
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import StoryKey
from toldonce.runtime.telemetry import RECONCILED, STUCK_ITEMS

TICK_S = 1.0
AGAIN_S = 5.0
AGAIN_MAX_S = 300.0
ACTS_MAX = 16
SLACK_MAX = 1_024
SEEN_A_LOOK = 2_000

_log = logger()


@dataclass(slots=True)
class _Tried:
    """How often a story's stuck things were tried, and which are still stuck."""

    times: int = 0
    items: tuple[Bound, ...] = ()


class Reconciler:
    """A subscriber of the feed; `run` must be running."""

    def __init__(
        self,
        reconciling: Reconciling,
        *,
        clock: Clock,
        meter: Meter,
        limits: Limits = LIMITS,
        grace_s: float = GRACE_S,
    ) -> None:
        """Put back through `reconciling` what is `grace_s` seconds past its bound."""
        self._reconciling = reconciling
        self._clock = clock
        self._meter = meter
        self._limits = limits
        self._grace = timedelta(seconds=grace_s)
        self._stories: dict[StoryKey, OpenStory] = {}
        self._due: list[tuple[datetime, StoryKey, int]] = []
        self._unseen: dict[StoryKey, None] = {}  # of a snapshot, and not in `_due` yet
        self._tried: dict[StoryKey, _Tried] = {}
        self._count()

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`; halves of something are not in it and stay known."""
        del position
        before, unseen = self._stories, self._unseen
        halves = [story for story in before.values() if _half(story)]
        self._stories = {(story.tenant, story.customer): story for story in (*halves, *stories)}
        self._unseen = {
            key: None
            for key, story in self._stories.items()
            if key in unseen or key not in before or before[key].sequence != story.sequence
        }
        self._tried = {key: tried for key, tried in self._tried.items() if key in self._stories}

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""
        for logged in batch:
            record = logged.record
            key = (record.tenant, record.customer)
            for event in record.events:
                if isinstance(event, Absorbed):
                    self._forget((record.tenant, event.source))
            story = OpenStory(*key, record.head, logged.sequence)
            arrived = any(isinstance(event, Carried) for event in record.events)
            self._forget(key)
            at = None if arrived and record.head.terminal else self._first(story)
            if at is not None:
                self._stories[key] = story
                heappush(self._due, (at, key, logged.sequence))
        if len(self._due) > 2 * len(self._stories) + SLACK_MAX:
            self._due = [entry for entry in self._due if self._counts(entry[1], entry[2])]
            heapify(self._due)

    @property
    def planned(self) -> int:
        """How many instants to look at are kept: about one a story, however often it changes."""
        return len(self._due) + len(self._unseen)

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.look()

    async def look(self) -> None:
        """Put back whatever is stuck now, and count what remains."""
        self._see()
        latest = self._clock.now() - self._grace
        found: list[tuple[OpenStory, Bound]] = []
        while self._due and self._due[0][0] < latest:
            _, key, sequence = heappop(self._due)
            if not self._counts(key, sequence):
                continue
            story = self._stories[key]
            waiting = self._bounds(story)
            items = tuple(bound for bound in waiting if bound.at < latest)
            tried = self._tried.setdefault(key, _Tried())
            tried.times, tried.items = tried.times + 1, items
            found += [(story, bound) for bound in items]
            pause_s = min(AGAIN_S * 2 ** min(tried.times - 1, 10), AGAIN_MAX_S)
            later = (bound.at for bound in waiting if bound.at >= latest)
            again = min((latest + timedelta(seconds=pause_s), *later))
            heappush(self._due, (again, key, sequence))
        self._count()
        for some in itertools.batched(found, ACTS_MAX):
            await asyncio.gather(*(self._put_back(story, bound) for story, bound in some))
            self._see()
        if found:
            self._count()

    def _see(self) -> None:
        """Plan some of a snapshot's stories: who starts has more urgent things to do first."""
        for key in list(itertools.islice(self._unseen, SEEN_A_LOOK)):
            del self._unseen[key]
            story = self._stories[key]
            at = self._first(story)
            if at is not None:
                heappush(self._due, (at, key, story.sequence))

    async def _put_back(self, story: OpenStory, bound: Bound) -> None:
        key = (story.tenant, story.customer)
        tried = self._tried.get(key, _Tried())
        said = {
            "tenant": story.tenant,
            "what": str(bound.kind),
            "case_id": whole(story.customer, bound.case) if bound.case else "",
            "attempt": tried.times,
        }
        try:
            ended = await self._reconciling.put_back(*key, story.head, story.sequence, bound)
        except Unavailable as error:
            _log.warning("a stuck thing is not put back yet", sentence=str(error), **said)
        except Refusal as error:
            _log.info("a stuck thing has changed", sentence=str(error), **said)
        else:
            _log.info("a stuck thing was put back" if ended else "a stuck thing waits", **said)
            if ended:
                self._meter.add(RECONCILED, bound.kind)
                tried.items = tuple(other for other in tried.items if other != bound)
                if bound.kind in {Waiting.MOVE, Waiting.FORGET} and not tried.items:
                    self._forget(key)

    def _counts(self, key: StoryKey, sequence: int) -> bool:
        """Tell whether an entry is of a story as it is now."""
        story = self._stories.get(key)
        return story is not None and story.sequence == sequence

    def _first(self, story: OpenStory) -> datetime | None:
        return min((bound.at for bound in self._bounds(story)), default=None)

    def _bounds(self, story: OpenStory) -> tuple[Bound, ...]:
        return bounds(story.head, self._limits)

    def _forget(self, key: StoryKey) -> None:
        self._stories.pop(key, None)
        self._unseen.pop(key, None)
        self._tried.pop(key, None)

    def _count(self) -> None:
        counted = Counter(bound.kind for tried in self._tried.values() for bound in tried.items)
        for kind in Waiting:
            self._meter.set(STUCK_ITEMS, counted[kind], kind)


def _half(story: OpenStory) -> bool:
    return bool(story.head.moved_to) or story.head.forgotten
