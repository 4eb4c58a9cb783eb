"""One agent's session: what they say in, what happens to them out."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Protocol

from toldonce.kernel.errors import Denied, Exhausted, Invalid, Refusal, Rejected
from toldonce.kernel.principal import Principal
from toldonce.routing.core.types import Availability
from toldonce.routing.handler.words import (
    Accept,
    Decline,
    Heartbeat,
    Hello,
    OfferMade,
    OfferOver,
    Phase,
    Push,
    Said,
    SetAvailability,
    WrapUp,
)
from toldonce.routing.wire import session as wire
from toldonce.routing.wire.commands import asked, read_reply
from toldonce.runtime.clock import Clock
from toldonce.runtime.ids import new_id
from toldonce.runtime.logs import frames, logger
from toldonce.runtime.rpc import Broken

LINE_MAX = 512
REQUESTS_MAX = 32

_log = logger()


class Home(Protocol):
    """What a session asks of the process it lives in."""

    @property
    def clock(self) -> Clock:
        """The process's clock."""
        ...

    async def admit(self, session: "AgentSession", hello: Hello) -> None:
        """Let an agent in: their session stands from now on; raises a Refusal."""
        ...

    async def command(self, tenant: str, data: bytes) -> bytes:
        """Ask ownership; raises Unavailable when it may or may not have been done."""
        ...

    async def declare(
        self, session: "AgentSession", availability: Availability | None, reason: str
    ) -> Availability:
        """Write down what an agent declares; raises Unavailable."""
        ...

    async def announce(self, session: "AgentSession", phase: Phase) -> None:
        """Tell the engines; best effort."""
        ...

    async def leave(self, session: "AgentSession") -> None:
        """Forget a session that is over."""
        ...


class AgentSession:
    """One stream of one agent. `id` is a session id (26 characters); `principal` who they are."""

    def __init__(self, home: Home, principal: Principal) -> None:
        """Use `Sessions.open`."""
        self.id = new_id()
        self.principal = principal
        self.greeted = False
        self.admitted = False
        self.opened_at: datetime = home.clock.now()
        self.heard_s = home.clock.monotonic()
        self.announced_s = 0.0
        self.offered: dict[str, OfferMade] = {}
        self._home = home
        self._line: deque[wire.FromSession] = deque()
        self._grew = asyncio.Event()
        self._over = False
        self._why: Refusal | None = None
        self._slots = asyncio.Semaphore(REQUESTS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def over(self) -> bool:
        """Whether it has ended; nothing more is put in line."""
        return self._over

    @property
    def key(self) -> tuple[str, str]:
        """Tenant and agent."""
        return self.principal.tenant, self.principal.subject

    # ---- in

    async def receive(self, message: wire.ToSession) -> None:
        """Take what the agent says; what must end the session ends it, nothing is raised."""
        if self._over:
            return
        try:
            await self._take(message)
        except Refusal as refusal:
            self.end(refusal)

    async def finish(self) -> None:
        """End once everything the agent asked is answered: they say no more."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        self.end(None)

    async def close(self) -> None:
        """End because the stream is gone, one way or the other."""
        self.end(None)
        for task in tuple(self._tasks):
            task.cancel()
        await self._home.leave(self)

    # ---- out

    async def answers(self) -> AsyncGenerator[wire.FromSession]:
        """Give what is to be sent, in order; at the end raises the Refusal it ended with."""
        while True:
            while self._line:
                yield self._line.popleft()
            if self._over:
                break
            self._grew.clear()
            await self._grew.wait()
        if self._why is not None:
            raise self._why

    def push(self, push: Push) -> None:
        """Tell the agent what happened."""
        match push:
            case OfferMade():
                self.offered[push.offer.own] = push
            case OfferOver():
                self.offered.pop(push.offer, None)
            case _:
                pass
        self.say(wire.pushed(push))

    def say(self, message: wire.FromSession) -> None:
        """Put a message in line; who does not read loses the session, not a message."""
        if self._over:
            return
        if len(self._line) >= LINE_MAX:
            self.end(
                Exhausted(f"{LINE_MAX} messages wait for you: read faster, then connect again")
            )
            return
        self._line.append(message)
        self._grew.set()

    def end(self, why: Refusal | None) -> None:
        """End after what is in line; the first reason counts."""
        if not self._over:
            self._over, self._why = True, why
            self._grew.set()

    # ---- what was said

    async def _take(self, message: wire.ToSession) -> None:
        self.heard_s = self._home.clock.monotonic()
        try:
            said = wire.read_said(message)
        except Invalid as refusal:
            if not self.greeted:
                raise
            self.say(wire.refused(message.ref, refusal))
            return
        if isinstance(said, Hello):
            await self._hello(said)
        elif not self.greeted:
            raise Invalid("hello", "the first message of a session says who you are: Hello")
        elif isinstance(said, Heartbeat):
            await self._home.announce(self, Phase.HEARTBEAT)
            if message.ref:
                self.say(wire.done(message.ref, None))
        else:
            await self._slots.acquire()
            task = asyncio.create_task(self._answer(message.ref, said))
            self._tasks.add(task)
            task.add_done_callback(self._answered)

    async def _hello(self, hello: Hello) -> None:
        if self.greeted:
            raise Rejected("ALREADY_SAID_HELLO", "you have said Hello on this stream already")
        self.greeted = True
        if hello.agent not in {"", self.principal.subject}:
            raise Denied(f"your token is of {self.principal.subject}, not of {hello.agent}")
        self.id = hello.resume or self.id
        await self._home.admit(self, hello)

    async def _answer(self, ref: int, said: Said) -> None:
        try:
            self.say(await self._do(ref, said))
        except Refusal as refusal:
            self.say(wire.refused(ref, refusal))

    async def _do(self, ref: int, said: Said) -> wire.FromSession:
        match said:
            case SetAvailability(availability, reason):
                await self._home.declare(self, availability, reason)
                return wire.done(ref, None)
            case Accept() | Decline() | WrapUp():
                data = asked(self.principal, said, self._home.clock.now())
                reply = await self._home.command(self.principal.tenant, data)
                return wire.done(ref, read_reply(reply))
            case _:
                raise Invalid("body", "this is not asked here")

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a session failed", error=type(error).__name__, frames=frames(error))
            self.end(Broken("this session met a fault of ours: connect again"))
