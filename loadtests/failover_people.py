"""The people of a failover: agents on both replicas who take whatever comes, and a gateway.

An agent whose stream breaks goes to the other replica, says which cases they hold, and goes on.
Contacts come at a steady rate whatever happens to the engines.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from loadtests import material
from toldonce.api.routing.v1 import routing_pb2
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.seen import Offer
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.principal import Role

PER_S = 8.0
AGENTS = material.AGENTS[:8]
UNITS = 2
WORK_S = 0.2
PAUSE_S = 0.2
ASKS = 8
RUSH = 16

type Token = Callable[[Role, str], str]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where things are: the replicas of routing, ownership, intake; and who may come in."""

    routing: Sequence[str]
    ownership: str
    intake: str
    token: Token


@dataclass(slots=True)
class People:
    """Everybody, and what the gateway was told: `contacts` and `cases`, as acknowledged."""

    doors: Doors
    contacts: list[str] = field(default_factory=list)
    cases: set[str] = field(default_factory=set)
    comebacks: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let agents sit down, half of them at each replica, for as long as inside."""
        sitting = [
            asyncio.create_task(self._agent(name, number), name=name)
            for number, name in enumerate(AGENTS)
        ]
        try:
            yield
        finally:
            for task in sitting:
                task.cancel()
            ended = await asyncio.gather(*sitting, return_exceptions=True)
        for why in ended:
            if isinstance(why, Exception):
                raise why

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Let contacts come for as long as inside; raises what refuses one of them."""
        over = asyncio.Event()
        coming = asyncio.create_task(self._contacts(over), name="contacts")
        try:
            yield
            over.set()
            await coming
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    @asynccontextmanager
    async def rush(self) -> AsyncIterator[None]:
        """Let RUSH contacts come at once, so that inside the engine has its hands full."""
        token = self.doors.token(Role.GATEWAY, material.GATEWAY)
        async with Client(self.doors.intake, token) as client, asyncio.TaskGroup() as group:
            coming = [group.create_task(self._submit(client)) for _ in range(RUSH)]
            await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            yield

    async def asks(self, address: str) -> float:
        """Ask a replica ASKS times how the queues stand; returns how long the slowest took.

        Raises what refuses it: whoever leads, or does not any more, somebody is to answer.
        """
        loop = asyncio.get_running_loop()
        worst_s = 0.0
        async with Client(address, self.doors.token(Role.SUPERVISOR, "load")) as client:
            for _ in range(ASKS):
                began_s = loop.time()
                await client.routing.ListQueues(routing_pb2.ListQueuesRequest())
                worst_s = max(worst_s, loop.time() - began_s)
        return worst_s

    async def _contacts(self, over: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        token = self.doors.token(Role.GATEWAY, material.GATEWAY)
        async with Client(self.doors.intake, token) as client, asyncio.TaskGroup() as group:
            began_s = loop.time()
            for number in itertools.count():
                await asyncio.sleep(began_s + number / PER_S - loop.time())
                if over.is_set():
                    return
                group.create_task(self._submit(client))

    async def _submit(self, client: Client) -> None:
        contact = material.contact(next(self._numbers), material.SERVED)
        ack = await again(lambda: client.intake.SubmitContact(contact))
        self.contacts.append(ack.fixed.contact_id)
        self.cases.add(ack.fixed.case_id)

    async def _agent(self, name: str, number: int) -> None:
        token = self.doors.token(Role.AGENT, name)
        held: dict[str, int] = {}
        async with Client(self.doors.ownership, token) as desk:
            for turn in itertools.count(number):
                address = self.doors.routing[turn % len(self.doors.routing)]
                try:
                    async with Client(address, token) as client:
                        client.ownership = desk.ownership
                        await self._sit(client, name, held)
                except Unavailable:
                    self.comebacks += 1
                    await asyncio.sleep(PAUSE_S)

    async def _sit(self, client: Client, name: str, held: dict[str, int]) -> None:
        """Take every offer; `held` are the cases this desktop shows. Raises what it ends with."""
        async with AgentSession(client, name, held=dict(held)) as session:
            held.clear()
            working: set[asyncio.Task[None]] = set()

            def begin(case_id: str, offer: Offer | None) -> None:
                task = asyncio.create_task(_handle(session, case_id, offer, held))
                working.add(task)
                task.add_done_callback(working.discard)

            try:
                for case_id in tuple(session.cases):
                    begin(case_id, None)
                async for news in session.news():
                    if isinstance(news, Offer):
                        begin(news.case_id, news)
            finally:
                for task in working:
                    task.cancel()
                await asyncio.gather(*working, return_exceptions=True)


async def _handle(
    session: AgentSession, case_id: str, offer: Offer | None, held: dict[str, int]
) -> None:
    """Take a case, work on it and close it. What cannot be done now is seen at the next hello."""
    try:
        if offer is not None:
            await session.accept(offer)
        held[case_id] = session.cases[case_id].epoch
        await asyncio.sleep(WORK_S)
        await session.close_case(case_id, material.DISPOSITION)
        held.pop(case_id, None)
    except Refusal:
        return
