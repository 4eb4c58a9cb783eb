"""A bus in memory: queue groups, wildcards, bounded servers, nothing stored."""

import asyncio
import logging
from dataclasses import dataclass

from toldonce.kernel.errors import Unavailable
from toldonce.runtime.bus import Desk, Handler, Listener, Subscription, no_answer, nobody

log = logging.getLogger("toldonce.bus")


@dataclass(frozen=True, slots=True, eq=False)
class _Server:
    subject: str
    queue: str
    desk: Desk


@dataclass(frozen=True, slots=True, eq=False)
class _Ear:
    subject: str
    handler: Listener


class FakeBus:
    """`runtime.bus.Bus` in memory; a queue group answers in turn, so runs repeat exactly."""

    def __init__(self) -> None:
        """Start with nobody listening; set `down` to cut everybody off."""
        self.down = False
        self._servers: list[_Server] = []
        self._ears: list[_Ear] = []
        self._turn = 0

    async def publish(self, subject: str, data: bytes) -> None:
        """See `Bus.publish`."""
        if self.down:
            return
        loop = asyncio.get_running_loop()
        for ear in tuple(self._ears):
            if matches(ear.subject, subject):
                loop.call_soon(self._hear, ear, subject, data)

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """See `Bus.request`."""
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("NATS is not connected.")
        able = [server for server in self._servers if matches(server.subject, subject)]
        if not able:
            raise nobody(subject)
        self._turn += 1
        if able[0].queue:
            able = [able[self._turn % len(able)]]
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        for server in able:
            server.desk.spawn(_answer(server.desk, data, answer))
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise no_answer(subject, timeout_s) from error

    async def serve(
        self, subject: str, handler: Handler, *, queue: str, inflight_max: int
    ) -> Subscription:
        """See `Bus.serve`."""
        server = _Server(subject, queue, Desk(handler, inflight_max=inflight_max))
        self._servers.append(server)
        return _Closing(self._servers, server, server.desk)

    async def subscribe(self, subject: str, handler: Listener) -> Subscription:
        """See `Bus.subscribe`."""
        ear = _Ear(subject, handler)
        self._ears.append(ear)
        return _Closing(self._ears, ear, None)

    def _hear(self, ear: _Ear, subject: str, data: bytes) -> None:
        if ear not in self._ears:
            return
        try:
            ear.handler(subject, data)
        except Exception:
            log.exception("hint handler failed")


class _Closing[T]:
    """Something in a list that leaves it when closed."""

    def __init__(self, members: list[T], member: T, desk: Desk | None) -> None:
        self._members = members
        self._member = member
        self._desk = desk

    async def close(self) -> None:
        if self._member in self._members:
            self._members.remove(self._member)
        if self._desk is not None:
            await self._desk.close()


def matches(pattern: str, subject: str) -> bool:
    """Say whether a subject falls under a pattern with `*` (one token) and `>` (the rest)."""
    wanted, given = pattern.split("."), subject.split(".")
    for place, word in enumerate(wanted):
        if word == ">":
            return len(given) > place
        if place >= len(given) or word not in {"*", given[place]}:
            return False
    return len(wanted) == len(given)


async def _answer(desk: Desk, data: bytes, answer: asyncio.Future[bytes]) -> None:
    try:
        result = await desk.answer(data)
    except Unavailable as error:
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)
