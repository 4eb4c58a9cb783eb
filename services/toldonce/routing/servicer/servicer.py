"""gRPC in: sessions are carried, questions are asked of the log and of the engine that leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import grpc

from toldonce.api.routing.v1 import routing_pb2, routing_pb2_grpc
from toldonce.api.types.v1 import types_pb2
from toldonce.client.commands import CommandDoor
from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.kernel.ids import customer_of, drawn_at, parse_own, parse_whole, whole
from toldonce.kernel.principal import Principal
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.handler.past import Past
from toldonce.routing.handler.recount import Recount
from toldonce.routing.handler.steering import Steering
from toldonce.routing.servicer.engine import EngineLine
from toldonce.routing.servicer.explaining import Explaining
from toldonce.routing.servicer.sessions import OpensSessions, hear
from toldonce.routing.wire import asks, commands, queries
from toldonce.routing.wire.session import FromSession, ToSession
from toldonce.routing.wire.traces import us_of
from toldonce.runtime.auth import current_principal
from toldonce.runtime.bus import Bus
from toldonce.runtime.clock import Clock
from toldonce.runtime.ids import new_id

WATCH_S = 1.0

type Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(routing_pb2_grpc.RoutingServiceServicer):
    """`RoutingService`."""

    def __init__(
        self,
        sessions: OpensSessions,
        past: Past,
        steering: Steering,
        recount: Recount,
        *,
        bus: Bus,
        door: CommandDoor,
        clock: Clock,
        draining: asyncio.Event,
    ) -> None:
        """Ask the engine that leads over `bus`, and ownership through `door`.

        Streams end when `draining` is set.
        """
        self._door = door
        self._clock = clock
        self._recount = recount
        self._sessions = sessions
        self._past = past
        self._steering = steering
        self._engine = EngineLine(bus)
        self._explaining = Explaining(past, recount, self._engine)
        self._draining = draining

    async def AgentSession(
        self, request_iterator: AsyncIterator[ToSession], context: Context
    ) -> AsyncIterator[FromSession]:
        """Carry a session: what the agent sends goes in, what happens to them comes out."""
        session = self._sessions.open(current_principal())
        reader = asyncio.create_task(hear(request_iterator, session))
        try:
            async for answer in session.answers():
                yield answer
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
            await session.close()

    async def GetPosition(
        self, request: routing_pb2.GetPositionRequest, context: Context
    ) -> routing_pb2.GetPositionResponse:
        """Say where a contact or case stands."""
        tenant = current_principal().tenant
        match request.WhichOneof("of"):
            case "contact_id":
                contact_id = parse_whole("contact_id", request.contact_id)
                own = await self._past.case_of(tenant, contact_id)
                case_id = whole(customer_of(contact_id), own)
            case "case_id":
                case_id = parse_whole("case_id", request.case_id)
                await self._past.traces(tenant, case_id)
            case _:
                raise Invalid("of", "name a contact or a case")
        try:
            return (await self._engine.ask(tenant, queries.ask_position(tenant, case_id))).position
        except Unavailable:
            unknown = types_pb2.LiveAcknowledgement(known=False)
            return routing_pb2.GetPositionResponse(live=unknown)

    async def ListQueues(
        self, request: routing_pb2.ListQueuesRequest, context: Context
    ) -> routing_pb2.ListQueuesResponse:
        """List queues as the engine that leads sees them."""
        return await self._queues(current_principal().tenant, request.queues)

    async def WatchQueues(
        self, request: routing_pb2.WatchQueuesRequest, context: Context
    ) -> AsyncIterator[routing_pb2.WatchQueuesResponse]:
        """Send the queues that changed, at most once a second."""
        tenant = current_principal().tenant
        queries.queue_names(request.queues)
        told: dict[str, routing_pb2.QueueView] = {}
        while not self._draining.is_set():
            try:
                now = await self._queues(tenant, request.queues)
            except Unavailable:
                if not told:
                    raise
            else:
                changed = [view for view in now.queues if told.get(view.queue) != view]
                if changed:
                    told.update((view.queue, view) for view in changed)
                    yield routing_pb2.WatchQueuesResponse(queues=changed, at=now.at)
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._draining.wait()
        raise Unavailable("this server is going away: connect again")

    async def ExplainDecision(
        self, request: routing_pb2.ExplainDecisionRequest, context: Context
    ) -> routing_pb2.ExplainDecisionResponse:
        """Explain from the log what was decided, and from the engine what it would say now."""
        tenant = current_principal().tenant
        match request.WhichOneof("of"):
            case "decision_id":
                own = parse_own("decision_id", request.decision_id)
                traces = await self._explaining.decision(tenant, own)
            case "offer_id":
                offer_id = parse_whole("offer_id", request.offer_id)
                traces = await self._explaining.offer(tenant, offer_id)
            case "case_id":
                case_id = parse_whole("case_id", request.case_id)
                traces = await self._explaining.case(tenant, case_id)
            case _:
                raise Invalid("of", "name a decision, an offer or a case")
        return routing_pb2.ExplainDecisionResponse(traces=traces)

    async def ExportDecisions(
        self, request: routing_pb2.ExportDecisionsRequest, context: Context
    ) -> AsyncIterator[routing_pb2.ExportDecisionsResponse]:
        """Give the journal as it is kept."""
        at_us = us_of(request.from_at)
        async for message in self._recount.export(current_principal().tenant, at_us):
            yield routing_pb2.ExportDecisionsResponse(message=message)

    async def PickWork(
        self, request: routing_pb2.PickWorkRequest, context: Context
    ) -> types_pb2.CaseView:
        """Have a waiting case, or the next of a queue, offered to an agent who asks for it."""
        who, operation = current_principal(), _operation(request.operation_id)
        ask, queue = asks.pick_of(who, request, operation)
        if not queue:
            return await self._offer(who, ask, operation)
        data = asks.ask_next(who.tenant, ask, queue)

        async def choose() -> str:
            return (await self._engine.ask_patiently(who.tenant, data)).case_id

        engine = partial(self._ask_offer, who.tenant)
        done = await self._steering.next(who.tenant, ask, operation, choose, engine)
        return asks.view_of(done)

    async def ForceAssign(
        self, request: routing_pb2.ForceAssignRequest, context: Context
    ) -> types_pb2.CaseView:
        """Have a waiting case offered to an agent whatever the policy says."""
        who, operation = current_principal(), _operation(request.operation_id)
        return await self._offer(who, asks.force_of(who, request, operation), operation)

    async def MoveWork(
        self, request: routing_pb2.MoveWorkRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let a waiting case wait in another queue, at its old age."""
        who, operation = current_principal(), _operation(request.operation_id)
        data = commands.move_work(who, request, operation, self._clock.now())
        return commands.read_reply(await self._door.call(who.tenant, data))

    async def SetPriority(
        self, request: routing_pb2.SetPriorityRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let a case count for more or less."""
        who, operation = current_principal(), _operation(request.operation_id)
        data = commands.set_priority(who, request, operation, self._clock.now())
        return commands.read_reply(await self._door.call(who.tenant, data))

    async def DrainAgent(
        self, request: routing_pb2.DrainAgentRequest, context: Context
    ) -> routing_pb2.DrainAgentResponse:
        """Give an agent nothing new, or end that."""
        who, operation = current_principal(), _operation(request.operation_id)
        agent, drain = asks.drain_of(who, request, self._clock.now())
        stands, owned = await self._sessions.drain(who.tenant, agent, drain, operation)
        return asks.drained(stands, owned)

    async def _offer(self, who: Principal, ask: OfferAsked, operation: str) -> types_pb2.CaseView:
        engine = partial(self._ask_offer, who.tenant)
        return asks.view_of(await self._steering.offer(who.tenant, ask, operation, engine))

    async def _ask_offer(self, tenant: str, ask: OfferAsked) -> None:
        await self._engine.ask(tenant, asks.write_ask(tenant, ask))

    async def _queues(self, tenant: str, wanted: Any) -> routing_pb2.ListQueuesResponse:  # noqa: ANN401 - a repeated field
        return (await self._engine.ask_patiently(tenant, queries.ask_queues(tenant, wanted))).queues


def _operation(given: str) -> str:
    """Check the id of a write, or draw one; raises Invalid."""
    if given and drawn_at(parse_own("operation_id", given)) is None:
        raise Invalid("operation_id", "wanted a uuid7 in 26 characters of base32")
    return given or new_id()
