"""gRPC in: sessions are carried, questions are asked of the log and of the engine that leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import grpc

from toldonce.api.routing.v1 import internal_pb2, routing_pb2, routing_pb2_grpc
from toldonce.api.types.v1 import types_pb2
from toldonce.client.commands import CommandDoor
from toldonce.kernel.errors import Invalid, Refusal, Unavailable
from toldonce.kernel.ids import customer_of, drawn_at, parse_own, parse_whole, whole
from toldonce.kernel.principal import Principal
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.handler.heads import Owned
from toldonce.routing.handler.past import TRACES_MAX, Past
from toldonce.routing.handler.recount import Recount
from toldonce.routing.handler.steering import Steering
from toldonce.routing.handler.words import Drain
from toldonce.routing.wire import asks, commands, queries
from toldonce.routing.wire.session import FromSession, ToSession
from toldonce.routing.wire.traces import is_brief, us_of, without_others, write_trace
from toldonce.runtime import names
from toldonce.runtime.auth import current_principal
from toldonce.runtime.bus import Bus
from toldonce.runtime.clock import Clock
from toldonce.runtime.ids import new_id
from toldonce.runtime.logs import logger

ENGINE_S = 2.0
PATIENCE_S = 1.0
PAUSE_S = 0.1
WATCH_S = 1.0

_log = logger()

type Trace = types_pb2.DecisionTrace
type Context = grpc.aio.ServicerContext[Any, Any]


class Session(Protocol):
    """A session, as it is carried (`session.AgentSession`)."""

    async def receive(self, message: ToSession) -> None:
        """Take what the agent says."""
        ...

    async def finish(self) -> None:
        """End once everything the agent asked is answered."""
        ...

    async def close(self) -> None:
        """End because the stream is gone."""
        ...

    def end(self, why: Refusal | None) -> None:
        """End after what is in line."""
        ...

    def answers(self) -> AsyncIterator[FromSession]:
        """Give what is to be sent; at the end raises the Refusal it ended with."""
        ...


class OpensSessions(Protocol):
    """Where sessions live (`session.Sessions`)."""

    def open(self, principal: Principal) -> Session:
        """Begin a session; raises Unavailable."""
        ...

    async def drain(
        self, tenant: str, agent: str, drain: Drain | None, operation: str
    ) -> tuple[Drain | None, list[Owned]]:
        """Give an agent nothing new, or work again; raises a Refusal."""
        ...


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
        self._bus = bus
        self._draining = draining

    async def AgentSession(
        self, request_iterator: AsyncIterator[ToSession], context: Context
    ) -> AsyncIterator[FromSession]:
        """Carry a session: what the agent sends goes in, what happens to them comes out."""
        session = self._sessions.open(current_principal())
        reader = asyncio.create_task(_read(request_iterator, session))
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
            return (await self._ask(tenant, queries.ask_position(tenant, case_id))).position
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
                decision_id = parse_own("decision_id", request.decision_id)
                return await self._explain_decision(tenant, decision_id)
            case "offer_id":
                encoded = await self._past.trace(tenant, parse_whole("offer_id", request.offer_id))
                traces = await self._whole(tenant, queries.traces_of([encoded]))
                return routing_pb2.ExplainDecisionResponse(traces=traces)
            case "case_id":
                return await self._explain_case(tenant, parse_whole("case_id", request.case_id))
            case _:
                raise Invalid("of", "name a decision, an offer or a case")

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
            return (await self._engine(who.tenant, data)).case_id

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
        await self._ask(tenant, asks.write_ask(tenant, ask))

    async def _explain_case(self, tenant: str, case_id: str) -> routing_pb2.ExplainDecisionResponse:
        traces = queries.traces_of(await self._past.traces(tenant, case_id))
        traces = await self._whole(tenant, traces)
        try:
            reply = await self._engine(tenant, queries.ask_case(tenant, case_id))
        except Unavailable:
            if not traces:
                raise
        else:
            known = {trace.decision_id for trace in traces}
            traces[:0] = [one for one in reply.explain.traces if one.decision_id not in known]
        return routing_pb2.ExplainDecisionResponse(traces=traces[:TRACES_MAX])

    async def _explain_decision(
        self, tenant: str, decision_id: str
    ) -> routing_pb2.ExplainDecisionResponse:
        """Ask the engine that leads, and where it has forgotten it, the journal."""
        reply = await self._engine(tenant, queries.ask_decision(tenant, decision_id))
        traces = list(reply.explain.traces)
        if traces:
            traces = await self._whole(tenant, traces)
        else:
            epoch, at_us = await self._recount.when(tenant, decision_id)
            found = await self._recount.traces(tenant, epoch, at_us, {decision_id})
            traces = [write_trace(found[decision_id])]
        return routing_pb2.ExplainDecisionResponse(traces=traces)

    async def _whole(self, tenant: str, traces: list[Trace]) -> list[Trace]:
        """Say of decisions that were told in brief why it was not each other one.

        All those of one engine that the journal explains with the newest; what cannot be explained
        any more says so.
        """
        brief = [trace for trace in traces if is_brief(trace)]
        if not brief:
            return traces
        newest = brief[0]
        wanted = {one.decision_id for one in brief if one.engine_epoch == newest.engine_epoch}
        at_us = us_of(newest.at)
        try:
            found = await self._recount.traces(tenant, newest.engine_epoch, at_us, wanted)
        except Refusal as refusal:
            return [without_others(one, str(refusal)) if one is newest else one for one in traces]
        whole = {own: write_trace(trace) for own, trace in found.items()}
        return [whole.get(trace.decision_id, trace) for trace in traces]

    async def _queues(self, tenant: str, wanted: Any) -> routing_pb2.ListQueuesResponse:  # noqa: ANN401 - a repeated field
        return (await self._engine(tenant, queries.ask_queues(tenant, wanted))).queues

    async def _engine(self, tenant: str, data: bytes) -> internal_pb2.EngineReply:
        """Ask the engine that leads; when none does, again for a moment: one may be starting."""
        for _ in range(round(PATIENCE_S / PAUSE_S)):
            try:
                return await self._ask(tenant, data)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
        return await self._ask(tenant, data)

    async def _ask(self, tenant: str, data: bytes) -> internal_pb2.EngineReply:
        answer = await self._bus.request(names.engine(tenant), data, timeout_s=ENGINE_S)
        return queries.read_answer(answer)


def _operation(given: str) -> str:
    """Check the id of a write, or draw one; raises Invalid."""
    if given and drawn_at(parse_own("operation_id", given)) is None:
        raise Invalid("operation_id", "wanted a uuid7 in 26 characters of base32")
    return given or new_id()


async def _read(messages: AsyncIterator[ToSession], session: Session) -> None:
    """Hand what the agent sends to the session, until they stop or it is over."""
    try:
        async for message in messages:
            await session.receive(message)
        await session.finish()
    except Refusal as refusal:
        session.end(refusal)
    except Exception as fault:  # noqa: BLE001 - whatever the stream says, the agent is gone
        _log.info("a session's stream broke", error=type(fault).__name__)
        session.end(Unavailable("the stream broke: connect again"))
