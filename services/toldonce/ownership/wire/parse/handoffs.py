"""Handoffs, escalations and consults."""

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import Own, parse_name
from toldonce.kernel.story.events import EnvelopeWords
from toldonce.kernel.story.types import TargetKind
from toldonce.ownership.core.commands import (
    BeginHandoff,
    CancelHandoff,
    Escalate,
    JoinConsult,
    LeaveConsult,
)
from toldonce.ownership.wire.parse.words import (
    PART_BYTES_MAX,
    Parsed,
    Parsers,
    case_of,
    reason_of,
    seen_of,
    text_of,
)


def _target(target: types_pb2.HandoffTarget) -> tuple[TargetKind, str]:
    match target.WhichOneof("to"):
        case "agent":
            return TargetKind.AGENT, parse_name("target.agent", target.agent)
        case "queue":
            return TargetKind.QUEUE, parse_name("target.queue", target.queue)
        case "tier":
            return TargetKind.TIER, parse_name("target.tier", target.tier)
        case _:
            raise Invalid("target", "name the agent, the queue or the tier to hand over to")


def envelope_of(envelope: types_pb2.HandoffEnvelope) -> EnvelopeWords:
    """Read what the receiver of a handoff is told."""
    return EnvelopeWords(
        *(
            text_of(f"envelope.{part}", getattr(envelope, part), PART_BYTES_MAX)
            for part in ("reason", "summary", "tried", "promised", "told_customer", "mood")
        )
    )


def _begin_handoff(body: ownership_pb2.BeginHandoffRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    kind, target = _target(body.target)
    command = BeginHandoff(
        case=case,
        epoch=body.epoch,
        seen=seen_of("seen_entry_id", body.seen_entry_id),
        target_kind=kind,
        target=target,
        timeout_s=body.timeout_s,
        warm=body.mode == ownership_pb2.HANDOFF_MODE_WARM,
        override=reason_of(body.override_reason, "override_reason"),
    )
    return customer, command, envelope_of(body.envelope)


def _cancel_handoff(body: ownership_pb2.CancelHandoffRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    handoff = case_of("handoff_id", body.handoff_id)[1] if body.handoff_id else Own("")
    return customer, CancelHandoff(case, body.epoch, handoff, reason_of(body.reason)), None


def _escalate(body: ownership_pb2.EscalateRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    queue = parse_name("queue", body.queue) if body.queue else ""
    envelope = envelope_of(body.envelope)
    if body.rung < 0:
        raise Invalid("rung", "rungs count from 1")
    if not envelope.reason.strip():
        raise Invalid("envelope.reason", "say why it climbs")
    return customer, Escalate(case, body.epoch, body.rung, queue, "ESCALATED"), envelope


def _join(body: ownership_pb2.JoinConsultRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    agent = parse_name("agent", body.agent) if body.agent else ""
    return customer, JoinConsult(case, agent), None


def _leave(body: ownership_pb2.LeaveConsultRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    agent = parse_name("agent", body.agent) if body.agent else ""
    return customer, LeaveConsult(case, agent, reason_of(body.reason)), None


PARSERS: Parsers = {
    "begin_handoff": _begin_handoff,
    "cancel_handoff": _cancel_handoff,
    "escalate": _escalate,
    "join_consult": _join,
    "leave_consult": _leave,
}
