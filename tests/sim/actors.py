"""The people: agents at their sessions, gateways that deliver answers, a crowd of customers."""

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from tests.sim import operations
from tests.sim.house import Process
from tests.sim.world import World
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.ids import customer_of, derive, own_of
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime.rpc import from_status

BEAT_S = 3.0
REPLY_S = 4.0
AGAIN_S = 12.0
_AVAILABLE = types_pb2.AVAILABILITY_AVAILABLE
_AWAY = types_pb2.AVAILABILITY_AWAY


class Agent:
    """An agent: takes offers, works on cases, goes away and comes back."""

    def __init__(self, world: World, tenant: str, name: str) -> None:
        self.world = world
        self.tenant = tenant
        self.name = name
        self.who = Principal(tenant, Role.AGENT, name)
        self.cases: dict[str, Any] = {}
        self.working: set[str] = set()
        self.away = False
        self.shown: set[str] = set()
        self._session: Any = None
        self._process: Process | None = None
        self._ref = 0
        self._replies: dict[int, asyncio.Future[Any]] = {}

    # ---- the session

    async def run(self) -> None:
        """Be connected, mostly, for ever."""
        while True:
            with suppress(Unavailable):
                await self._sit()
            await self.world.pause(0.05, 1.0)
            while self.away:
                await self.world.pause(0.5, 1.5)

    async def _sit(self) -> None:
        world = self.world
        process = self._process = world.pick("routing")
        opened: asyncio.Future[Any] = world.loop.create_future()

        def open_() -> None:
            if not opened.done():
                opened.set_result(process.bound.sessions.open(self.who))

        process.host.call(world.loop, open_)
        try:
            async with asyncio.timeout(5.0):
                session = await opened
        except TimeoutError:
            return
        self._session = session
        sat_s = world.loop.time()
        reading = world.spawn(self._read(session))
        process.on_end.append(partial(_cancel, reading))
        holding = world.holding
        availability = _AWAY if holding else _AVAILABLE
        self._say(
            routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello(availability=availability))
        )
        try:
            while not reading.done() and not self.away:
                await asyncio.wait((reading,), timeout=BEAT_S)
                if world.willing and world.loop.time() > sat_s + AGAIN_S:
                    return  # whoever may have missed something connects again
                if world.holding is not holding:
                    holding = world.holding
                    self.declare(_AWAY if holding else _AVAILABLE)
                self._say(routing_pb2.AgentSessionRequest(heartbeat=routing_pb2.Heartbeat()))
        finally:
            reading.cancel()
            process.host.call(world.loop, self._close, process, session)
            self._session = None

    def declare(self, availability: Any) -> None:
        """Say whether offers may come."""
        said = routing_pb2.SetAvailability(availability=availability, reason="MEETING")
        self._say(routing_pb2.AgentSessionRequest(ref=1 << 40, set_availability=said))

    def _close(self, process: Process, session: Any) -> None:
        process.host.spawn(self.world.loop, session.close())

    def _say(self, message: routing_pb2.AgentSessionRequest) -> None:
        session, process = self._session, self._process
        if session is None or process is None or process.host.dead:
            return
        self.world.net.steps["delivery"] += 1
        process.host.call(
            self.world.loop,
            lambda: process.host.spawn(self.world.loop, session.receive(message)) and None,
        )

    async def _read(self, session: Any) -> None:
        try:
            async for message in session.answers():
                self._hear(message)
        except Refusal:
            return

    def _hear(self, message: routing_pb2.AgentSessionResponse) -> None:
        match message.WhichOneof("body"):
            case "reply":
                waiting = self._replies.pop(message.reply.ref, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message.reply)
            case "welcome":
                for case in message.welcome.cases:
                    self.own(case)
            case "offer_issued":
                self.world.spawn(self._answer(message.offer_issued))
            case "case_changed":
                changed = message.case_changed.case
                if changed.owner == self.name:
                    self.own(changed)
                else:
                    self.lose(changed.case_id)
            case _:
                pass

    async def say(self, **body: Any) -> Any:
        """Ask something in the session; gives the case or raises a Refusal."""
        self._ref += 1
        ref = self._ref
        waiting: asyncio.Future[Any] = self.world.loop.create_future()
        self._replies[ref] = waiting
        self._say(routing_pb2.AgentSessionRequest(ref=ref, **body))
        try:
            async with asyncio.timeout(REPLY_S):
                reply = await waiting
        except TimeoutError:
            raise Unavailable("the session did not answer") from None
        finally:
            self._replies.pop(ref, None)
        if reply.HasField("ok"):
            return reply.ok
        raise from_status(reply.error)

    # ---- offers

    async def _answer(self, offer: routing_pb2.OfferIssued) -> None:
        world = self.world
        await world.pause(0.02, 0.2 if world.willing else 1.5)
        if world.holding:
            return
        luck = 0.5 if world.willing else world.rng.random()
        if luck < world.mix.get("ignore", 0.03):
            return
        try:
            if luck > world.mix.get("decline", 0.9):
                await self._decline(offer)
            else:
                await self._accept(offer)
        except Refusal:
            return

    async def _decline(self, offer: routing_pb2.OfferIssued) -> None:
        await self.say(decline=routing_pb2.Decline(offer_id=offer.offer_id, reason="BUSY"))

    async def _accept(self, offer: routing_pb2.OfferIssued) -> None:
        world = self.world
        digest = b""
        if offer.HasField("handoff"):
            digest = await self._read_context(offer)
        quotes = {"offer": own_of(offer.offer_id), "epoch": offer.epoch}
        if world.rng.random() < 0.5:
            accept = ownership_pb2.AcceptOfferRequest(
                offer_id=offer.offer_id, epoch=offer.epoch, context_hash=digest
            )
            done = await world.ask(self.who, "accept", quotes=quotes, accept_offer=accept)
            self.own(done.case)
            return
        accepting = routing_pb2.Accept(
            offer_id=offer.offer_id, epoch=offer.epoch, context_hash=digest
        )
        operation = derive("accept", self.name, offer.offer_id, offer.epoch, digest)
        op = world.begin("accept in session", self.tenant, operation, self.name, **quotes)
        op.copies = 1  # a session may be broken with an asking under way: nothing it says is firm

        async def once() -> Any:
            return await self.say(accept=accepting)

        op.again = once
        case = await world.patiently(op, once, tries=3)
        self.own(case)

    async def _read_context(self, offer: routing_pb2.OfferIssued) -> bytes:
        """Read the story as it was handed over and hash what was read."""
        world = self.world
        process = world.pick("ownership")
        customer, upto = customer_of(offer.case_id), offer.handoff.context_sequence
        handler = process.bound._ownership  # noqa: SLF001

        async def read() -> tuple[str, bytes]:
            who, _ = await handler.find(self.tenant, customer)
            return who, await handler.context.hash(self.tenant, who, upto)

        who, digest = await world.net.call(process.host, read, timeout_s=8.0)
        handoff = own_of(offer.handoff.handoff_id)
        world.hashes.append((self.tenant, who, handoff, upto, digest))
        return digest

    # ---- cases

    def own(self, case: Any) -> None:
        """Know that a case is mine, and work on it."""
        if case.owner != self.name:
            return
        known = self.cases.get(case.case_id)
        if known is None or known.sequence <= case.sequence:
            self.cases[case.case_id] = case
        if case.case_id not in self.working:
            self.working.add(case.case_id)
            self.world.spawn(self._work(case.case_id))

    def lose(self, case_id: str) -> None:
        """Know that a case is not mine any more."""
        self.cases.pop(case_id, None)

    async def _work(self, case_id: str) -> None:
        world = self.world
        try:
            while case_id in self.cases:
                await world.pause(0.05, 0.3 if world.willing else 1.6)
                while world.holding or self.away:
                    await world.pause(0.5, 1.0)
                case = self.cases.get(case_id)
                if case is None:
                    return
                if case.state == types_pb2.CASE_STATE_CLOSED:
                    self.lose(case_id)
                    return
                if case.HasField("handoff") and not world.willing and world.rng.random() < 0.7:
                    await world.pause(0.3, 2.0)  # they wait for whoever is to take over
                    continue
                act = operations.close if world.willing else operations.choose(world)
                await operations.attempt(self, act, case)
        finally:
            self.working.discard(case_id)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


class Gateway:
    """A gateway: takes answers to the customers and confirms, after a while, that it has them."""

    def __init__(self, world: World, tenant: str, name: str) -> None:
        self.world = world
        self.tenant = tenant
        self.who = Principal(tenant, Role.GATEWAY, name)
        self.got = world.delivered.setdefault((tenant, name), set())
        self._again = asyncio.Event()

    def again(self) -> None:
        """Connect anew: everything that is not confirmed comes again."""
        self._again.set()

    async def run(self) -> None:
        """Follow the answers for ever."""
        while True:
            with suppress(Unavailable):
                await self._follow()
            await self.world.pause(0.1, 1.0)

    async def _follow(self) -> None:
        world = self.world
        process = world.pick("intake")
        _, answers, *_ = process.bound[1]
        line: asyncio.Queue[Any] = asyncio.Queue()

        async def watch() -> None:
            try:
                async with aclosing(answers.watch(self.tenant, self.who.subject, 0)) as found:
                    async for answer in found:
                        line.put_nowait(answer)
            except Unavailable:
                return

        watching = process.host.spawn(world.loop, watch())
        self._again.clear()
        ended = asyncio.Event()
        process.on_end.append(ended.set)
        try:
            while not (ended.is_set() or self._again.is_set() or watching.done()):
                try:
                    async with asyncio.timeout(1.0):
                        answer = await line.get()
                except TimeoutError:
                    continue
                await self._take(answer)
        finally:
            process.host.call(world.loop, watching.cancel)

    async def _take(self, answer: Any) -> None:
        world = self.world
        world.net.steps["delivery"] += 1
        if not world.net.weather.still and world.rng.random() < 0.1:
            return  # lost on the way: it comes again, because nobody confirmed it
        if f"canary-{self.tenant}" not in answer.text:
            world.wrong.append(("I12", f"gateway of {self.tenant} was given {answer.text!r}"))
        self.got.add(answer.entry_id)
        world.spawn(self._confirm(answer.entry_id))

    async def _confirm(self, entry_id: str) -> None:
        world = self.world
        await world.pause(0.01, 0.5)
        operation = derive("confirm", entry_id)
        op = world.begin("confirm", self.tenant, operation, self.who.subject, may_be_wrong=True)
        op.copies = 1

        async def once() -> Any:
            process = world.pick("intake")
            _, answers, door, *_ = process.bound[1]

            async def confirm() -> Any:
                gateway = await answers.gateway_of(self.who, entry_id)
                return await door.confirm(entry_id, gateway, "", self.who)

            return await world.net.call(process.host, confirm, timeout_s=9.0)

        try:
            await world.patiently(op, once, tries=2)
        except Refusal:
            return
