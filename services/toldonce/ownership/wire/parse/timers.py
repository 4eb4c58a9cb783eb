"""What clocks record: warnings, breaches, escalations in time, broken promises."""

from dataclasses import replace

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import Own, own_of, parse_whole
from toldonce.ownership.core.commands import BreakCommitment, DueTimer, RecordTimer
from toldonce.ownership.wire.parse.handoffs import escalate_of
from toldonce.ownership.wire.parse.words import Parsed, Parsers, case_of
from toldonce.runtime.mapping import at_us


def _escalate_sla(body: internal_pb2.EscalateSla) -> Parsed:
    customer, command, envelope = escalate_of(body.escalate)
    timer = Own(own_of(parse_whole("timer_id", body.timer_id)))
    due = DueTimer(timer, _clock(body.clock_kind), at_us(body.fires_at_us), body.from_queue)
    return customer, replace(command, timer=due, reason="SLA_BREACHED"), envelope


def _timer(
    body: internal_pb2.WarnSla | internal_pb2.BreachSla, fires_at_us: int, *, raise_by: int | None
) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    kind = _clock(body.clock_kind)
    command = RecordTimer(
        case=case,
        timer=Own(own_of(parse_whole("timer_id", body.timer_id))),
        clock=kind,
        due_at=at_us(body.due_at_us),
        fires_at=at_us(fires_at_us),
        breach=raise_by is not None,
        raise_priority_by=raise_by or 0,
        queue=body.queue,
    )
    return customer, command, None


def _clock(kind: int) -> ClockKind:
    try:
        return ClockKind(kind)
    except ValueError:
        raise Invalid("clock_kind", "which clock?") from None


def _warn(body: internal_pb2.WarnSla) -> Parsed:
    return _timer(body, body.fires_at_us, raise_by=None)


def _breach(body: internal_pb2.BreachSla) -> Parsed:
    return _timer(body, body.due_at_us, raise_by=body.raise_priority_by)


def _break(body: internal_pb2.BreakCommitment) -> Parsed:
    customer, commitment = case_of("commitment_id", body.commitment_id)
    return customer, BreakCommitment(commitment), None


PARSERS: Parsers = {
    "escalate_sla": _escalate_sla,
    "warn_sla": _warn,
    "breach_sla": _breach,
    "break_commitment": _break,
}
