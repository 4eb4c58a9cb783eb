"""Keeps the views of open cases in the store, which may be wiped at any moment.

Each tenant's view is written by exact predecessor under a generation, position and rows in one
script. Where that does not fit (a wipe, a gap, a store that went back) a new generation is written
beside the old one from the heads at hand and made the live one in one step. Several processes may
do this at once: who finds the view ahead leaves out what is in it. Where a process of a newer
version keeps a view an older one stands by, as it could not read all that must be in it. A view
says up to when it is complete only as far as the log's leader was asked, so a feed that is stuck
cannot pass it off as fresh.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import FOLD_VERSION
from toldonce.ownership.projector.tenant_view import TenantView
from toldonce.runtime.clock import Clock
from toldonce.runtime.feed import Feed, OpenStory
from toldonce.runtime.log import Log
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.store import Store
from toldonce.runtime.table import Table
from toldonce.runtime.view_keys import FORMAT, ms

TICK_S = 0.5
_ASKED_MAX = 64

_log = logger()

type Tenants = Callable[[], Awaitable[Collection[str]]]


class ViewKeeper:
    """A subscriber of the feed that writes every tenant's view; `run` must be running."""

    def __init__(
        self,
        store: Store,
        log: Log,
        feed: Feed,
        *,
        clock: Clock,
        tenants: Tenants,
        meter: Meter | None = None,
        rng: random.Random | None = None,
        tick_s: float = TICK_S,
    ) -> None:
        """Subscribe to `feed`. `tenants` names those who have a view even with nothing open.

        Each `tick_s` every view is looked at, so a wipe is seen within that time.
        """
        self._store = store
        self._log = log
        self._clock = clock
        self._tenants = tenants
        self._meter = meter or Meter()
        self._rng = rng or random.Random()  # noqa: S311  tells generations apart, keeps no secret
        self._tick_s = tick_s
        self._stopped = feed.stopped
        self._views: dict[str, TenantView] = {}
        self._group: asyncio.TaskGroup | None = None
        self._log_id = ""
        self._asked: deque[tuple[int, int]] = deque(maxlen=_ASKED_MAX)
        self._position = 0
        self._begun = False
        feed.subscribe("views", self)

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`."""
        self._position, self._begun = position, True
        by_tenant: dict[str, list[OpenStory]] = {tenant: [] for tenant in self._views}
        for story in stories:
            by_tenant.setdefault(story.tenant, []).append(story)
        for tenant, theirs in by_tenant.items():
            self._view(tenant).begin(theirs, position)
        self._stop()

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`; never waits for the store."""
        for logged in batch:
            self._view(logged.record.tenant).take(logged)

    async def reached(self, position: int) -> None:
        """See `Exact.reached`."""
        self._position = position
        self._stop()
        for view in self._views.values():
            view.reach(position)

    async def run(self) -> None:
        """Keep the views for ever; while the store is away, try again."""
        async with asyncio.TaskGroup() as self._group:
            for tenant, view in self._views.items():
                self._group.create_task(view.run(), name=f"view of {tenant}")
            while True:
                try:
                    await self._look()
                except Unavailable as error:
                    _log.warning("views not checked", sentence=str(error))
                await asyncio.sleep(self._tick_s)

    def _stop(self) -> None:
        """Let the views tell nobody of a story that cannot be read here any more."""
        for (tenant, customer), sequence in self._stopped.items():
            if sequence <= self._position:
                self._view(tenant).stop(customer, sequence)

    def complete_at(self, position: int) -> int:
        """Say up to when (ms) a view is complete that holds the log up to `position`; 0: unknown.

        The leader said then that the log went no further.
        """
        return max((at for at, last in self._asked if last <= position), default=0)

    async def _look(self) -> None:
        """Ask the leader how far the log goes, see that every tenant has a view, wake them all."""
        now: datetime = self._clock.now()
        info = await self._log.info()
        self._asked.append((ms(now), info.last))
        self._log_id = f"{FORMAT}/{info.epoch}/{info.created_at.isoformat()}/{FOLD_VERSION}"
        for tenant in await self._tenants():
            self._view(tenant)
        for view in self._views.values():
            view.check(self._log_id)

    def _view(self, tenant: str) -> TenantView:
        view = self._views.get(tenant)
        if view is None:
            view = self._views[tenant] = TenantView(
                tenant,
                self._store,
                clock=self._clock,
                complete_at=self.complete_at,
                meter=self._meter,
                rng=self._rng,
            )
            if self._begun:
                view.begin((), self._position)
            if self._log_id:
                view.check(self._log_id)
            if self._group is not None:
                self._group.create_task(view.run(), name=f"view of {tenant}")
        return view


def tenants_of(table: Table, prefix: str) -> Tenants:
    """Name the tenants whose keys stand in `table` under `prefix`, as their last token."""
    seen, known = -1, frozenset[str]()

    async def tenants() -> Collection[str]:
        nonlocal seen, known
        last = await table.last_revision()
        if last != seen:
            known = frozenset(row.key.rpartition(".")[2] for row in await table.rows(prefix))
            seen = last
        return known

    return tenants
