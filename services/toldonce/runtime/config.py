"""The configuration in force, for services that read it: a cache that cannot fall asleep.

A tenant's document is read from the table `CONFIG` when it is first asked for, again when a hint
says that it changed, and in any case every `check_s`: a watch alone can die without a word. A
stored document that this program cannot read is told of once and leaves the one in force.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, time
from math import inf

import structlog

from toldonce.kernel.config import Config, Zones
from toldonce.kernel.errors import Invalid, Missing, Refusal, Unavailable
from toldonce.runtime.document import check, unpack
from toldonce.runtime.meter import Meter
from toldonce.runtime.names import config_key
from toldonce.runtime.table import Row, Table
from toldonce.runtime.telemetry import HOLIDAYS_END_SECONDS

CHECK_S = 10.0
TENANTS_MAX = 10_000

_log = structlog.get_logger()

type Listener = Callable[[str, Config], None]


class HolidaysEnd:
    """Says in the metrics until when holidays are known: nobody would notice one that is not."""

    def __init__(self, meter: Meter) -> None:
        """`hear` listens to a `ConfigCache`."""
        self._meter = meter
        self._ends: dict[str, float] = {}

    def hear(self, tenant: str, config: Config) -> None:
        """Take what came into force."""
        self._ends[tenant] = min(
            (
                datetime.combine(until, time.max, UTC).timestamp()
                for calendar in config.calendars.values()
                if (until := calendar.holidays_until) is not None
            ),
            default=inf,
        )
        self._meter.set(HOLIDAYS_END_SECONDS, min(self._ends.values()))


class ConfigCache:
    """Each tenant's configuration in force; revisions only go up."""

    def __init__(self, table: Table, zones: Zones, *, check_s: float = CHECK_S) -> None:
        """Read `table`; `run` must be running for changes to be seen."""
        self._table = table
        self._zones = zones
        self._check_s = check_s
        self._running: dict[str, Config] = {}
        self._refused: dict[str, int] = {}
        self._hinted: set[str] = set()
        self._wake = asyncio.Event()
        self._listeners: list[Listener] = []
        self._seen = 0

    def known(self, tenant: str) -> Config | None:
        """Return what is in force, if it was asked for before."""
        return self._running.get(tenant)

    async def of(self, tenant: str) -> Config:
        """Return what is in force; raises Missing (no document yet) and Unavailable."""
        return self._running.get(tenant) or await self.refresh(tenant)

    async def refresh(self, tenant: str) -> Config:
        """Read the table now and return what is in force; raises Missing and Unavailable."""
        row = await self._table.get(config_key(tenant))
        if row is not None and not row.tombstone:
            self._take(tenant, row)
        found = self._running.get(tenant)
        if found is not None:
            return found
        if row is None or row.tombstone:
            raise Missing("config", f"tenant {tenant} has no configuration: toldonce apply FILE")
        raise Unavailable(f"the configuration of tenant {tenant} cannot be read by this program")

    def hint(self, tenant: str) -> None:
        """Read a tenant's document again soon; for tenants nobody asked for, nothing."""
        if tenant in self._running or tenant in self._refused:
            self._hinted.add(tenant)
            self._wake.set()

    def hear(self, subject: str, _data: bytes) -> None:
        """Take a hint from the bus (`names.EVERY_CONFIG_HINT`)."""
        self.hint(subject.rpartition(".")[2])

    def on_change(self, listener: Listener) -> None:
        """Call `listener(tenant, config)` whenever another document comes into force."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Follow changes for ever; a table that is away is asked again at the next check."""
        while True:
            try:
                async with asyncio.timeout(self._check_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._follow()
            except Refusal as refusal:
                _log.warning("configuration not checked", why=str(refusal))

    async def _follow(self) -> None:
        """Read again whatever was hinted at, or everything when the table has grown."""
        hinted, self._hinted = self._hinted, set()
        try:
            last = await self._table.last_revision()
            due = hinted if last == self._seen else hinted | {*self._running, *self._refused}
            for tenant in sorted(due):
                row = await self._table.get(config_key(tenant))
                if row is not None and not row.tombstone:
                    self._take(tenant, row)
            self._seen = last
        except Unavailable:
            self._hinted |= hinted
            raise

    def _take(self, tenant: str, row: Row) -> None:
        """Put a stored document in force if it is newer and can be read."""
        standing = self._running.get(tenant)
        newest = max(standing.revision if standing else 0, self._refused.get(tenant, 0))
        if row.revision <= newest:
            return
        try:
            stored = unpack(row.value)
            found = check(stored.yaml, self._zones, stored.expansion)
            config = found.at_revision(row.revision)
        except Invalid as refusal:
            self._refused[tenant] = row.revision
            _log.error(
                "stored configuration not understood",
                tenant=tenant,
                revision=row.revision,
                field=refusal.problems[0].field,
            )
            return
        if standing is None and len(self._running) >= TENANTS_MAX:
            self._running.pop(next(iter(self._running)))
        self._running[tenant] = config
        self._refused.pop(tenant, None)
        _log.info("configuration in force", tenant=tenant, policy_version=config.policy_version)
        for listener in self._listeners:
            listener(tenant, config)
