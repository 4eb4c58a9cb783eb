"""Who is at risk, tenant by tenant: an index beside the book, and those who watch it.

A story that changed is read again, one whose policy changed behind those: with haste while somebody
watches, else when there is time. Nobody is answered before all that had changed when they asked has
been read; for what only another policy moves they do not wait.
"""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from toldonce.kernel.config import Config
from toldonce.kernel.errors import Exhausted, Unavailable
from toldonce.kernel.instants import SECOND, micros
from toldonce.runtime.open_rows import StoryKey
from toldonce.sla.core import Dues, Horizon, Looming, Outlook, Prediction, predict
from toldonce.sla.handler.book import Book
from toldonce.sla.handler.watching import Wanted, Watcher

WATCHERS_MAX = 256


@dataclass(slots=True)
class _Desk:
    """What is known of one tenant."""

    horizon: Horizon = field(default_factory=Horizon)
    dues: Dues | None = None
    read: dict[str, tuple[int, int]] = field(default_factory=dict)  # sequence, revision
    predictions: dict[str, Prediction] = field(default_factory=dict)
    watchers: list[Watcher] = field(default_factory=list)


class Risk:
    """The stories of a `Book` by when they are due (a `Follower` of it)."""

    def __init__(self, book: Book) -> None:
        """Follow `book`; `read` is to be called with what `take` gives."""
        self._book = book
        self._soon: dict[StoryKey, None] = {}
        self._later: dict[StoryKey, None] = {}
        self._off: dict[str, dict[StoryKey, None]] = {}
        self._desks: dict[str, _Desk] = {}
        self._stirred = asyncio.Event()
        self._settled = asyncio.Event()
        self._watchers = self._asking = 0
        self._come = self._taken = self._gone = 0  # into the line, out of it, and read
        self._first: int | None = None
        book.follow(self)

    # ---- what is known

    def stirred(self, keys: Iterable[StoryKey], *, policy: bool = False) -> None:
        """See `Follower.stirred`."""
        if policy:
            self._later.update(dict.fromkeys(keys))
        else:
            before = len(self._soon)
            self._soon.update(dict.fromkeys(keys))
            self._come += len(self._soon) - before
            self._first = self._come if self._first is None else self._first
        self._stirred.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when there may be something to read, after `timeout_s` in any case."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._stirred.wait()

    def take(self, stories_max: int) -> list[StoryKey]:
        """Take stories to read: those that changed, the first first, or else of another policy."""
        self._stirred.clear()
        line = self._soon or self._later
        keys = list(itertools.islice(line, stories_max))
        for key in keys:
            del line[key]
        self._taken += len(keys) if line is self._soon else 0
        return keys

    def put_off(self, key: StoryKey) -> None:
        """Leave a story whose policy nobody can tell; its tenant is not answered meanwhile."""
        self._off.setdefault(key[0], {})[key] = None

    @property
    def put_off_tenants(self) -> list[str]:
        """Name the tenants of which stories were left."""
        return list(self._off)

    def take_up(self, tenant: str, stories_max: int) -> list[StoryKey]:
        """Take some of a tenant's stories that were left, to read them now."""
        left = self._off.get(tenant, {})
        keys = list(itertools.islice(left, stories_max))
        for key in keys:
            del left[key]
        if not left:
            self._off.pop(tenant, None)
        return keys

    @property
    def wanted(self) -> bool:
        """Whether somebody watches, or asks to."""
        return self._watchers > 0 or self._asking > 0

    def settle(self) -> None:
        """Know that all that was taken has been read, and answer those who waited for that."""
        self._gone = self._taken
        settled, self._settled = self._settled, asyncio.Event()
        settled.set()

    @property
    def _ready(self) -> bool:
        return self._first is not None and self._first <= self._gone

    async def read_up(self, timeout_s: float) -> None:
        """Return once all that had changed has been read; raises Unavailable, Exhausted."""
        _limit(self._watchers + self._asking)
        self._asking += 1
        self._stirred.set()
        come = self._come
        try:
            async with asyncio.timeout(timeout_s):
                while not self._ready or self._gone < come:
                    await self._settled.wait()
        except TimeoutError:
            raise _unread() from None
        finally:
            self._asking -= 1

    def read(self, key: StoryKey, config: Config) -> None:
        """Take over what the book knows of a story."""
        tenant, customer = key
        known = self._book.held(key)
        desk = self._desks.setdefault(tenant, _Desk())
        found: tuple[Looming, ...] = ()
        if known is None:
            desk.read.pop(customer, None)
        else:
            read = (known.sequence, config.revision)
            last = desk.read.get(customer)
            if last == read:
                return
            desk.read[customer] = read
            if desk.dues is None or desk.dues.config is not config:
                desk.dues = Dues(config)
            alike = last is not None and last[1] == config.revision
            held = desk.horizon.of(customer) if alike else []
            found = desk.dues.of(customer, known.head, known.sequence, held)
        if not found:
            desk.read.pop(customer, None)
        for before, after in desk.horizon.put(customer, found):
            one = after or before
            if one is None or (before and after and after.same(before)):
                continue
            for watcher in desk.watchers:
                watcher.stir(one.case_id, *(each.queue for each in (before, after) if each))

    # ---- those who watch

    @contextmanager
    def watched(self, tenant: str, wanted: Wanted) -> Iterator[Watcher]:
        """Watch a tenant's cases; raises Unavailable before it is known who is there, Exhausted."""
        if not self._ready or tenant in self._off:
            raise _unread()
        _limit(self._watchers)
        desk = self._desks.setdefault(tenant, _Desk())
        watcher = Watcher(desk.horizon, desk.predictions, wanted)
        desk.watchers.append(watcher)
        self._watchers += 1
        try:
            yield watcher
        finally:
            desk.watchers.remove(watcher)
            self._watchers -= 1

    def watched_lines(self) -> dict[str, set[str]]:
        """Name the lines in which a case waits by a clock and somebody watches, by tenant."""
        found: dict[str, set[str]] = {}
        for tenant, desk in self._desks.items():
            if desk.watchers:
                wanted = {watcher.wanted.queue for watcher in desk.watchers}
                lines = set(desk.horizon.lines)
                found[tenant] = lines if "" in wanted else lines & wanted
            else:
                desk.predictions.clear()
        return found

    def foresee(
        self, tenant: str, outlooks: Mapping[str, Outlook], config: Config, now: datetime
    ) -> None:
        """Predict by what the engine said of lines; of those it said nothing of, nothing."""
        desk, now_us = self._desks[tenant], micros(now)
        found: dict[str, Prediction] = {}
        for line, outlook in outlooks.items():
            calendar = config.hours_of(line)
            found |= predict(
                desk.horizon,
                line,
                outlook,
                calendar=calendar,
                now_us=now_us,
                before=desk.predictions,
            )
        stirred = {**desk.predictions, **found}
        desk.predictions.clear()
        desk.predictions.update(found)
        for case_id in stirred:
            one = desk.horizon.get(case_id)
            if one is not None:
                for watcher in desk.watchers:
                    watcher.stir(case_id, one.queue)

    # ---- what is counted

    def counts(self, now: datetime, within_s: int) -> dict[str, tuple[int, int]]:
        """Count by queue, over all tenants: those overdue, and those due within a time."""
        now_us, found = micros(now), dict[str, tuple[int, int]]()
        for desk in self._desks.values():
            for queue in desk.horizon.queues:
                overdue = desk.horizon.count(now_us, queue)
                soon = desk.horizon.count(now_us + within_s * SECOND, queue) - overdue
                before = found.get(queue, (0, 0))
                found[queue] = (before[0] + overdue, before[1] + soon)
        return found


def _limit(others: int) -> None:
    if others >= WATCHERS_MAX:
        raise Exhausted(f"{WATCHERS_MAX} watch here already: ask another replica")


def _unread() -> Unavailable:
    return Unavailable("this process has not read all stories yet: ask again")
