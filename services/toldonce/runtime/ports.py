"""Everything a service may reach outside itself, in one place: what `bind` is given.

`connect` opens the real things and leaves closing them to the App; `runtime.testing.ports` makes
the same from fakes. A process has one of each, whichever services it holds.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from toldonce.runtime import names
from toldonce.runtime.alarms import Alarms, open_alarms
from toldonce.runtime.app import App
from toldonce.runtime.bus import Bus, NatsBus
from toldonce.runtime.clock import Clock
from toldonce.runtime.closed import ClosedLog, ClosedTable, ClosedTrail, may_read
from toldonce.runtime.config import ConfigCache, HolidaysEnd
from toldonce.runtime.epochs import epoch_log
from toldonce.runtime.feed import Feed
from toldonce.runtime.hints import Hints
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.log import Epoch, Log
from toldonce.runtime.meter import Meter
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log
from toldonce.runtime.rotation import tell_age
from toldonce.runtime.secrets import Secrets
from toldonce.runtime.settings import TimersIn
from toldonce.runtime.store import RedisStore, Store
from toldonce.runtime.table import Table, open_table
from toldonce.runtime.trail import Trail, open_trail
from toldonce.runtime.views import Views
from toldonce.runtime.zones import WheelZones


class Door(Protocol):
    """A way to ownership (`client.commands`)."""

    async def call(self, tenant: str, data: bytes) -> bytes:
        """Ask, and give the reply; raises Unavailable when it may or may not have been done."""
        ...


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that keep one message a key."""

    open: Table
    agents: Table
    config: Table
    leases: Table
    keys: Table


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside of a process. `tenants`: those this process leads an engine for.

    `alarms`: where timers wait, if not in `store`.
    """

    log: Log
    tables: Tables
    bus: Bus
    store: Store
    clock: Clock
    secrets: Secrets
    keys: KeyRing
    zones: WheelZones
    config: ConfigCache
    feed: Feed
    hints: Hints
    views: Views
    door: Door
    meter: Meter
    trail: Trail
    tenants: tuple[str, ...] = ("demo",)
    alarms: Alarms | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Addresses, how much is kept, and where: `nats_options` as nats-py takes them."""

    nats_urls: Sequence[str]
    monitor_urls: Sequence[str]
    store_url: str
    replicas: int = 1
    epoch: int = names.STORY_EPOCH
    tenants: tuple[str, ...] = ("demo",)
    nats_options: Mapping[str, Any] = field(default_factory=dict)
    timers: TimersIn = "redis"


async def connect(app: App, where: Where, *, service: str, door: Callable[[Bus], Door]) -> Ports:
    """Open everything for one process; raises Unavailable with the sentence why it cannot be."""
    link = await Link.connect(where.nats_urls, name=service, options=where.nats_options)
    await app.enter(_Closing(link))
    tables = Tables(
        *[
            await _table(link, where, service, bucket)
            for bucket in (names.OPEN, names.AGENTS, names.CONFIG, names.LEASES, names.KEYS)
        ]
    )
    log = await _log(app, link, where, service, tables.leases)
    store = RedisStore.open(where.store_url)
    await app.enter(_Closing(store))
    bus = NatsBus(link)
    ports = assemble(
        app,
        log,
        tables,
        bus,
        store,
        door=door(bus),
        tenants=where.tenants,
        trail=await _trail(link, where, service),
        alarms=await _alarms(link, where, service),
    )
    app.add_check(lambda: log.halted)
    app.spawn("nats connection", _lost(link))
    return ports


async def _log(app: App, link: Link, where: Where, service: str, leases: Table) -> Log:
    stream = names.stories_stream(where.epoch)
    if not may_read(service, stream, where.epoch):
        return ClosedLog(stream)

    def opened(epoch: Epoch) -> AbstractAsyncContextManager[Log]:
        return nats_log(
            link,
            epoch=epoch.number,
            clock=app.clock,
            monitor_urls=where.monitor_urls,
            replicas=where.replicas,
            first=epoch.first,
            last=epoch.last,
        )

    return await app.enter(epoch_log(leases, app.clock, opened))


async def _table(link: Link, where: Where, service: str, bucket: names.Bucket) -> Table:
    if not may_read(service, bucket.stream, where.epoch):
        return ClosedTable(bucket.stream)
    return await open_table(link, bucket, replicas=where.replicas)


async def _alarms(link: Link, where: Where, service: str) -> Alarms | None:
    wanted = where.timers == "jetstream"
    if not wanted or not may_read(service, names.TIMERS.stream, where.epoch):
        return None
    return await open_alarms(link, replicas=where.replicas)


async def _trail(link: Link, where: Where, service: str) -> Trail:
    if not may_read(service, names.DECISIONS, where.epoch):
        return ClosedTrail()
    return await open_trail(link, replicas=where.replicas)


def assemble(
    app: App,
    log: Log,
    tables: Tables,
    bus: Bus,
    store: Store,
    *,
    door: Door,
    tenants: tuple[str, ...],
    trail: Trail | None = None,
    alarms: Alarms | None = None,
) -> Ports:
    """Put together what stands on the adapters, real or fake; without a `trail` none is kept."""
    zones = WheelZones()
    keys = KeyRing(tables.keys, app.secrets, app.clock)
    config = ConfigCache(tables.config, zones)
    config.on_change(HolidaysEnd(app.meter).hear)
    return Ports(
        log=log,
        tables=tables,
        bus=bus,
        store=store,
        clock=app.clock,
        secrets=app.secrets,
        keys=keys,
        zones=zones,
        config=config,
        feed=Feed(log, tables.open, meter=app.meter),
        hints=Hints(bus, keys.drop),
        views=Views(store, app.clock),
        door=door,
        meter=app.meter,
        trail=trail or ClosedTrail(),
        tenants=tenants,
        alarms=alarms,
    )


async def begin(app: App, ports: Ports) -> None:
    """Start what every process needs once its services are bound: feed, hints, configuration."""
    await ports.hints.start()
    await app.enter(_Closing(ports.hints))
    await app.enter(_Closing(ports.keys))
    await app.enter(_Closing(await ports.bus.subscribe(names.EVERY_CONFIG_HINT, ports.config.hear)))
    app.spawn("configuration", ports.config.run())
    if app.secrets.folder is not None:
        app.spawn("age of keys", tell_age(app.secrets.folder, app.clock, ports.meter))
    if ports.feed.wanted:
        app.spawn("feed", ports.feed.run())


class _Closes(Protocol):
    async def close(self) -> None: ...


class _Closing:
    """Closes an adapter at the end."""

    def __init__(self, adapter: _Closes) -> None:
        self._adapter = adapter

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        await self._adapter.close()


async def _lost(link: Link) -> None:
    """End the process when the connection ends for good, with its sentence."""
    raise ConnectionError(await link.lost)
