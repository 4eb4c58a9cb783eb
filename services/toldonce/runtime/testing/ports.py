"""A process's ports on servers in memory: what `runtime.ports.connect` gives on real ones."""

from collections.abc import Callable
from dataclasses import dataclass

from toldonce.runtime import names
from toldonce.runtime.app import App
from toldonce.runtime.bus import Bus
from toldonce.runtime.clock import Clock, LoopClock
from toldonce.runtime.ports import Door, Ports, Tables, assemble
from toldonce.runtime.testing.bus import FakeBus
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.testing.trail import FakeTrail


@dataclass(frozen=True, slots=True)
class FakeServers:
    """The servers of one system, for as many processes as a test runs on them."""

    log: FakeLog
    open: FakeTable
    agents: FakeTable
    config: FakeTable
    leases: FakeTable
    keys: FakeTable
    bus: FakeBus
    store: FakeStore
    trail: FakeTrail

    def tables(self) -> Tables:
        """Give the tables as a process sees them."""
        return Tables(self.open, self.agents, self.config, self.leases, self.keys)


def fake_servers(clock: Clock | None = None) -> FakeServers:
    """Make empty servers; `clock` is theirs (the loop's)."""
    clock = clock or LoopClock()
    open_, agents, config, leases, keys = (FakeTable(clock=clock) for _ in names.BUCKETS)
    log = FakeLog(epoch=names.STORY_EPOCH, clock=clock)
    store = FakeStore(clock=clock)
    bus, trail = FakeBus(), FakeTrail()
    return FakeServers(log, open_, agents, config, leases, keys, bus, store, trail)


def fake_ports(
    app: App,
    servers: FakeServers,
    *,
    door: Callable[[Bus], Door],
    tenants: tuple[str, ...] = ("demo",),
) -> Ports:
    """Put together one process's ports; `runtime.ports.begin` starts them as with real ones."""
    return assemble(
        app,
        servers.log,
        servers.tables(),
        servers.bus,
        servers.store,
        door=door(servers.bus),
        tenants=tenants,
        trail=servers.trail,
    )
