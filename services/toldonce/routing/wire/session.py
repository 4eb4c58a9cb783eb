"""Messages of an agent's session."""

from collections.abc import Sequence
from typing import Any, assert_never

from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Invalid, Refusal
from toldonce.kernel.ids import parse_name, parse_own, parse_whole, whole
from toldonce.routing.core.types import Availability
from toldonce.routing.handler.heads import Owned
from toldonce.routing.handler.words import (
    Accept,
    CaseTold,
    Decline,
    HandoffOver,
    Heartbeat,
    Held,
    Hello,
    Lost,
    OfferMade,
    OfferOver,
    Push,
    Said,
    SetAvailability,
    WrapUp,
)
from toldonce.routing.wire.traces import read_trace
from toldonce.runtime.case_views import case_view, stamp
from toldonce.runtime.rpc import to_status

REASON_BYTES_MAX = 128
HASH_BYTES = 32
HELD_MAX = 64

type ToSession = routing_pb2.AgentSessionRequest
type FromSession = routing_pb2.AgentSessionResponse


def read_said(message: ToSession) -> Said:
    """Read what an agent says; raises Invalid."""
    match message.WhichOneof("body"):
        case "hello":
            return _hello(message.hello)
        case "set_availability":
            wanted = message.set_availability
            availability = _availability("set_availability", wanted.availability)
            if availability is None:
                raise Invalid("set_availability.availability", "say which")
            return SetAvailability(availability, _reason("set_availability.reason", wanted.reason))
        case "heartbeat":
            return Heartbeat()
        case "accept":
            taken = message.accept
            if taken.context_hash and len(taken.context_hash) != HASH_BYTES:
                raise Invalid("accept.context_hash", "a SHA-256 has 32 bytes")
            offer_id = parse_whole("accept.offer_id", taken.offer_id)
            return Accept(offer_id, taken.epoch, taken.context_hash)
        case "decline":
            offer_id = parse_whole("decline.offer_id", message.decline.offer_id)
            return Decline(offer_id, _reason("decline.reason", message.decline.reason))
        case "wrap_up":
            over = message.wrap_up
            return WrapUp(parse_whole("wrap_up.case_id", over.case_id), over.epoch, over.complete)
        case _:
            raise Invalid("body", "the message says nothing this version knows")


def welcome(
    session_id: str,
    heartbeat_s: int,
    owned: Sequence[Owned],
    policy_version: str,
    availability: Availability,
    *,
    lost: Sequence[Lost] = (),
) -> FromSession:
    """Say that the session stands, what the agent owns, and what they do not own any more."""
    return routing_pb2.AgentSessionResponse(
        welcome=routing_pb2.Welcome(
            session_id=session_id,
            heartbeat_s=heartbeat_s,
            cases=[case_view(one.customer, one.case, one.sequence) for one in owned],
            policy_version=policy_version,
            availability=types_pb2.Availability.ValueType(availability),
            lost=[
                routing_pb2.LostCase(
                    case_id=one.case_id, owner=one.owner, epoch=one.epoch, queue=one.queue
                )
                for one in lost
            ],
        )
    )


def pushed(push: Push) -> FromSession:
    """Say what happened."""
    match push:
        case OfferMade():
            return routing_pb2.AgentSessionResponse(offer_issued=_offer(push))
        case OfferOver(customer, case, offer, reason):
            ended = routing_pb2.OfferEnded(
                offer_id=whole(customer, offer),
                case_id=whole(customer, case),
                reason=types_pb2.OfferEndReason.ValueType(reason),
            )
            return routing_pb2.AgentSessionResponse(offer_ended=ended)
        case CaseTold(customer, case, sequence, what):
            changed = routing_pb2.CaseChanged(
                case_id=whole(customer, case.own),
                sequence=sequence,
                what=what,
                case=case_view(customer, case, sequence),
            )
            return routing_pb2.AgentSessionResponse(case_changed=changed)
        case HandoffOver(customer, case, handoff, outcome, owner, epoch):
            over = routing_pb2.HandoffEnded(
                handoff_id=whole(customer, handoff),
                case_id=whole(customer, case),
                outcome=types_pb2.HandoffOutcome.ValueType(outcome),
                new_owner=owner,
                epoch=epoch,
            )
            return routing_pb2.AgentSessionResponse(handoff_ended=over)
        case _:
            assert_never(push)


def done(ref: int, case: types_pb2.CaseView | None) -> FromSession:
    """Answer a message: done."""
    view = case or types_pb2.CaseView()
    return routing_pb2.AgentSessionResponse(reply=routing_pb2.Reply(ref=ref, ok=view))


def refused(ref: int, refusal: Refusal) -> FromSession:
    """Answer a message: not done, for this reason."""
    status: Status = to_status(refusal)
    return routing_pb2.AgentSessionResponse(reply=routing_pb2.Reply(ref=ref, error=status))


def drain(within_s: int) -> FromSession:
    """Say that this server, or this session, goes away."""
    return routing_pb2.AgentSessionResponse(drain=routing_pb2.Drain(within_s=within_s))


def _hello(hello: routing_pb2.Hello) -> Hello:
    resume = hello.resume_session_id
    if len(hello.held) > HELD_MAX:
        raise Invalid("hello.held", f"at most {HELD_MAX}")
    return Hello(
        agent=parse_name("hello.agent", hello.agent) if hello.agent else "",
        availability=_availability("hello", hello.availability),
        reason=_reason("hello.reason", hello.reason),
        resume=parse_own("hello.resume_session_id", resume) if resume else "",
        held=tuple(
            Held(parse_whole(f"hello.held[{place}].case_id", one.case_id), one.epoch)
            for place, one in enumerate(hello.held)
        ),
    )


def _availability(where: str, number: int) -> Availability | None:
    if not number:
        return None
    try:
        return Availability(number)
    except ValueError:
        raise Invalid(f"{where}.availability", "no availability has this number") from None


def _reason(field: str, text: str) -> str:
    if len(text.encode()) > REASON_BYTES_MAX:
        raise Invalid(field, f"at most {REASON_BYTES_MAX} bytes of UTF-8")
    if not text.isprintable():
        raise Invalid(field, "holds a control character")
    return text


def _offer(made: OfferMade) -> routing_pb2.OfferIssued:
    customer, case, offer = made.customer, made.case, made.offer
    trace = read_trace(made.trace)
    issued: dict[str, Any] = {}
    if case.handoff is not None:
        issued["handoff"] = routing_pb2.OfferedHandoff(
            handoff_id=whole(customer, case.handoff.own),
            from_agent=case.handoff.from_agent,
            context_sequence=case.handoff.context_sequence,
        )
    return routing_pb2.OfferIssued(
        offer_id=whole(customer, offer.own),
        case_id=whole(customer, case.own),
        epoch=case.epoch,
        channel=case.channel,
        queue=case.queue,
        priority=case.priority,
        language=case.language,
        enqueued_at=stamp(case.enqueued_at),
        expires_at=stamp(offer.expires_at),
        trace=trace,
        topic=case.topic,
        sequence=made.sequence,
        customer_id=customer,
        callback_at=stamp(case.callback_at),
        not_before_at=stamp(case.not_before_at),
        asked=max(len(case.offers), 0 if trace is None else trace.asked),
        **issued,
    )
