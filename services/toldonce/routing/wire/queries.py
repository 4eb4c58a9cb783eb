"""Questions to the engine that leads, and its answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.message import DecodeError

from toldonce.api.routing.v1 import internal_pb2, routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.config.success import Mode
from toldonce.kernel.errors import Invalid, Refusal, Unavailable
from toldonce.kernel.ids import customer_of, own_of, parse_name, parse_own, parse_whole
from toldonce.routing.core.effects import Lift
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.core.types import DecisionTrace, QueueStanding
from toldonce.routing.handler.waits import Waits
from toldonce.routing.wire.asks import read_ask
from toldonce.routing.wire.traces import read_trace, write_trace
from toldonce.runtime.case_views import stamp
from toldonce.runtime.rpc import from_status, to_status

QUEUES_MAX = 256


@dataclass(frozen=True, slots=True)
class Position:
    """Where a case stands."""

    customer: str
    case: str


@dataclass(frozen=True, slots=True)
class Queues:
    """How queues stand; no names: all of them."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explain:
    """Why: of a decision still in mind, or of a case that waits now."""

    decision: str
    customer: str
    case: str


@dataclass(frozen=True, slots=True)
class Next:
    """Which case of a queue is the first that `by` may pick for an agent."""

    queue: str
    agent: str
    by: str


@dataclass(frozen=True, slots=True)
class Newcomers:
    """What a contact may expect that came now, in each queue."""


type Question = Position | Queues | Explain | Next | Newcomers
type Query = Question | OfferAsked


# ---- asking


def ask_position(tenant: str, case_id: str) -> bytes:
    """Ask where a case stands."""
    asked = routing_pb2.GetPositionRequest(case_id=case_id)
    return internal_pb2.EngineRequest(tenant=tenant, position=asked).SerializeToString()


def ask_queues(tenant: str, names: Sequence[str]) -> bytes:
    """Ask how queues stand; raises Invalid."""
    asked = routing_pb2.ListQueuesRequest(queues=queue_names(names))
    return internal_pb2.EngineRequest(tenant=tenant, queues=asked).SerializeToString()


def ask_case(tenant: str, case_id: str) -> bytes:
    """Ask why a case has no owner yet."""
    asked = routing_pb2.ExplainDecisionRequest(case_id=case_id)
    return internal_pb2.EngineRequest(tenant=tenant, explain=asked).SerializeToString()


def ask_decision(tenant: str, decision_id: str) -> bytes:
    """Ask for a decision."""
    asked = routing_pb2.ExplainDecisionRequest(decision_id=decision_id)
    return internal_pb2.EngineRequest(tenant=tenant, explain=asked).SerializeToString()


def queue_names(names: Sequence[str]) -> tuple[str, ...]:
    """Check names of queues; raises Invalid."""
    if len(names) > QUEUES_MAX:
        raise Invalid("queues", f"at most {QUEUES_MAX} names")
    return tuple(parse_name("queues", name) for name in names)


def read_answer(data: bytes) -> internal_pb2.EngineReply:
    """Read an engine's answer; raises the Refusal it is, or Unavailable."""
    try:
        reply = internal_pb2.EngineReply.FromString(data)
    except DecodeError:
        raise Unavailable("the engine answered something unreadable") from None
    if reply.WhichOneof("body") == "error":
        raise from_status(reply.error)
    return reply


# ---- answering


def read_query(data: bytes) -> Query:
    """Read a question; raises Invalid."""
    try:
        request = internal_pb2.EngineRequest.FromString(data)
    except DecodeError:
        raise Invalid("request", "these bytes are no question to an engine") from None
    match request.WhichOneof("body"):
        case "position":
            case_id = parse_whole("case_id", request.position.case_id)
            return Position(customer_of(case_id), own_of(case_id))
        case "queues":
            return Queues(queue_names(request.queues.queues))
        case "explain" if request.explain.WhichOneof("of") == "decision_id":
            return Explain(parse_own("decision_id", request.explain.decision_id), "", "")
        case "explain":
            case_id = parse_whole("case_id", request.explain.case_id)
            return Explain("", customer_of(case_id), own_of(case_id))
        case "ask_offer":
            return read_ask(request.ask_offer)
        case "ask_next":
            asked = request.ask_next
            queue, agent = parse_name("queue", asked.queue), parse_name("agent", asked.agent)
            return Next(queue, agent, asked.by)
        case "newcomers":
            return Newcomers()
        case _:
            raise Invalid("body", "the engine is not asked this")


def answer_position(epoch: int, position: int, queue: str, waits: Waits, at: datetime) -> bytes:
    """Write where a case stands in its queue, and how long such work may wait from now on."""
    live = types_pb2.LiveAcknowledgement(known=True, position=position)
    if position:
        _expect(live, queue, position, waits, at)
    place = routing_pb2.GetPositionResponse(live=live, queue=queue)
    return _reply(internal_pb2.EngineReply(engine_epoch=epoch, position=place))


def answer_newcomers(epoch: int, free: Mapping[str, bool], waits: Waits, at: datetime) -> bytes:
    """Write what a contact may expect that came now; `free` says where somebody is."""
    listed = internal_pb2.Newcomers()
    for queue in sorted(free):
        place = _next_place(waits.standing(queue), free=free[queue])
        live = types_pb2.LiveAcknowledgement(known=True, position=place)
        _expect(live, queue, place, waits, at)
        listed.newcomers.add(queue=queue, live=live)
    return _reply(internal_pb2.EngineReply(engine_epoch=epoch, newcomers=listed))


def answer_queues(
    epoch: int,
    standings: Iterable[QueueStanding],
    waits: Waits,
    at: datetime,
    lifts: Iterable[Lift] = (),
) -> bytes:
    """Write how queues stand, and what learned success does."""
    listed = routing_pb2.ListQueuesResponse(
        queues=[_queue(one, waits, at) for one in sorted(standings, key=lambda one: one.queue)],
        at=stamp(at),
        success=[_effect(one) for one in lifts],
    )
    return _reply(internal_pb2.EngineReply(engine_epoch=epoch, queues=listed))


def answer_trace(epoch: int, trace: DecisionTrace | None) -> bytes:
    """Write a decision, or none."""
    found = routing_pb2.ExplainDecisionResponse(traces=[write_trace(trace)] if trace else [])
    return _reply(internal_pb2.EngineReply(engine_epoch=epoch, explain=found))


def answer_refusal(epoch: int, refusal: Refusal) -> bytes:
    """Write why there is no answer."""
    return _reply(internal_pb2.EngineReply(engine_epoch=epoch, error=to_status(refusal)))


def traces_of(encoded: Iterable[bytes]) -> list[types_pb2.DecisionTrace]:
    """Read the traces that offers carry."""
    return [trace for one in encoded if (trace := read_trace(one)) is not None]


def _queue(one: QueueStanding, waits: Waits, at: datetime) -> routing_pb2.QueueView:
    right = waits.right(one.queue)
    place = _next_place(one.waiting - one.offered, free=one.agents_free > 0)
    view = routing_pb2.QueueView(
        queue=one.queue,
        waiting=one.waiting,
        offered=one.offered,
        oldest_enqueued_at=stamp(one.oldest_enqueued_at),
        agents_free=one.agents_free,
        agents_available=one.agents_available,
        scheduled=one.scheduled,
        next_position=place,
        judged_cases=right.judged,
        held_cases=right.held,
    )
    _expect(view, one.queue, place, waits, at)
    return view


def _effect(one: Lift) -> routing_pb2.SuccessEffect:
    return routing_pb2.SuccessEffect(
        policy=one.policy,
        active=one.mode is Mode.ACTIVE,
        on_cases=one.on.cases,
        on_resolved_cases=one.on.resolved,
        on_took_s=one.on.mean_s,
        off_cases=one.off.cases,
        off_resolved_cases=one.off.resolved,
        off_took_s=one.off.mean_s,
        lift_ratio=one.lift,
        half_width_ratio=one.half_width,
        asked_total=one.asked,
        otherwise_total=one.otherwise,
    )


def _next_place(standing: int, *, free: bool) -> int:
    """Say which place a contact would have that came now; 0: it would be offered at once."""
    return standing + 1 if standing or not free else 0


def _expect(
    told: routing_pb2.QueueView | types_pb2.LiveAcknowledgement,
    queue: str,
    place: int,
    waits: Waits,
    at: datetime,
) -> None:
    """Write how long who has a place may wait, and how right that was lately."""
    told.estimate_error_s = waits.right(queue).error_s
    band = waits.expected(queue, place, at)
    if band is not None:
        told.estimated = True
        told.estimate_s, told.low_s, told.high_s = band


def _reply(reply: internal_pb2.EngineReply) -> bytes:
    return reply.SerializeToString()
