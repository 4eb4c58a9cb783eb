"""One tenant's engine in this process, with its lease, its way to ownership and its desk."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Protocol

from toldonce.client.commands import CommandDoor
from toldonce.kernel.config.success import Mode
from toldonce.kernel.config.types import Config
from toldonce.kernel.errors import Denied, Refusal, Unavailable
from toldonce.kernel.ids import whole
from toldonce.kernel.story.record import Logged
from toldonce.routing.consumer.journal import Pages
from toldonce.routing.core.acts import Act
from toldonce.routing.core.facts import OfferAsked, StoriesLoaded
from toldonce.routing.handler.facts import outcomes, story_changed
from toldonce.routing.handler.line import Judged
from toldonce.routing.handler.recalling import recalled
from toldonce.routing.handler.shell import Shell
from toldonce.routing.handler.waits import Waits
from toldonce.routing.handler.words import Health, Leadership
from toldonce.routing.wire import queries
from toldonce.routing.wire.asks import answer_case
from toldonce.routing.wire.commands import decided, read_reply
from toldonce.routing.wire.tables import WHO_IS_THERE
from toldonce.runtime import names
from toldonce.runtime.bus import Bus
from toldonce.runtime.clock import Clock
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import OFFERS, WAIT_ESTIMATE_ERROR, WAIT_ESTIMATES
from toldonce.runtime.trail import Trail

QUESTIONS_MAX = 32
ASK_S = 1.5  # less than an asker waits for one answer of an engine
PAUSE_S = 0.5


class Keeps(Leadership, Protocol):
    """A lease as it is kept (`lease.Lease`)."""

    async def run(self) -> None:
        """Keep it, or wait for it, for ever; cancelled, give it back."""
        ...


class MakeLease(Protocol):
    """Makes the lease of one tenant's engine."""

    def __call__(
        self,
        tenant: str,
        *,
        health: Health,
        settle: Callable[[], Awaitable[bool]],
        catch_up: Callable[[], Awaitable[Callable[[], bool]]],
        changed: Callable[[], None],
        floor: Callable[[], int],
    ) -> Keeps:
        """Make it; the arguments are those of `lease.Lease`."""
        ...


class Seat:
    """One tenant's engine, leading or standing by."""

    def __init__(
        self,
        tenant: str,
        *,
        make_lease: MakeLease,
        health: Callable[["Seat"], str | None],
        catch_up: Callable[["Seat"], Awaitable[Callable[[], bool]]],
        door: CommandDoor,
        bus: Bus,
        clock: Clock,
        meter: Meter,
        trail: Trail,
        holder: str,
    ) -> None:
        """`health` says why this process should not lead this tenant now, or None.

        `catch_up` notes where the log ends, and gives what tells whether it was read to there.
        """
        self.tenant = tenant
        self.waits = Waits(self._judged)
        self._door = door
        self._bus = bus
        self._clock = clock
        self._meter = meter
        self._floor = 0
        self._turned = asyncio.Event()
        self.lease = make_lease(
            tenant,
            health=lambda: health(self),
            settle=self._settle,
            catch_up=lambda: catch_up(self),
            changed=self._change,
            floor=lambda: self._floor,
        )
        self._pages = Pages(tenant, trail, holder)
        self.shell = Shell(
            tenant, self.lease, self._send, clock, meter=meter, keep=self._pages.keep
        )
        self._position = 0
        self._learns, self._loaded = asyncio.Event(), asyncio.Event()
        self.recalls = False

    def configure(self, config: Config) -> None:
        """Take over a configuration; with the first that learns success, what was is recalled."""
        if not self._learns.is_set() and learns(config):
            self._learns.set()
            self.recalls = True
        self.waits.configure(config)
        self.shell.configure(config)

    def load(self, fact: StoriesLoaded) -> None:
        """Begin (again) with these stories, and follow the log from there."""
        if not self._loaded.is_set():
            self._position = fact.position
            self._loaded.set()
        self.shell.load(fact)

    async def recall(self) -> None:
        """Recall what was learned before this process followed the log, once that is asked for."""
        await self._learns.wait()
        await self._loaded.wait()
        learned = await recalled(self._pages, self._position)
        if learned is not None:
            await self.shell.put(learned)
        self.recalls = False

    async def take(self, logged: Logged) -> None:
        """Take in an append of this tenant."""
        record = logged.record
        self.see_epoch(record.head.engine_epoch)
        if self.lease.held:
            for outcome in outcomes(logged):
                self._meter.add(OFFERS, outcome)
        self.waits.take(logged)
        await self.shell.put(story_changed(logged))

    def see_epoch(self, engine_epoch: int) -> None:
        """Note an engine epoch that the log knows: a new one must be above it."""
        self._floor = max(self._floor, engine_epoch)

    async def ask_who_is_there(self) -> None:
        """Ask session holders to say again whom they have."""
        await self._bus.publish(names.presence(self.tenant), WHO_IS_THERE)

    async def serve(self) -> None:
        """Answer questions while this process leads, and ask who is there when it begins to."""
        desk: AsyncExitStack | None = None
        try:
            while True:
                if self.lease.held and desk is None:
                    await self.ask_who_is_there()
                    desk = await self._sit_down()
                elif not self.lease.held and desk is not None:
                    await desk.aclose()
                    desk = None
                wait_s = PAUSE_S if self.lease.held and desk is None else None
                await self._turn(wait_s)
        finally:
            if desk is not None:
                await desk.aclose()

    async def answer(self, data: bytes, *, lines_only: bool = False) -> bytes:
        """Answer a question (`EngineRequest`) with an `EngineReply`; never raises a Refusal.

        `lines_only`: who asks may know where things stand, and have nothing done.
        """
        epoch = self.lease.held
        try:
            if not epoch:
                raise Unavailable("no engine leads here: ask again", retry_s=PAUSE_S)
            query = queries.read_query(data)
            if lines_only and not isinstance(query, queries.Position | queries.Newcomers):
                raise Denied("here the engine says how its lines stand, and nothing else")
            if isinstance(query, OfferAsked):
                return answer_case(epoch, await self.shell.ask(query, ASK_S))
            return self._answer(epoch, query)
        except Refusal as refusal:
            return queries.answer_refusal(epoch, refusal)

    def _answer(self, epoch: int, query: queries.Question) -> bytes:
        engine, now = self.shell.engine, self._clock.now()
        match query:
            case queries.Position(customer, case):
                position = engine.position(customer, case)
                queue = engine.queue_of(customer, case)
                return queries.answer_position(epoch, position, queue, self.waits, now)
            case queries.Queues(wanted):
                found = [one for one in engine.queues() if not wanted or one.queue in wanted]
                lifts = () if wanted else engine.lifts()
                return queries.answer_queues(epoch, found, self.waits, now, lifts)
            case queries.Newcomers():
                return queries.answer_newcomers(epoch, engine.free(), self.waits, now)
            case queries.Explain("", customer, case):
                trace = engine.explain(customer, case, now, whole=False)
                waits = bool(engine.queue_of(customer, case)) or engine.scheduled(customer, case)
                asked = trace is not None and (waits or bool(trace.chosen))
                return queries.answer_trace(epoch, trace if asked else None)
            case queries.Next(queue, agent, by):
                return answer_case(epoch, whole(*engine.next_of(queue, agent, by, now)))
            case queries.Explain(decision):
                return queries.answer_trace(epoch, self.shell.traces.get(decision))

    def _judged(self, wait: Judged) -> None:
        """Count how right what was said of a wait was: the engine that leads does, for all."""
        if not self.lease.held:
            return
        self._meter.add(WAIT_ESTIMATES, wait.queue, wait.place)
        if wait.said is not None:
            self._meter.observe(WAIT_ESTIMATE_ERROR, wait.error_s, wait.queue)

    async def _send(self, decision: Act, epoch: int, issued_at: datetime) -> None:
        data = decided(self.tenant, decision, epoch, issued_at)
        read_reply(await self._door.call(self.tenant, data))

    async def _sit_down(self) -> AsyncExitStack | None:
        """Answer on both subjects, or on none; what is given back ends that."""
        desk = AsyncExitStack()
        lines = partial(self.answer, lines_only=True)
        try:
            for subject, answer in ((names.engine, self.answer), (names.lines, lines)):
                served = await self._bus.serve(
                    subject(self.tenant),
                    answer,
                    queue="",  # whoever led before us may be paused, and not have left
                    inflight_max=QUESTIONS_MAX,
                )
                desk.push_async_callback(served.close)
        except Unavailable:
            await desk.aclose()
            return None
        return desk

    async def _turn(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._turned.wait()
        except TimeoutError:
            pass
        self._turned.clear()

    async def _settle(self) -> bool:
        return await self.shell.executor.settle()

    def _change(self) -> None:
        self._turned.set()
        self.shell.wake()


def learns(config: Config) -> bool:
    """Tell whether a policy of a configuration learns success."""
    return any(policy.success.mode is not Mode.NONE for policy in config.policies.values())
