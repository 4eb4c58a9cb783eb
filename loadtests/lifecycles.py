"""Whole lifecycles: submitted on a stream, offered, accepted, closed: four appends each.

Simulated agents with room for more than is ever under way take every offer at once.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from loadtests import material
from loadtests.load import FINISH_S, WARM_UP_S, OpenStream, Window
from toldonce.api.intake.v1 import intake_pb2
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.seen import Offer
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.runtime.rpc import from_status

APPENDS = 4


@dataclass(slots=True)
class _Flow:
    """What is under way, bounded by `room`; `refused` counts offers that could not be taken."""

    window: Window
    room: asyncio.Semaphore
    open: int = 0
    refused: int = 0

    def closed(self) -> None:
        self.window.ended()
        self.open -= 1
        self.room.release()


@asynccontextmanager
async def crew(address: str, tokens: dict[str, str]) -> AsyncIterator[list[AgentSession]]:
    """Let agents say hello, each on a connection of its own."""
    async with AsyncExitStack() as stack:
        sessions = []
        for name, token in tokens.items():
            client = await stack.enter_async_context(Client(address, token))
            sessions.append(await stack.enter_async_context(AgentSession(client, name)))
        yield sessions


async def lifecycles(
    open_stream: OpenStream, sessions: list[AgentSession], *, concurrency: int, window: Window
) -> int:
    """Keep `concurrency` lifecycles under way until the window is over, then end them all.

    Returns how many offers could not be taken. Raises Unavailable when some do not end in time.
    """
    flow = _Flow(window, asyncio.Semaphore(concurrency))
    agents = [asyncio.create_task(_agent(session, flow)) for session in sessions]
    try:
        async with asyncio.timeout(WARM_UP_S + window.seconds + FINISH_S):
            async for response in open_stream(_requests(flow)):
                if response.HasField("error"):
                    raise from_status(response.error)
            for _ in range(concurrency):
                await flow.room.acquire()
    except TimeoutError:
        raise Unavailable(f"{flow.open} cases were not closed in {FINISH_S:g} s") from None
    finally:
        for agent in agents:
            agent.cancel()
        ended = await asyncio.gather(*agents, return_exceptions=True)
    for why in ended:
        if isinstance(why, Exception):
            raise why
    return flow.refused


async def _requests(flow: _Flow) -> AsyncIterator[intake_pb2.SubmitContactsRequest]:
    for number in itertools.count():
        await flow.room.acquire()
        if flow.window.over:
            flow.room.release()
            return
        flow.open += 1
        contact = material.contact(number, material.SERVED)
        yield intake_pb2.SubmitContactsRequest(tag=number, contact=contact)


async def _agent(session: AgentSession, flow: _Flow) -> None:
    async with asyncio.TaskGroup() as group:
        async for news in session.news():
            if isinstance(news, Offer):
                group.create_task(_take(session, news, flow))


async def _take(session: AgentSession, offer: Offer, flow: _Flow) -> None:
    try:
        taken = await session.accept(offer)
        await session.close_case(taken.case.case_id, material.DISPOSITION)
    except Refusal:
        flow.refused += 1
    else:
        flow.closed()
