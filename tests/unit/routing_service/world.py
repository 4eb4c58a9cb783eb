"""Routing on servers in memory: processes that come and go, agents over in-process sessions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.client.commands import BusDoor
from toldonce.config.handler import Handler
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.ids import derive, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.ownership import bind as ownership
from toldonce.routing.bind import build
from toldonce.routing.consumer.journal import Pages
from toldonce.routing.handler.declaring import Declaring
from toldonce.routing.handler.past import Past
from toldonce.routing.handler.recount import Recount
from toldonce.routing.handler.steering import Steering
from toldonce.routing.servicer import Servicer
from toldonce.routing.session import AgentSession
from toldonce.routing.wire.tables import read_declared, write_declared
from toldonce.runtime import auth, secrets
from toldonce.runtime.app import App
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.listening import Listen
from toldonce.runtime.mapping import to_us
from toldonce.runtime.names import config_hint, story
from toldonce.runtime.ports import Ports, Tables, begin
from toldonce.runtime.rpc import from_status
from toldonce.runtime.testing.ports import FakeServers, fake_ports, fake_servers
from toldonce.runtime.zones import WheelZones

TENANT = "demo"
DOCUMENT = """
version: 1
tenant: Test
languages: [en]
skills: [talk, lead]
channels:
  - {name: chat, kind: chat, cost: 1, reply: true, calendar: always, queue: help}
topics:
  - {name: hello, queue: help, words: {en: [hello]}}
queues:
  - {name: help, calendar: always, policy: plain, skills: {talk: 1}, dispositions: [done]}
  - {name: desk, calendar: always, policy: plain, skills: {lead: 1}, dispositions: [done]}
policies:
  - {name: plain, prefer_owner_s: 0, decline_cooldown_s: 60, offer_timeout_s: 4}
presence: {heartbeat_s: 1, stale_s: 3, gone_s: 6}
handoff: {timeout_s: 10, required: [reason]}
agents:
  - {name: ann, capacity_units: 1, languages: {en: 5}, skills: {talk: 3}, queues: [help]}
  - {name: bob, capacity_units: 1, languages: {en: 5}, skills: {talk: 3}, queues: [help]}
  - {name: cat, capacity_units: 1, languages: {en: 5}, skills: {lead: 3}, queues: [desk]}
"""


def large_desk(agents: int) -> str:
    """The same company with so many agents, all alike, instead."""
    like = "capacity_units: 1, languages: {en: 5}, skills: {talk: 3, lead: 1}"
    lines = (f"  - {{name: a{number:02}, {like}}}\n" for number in range(agents))
    return DOCUMENT.partition("  - {name: ann")[0] + "".join(lines)


class Cut:
    """Stands before a port: once cut, nothing goes through; `losing` answers are lost first."""

    def __init__(self, port):
        self.port = port
        self.cut = False
        self.losing = 0

    async def call(self, tenant: str, data: bytes) -> bytes:
        """A command through the door, whose answer may be lost."""
        if self.cut:
            await self._away()
        answer = await self.port.call(tenant, data)
        if self.losing:
            self.losing -= 1
            await self._away()
        return answer

    def __getattr__(self, name):
        if self.cut and name in {"get", "put", "rows", "last_revision", "request", "serve"}:
            return self._away
        if self.cut and name == "publish":
            return self._nowhere
        return getattr(self.port, name)

    async def _away(self, *_, **__):
        await asyncio.sleep(0)
        raise Unavailable("cut off")

    async def _nowhere(self, *_, **__):
        await asyncio.sleep(0)


class Process:
    """One routing process."""

    def __init__(self, stack, routing, cuts, door, servicer, *, meter):
        self.meter = meter
        self._stack = stack
        self._servicer = servicer
        self._cuts = [*cuts, door]
        self.door = door
        self.sessions = routing.sessions
        self.engines = routing.engines

    @property
    def seat(self):
        return self.engines.seat(TENANT)

    @property
    def epoch(self) -> int:
        return self.seat.lease.epoch

    async def call(self, role: Role, subject: str, method: str, request):
        """Make a unary call here, as somebody."""
        auth._principal.set(Principal(TENANT, role, subject))  # noqa: SLF001 - as the gate does
        return await getattr(self._servicer, method)(request, None)

    def cut(self, *, off: bool = True) -> None:
        """Cut it off from everything, as a process that is killed, or stands still."""
        for cut in self._cuts:
            cut.cut = off

    async def stop(self) -> None:
        await self._stack.aclose()

    async def kill(self) -> None:
        self.cut()
        await self._stack.aclose()


class Agent:
    """An agent at a desktop: keeps what came, and lives (heartbeats) until told not to."""

    def __init__(self, session: AgentSession):
        self.session = session
        self.came: list[routing_pb2.AgentSessionResponse] = []
        self.ended: Refusal | None = None
        self.over = False
        self._ref = 0
        self._reading = asyncio.create_task(self._read())
        self._beating = asyncio.create_task(self._beat())

    async def say(self, **body) -> routing_pb2.Reply:
        """Say something and wait for the reply."""
        self._ref += 1
        ref = self._ref
        await self.session.receive(routing_pb2.AgentSessionRequest(ref=ref, **body))
        return await self.wait(lambda: next((r for r in self.all("reply") if r.ref == ref), None))

    def all(self, kind: str) -> list:
        return [getattr(one, kind) for one in self.came if one.WhichOneof("body") == kind]

    async def wait[T](self, find: Callable[[], T | None], limit_s: float = 60.0) -> T:
        async with asyncio.timeout(limit_s):
            while not (found := find()):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
        return found

    async def offer(self, number: int = 0) -> routing_pb2.OfferIssued:
        """Wait for the offer of this number, from 0."""
        found = await self.wait(lambda: self.all("offer_issued")[number:])
        return found[0]

    async def accept(
        self, offer: routing_pb2.OfferIssued, hashed: bytes = b""
    ) -> types_pb2.CaseView:
        reply = await self.say(
            accept=routing_pb2.Accept(
                offer_id=offer.offer_id, epoch=offer.epoch, context_hash=hashed
            )
        )
        return done(reply)

    async def decline(self, offer: routing_pb2.OfferIssued) -> types_pb2.CaseView:
        said = routing_pb2.Decline(offer_id=offer.offer_id, reason="LUNCH")
        return done(await self.say(decline=said))

    def fall_silent(self) -> None:
        self._beating.cancel()

    async def vanish(self) -> None:
        """The stream breaks."""
        self._beating.cancel()
        await self.session.close()

    async def close(self) -> None:
        await self.vanish()
        await asyncio.gather(self._reading, self._beating, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async with aclosing(self.session.answers()) as answers:
                async for answer in answers:
                    self.came.append(answer)
        except Refusal as refusal:
            self.ended = refusal
        self.over = True

    async def _beat(self) -> None:
        beat = routing_pb2.AgentSessionRequest(heartbeat=routing_pb2.Heartbeat())
        while True:
            await asyncio.sleep(1.0)
            await self.session.receive(beat)


class World:
    """A system: servers, ownership, and the routing processes that a test adds."""

    def __init__(self, stack: AsyncExitStack, servers: FakeServers, clock, kept, apply):
        self.servers = servers
        self.apply = apply
        self.clock = clock
        self._stack = stack
        self._kept = kept
        self._door = BusDoor(servers.bus)
        self._drawn = 0

    def app(self) -> App:
        return App(Listen(port=0, metrics_port=None), self._kept, self.clock)

    async def begin_ownership(self) -> None:
        app = await self._stack.enter_async_context(self.app())
        ports = fake_ports(app, self.servers, door=BusDoor, tenants=(TENANT,))
        await ownership.bind(app, ports)
        await begin(app, ports)

    async def process(self) -> Process:
        """Start a routing process."""
        stack = AsyncExitStack()
        app = await stack.enter_async_context(self.app())
        of = self.servers
        cuts = [Cut(port) for port in (of.open, of.agents, of.config, of.leases, of.keys)]
        plain = fake_ports(app, of, door=BusDoor, tenants=(TENANT,))
        door, bus = Cut(plain.door), Cut(plain.bus)
        ports = Ports(
            **{
                name: getattr(plain, name)
                for name in Ports.__dataclass_fields__
                if name not in {"tables", "door", "bus"}
            },
            tables=Tables(*cuts),
            door=door,
            bus=bus,
        )
        routing = build(ports, app.draining)
        app.spawn("sessions", routing.sessions.run())
        app.spawn("engines", routing.engines.run())
        await begin(app, ports)
        past = Past(ports.log)
        declaring = Declaring(ports.tables.agents, ports.clock, read_declared, write_declared)
        servicer = Servicer(
            routing.sessions,
            past,
            Steering(past, declaring, ports.clock),
            Recount(lambda tenant: Pages(tenant, ports.trail, "test")),
            bus=bus,
            door=door,
            clock=ports.clock,
            draining=app.draining,
        )
        process = Process(stack, routing, [*cuts, bus], door, servicer, meter=ports.meter)
        self._stack.push_async_callback(process.stop)
        return process

    async def agent(self, process: Process, name: str, **hello) -> Agent:
        """Connect an agent who is available."""
        hello.setdefault("availability", types_pb2.AVAILABILITY_AVAILABLE)
        agent = Agent(process.sessions.open(Principal(TENANT, Role.AGENT, name)))
        self._stack.push_async_callback(agent.close)
        await agent.session.receive(
            routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello(**hello))
        )
        await agent.wait(lambda: agent.over or agent.all("welcome"))
        return agent

    async def contact(self, queue: str = "help", channel: str = "chat") -> str:
        """Take a contact of a new customer in; gives the case."""
        self._drawn += 1
        customer = derive("test-customer", self._drawn)
        contact = internal_pb2.ReceiveContact(
            customer_id=customer,
            contact_id=whole(customer, derive("test-contact", self._drawn)),
            gateway="web",
            message_id=f"m{self._drawn}",
            contact_made_at_us=to_us(self.clock.now()),
            channel=channel,
            text="hello",
            language="en",
            requirement=types_pb2.Requirement(queue=queue),
            diverted_customer_id=derive("test-fresh", self._drawn),
        )
        found = await self.command(options_pb2.ROLE_SERVICE, "intake", receive_contact=contact)
        return found.ack.case_id

    async def as_agent(self, name: str, **body) -> internal_pb2.CommandDone:
        return await self.command(options_pb2.ROLE_AGENT, name, **body)

    async def command(self, role, subject: str, **body) -> internal_pb2.CommandDone:
        self._drawn += 1
        message = internal_pb2.Command(
            tenant=TENANT,
            role=role,
            subject=subject,
            operation_id=derive("test-operation", self._drawn),
            **body,
        )
        data = await self._door.call(TENANT, message.SerializeToString())
        reply = internal_pb2.CommandReply.FromString(data)
        if reply.WhichOneof("result") == "error":
            raise from_status(reply.error)
        return reply.ok

    async def events(self, case_id: str) -> list:
        """Everything that stands in a story, oldest first."""
        stored = await self.servers.log.read(story(TENANT, case_id[:26]))
        return [event for one in stored for event in decode_record(one.payload).events]

    async def wait[T](self, find: Callable[[], T | None], limit_s: float = 60.0) -> T:
        async with asyncio.timeout(limit_s):
            while not (found := find()):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def world(folder, document: str = DOCUMENT) -> AsyncIterator[World]:
    """Begin a system with its configuration and ownership."""
    clock = LoopClock(skew_s=0.0)
    clock.now()
    servers = fake_servers(clock)

    async def announce(tenant: str) -> None:
        await servers.bus.publish(config_hint(tenant), b"")

    handler = Handler(servers.config, WheelZones(), clock, announce)

    async def apply(changed: str) -> None:
        await handler.apply(Principal(TENANT, Role.ADMIN, "ada"), changed)

    await apply(document)
    async with AsyncExitStack() as stack:
        made = World(stack, servers, clock, secrets.make(folder), apply)
        await made.begin_ownership()
        yield made


def done(reply: routing_pb2.Reply) -> types_pb2.CaseView:
    """Give what a reply says was done, or raise what it refused."""
    if reply.WhichOneof("result") == "error":
        raise from_status(reply.error)
    return reply.ok


async def close(system: World, case: types_pb2.CaseView) -> types_pb2.CaseView:
    """Close a case as its owner does."""
    request = ownership_pb2.CloseCaseRequest(
        case_id=case.case_id,
        epoch=case.epoch,
        disposition="done",
        seen_entry_id=case.last_customer_entry_id,
    )
    return (await system.as_agent(case.owner, close_case=request)).case


def handoff_to_agent(case: types_pb2.CaseView, agent: str) -> ownership_pb2.BeginHandoffRequest:
    """Hand a case over to an agent by name."""
    return ownership_pb2.BeginHandoffRequest(
        case_id=case.case_id,
        epoch=case.epoch,
        seen_entry_id=case.last_customer_entry_id,
        target=types_pb2.HandoffTarget(agent=agent),
        envelope=types_pb2.HandoffEnvelope(reason="not mine"),
    )
