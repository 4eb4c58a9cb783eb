"""The five gateways of the demo: they hand contacts in, sometimes twice, and deliver answers.

Live channels hand in one call a contact; the others keep a stream open for theirs.
"""

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from toldonce.cli.company.customers import GATEWAYS, LIVE, Repeat, Visit
from toldonce.cli.company.notes import Acknowledged, Notes
from toldonce.cli.company.place import Place
from toldonce.client import Client
from toldonce.client.gateway import Answer, Gateway
from toldonce.client.line import SubmitLine
from toldonce.client.submission import Ack, Submission
from toldonce.kernel.errors import Refusal, Rejected
from toldonce.kernel.principal import Role

AGAIN_MAX_S = 1.5
INFLIGHT_MAX = 32

type Way = Callable[[Submission], Awaitable[Ack]]


class Entrance:
    """All gateways, each on two connections."""

    def __init__(self, place: Place, notes: Notes, draw: random.Random) -> None:
        """Open with `async with`."""
        self._place = place
        self._notes = notes
        self._draw = draw
        self._stack = AsyncExitStack()
        self._doors: dict[str, Gateway] = {}
        self._ways: dict[str, tuple[Way, Way]] = {}
        self._open = asyncio.Semaphore(INFLIGHT_MAX)
        self._delivering: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for channel, name in GATEWAYS.items():
            token = self._place.token(Role.GATEWAY, name)
            first, second = [
                await self._stack.enter_async_context(Client(self._place.address, token))
                for _ in range(2)
            ]
            door = self._doors[channel] = Gateway(first, name)
            way: Way = door.submit
            if channel not in LIVE:
                line = await self._stack.enter_async_context(SubmitLine(first, name))
                way = line.submit
            self._ways[channel] = (way, Gateway(second, name).submit)
            delivering = asyncio.create_task(door.deliver(self._deliver), name=f"outbox {name}")
            self._delivering.append(delivering)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _exc: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for task in self._delivering:
            task.cancel()
        ended = await asyncio.gather(*self._delivering, return_exceptions=True)
        self._notes.troubles += [f"outbox: {end}" for end in ended if isinstance(end, Refusal)]
        await self._stack.aclose()

    async def receive(self, visit: Visit) -> None:
        """Hand one contact in as often as the visit says, and hang up when nobody comes."""
        first, second = self._ways[visit.submission.channel]
        made = dataclasses.replace(visit.submission, made_at=self._place.clock.now())
        visit = dataclasses.replace(visit, submission=made)
        self._notes.sent[visit.submission.message_id] = visit.submission
        sendings = [self._send(first, visit)]
        if visit.repeat is not Repeat.NO:
            self._notes.repeats_sent += 1
        if visit.repeat is Repeat.BESIDE:
            sendings.append(self._send(second, visit))
        contacts = await asyncio.gather(*sendings)
        if visit.repeat is Repeat.LATER:
            await asyncio.sleep(self._draw.uniform(0.05, AGAIN_MAX_S))
            await self._send(first, visit)
        if visit.patience_s and contacts[0]:
            await asyncio.sleep(visit.patience_s)
            await self._hang_up(visit, contacts[0])

    async def room(self) -> None:
        """Wait until not too many contacts are under way: a slow machine makes a longer day."""
        async with self._open:
            return

    async def _send(self, way: Way, visit: Visit) -> str:
        try:
            async with self._open:
                ack = await way(visit.submission)
        except Refusal as no:
            self._notes.refused.append(str(no))
            return ""
        self._notes.acks.append(Acknowledged(visit.submission, ack))
        if not (ack.repeat or ack.joined):
            self._notes.waiting.add(ack.case_id)
        return ack.contact_id

    async def _hang_up(self, visit: Visit, contact_id: str) -> None:
        try:
            await self._doors[visit.submission.channel].cancel(contact_id)
        except Rejected:
            return  # somebody has it, or had it
        except Refusal as no:
            self._notes.troubles.append(f"hanging up: {no}")
        else:
            self._notes.hung_up.add(contact_id)
            self._notes.waiting -= {
                one.ack.case_id for one in self._notes.acks if one.ack.contact_id == contact_id
            }

    async def _deliver(self, answer: Answer) -> None:
        seen = self._notes.delivered.get(answer.entry_id, 0)
        self._notes.delivered[answer.entry_id] = seen + 1
        await asyncio.sleep(0)
