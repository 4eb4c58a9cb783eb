"""Every service in one process on a virtual clock: an hour of work in seconds of ours.

No sockets and no servers: stand-ins that pass the real ones' contracts, local doors, and agents
in sessions of their own. What the hour was is read from the log at its end.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.shop import DOCUMENT, check_history
from tests.servers import eventually
from tests.tellers import TENANT, secrets
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.commands import BusDoor, LocalDoor
from toldonce.config import bind as config_bind
from toldonce.intake import bind as intake_bind
from toldonce.intake.servicer import Handler
from toldonce.intake.wire import acknowledgement, newcomer, submission
from toldonce.kernel.errors import Rejected
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    ContactReceived,
    Escalated,
    Event,
    HandoffBegun,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    OwnershipReleased,
    SlaBreached,
    SlaWarned,
)
from toldonce.kernel.story.record import Logged
from toldonce.ownership import bind as ownership_bind
from toldonce.ownership.wire import command_of
from toldonce.routing import bind as routing_bind
from toldonce.routing.bind import Routing
from toldonce.runtime import names
from toldonce.runtime.app import App
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.listening import Listen
from toldonce.runtime.ports import Ports, begin
from toldonce.runtime.rpc import from_status
from toldonce.runtime.testing.ports import FakeServers, fake_ports, fake_servers
from toldonce.sla import bind as sla_bind

# nothing here waits for a thread or a socket: time may move as soon as nobody has anything to do
pytestmark = pytest.mark.looptime(noop_cycles=0)

HOUR_S = 3_600.0
CONTACTS = 160
CUSTOMERS = 90
BEAT_S = 20
WORDS = ("Where is my order?", "My lamp is broken", "This is urgent, please call")
CALM = DOCUMENT.replace(
    "heartbeat_s: 1, stale_s: 10, gone_s: 20", f"heartbeat_s: {BEAT_S}, stale_s: 60, gone_s: 120"
).replace("queue_wait_s: 1, first_response_s: 3", "queue_wait_s: 30, first_response_s: 60")
WEB = Principal(TENANT, Role.GATEWAY, "web")
ENVELOPE = types_pb2.HandoffEnvelope(reason="better at this", summary="as told")


@dataclass(frozen=True, slots=True)
class Day:
    """The whole house without its walls."""

    ports: Ports
    servers: FakeServers
    intake: Handler
    routing: Routing

    async def submit(self, number: int) -> types_pb2.Acknowledgement:
        """Hand in a contact, the same for the same number."""
        name = f"c{number % CUSTOMERS}@shop.example"
        request = intake_pb2.SubmitContactRequest(
            message_id=f"m-{number}",
            channel="chat" if number % 3 else "email",
            text=WORDS[number % len(WORDS)],
            aliases=[types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value=name)],
        )
        request.made_at.FromJsonString("2026-01-05T09:00:00Z")
        contact = await self.intake.prepare(WEB, submission(request, WEB))
        return acknowledgement(await self.intake.submit(WEB, contact), newcomer(None, 0, ""))

    async def command(self, who: Principal, **body: Any) -> internal_pb2.CommandDone:
        """Ask ownership through the local door; raises a Refusal."""
        command = command_of(who, "", **body)
        answer = await self.ports.door.call(TENANT, command.SerializeToString())
        reply = internal_pb2.CommandReply.FromString(answer)
        if reply.WhichOneof("result") != "ok":
            raise from_status(reply.error)
        return reply.ok

    async def stories(self) -> dict[str, list[Logged]]:
        """Read every story from the log."""
        found: dict[str, list[Logged]] = {}
        for sequence in range(1, (await self.servers.log.info()).last + 1):
            stored = await self.servers.log.get(sequence)
            assert stored is not None
            logged = decode_logged(stored.payload, sequence)
            found.setdefault(logged.record.customer, []).append(logged)
        return found


@asynccontextmanager
async def running() -> AsyncIterator[Day]:
    # ids are drawn by the machine's clock, so that the house begins by it too
    clock = LoopClock(datetime.now(UTC))
    servers = fake_servers(clock)
    async with App(Listen(metrics_port=None), secrets(), clock) as app:
        ports = fake_ports(app, servers, door=BusDoor, tenants=(TENANT,))
        config = config_bind.bind(app, table=ports.tables.config, bus=ports.bus, zones=ports.zones)
        await config.apply(Principal(TENANT, Role.ADMIN, "ada"), CALM)
        consumer = await ownership_bind.bind(app, ports)
        ports = replace(ports, door=LocalDoor(consumer.answer))
        intake = await intake_bind.bind(app, ports)
        routing = await routing_bind.bind(app, ports)
        await sla_bind.bind(app, ports, poll_s=2.0)
        await begin(app, ports)
        yield Day(ports, servers, intake, routing)


@dataclass(slots=True)
class Worker:
    """An agent who mostly answers, sometimes declines, lets pass or hands over."""

    day: Day
    name: str
    draw: random.Random
    ref: int = 1
    working: bool = True
    replies: dict[int, asyncio.Future[routing_pb2.Reply]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    faults: list[BaseException] = field(default_factory=list)
    session: Any = None

    @property
    def who(self) -> Principal:
        return Principal(TENANT, Role.AGENT, self.name)

    def come(self) -> None:
        """Sit down and say hello."""
        self.session = self.day.routing.sessions.open(self.who)
        self._do(self._listen(self.session))
        self._do(self._beat(self.session))

    async def go(self) -> None:
        """Be gone without a word, with whatever was under way."""
        tasks = tuple(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.replies.clear()
        await self.session.close()

    async def _beat(self, session: Any) -> None:
        hello = routing_pb2.Hello(availability=types_pb2.AVAILABILITY_AVAILABLE)
        await session.receive(routing_pb2.AgentSessionRequest(hello=hello))
        while True:
            await asyncio.sleep(BEAT_S)
            beat = routing_pb2.AgentSessionRequest(heartbeat=routing_pb2.Heartbeat())
            await session.receive(beat)

    async def _listen(self, session: Any) -> None:
        async for message in session.answers():
            match message.WhichOneof("body"):
                case "reply" if message.reply.ref in self.replies:
                    self.replies.pop(message.reply.ref).set_result(message.reply)
                case "offer_issued":
                    self._do(self._answer(message.offer_issued))

    async def _answer(self, offer: routing_pb2.OfferIssued) -> None:
        await asyncio.sleep(self.draw.uniform(1.0, 5.0))
        luck = self.draw.random()
        if luck < 0.05:
            return
        if luck < 0.1:
            await self._say(decline=routing_pb2.Decline(offer_id=offer.offer_id, reason="BUSY"))
            return
        accept = routing_pb2.Accept(offer_id=offer.offer_id, epoch=offer.epoch)
        if offer.HasField("handoff"):
            accept.context_hash = await self._hash_of(offer.case_id)
        reply = await self._say(accept=accept)
        if reply.HasField("ok"):
            await self._work(reply.ok)

    async def _work(self, case: types_pb2.CaseView) -> None:
        try:
            await asyncio.sleep(self.draw.uniform(20.0, 90.0))
            entry = pb.AppendEntryRequest(
                case_id=case.case_id, epoch=case.epoch, kind=pb.ENTRY_KIND_NOTE, text="Looked at."
            )
            case = (await self.day.command(self.who, append_entry=entry)).case
            if self.draw.random() < 0.15 and not case.hops and not case.HasField("handoff"):
                await self._hand_over(case)
            else:
                await self._close(case)
        except Rejected as no:
            assert no.reason in {"STALE_EPOCH", "NOT_OWNER", "NOT_OWNED", "CASE_CLOSED"}  # noqa: PT017

    async def _hand_over(self, case: types_pb2.CaseView) -> None:
        others = [name for name in ("anna", "bram") if name != self.name]
        handoff = pb.BeginHandoffRequest(
            case_id=case.case_id,
            epoch=case.epoch,
            seen_entry_id=case.last_customer_entry_id,
            target=types_pb2.HandoffTarget(agent=self.draw.choice(others)),
            envelope=ENVELOPE,
        )
        await self.day.command(self.who, begin_handoff=handoff)
        await asyncio.sleep(40.0)
        await self._work(case)

    async def _close(self, case: types_pb2.CaseView) -> None:
        outcomes = {"repairs": "mended", "escalations": "decided"}
        await self.day.command(
            self.who,
            close_case=pb.CloseCaseRequest(
                case_id=case.case_id,
                epoch=case.epoch,
                disposition=outcomes.get(case.queue, "solved"),
                seen_entry_id=case.last_customer_entry_id,
            ),
        )

    async def _hash_of(self, case_id: str) -> bytes:
        customer = case_id[:26]
        last = await self.day.servers.log.last(names.story(TENANT, customer))
        assert last is not None
        case = decode_logged(last.payload, last.sequence).record.head.case(case_id[26:])
        return case.handoff.context_hash if case is not None and case.handoff else b""

    async def _say(self, **body: Any) -> routing_pb2.Reply:
        self.ref += 1
        waiting = asyncio.get_running_loop().create_future()
        self.replies[self.ref] = waiting
        await self.session.receive(routing_pb2.AgentSessionRequest(ref=self.ref, **body))
        return await waiting

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.faults.append(error)


async def test_an_hour_at_the_desk_keeps_every_promise(draw: random.Random) -> None:
    async with running() as day:
        workers = {
            name: Worker(day, name, random.Random(f"{name} {draw.random()}"))  # noqa: S311
            for name in ("anna", "bram", "carl", "lena")
        }
        for worker in workers.values():
            worker.come()
        acks = await _hour(day, workers)
        assert [fault for worker in workers.values() for fault in worker.faults] == []
        await eventually(lambda: _all_closed(day), within_s=HOUR_S, poll_s=20.0)
        stories = await day.stories()
        for worker in workers.values():
            await worker.go()
    events = [event for story in stories.values() for one in story for event in one.record.events]
    _check_contacts(acks, events)
    _check_timers(stories)
    for story in stories.values():
        check_history(story)
        assert story[-1].record.head.terminal
    seen = Counter(type(event) for event in events)
    for kind in (HandoffBegun, OfferDeclined, OfferExpired, OwnershipReleased, Escalated):
        assert seen[kind], kind


async def _hour(day: Day, workers: dict[str, Worker]) -> list[types_pb2.Acknowledgement]:
    """Tell contacts for an hour, some of them twice; an agent vanishes, the store is wiped."""
    acks = []
    for number in range(CONTACTS):
        acks.append(await day.submit(number))
        if number % 20 == 7:
            again = await day.submit(number)
            assert again.repeat
            assert again.fixed == acks[-1].fixed
        if number == CONTACTS // 3:
            await workers["anna"].go()
        if number == CONTACTS // 2:
            workers["anna"].come()
            await day.servers.store.call("FLUSHALL")
        await asyncio.sleep(HOUR_S / CONTACTS)
    return acks


async def _all_closed(day: Day) -> bool:
    return all(story[-1].record.head.terminal for story in (await day.stories()).values())


def _check_contacts(acks: list[types_pb2.Acknowledgement], events: list[Event]) -> None:
    """See that each contact stands in the log once, and each accepted offer but once."""
    received = [event.contact for event in events if isinstance(event, ContactReceived)]
    assert sorted(received) == sorted(ack.fixed.contact_id[26:] for ack in acks)
    accepted = [event.offer for event in events if isinstance(event, OfferAccepted)]
    assert len(accepted) == len(set(accepted))


def _check_timers(stories: dict[str, list[Logged]]) -> None:
    """See that no clock warned or breached twice."""
    fired = [
        event.timer
        for story in stories.values()
        for one in story
        for event in one.record.events
        if isinstance(event, SlaWarned | SlaBreached)
    ]
    assert fired
    assert len(fired) == len(set(fired))
