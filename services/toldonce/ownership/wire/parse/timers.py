"""What time asks, and what makes clocks stand still."""

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.config.aims import RUNGS_MAX
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import Own, own_of, parse_whole
from toldonce.kernel.story.types import PauseCause
from toldonce.ownership.core.commands import BreakCommitment, FireTimer, PauseCase, ResumeCase
from toldonce.ownership.wire.parse.handoffs import envelope_of
from toldonce.ownership.wire.parse.words import Parsed, Parsers, case_of, instant_of, reason_of


def _fire(body: internal_pb2.FireTimer) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    promise = parse_whole("commitment_id", body.commitment_id) if body.commitment_id else ""
    command = FireTimer(
        case=case,
        timer=Own(own_of(parse_whole("timer_id", body.timer_id))),
        clock=_clock(body.clock_kind),
        moment=_moment(body),
        commitment=Own(own_of(promise)) if promise else Own(""),
    )
    return customer, command, envelope_of(body.envelope) if body.HasField("envelope") else None


def _moment(body: internal_pb2.FireTimer) -> Moment:
    match body.moment:
        case internal_pb2.TIMER_MOMENT_WARN:
            return WARN
        case internal_pb2.TIMER_MOMENT_BREACH:
            return BREACH
        case internal_pb2.TIMER_MOMENT_RUNG if 0 < body.rung <= RUNGS_MAX:
            return Moment(body.rung)
        case _:
            raise Invalid("moment", f"wanted WARN, BREACH or a RUNG from 1 to {RUNGS_MAX}")


def _clock(kind: int) -> ClockKind:
    try:
        return ClockKind(kind)
    except ValueError:
        raise Invalid("clock_kind", "which clock?") from None


def _cause(kind: int) -> PauseCause:
    try:
        return PauseCause(kind)
    except ValueError:
        raise Invalid("cause", "wanted CUSTOMER or HOLD") from None


def _pause(body: ownership_pb2.PauseCaseRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    until_at = instant_of("until_at", body.until_at) if body.HasField("until_at") else None
    reason = reason_of(body.reason)
    return customer, PauseCase(case, body.epoch, _cause(body.cause), until_at, reason), None


def _resume(body: ownership_pb2.ResumeCaseRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    reason = reason_of(body.reason)
    return customer, ResumeCase(case, body.epoch, _cause(body.cause), reason), None


def _break(body: internal_pb2.BreakCommitment) -> Parsed:
    customer, commitment = case_of("commitment_id", body.commitment_id)
    return customer, BreakCommitment(commitment), None


PARSERS: Parsers = {
    "fire_timer": _fire,
    "pause_case": _pause,
    "resume_case": _resume,
    "break_commitment": _break,
}
