"""All sessions of one process: they follow the log together, and tell the engines who is there.

Each agent has one session, the latest: an older one is told and ended, in this process or in
another. What a session shows comes from committed records alone.
"""

import asyncio
from collections.abc import Sequence

from toldonce.client.commands import CommandDoor
from toldonce.kernel.config.types import Presence as Patience
from toldonce.kernel.errors import Invalid, Missing, Rejected, Unavailable
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.record import Logged
from toldonce.routing.core.types import Availability
from toldonce.routing.handler.declaring import Declaring
from toldonce.routing.handler.heads import AgentKey, Heads, Owned
from toldonce.routing.handler.words import (
    CaseTold,
    Drain,
    Hello,
    OfferEnd,
    OfferOver,
    Phase,
    Sighting,
)
from toldonce.routing.session.stream import AgentSession
from toldonce.routing.wire import session as wire
from toldonce.routing.wire.tables import (
    WHO_IS_THERE,
    read_declared,
    read_sighting,
    write_declared,
    write_sighting,
)
from toldonce.runtime import names
from toldonce.runtime.bus import Bus
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.ids import new_id
from toldonce.runtime.log import Log
from toldonce.runtime.meter import Meter
from toldonce.runtime.table import Table
from toldonce.runtime.telemetry import SESSIONS

SESSIONS_MAX = 16_384
CATCH_UP_S = 5.0
HELLO_S = 10.0
DRAIN_S = 1
LOOK_S = 1.0


class Sessions:
    """The hub: a subscriber of the feed (`snapshot`, `records`, `reached`) and a task (`run`)."""

    def __init__(
        self,
        *,
        log: Log,
        agents: Table,
        bus: Bus,
        config: ConfigCache,
        door: CommandDoor,
        clock: Clock,
        meter: Meter,
        draining: asyncio.Event,
        holder: str = "",
    ) -> None:
        """`agents` is the table AGENTS; `holder` names this process (26 characters)."""
        self.clock = clock
        self.holder = holder or new_id()
        self.heads = Heads()
        self._log = log
        self._bus = bus
        self._config = config
        self._door = door
        self._meter = meter
        self._draining = draining
        self._declaring = Declaring(agents, clock, read_declared, write_declared)
        self._open: dict[AgentSession, None] = {}  # in the order they came
        self._admitted: dict[AgentKey, AgentSession] = {}
        self._position = -1
        self._moved = asyncio.Event()
        self._asked: set[str] = set()
        self._woken = asyncio.Event()

    def open(self, principal: Principal) -> AgentSession:
        """Begin a session, which stands once the agent has said Hello; raises Unavailable."""
        if self._draining.is_set():
            raise Unavailable("this server is going away: connect again")
        if len(self._open) >= SESSIONS_MAX:
            raise Unavailable("this server holds all the sessions it can: try another")
        session = AgentSession(self, principal)
        self._open[session] = None
        return session

    def of(self, tenant: str, agent: str) -> AgentSession | None:
        """Give the session of an agent in this process."""
        return self._admitted.get((tenant, agent))

    # ---- the log

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `feed.Subscriber`: every session is told what is different now."""
        self.heads.reset(stories)
        for session in tuple(self._admitted.values()):
            self._show_again(session)
        self._reach(position)

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `feed.Subscriber`."""
        for logged in batch:
            tenant = logged.record.tenant
            for agent, push in self.heads.take(logged):
                session = self._admitted.get((tenant, agent))
                if session is not None:
                    session.push(push)

    async def reached(self, position: int) -> None:
        """See `feed.Exact`."""
        self._reach(position)

    # ---- what sessions ask (`stream.Home`)

    async def admit(self, session: AgentSession, hello: Hello) -> None:
        """Let an agent in: welcome, their cases, their live offers; raises a Refusal."""
        tenant, agent = session.key
        config = await self._config.of(tenant)
        if agent not in config.agents:
            raise Missing("agent", f"no agent {agent} is configured")
        availability = await self.declare(session, hello.availability, hello.reason)
        await self._caught_up()
        if session.over:
            return
        older = self._admitted.get(session.key)
        self._admitted[session.key] = session
        session.admitted = True
        if older is not None:
            self._take_over(older)
        owned = self.heads.owned(tenant, agent)
        heartbeat_s = config.presence.heartbeat_s
        version = config.policy_version
        lost = self.heads.lost(tenant, agent, hello.held)
        session.say(wire.welcome(session.id, heartbeat_s, owned, version, availability, lost=lost))
        for one in self.heads.advised(tenant, agent):
            session.push(CaseTold(one.customer, one.case, one.sequence, ()))
        for made in self.heads.offers(tenant, agent):
            session.push(made)
        self._meter.set(SESSIONS, len(self._admitted))
        await self.announce(session, Phase.CONNECTED)

    async def drain(
        self, tenant: str, agent: str, drain: Drain | None, operation: str
    ) -> tuple[Drain | None, list[Owned]]:
        """Give an agent nothing new, or (None) work again; gives what stands and what they own.

        Raises Missing; Unavailable names the operation: perhaps it was written.
        """
        if agent not in (await self._config.of(tenant)).agents:
            raise Missing("agent", f"no agent {agent} is configured")
        try:
            declared = await self._declaring.drain(tenant, agent, drain, operation)
            await self._caught_up()
        except Unavailable as later:
            raise Unavailable(str(later), operation_id=operation) from None
        return declared.drain, self.heads.owned(tenant, agent)

    async def command(self, tenant: str, data: bytes) -> bytes:
        """Ask ownership."""
        return await self._door.call(tenant, data)

    async def declare(
        self, session: AgentSession, availability: Availability | None, reason: str
    ) -> Availability:
        """Write down what an agent declares; gives what stands."""
        tenant, agent = session.key
        declared = await self._declaring.declare(
            tenant, agent, availability=availability, reason=reason, session=session.id
        )
        return declared.availability

    async def announce(self, session: AgentSession, phase: Phase) -> None:
        """Tell the engines; heartbeats at most twice as often as they are asked for."""
        tenant, agent = session.key
        now_s = self.clock.monotonic()
        pace_s = self._patience(tenant).heartbeat_s / 2
        if phase is Phase.HEARTBEAT and now_s < session.announced_s + pace_s:
            return
        session.announced_s = now_s
        seen = Sighting(tenant, agent, session.id, self.holder, phase, self.clock.now())
        await self._bus.publish(names.presence(tenant), write_sighting(seen))

    async def leave(self, session: AgentSession) -> None:
        """Forget a session; the agent is gone unless another session of theirs goes on as it."""
        self._open.pop(session, None)
        present = self._admitted.get(session.key)
        if present is session:
            del self._admitted[session.key]
            self._meter.set(SESSIONS, len(self._admitted))
        if session.admitted and (present is session or present is None or present.id != session.id):
            session.admitted = False
            await self.announce(session, Phase.GONE)

    # ---- the task

    async def run(self) -> None:
        """Answer who is there, end the silent, and say goodbye when the process drains."""
        subscription = await self._bus.subscribe(names.EVERY_PRESENCE, self._hear)
        drained = asyncio.create_task(self._say_goodbye())
        try:
            while True:
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._woken.wait()
                except TimeoutError:
                    self._end_silent()
                self._woken.clear()
                await self._answer_who_is_there()
        finally:
            drained.cancel()
            await subscription.close()

    async def _say_goodbye(self) -> None:
        await self._draining.wait()
        for session in tuple(self._open):
            session.say(wire.drain(DRAIN_S))

    async def _answer_who_is_there(self) -> None:
        asked, self._asked = self._asked, set()
        now_s = self.clock.monotonic()
        for session in tuple(self._admitted.values()) if asked else ():
            fresh = now_s - session.heard_s < self._patience(session.key[0]).stale_s
            if session.key[0] in asked and fresh:
                session.announced_s = 0.0
                await self.announce(session, Phase.HEARTBEAT)

    def _end_silent(self) -> None:
        now_s = self.clock.monotonic()
        for session in tuple(self._open):
            silent_s = now_s - session.heard_s
            if session.admitted and silent_s > self._patience(session.key[0]).gone_s:
                session.end(Unavailable(f"no heartbeat for {silent_s:.0f} s: connect again"))
            elif not session.greeted and silent_s > HELLO_S:
                session.end(Invalid("hello", f"nobody said Hello for {silent_s:.0f} s"))

    def _hear(self, subject: str, data: bytes) -> None:
        if data == WHO_IS_THERE:
            self._asked.add(subject.rpartition(".")[2])
            self._woken.set()
            return
        seen = read_sighting(data)
        if seen is None or seen.phase is not Phase.CONNECTED or seen.holder == self.holder:
            return
        mine = self._admitted.get((seen.tenant, seen.agent))
        if mine is not None and (seen.at, seen.session) > (mine.opened_at, mine.id):
            self._take_over(mine)

    def _take_over(self, older: AgentSession) -> None:
        older.say(wire.drain(0))
        older.end(Rejected("TAKEN_OVER", "you have connected elsewhere since"))

    def _show_again(self, session: AgentSession) -> None:
        tenant, agent = session.key
        live = {made.offer.own: made for made in self.heads.offers(tenant, agent)}
        for own, made in tuple(session.offered.items()):
            if own not in live:
                over = OfferOver(made.customer, made.case.own, own, OfferEnd.REVOKED)
                session.push(over)
        for own, made in live.items():
            if own not in session.offered:
                session.push(made)
        mine = (*self.heads.owned(tenant, agent), *self.heads.advised(tenant, agent))
        for owned in mine:
            session.push(CaseTold(owned.customer, owned.case, owned.sequence, ()))

    def _patience(self, tenant: str) -> Patience:
        known = self._config.known(tenant)
        return Patience() if known is None else known.presence

    def _reach(self, position: int) -> None:
        self._position = position
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _caught_up(self) -> None:
        """Wait until what stands in the log at this moment has been seen here."""
        last = (await self._log.info()).last
        try:
            async with asyncio.timeout(CATCH_UP_S):
                while self._position < last:
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable("this server is catching up with the log: connect again") from None
