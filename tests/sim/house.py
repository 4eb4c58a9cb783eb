"""The processes of a simulated house: two ownership replicas, two of routing, intake and sla.

Each is bound exactly as in production, over links that may fail. A process can be killed, frozen,
stopped in good order, cut off, or have its clock go wrong; it is started again under a new name.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sim import older
from tests.sim.chance import SimClock, secrets
from tests.sim.loop import Host, VirtualLoop
from tests.sim.net import BusLine, Exchange, Link, LogLine, Net, StoreLine, TableLine
from toldonce.client.commands import BusDoor
from toldonce.config import bind as config_bind
from toldonce.intake import bind as intake_bind
from toldonce.kernel.principal import Principal, Role
from toldonce.ownership import bind as ownership_bind
from toldonce.routing import bind as routing_bind
from toldonce.runtime.app import App
from toldonce.runtime.listening import Listen
from toldonce.runtime.ports import Ports, Tables, assemble, begin
from toldonce.runtime.testing.ports import FakeServers, fake_servers
from toldonce.sla import bind as sla_bind

TENANTS = ("alpha", "beta")
KINDS = ("ownership", "ownership", "routing", "routing", "intake", "sla")
DOCUMENT = """\
version: 1
languages: [en]
skills: [care, lead]
channels:
  - name: chat
    kind: chat
    cost: 1
    reply: true
    queue: orders
    first_response_s: 60
    owner_absent: {policy: backup, grace_s: 5, backup_s: 4}
  - name: email
    kind: email
    cost: 1
    reply: true
    queue: orders
    first_response_s: 600
    owner_absent: {policy: requeue, grace_s: 6}
  - name: sms
    kind: messaging
    cost: 1
    reply: true
    queue: orders
    first_response_s: 20
    commits: true
    owner_absent: {policy: keep, grace_s: 5, keep_max_s: 4}
topics:
%(topics)s
queues:
  - name: orders
    policy: several
    sla: soon
    skills: {care: 1}
    dispositions: [solved]
    overflow: {to: repairs, waiting_max: 3}
  - {name: repairs, policy: quick, skills: {care: 2}, dispositions: [solved], wrap_up_s: 2}
  - {name: escalations, policy: quick, skills: {lead: 1}, dispositions: [solved]}
policies:
  - name: quick
    prefer_owner_s: 1
    decline_cooldown_s: 1
    wait_max_s: 20
    offer_timeout_s: 4
    steps: [{after_s: 20, drop: [care]}]
    success: {mode: active, explore: 0.1, cycle_minutes: 1, by: [topic, channel], repeat_s: 60}
  - name: several
    prefer_owner_s: 1
    decline_cooldown_s: 1
    wait_max_s: 20
    offer_timeout_s: 4
    round: 3
    steps: [{after_s: 20, drop: [care]}]
    success: {mode: active, explore: 0.1, cycle_minutes: 1, by: [topic, channel], repeat_s: 60}
sla:
  - name: soon
    targets: {queue_wait_s: 6, first_response_s: 12, next_response_s: 8, resolution_s: 30}
    warn_fraction: 0.5
    on_breach: {raise_priority_by: 100}
    ladder:
      - {at_fraction: 0.8, raise_priority_by: 10, widen: true, notify: true}
      - {after_breach_s: 2, hand_to: escalations}
      - {after_breach_s: 6, page: true}
  - name: chats
    when: {channels: [sms], queues: [orders]}
    targets: {first_response_s: 15, next_response_s: 5, resolution_s: 40}
    pause_on: {first_response: [customer, hold], resolution: [hold]}
    on_reopen: restart
    on_breach: {raise_priority_by: 50, escalate_after_s: 3, escalate_to: escalations}
presence: {heartbeat_s: 3, stale_s: 5, gone_s: 12}
handoff: {timeout_s: 9, required: [reason, summary]}
agents:
  - {name: anna, capacity_units: 4, languages: {en: 5}, skills: {care: 3}, substitute: bram}
  - name: bram
    capacity_units: 4
    languages: {en: 5}
    skills: {care: 3, lead: 1}
    substitute: carl
  - {name: carl, capacity_units: 3, languages: {en: 5}, skills: {care: 1, lead: 1}}
  - {name: lena, capacity_units: 4, languages: {en: 5}, skills: {lead: 3}, tier: 1}
"""
TOPICS = tuple(f"topic{number}" for number in range(12))
QUEUE_OF = {topic: ("orders", "orders", "repairs")[at % 3] for at, topic in enumerate(TOPICS)}
_TOPIC = "  - {{name: {0}, queue: {1}, any_language: true, words: {{en: [{0}]}}}}"
CAPACITY = {"anna": 4, "bram": 4, "carl": 3, "lena": 4}
COST = {"chat": 1, "email": 1, "sms": 1}


def document() -> str:
    """The one document of every tenant."""
    topics = "\n".join(_TOPIC.format(topic, QUEUE_OF[topic]) for topic in TOPICS)
    return DOCUMENT % {"topics": topics}


@dataclass(slots=True)
class Process:
    """One process and what stands in it."""

    kind: str
    host: Host
    clock: SimClock
    link: Link
    log: LogLine
    n_minus_1: bool = False
    ports: Ports | None = None
    bound: Any = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    main: asyncio.Task[None] | None = None
    on_end: list[Callable[[], None]] = field(default_factory=list)

    @property
    def serves(self) -> bool:
        """Whether somebody who calls it is answered."""
        return self.ready.is_set() and not self.host.dead and not self.stopping.is_set()


class House:
    """All processes, now and before."""

    def __init__(self, loop: VirtualLoop, net: Net, *, n_minus_1: bool) -> None:
        self.loop = loop
        self.net = net
        self.clock = SimClock(loop)
        self.servers: FakeServers = fake_servers(self.clock)
        self.exchange = Exchange(net)
        self.places: list[Process] = []
        self.all: list[Process] = []
        self.crashed: list[str] = []
        self._n_minus_1 = n_minus_1

    async def open(self) -> None:
        """Apply the documents and start every process."""
        setup = self._process("setup")
        await self._run_setup(setup)
        for at, kind in enumerate(KINDS):
            self.places.append(self._start(kind, n_minus_1=self._n_minus_1 and at == 1))
        for place in self.places:
            await place.ready.wait()

    def of(self, kind: str) -> list[Process]:
        """The processes of a kind that serve now."""
        return [place for place in self.places if place.kind == kind and place.serves]

    def kill(self, at: int) -> None:
        """End a process without a word."""
        process = self.places[at]
        process.host.kill()
        self._gone(process)

    def stop(self, at: int) -> None:
        """Ask a process to end in good order."""
        process = self.places[at]
        for ended in process.on_end:
            ended()
        process.on_end.clear()
        process.stopping.set()

    def start(self, at: int) -> None:
        """Start a process in the place of one that has ended."""
        old = self.places[at]
        self.places[at] = self._start(old.kind, n_minus_1=old.n_minus_1)

    def _gone(self, process: Process) -> None:
        self.exchange.forget(process.host)
        for ended in process.on_end:
            ended()
        process.on_end.clear()

    def _process(self, kind: str) -> Process:
        host = Host(f"{kind}-{len(self.all)}")
        clock = SimClock(self.loop, self.net.rng.uniform(-0.2, 0.2))
        link = Link(self.net, host, clock)
        process = Process(kind, host, clock, link, LogLine(link, self.servers.log))
        self.all.append(process)
        return process

    def _start(self, kind: str, *, n_minus_1: bool) -> Process:
        process = self._process(kind)
        process.n_minus_1 = n_minus_1
        process.main = process.host.spawn(self.loop, self._run(process))
        process.main.add_done_callback(lambda task: self._ended(process, task))
        return process

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashed.append(f"{process.host.name}: {error!r}")
        process.host.dead = True
        self._gone(process)

    async def _run(self, process: Process) -> None:
        async with App(Listen(metrics_port=None), secrets(), process.clock) as app:
            if process.n_minus_1:
                older.begin()
            ports = process.ports = self._ports(app, process)
            process.bound = await _BINDS[process.kind](app, ports)
            if process.n_minus_1:
                older.make(process)
            await begin(app, ports)
            process.ready.set()
            await process.stopping.wait()

    def _ports(self, app: App, process: Process) -> Ports:
        link, servers = process.link, self.servers
        tables = (servers.open, servers.agents, servers.config, servers.leases, servers.keys)
        bus = BusLine(link, self.exchange)
        return assemble(
            app,
            process.log,
            Tables(*(TableLine(link, table) for table in tables)),
            bus,
            StoreLine(link, servers.store),
            door=BusDoor(bus),
            tenants=TENANTS,
            trail=servers.trail,
        )

    async def _run_setup(self, process: Process) -> None:
        async with App(Listen(metrics_port=None), secrets(), process.clock) as app:
            ports = self._ports(app, process)
            config = config_bind.bind(
                app, table=self.servers.config, bus=ports.bus, zones=ports.zones
            )
            for tenant in TENANTS:
                await config.apply(Principal(tenant, Role.ADMIN, "ada"), document())


async def _ownership(app: App, ports: Ports) -> Any:
    return await ownership_bind.bind(app, ports)


async def _routing(app: App, ports: Ports) -> Any:
    return await routing_bind.bind(app, ports)


async def _intake(app: App, ports: Ports) -> Any:
    kept: list[Any] = []
    with _kept(kept):
        handler = await intake_bind.bind(app, ports)
    return handler, kept[0]


async def _sla(app: App, ports: Ports) -> Any:
    return await sla_bind.bind(app, ports, poll_s=0.5)


class _kept:  # noqa: N801 - reads as a phrase
    """Keep the servicer that intake's bind makes, for its calls about answers."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def __enter__(self) -> None:
        self._made = intake_bind.Servicer
        kept = self._kept

        def make(*given: Any) -> Any:
            kept.append(given)
            return self._made(*given)

        intake_bind.Servicer = make  # type: ignore[assignment,misc]

    def __exit__(self, *_: object) -> None:
        intake_bind.Servicer = self._made  # type: ignore[misc]


_BINDS: dict[str, Any] = {
    "ownership": _ownership,
    "routing": _routing,
    "intake": _intake,
    "sla": _sla,
}
