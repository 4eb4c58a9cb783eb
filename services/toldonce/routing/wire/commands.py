"""Commands to ownership, of the engine and of agents, and what comes back.

The operation id follows from the act itself (this offer, this handoff, this owner's epoch), so
whoever asks again, be it a new engine, does it once.
"""

from datetime import datetime
from typing import Any, assert_never

from google.protobuf.message import DecodeError

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import derive, parse_name, parse_whole, whole
from toldonce.kernel.principal import Principal
from toldonce.routing.core.acts import (
    Act,
    CancelHandoff,
    ChangeQueue,
    CompleteWrapUp,
    ExpireOffer,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.handler.words import Accept, Decline, WrapUp
from toldonce.routing.wire.asks import code_of
from toldonce.routing.wire.traces import write_trace
from toldonce.runtime.mapping import to_us
from toldonce.runtime.rpc import from_status

ENGINE = "engine"


def decided(tenant: str, decision: Act, epoch: int, issued_at: datetime) -> bytes:
    """Write a decision made under engine epoch `epoch` as a command."""
    command = internal_pb2.Command(
        tenant=tenant,
        role=options_pb2.ROLE_SERVICE,
        subject=ENGINE,
        made_at_us=to_us(issued_at),
    )
    who = decision.customer
    case_id = whole(who, decision.case)
    match decision:
        case MakeOffer():
            operation = derive("make-offer", decision.offer)
            command.offer.CopyFrom(_offer(decision, epoch, issued_at))
        case ExpireOffer(offer=own):
            operation = derive("expire-offer", own)
            command.expire_offer.offer_id = whole(who, own)
        case RevokeOffer(offer=own, reason=reason):
            operation = derive("revoke-offer", own)
            command.revoke_offer.CopyFrom(
                internal_pb2.RevokeOffer(
                    offer_id=whole(who, own), reason=reason, engine_epoch=epoch
                )
            )
        case CancelHandoff(handoff=own, reason=reason):
            operation = derive("cancel-handoff", own)
            command.cancel_handoff.CopyFrom(
                ownership_pb2.CancelHandoffRequest(
                    case_id=case_id, handoff_id=whole(who, own), reason=reason
                )
            )
        case CompleteWrapUp(epoch=case_epoch):
            operation = derive("complete-wrap-up", case_id, case_epoch)
            command.complete_wrap_up.case_id = case_id
            command.complete_wrap_up.epoch = case_epoch
        case ReleaseOwnership(epoch=case_epoch, reason=reason):
            operation = derive("release", case_id, case_epoch)
            command.release_ownership.CopyFrom(
                ownership_pb2.ReleaseOwnershipRequest(
                    case_id=case_id, epoch=case_epoch, reason=reason
                )
            )
        case LapseOwnership():
            operation = derive("lapse", case_id, decision.epoch, decision.sequence)
            command.lapse_ownership.CopyFrom(
                internal_pb2.LapseOwnership(
                    case_id=case_id,
                    epoch=decision.epoch,
                    rule=decision.rule,
                    backup=decision.backup,
                    lapse_s=decision.lapse_s,
                )
            )
        case ResumeOwnership(epoch=case_epoch, lapsed_at=lapsed_at):
            operation = derive("resume", case_id, case_epoch, to_us(lapsed_at))
            command.resume_ownership.CopyFrom(
                internal_pb2.ResumeOwnership(case_id=case_id, epoch=case_epoch)
            )
        case ChangeQueue(epoch=case_epoch, from_queue=left, queue=queue, reason=reason):
            operation = derive("change-queue", case_id, case_epoch, left, queue)
            command.change_queue.CopyFrom(
                internal_pb2.ChangeQueue(
                    case_id=case_id, epoch=case_epoch, from_queue=left, queue=queue, reason=reason
                )
            )
        case _:
            assert_never(decision)
    command.operation_id = operation
    return command.SerializeToString()


def asked(principal: Principal, ask: Accept | Decline | WrapUp, made_at: datetime) -> bytes:
    """Write what an agent asks in their session as the command it is."""
    match ask:
        case Accept(offer_id, epoch, context_hash):
            operation = derive("accept", principal.subject, offer_id, epoch, context_hash)
            body: dict[str, Any] = {
                "accept_offer": ownership_pb2.AcceptOfferRequest(
                    offer_id=offer_id, epoch=epoch, context_hash=context_hash
                )
            }
        case Decline(offer_id, reason):
            operation = derive("decline", principal.subject, offer_id)
            body = {
                "decline_offer": ownership_pb2.DeclineOfferRequest(offer_id=offer_id, reason=reason)
            }
        case WrapUp(case_id, epoch, True):
            operation = derive("wrapped-up", principal.subject, case_id, epoch)
            body = {
                "complete_wrap_up": ownership_pb2.CompleteWrapUpRequest(
                    case_id=case_id, epoch=epoch
                )
            }
        case WrapUp(case_id, epoch):
            operation = derive("wrap-up", principal.subject, case_id, epoch)
            body = {"begin_wrap_up": internal_pb2.BeginWrapUp(case_id=case_id, epoch=epoch)}
        case _:
            assert_never(ask)
    return _steer(principal, operation, made_at, **body)


def set_priority(
    principal: Principal, request: routing_pb2.SetPriorityRequest, operation: str, at: datetime
) -> bytes:
    """Write a changed priority as the command it is; raises Invalid."""
    body = internal_pb2.SetPriority(
        case_id=parse_whole("case_id", request.case_id),
        priority=request.priority,
        reason=code_of(request.reason),
    )
    return _steer(principal, operation, at, set_priority=body)


def move_work(
    principal: Principal, request: routing_pb2.MoveWorkRequest, operation: str, at: datetime
) -> bytes:
    """Write a changed queue as the command it is; raises Invalid."""
    body = internal_pb2.ChangeQueue(
        case_id=parse_whole("case_id", request.case_id),
        queue=parse_name("queue", request.queue),
        reason=code_of(request.reason),
    )
    return _steer(principal, operation, at, change_queue=body)


def _steer(principal: Principal, operation: str, at: datetime, **body: Any) -> bytes:  # noqa: ANN401 - one body of many
    return internal_pb2.Command(
        tenant=principal.tenant,
        role=options_pb2.Role.Value(f"ROLE_{principal.role.name}"),
        subject=principal.subject,
        operation_id=operation,
        made_at_us=to_us(at),
        **body,
    ).SerializeToString()


def read_reply(data: bytes) -> types_pb2.CaseView:
    """Read what ownership answered: the case as it stands, empty for none; raises a Refusal."""
    try:
        reply = internal_pb2.CommandReply.FromString(data)
    except DecodeError:
        raise Unavailable("ownership answered something unreadable") from None
    if reply.WhichOneof("result") == "ok":
        return reply.ok.case
    if reply.WhichOneof("result") == "error":
        raise from_status(reply.error)
    raise Unavailable("ownership answered nothing")


def _offer(decision: MakeOffer, epoch: int, issued_at: datetime) -> internal_pb2.Offer:
    who, handoff = decision.customer, decision.handoff
    return internal_pb2.Offer(
        case_id=whole(who, decision.case),
        case_epoch=decision.case_epoch,
        agent=decision.agent,
        own_offer_id=decision.offer,
        expires_at_us=to_us(decision.expires_at),
        engine_epoch=epoch,
        issued_at_us=to_us(issued_at),
        trace=write_trace(decision.trace),
        handoff_id=whole(who, handoff) if handoff else "",
        forced=decision.forced,
        asked=decision.round if decision.round > 1 else 0,
    )
