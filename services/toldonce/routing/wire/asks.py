"""What supervisors and agents ask of routing: offers, which go to the engine that leads; drains."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from toldonce.api.routing.v1 import internal_pb2, routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Denied, Invalid
from toldonce.kernel.ids import (
    Own,
    customer_of,
    derive,
    own_of,
    parse_name,
    parse_own,
    parse_whole,
    whole,
)
from toldonce.kernel.principal import Principal, Role
from toldonce.routing.core.asking import OVERRIDABLE
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.core.types import Gate
from toldonce.routing.handler.heads import Owned
from toldonce.routing.handler.past import Granted
from toldonce.routing.handler.words import Drain
from toldonce.runtime.case_views import case_view, stamp

_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def pick_of(
    who: Principal, request: routing_pb2.PickWorkRequest, operation: str
) -> tuple[OfferAsked, str]:
    """Read what is picked, for whom: a case, or the queue whose next is meant, else "".

    Raises Invalid, Denied.
    """
    agent = parse_name("agent", request.agent or who.subject)
    if who.role is Role.AGENT and agent != who.subject:
        raise Denied(f"your token is of {who.subject}: you pick for yourself")
    if bool(request.case_id) == bool(request.queue):
        raise Invalid("case_id", "name a case, or a queue whose next one is meant")
    queue = parse_name("queue", request.queue) if request.queue else ""
    case_id = "" if queue else parse_whole("case_id", request.case_id)
    return _ask(who, agent, operation, case_id), queue


def force_of(who: Principal, request: routing_pb2.ForceAssignRequest, operation: str) -> OfferAsked:
    """Read what is forced upon whom, and past which gates; raises Invalid."""
    reason = code_of(request.reason)
    agent = parse_name("agent", request.agent)
    case_id = parse_whole("case_id", request.case_id)
    ask = _ask(who, agent, operation, case_id)
    return replace(ask, forced=reason, override=_gates(request.override))


def drain_of(
    who: Principal, request: routing_pb2.DrainAgentRequest, at: datetime
) -> tuple[str, Drain | None]:
    """Read who gets nothing new, and why; None: they get work again. Raises Invalid."""
    agent, reason = parse_name("agent", request.agent), code_of(request.reason)
    if request.end and request.hand_back:
        raise Invalid("hand_back", "a drain that ends takes nothing away")
    return agent, None if request.end else Drain(at, who.subject, reason, request.hand_back)


def drained(drain: Drain | None, owned: Iterable[Owned]) -> routing_pb2.DrainAgentResponse:
    """Show how an agent stands."""
    return routing_pb2.DrainAgentResponse(
        case_ids=[whole(one.customer, one.case.own) for one in owned],
        drained_at=None if drain is None else stamp(drain.at),
    )


def code_of(reason: str) -> str:
    """Read a reason code that must be given; raises Invalid."""
    if not _CODE.fullmatch(reason):
        raise Invalid("reason", "say why, by a code such as VIP_CALLBACK: A-Z, 0-9 and _")
    return reason


def write_ask(tenant: str, ask: OfferAsked) -> bytes:
    """Write an ask for the engine that leads."""
    body = internal_pb2.AskOffer(
        own_offer_id=ask.offer,
        agent=ask.agent,
        by=ask.by,
        case_id=whole(ask.customer, ask.case),
        forced=ask.forced,
        override=[types_pb2.Gate.ValueType(gate) for gate in sorted(ask.override)],
    )
    return internal_pb2.EngineRequest(tenant=tenant, ask_offer=body).SerializeToString()


def read_ask(body: internal_pb2.AskOffer) -> OfferAsked:
    """Read an ask; raises Invalid."""
    case_id = parse_whole("case_id", body.case_id)
    return OfferAsked(
        offer=Own(parse_own("own_offer_id", body.own_offer_id)),
        agent=parse_name("agent", body.agent),
        by=body.by,
        customer=customer_of(case_id),
        case=own_of(case_id),
        forced=body.forced,
        override=_gates(body.override),
    )


def ask_next(tenant: str, ask: OfferAsked, queue: str) -> bytes:
    """Ask which case of a queue is next for an agent."""
    body = internal_pb2.AskNext(agent=ask.agent, by=ask.by, queue=queue)
    return internal_pb2.EngineRequest(tenant=tenant, ask_next=body).SerializeToString()


def answer_case(epoch: int, case_id: str) -> bytes:
    """Write which case is on offer as asked, or is next."""
    return internal_pb2.EngineReply(engine_epoch=epoch, case_id=case_id).SerializeToString()


def view_of(granted: Granted) -> types_pb2.CaseView:
    """Show the case that was put on offer."""
    return case_view(granted.customer, granted.case, granted.sequence)


def _ask(who: Principal, agent: str, operation: str, case_id: str) -> OfferAsked:
    return OfferAsked(
        offer=Own(derive("asked-offer", who.tenant, operation)),
        agent=agent,
        by=who.subject,
        customer=customer_of(case_id),
        case=own_of(case_id),
    )


def _gates(numbers: Iterable[int]) -> frozenset[Gate]:
    allowed = {int(gate): gate for gate in OVERRIDABLE}
    try:
        return frozenset(allowed[number] for number in numbers)
    except KeyError:
        known = ", ".join(sorted(gate.name for gate in OVERRIDABLE))
        raise Invalid("override", f"only these gates can be passed over: {known}") from None
