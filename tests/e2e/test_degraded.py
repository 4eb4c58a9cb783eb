"""With something down in a cluster: what goes on, what waits, and what is refused with a word.

docs/operations.md states these as promises. Each part is stopped and started again by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from loadtests import material
from tests.e2e.shop import refusal
from tests.integration.test_deployment import Cluster
from tests.servers import eventually
from toldonce.api.config.v1 import config_pb2
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.desk import Desk
from toldonce.client.seen import Offer
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.principal import Role
from toldonce.runtime.child import Child
from toldonce.runtime.embedded import embedded

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

AGENT = material.AGENTS[0]
WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Town:
    """Five processes, and a connection to each as somebody who may call it.

    `parts` are the processes by name: the services, `nats` and `valkey`.
    """

    cluster: Cluster
    parts: dict[str, Child]
    gateway: Client
    seat: Client
    desktop: Client
    supervisor: Client
    clocks: Client
    admin: Client

    @asynccontextmanager
    async def without(self, part: str) -> AsyncIterator[None]:
        """Have one part stopped for a while."""
        await self.parts[part].stop()
        try:
            yield
        finally:
            await self.parts[part].start()

    async def all_ready(self) -> bool:
        """Ask every service's probe."""
        probes = [service.ready() for service in self.cluster.services.values()]
        return all(await asyncio.gather(*probes))

    async def submit(self) -> str:
        """Hand a contact in that a free agent may have, and give its case."""
        contact = material.contact(0, material.SERVED)
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    return (await self.gateway.intake.SubmitContact(contact)).fixed.case_id
                except Unavailable as later:
                    await asyncio.sleep(min(later.retry_s, 0.2))

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[AgentSession]:
        """Be the agent, with both connections a desktop has in a cluster."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                session = AgentSession(self.seat, AGENT)
                try:
                    await session.open()
                    break
                except Unavailable:
                    await asyncio.sleep(0.2)
        try:
            yield session
        finally:
            await session.vanish()


async def offered(session: AgentSession, case: str) -> Offer:
    """Wait for the offer of a case."""
    async with asyncio.timeout(WITHIN_S):
        async for told in session.news():
            if isinstance(told, Offer) and told.case_id == case:
                return told
    raise AssertionError("the session ended")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A cluster that lives as long as the tests of this module."""
    folder: Path = tmp_path_factory.mktemp("town")
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(embedded(folder / "store"))
        cluster = Cluster(folder, store.store_url)
        nats = cluster.nats()
        stack.push_async_callback(nats.stop)
        await nats.start()
        await cluster.set_up()
        services = {name: one.child for name, one in cluster.services.items()}
        for service in services.values():
            stack.push_async_callback(service.stop)
        await asyncio.gather(*(service.start() for service in services.values()))

        async def client(service: str, role: Role, subject: str) -> Client:
            return await stack.enter_async_context(cluster.client(service, role, subject))

        made = Town(
            cluster,
            {**services, "nats": nats, "valkey": store.valkey},
            gateway=await client("intake", Role.GATEWAY, material.GATEWAY),
            seat=await client("routing", Role.AGENT, AGENT),
            desktop=await client("ownership", Role.AGENT, AGENT),
            supervisor=await client("routing", Role.SUPERVISOR, "sam"),
            clocks=await client("sla", Role.SUPERVISOR, "sam"),
            admin=await client("config", Role.ADMIN, "ada"),
        )
        made.seat.ownership = made.desktop.ownership
        await Desk(made.admin).apply(material.document())
        yield made


async def in_the_end(act: Callable[[], Awaitable[object]]) -> None:
    """Do the same again until it is done."""

    async def done() -> bool:
        try:
            await act()
        except Unavailable:
            return False
        return True

    await eventually(done, within_s=WITHIN_S, poll_s=0.1)


async def test_without_config_all_goes_on_but_changes(town: Town) -> None:
    async with town.without("config"):
        change = config_pb2.ApplyConfigRequest(yaml=material.document())
        no = await refusal(town.admin.config.ApplyConfig(change))
        assert isinstance(no, Unavailable)
        case = await town.submit()
        async with town.agent() as session:
            assert (await session.accept(await offered(session, case))).case.owner == AGENT
            await session.close_case(case, material.DISPOSITION)


async def test_without_sla_contacts_are_routed_and_answered(town: Town) -> None:
    async with town.without("sla"):
        case = await town.submit()
        async with town.agent() as session:
            assert (await session.accept(await offered(session, case))).case.owner == AGENT
            await session.close_case(case, material.DISPOSITION)


async def test_without_intake_agents_go_on_with_what_they_have(town: Town) -> None:
    owned, waiting = await town.submit(), ""
    async with town.agent() as session:
        await session.accept(await offered(session, owned))
        async with town.without("intake"):
            contact = material.contact(1, material.SERVED)
            no = await refusal(town.gateway.intake.SubmitContact(contact))
            assert isinstance(no, Unavailable)
            await session.reply(owned, "It comes tomorrow.")
            await session.close_case(owned, material.DISPOSITION)
        waiting = await town.submit()
        await session.accept(await offered(session, waiting))
        await session.close_case(waiting, material.DISPOSITION)


async def test_without_routing_contacts_come_in_and_wait(town: Town) -> None:
    owned = await town.submit()
    async with town.agent() as session:
        await session.accept(await offered(session, owned))
        async with town.without("routing"):
            waiting = await town.submit()
            await session.reply(owned, "I can still write to you.")
            closed = await session.close_case(owned, material.DISPOSITION)
            assert closed.closed
    async with town.agent() as session:
        assert (await session.accept(await offered(session, waiting))).case.owner == AGENT
        await session.close_case(waiting, material.DISPOSITION)


async def test_without_ownership_writes_are_refused_and_sessions_stay(town: Town) -> None:
    case = await town.submit()
    async with town.agent() as session:
        await session.accept(await offered(session, case))
        contact = material.contact(2, material.SERVED)
        async with town.without("ownership"):
            no = await refusal(town.gateway.intake.SubmitContact(contact))
            assert isinstance(no, Unavailable)
            assert no.retry_s > 0
            assert await Desk(town.supervisor).queues()
            await session.declare("AWAY", "coffee")
            await session.declare("AVAILABLE")

        await in_the_end(lambda: session.close_case(case, material.DISPOSITION))
        case = (await town.gateway.intake.SubmitContact(contact)).fixed.case_id
        await session.accept(await offered(session, case))
        await session.close_case(case, material.DISPOSITION)


async def test_without_the_store_contacts_are_routed_and_probes_stay_green(town: Town) -> None:
    async with town.agent() as session, town.without("valkey"):
        case = await town.submit()
        await session.accept(await offered(session, case))
        assert await Desk(town.supervisor).queues()
        assert await town.all_ready()
        await session.close_case(case, material.DISPOSITION)


async def test_without_nats_writes_are_refused_and_sessions_and_probes_stay(town: Town) -> None:
    case = await town.submit()
    async with town.agent() as session:
        await session.accept(await offered(session, case))
        contact = material.contact(3, material.SERVED)
        async with town.without("nats"):
            no = await refusal(town.gateway.intake.SubmitContact(contact))
            assert isinstance(no, Unavailable)
            assert no.retry_s > 0
            assert await town.all_ready()
        await in_the_end(lambda: session.close_case(case, material.DISPOSITION))
        taken: list[str] = []

        async def again() -> None:
            taken.append((await town.gateway.intake.SubmitContact(contact)).fixed.case_id)

        await in_the_end(again)
        await session.accept(await offered(session, taken[0]))
        await session.close_case(taken[0], material.DISPOSITION)
