"""Timers over real NATS, Valkey and gRPC: ownership in one process, two replicas of sla beside."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Embedded, eventually, servers
from tests.tellers import TENANT, customer, own, secrets
from tests.unit.sla.bureau import document
from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.channel import Client
from toldonce.client.commands import BusDoor
from toldonce.kernel.errors import Denied, Invalid, Missing, Refusal
from toldonce.kernel.ids import customer_of, own_of, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Escalated, Event, SlaBreached, SlaWarned
from toldonce.ownership.bind import bind as bind_ownership
from toldonce.ownership.wire import command_of
from toldonce.runtime import names
from toldonce.runtime.app import App
from toldonce.runtime.auth import issue
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import Stored, pack
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.listening import Listen
from toldonce.runtime.nats_link import Link
from toldonce.runtime.ports import Ports, Where, begin, connect
from toldonce.runtime.rpc import from_status
from toldonce.runtime.settings import TimersIn
from toldonce.sla.bind import bind as bind_sla

pytestmark = pytest.mark.timeout(90)

CLOCK = SystemClock()
LISTEN = Listen(port=0, metrics_port=None)
WAIT_S = 2
POLICY = document(WAIT_S).replace("escalate_after_s: 20", "escalate_after_s: 1")


@dataclass(frozen=True, slots=True)
class House:
    """The running processes, and doors into them."""

    ports: Ports
    ownership: App
    sla: App
    timers: TimersIn
    link: Link
    apps: tuple[App, ...] = ()

    def client(self, app: App, role: Role = Role.SUPERVISOR) -> Client:
        return Client(app.address, issue(app.secrets, Principal(TENANT, role, "ruth"), CLOCK))

    async def wipe(self) -> None:
        """Lose all timers."""
        if self.timers == "redis":
            await self.ports.store.flushall()
        else:
            await self.link.api(f"STREAM.PURGE.{names.TIMERS.stream}")

    async def command(self, who: Principal, **body: Any) -> internal_pb2.CommandDone:
        command = command_of(who, "", **body)
        answer = await self.ports.door.call(TENANT, command.SerializeToString())
        reply = internal_pb2.CommandReply.FromString(answer)
        if reply.WhichOneof("result") != "ok":
            raise from_status(reply.error)
        return reply.ok

    async def told(self, number: int, queue: str = "orders", channel: str = "chat") -> str:
        """Have a customer of their own tell something; returns the case."""
        who = customer(f"c{number}")
        contact = internal_pb2.ReceiveContact(
            customer_id=who,
            contact_id=whole(who, own("contact", number)),
            gateway="web",
            contact_made_at_us=round(CLOCK.now().timestamp() * 1_000_000),
            channel=channel,
            text="Waar is mijn pakket?",
            topic="order",
            requirement=types_pb2.Requirement(queue=queue),
            priority=100,
            diverted_customer_id=customer(f"fresh{number}"),
        )
        gateway = Principal(TENANT, Role.GATEWAY, "web")
        return (await self.command(gateway, receive_contact=contact)).ack.case_id

    async def owned(self, case: str) -> None:
        """Make anna the owner of a waiting case, as the engine and a session would."""
        at_us = round(CLOCK.now().timestamp() * 1_000_000)
        offer = internal_pb2.Offer(
            case_id=case,
            agent="anna",
            own_offer_id=own_of(case),
            engine_epoch=1,
            issued_at_us=at_us,
            expires_at_us=at_us + 60_000_000,
        )
        await self.command(Principal(TENANT, Role.SERVICE, "engine"), offer=offer)
        accept = ownership_pb2.AcceptOfferRequest(offer_id=customer_of(case) + own_of(case))
        await self.command(Principal(TENANT, Role.AGENT, "anna"), accept_offer=accept)

    async def answered(self, case: str) -> None:
        """Have anna answer a case that she owns."""
        said = ownership_pb2.AppendEntryRequest(
            case_id=case, epoch=1, kind=ownership_pb2.ENTRY_KIND_MESSAGE, text="Morgen."
        )
        await self.command(Principal(TENANT, Role.AGENT, "anna"), append_entry=said)

    async def happened(self, *kinds: type[Event]) -> list[tuple[datetime, Any]]:
        info = await self.ports.log.info()
        found: list[tuple[datetime, Any]] = []
        for sequence in range(1, info.last + 1):
            stored = await self.ports.log.get(sequence)
            assert stored is not None
            record = decode_record(stored.payload)
            found += [(record.at, event) for event in record.events if isinstance(event, kinds)]
        return found


@asynccontextmanager
async def running(
    pair: Embedded, policy: str = POLICY, *, timers: TimersIn = "redis"
) -> AsyncIterator[House]:
    where = Where(
        [pair.nats_url], [pair.monitor_url], pair.store_url, tenants=(TENANT,), timers=timers
    )
    keys = secrets()
    async with AsyncExitStack() as stack:
        apps, ports = [], []
        for service, bind in (("ownership", bind_ownership), ("sla", bind_sla), ("sla", bind_sla)):
            app = await stack.enter_async_context(App(LISTEN, keys, CLOCK, grace_s=0.1))
            mine = await connect(app, where, service=service, door=BusDoor)
            if not apps:
                stored = pack(Stored(policy, CLOCK.now(), "test"))
                await mine.tables.config.put(names.config_key(TENANT), stored, expected=None)
            await bind(app, mine)
            await begin(app, mine)
            await app.start()
            apps.append(app)
            ports.append(mine)
        link = await Link.connect(pair.nats_url, name="operator")
        stack.push_async_callback(link.close)
        yield House(ports[0], apps[0], apps[1], timers, link, tuple(apps))


@pytest.fixture(params=["redis", "jetstream"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    async with servers(tmp_path) as pair, running(pair, timers=request.param) as house:
        yield house


async def test_each_timer_fires_once_through_a_wipe_and_two_replicas(house: House) -> None:
    cases = await asyncio.gather(*(house.told(number) for number in range(40)))

    async def warned() -> bool:
        return len(await house.happened(SlaWarned)) >= 20

    async def escalated() -> bool:
        return len(await house.happened(Escalated)) == len(cases)

    await eventually(warned, within_s=20, poll_s=0.05)
    await house.wipe()
    await eventually(escalated, within_s=30, poll_s=0.1)
    counted = Counter(
        (type(event).__name__, event.case)
        for _, event in await house.happened(SlaWarned, SlaBreached, Escalated)
    )
    assert len(counted) == 3 * len(cases)
    assert set(counted.values()) == {1}
    for at, event in await house.happened(SlaBreached):
        assert at >= event.due_at
    async with house.client(house.ownership) as client:
        view = await client.ownership.GetCase(ownership_pb2.GetCaseRequest(case_id=cases[0]))
    assert (view.queue, view.priority, view.rung) == ("escalations", 250, 1)


async def test_an_agent_who_does_not_answer_hands_up_the_case_with_its_story(
    house: House,
) -> None:
    case = await house.told(1, queue="returns")
    await house.owned(case)
    async with house.client(house.ownership) as client:
        asked = ownership_pb2.GetCaseRequest(case_id=case)

        async def handed_up() -> bool:
            return (await client.ownership.GetCase(asked)).HasField("handoff")

        await eventually(handed_up, within_s=20, poll_s=0.05)
        view = await client.ownership.GetCase(asked)
        wanted = ownership_pb2.GetContextRequest(case_id=case)
        context = await client.ownership.GetContext(wanted)
    assert (view.owner, view.handoff.target.queue) == ("anna", "escalations")
    assert len(view.handoff.context_hash) == 32
    (handoff,) = context.handoffs
    assert handoff.envelope.reason == "SLA breached: FIRST_RESPONSE"
    assert handoff.envelope.summary.startswith("The first answer took longer than 2 s")


async def test_a_supervisor_reads_the_clocks_of_a_case(house: House) -> None:
    case = await house.told(1, queue="returns")
    await house.owned(case)
    before = CLOCK.now()
    async with house.client(house.sla) as client:
        asked = sla_pb2.GetClocksRequest(case_id=case)
        first = await client.sla.GetClocks(asked)
        (clock,) = first.clocks
        assert (clock.kind, clock.state) == (
            types_pb2.CLOCK_KIND_FIRST_RESPONSE,
            types_pb2.CLOCK_STATE_RUNNING,
        )
        due_at = clock.due_at.ToDatetime(UTC)
        assert due_at - clock.started_at.ToDatetime(UTC) == timedelta(seconds=WAIT_S)
        assert abs(due_at - before) < timedelta(seconds=WAIT_S)
        assert customer_of(clock.timer_id) == customer_of(case)
        assert first.policy_version.startswith("1-")

        async def breached() -> bool:
            (now,) = (await client.sla.GetClocks(asked)).clocks
            return now.state == types_pb2.CLOCK_STATE_BREACHED and not now.timer_id

        await eventually(breached, within_s=20, poll_s=0.05)
        closing = ownership_pb2.CloseCaseRequest(
            case_id=case, disposition="resolved", seen_entry_id=await _last_entry(house, case)
        )
        await house.command(Principal(TENANT, Role.SERVICE, "test"), close_case=closing)
        (ended,) = (await client.sla.GetClocks(asked)).clocks
        assert ended.state == types_pb2.CLOCK_STATE_BREACHED
        assert due_at < ended.ended_at.ToDatetime(UTC) <= CLOCK.now()


async def test_wrong_questions_about_clocks_are_answered_as_such(house: House) -> None:
    def clocks(case_id: str) -> sla_pb2.GetClocksRequest:
        return sla_pb2.GetClocksRequest(case_id=case_id)

    def explained(case_id: str, kind: int) -> sla_pb2.ExplainClockRequest:
        return sla_pb2.ExplainClockRequest(
            case_id=case_id, kind=types_pb2.ClockKind.ValueType(kind)
        )

    nobody = whole(customer("nobody"), own("case"))
    async with house.client(house.sla) as client, house.client(house.sla, Role.GATEWAY) as gateway:
        asked: list[tuple[Callable[[], Awaitable[Any]], type[Refusal]]] = [
            (lambda: client.sla.GetClocks(clocks(nobody)), Missing),
            (lambda: client.sla.GetClocks(clocks(f"{nobody[:-1]}*")), Invalid),
            (lambda: gateway.sla.GetClocks(clocks(nobody)), Denied),
            (lambda: client.sla.ExplainClock(explained(nobody, 2)), Missing),
            (lambda: client.sla.ExplainClock(explained(nobody, 0)), Invalid),
            (lambda: gateway.sla.ExplainClock(explained(nobody, 2)), Denied),
        ]
        for ask, kind in asked:
            with pytest.raises(kind):
                await ask()


async def _last_entry(house: House, case: str) -> str:
    async with house.client(house.ownership) as client:
        view = await client.ownership.GetCase(ownership_pb2.GetCaseRequest(case_id=case))
    return view.last_customer_entry_id
