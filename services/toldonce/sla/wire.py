"""Between the bytes of commands and calls, and what a timer asks or a case tells."""

from datetime import datetime
from typing import assert_never

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.clocks import Clock, ClockState
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import parse_whole, whole
from toldonce.kernel.sla import Moment, clocks_of, facts_of, timer_id
from toldonce.runtime.mapping import to_us
from toldonce.runtime.rpc import from_status
from toldonce.sla.core import Act, Breach, Escalate, Warn, operation_of
from toldonce.sla.handler import CaseNow

SERVICE = "sla"


def command(tenant: str, customer: str, act: Act, made_at: datetime) -> bytes:
    """Write what a timer asks of ownership."""
    timer = act.timer
    case_id, own = whole(customer, timer.case), whole(customer, timer.own)
    kind = types_pb2.ClockKind.ValueType(timer.clock)
    made = internal_pb2.Command(
        tenant=tenant,
        role=options_pb2.ROLE_SERVICE,
        subject=SERVICE,
        operation_id=operation_of(timer),
        made_at_us=to_us(made_at),
    )
    match act:
        case Warn():
            made.warn_sla.CopyFrom(
                internal_pb2.WarnSla(
                    timer_id=own,
                    case_id=case_id,
                    clock_kind=kind,
                    due_at_us=to_us(timer.due_at),
                    fires_at_us=to_us(timer.fires_at),
                    queue=timer.queue,
                )
            )
        case Breach():
            made.breach_sla.CopyFrom(
                internal_pb2.BreachSla(
                    timer_id=own,
                    case_id=case_id,
                    clock_kind=kind,
                    due_at_us=to_us(timer.due_at),
                    raise_priority_by=act.raise_priority_by,
                    queue=timer.queue,
                )
            )
        case Escalate():
            made.escalate_sla.CopyFrom(
                internal_pb2.EscalateSla(
                    escalate=ownership_pb2.EscalateRequest(
                        case_id=case_id,
                        rung=act.rung,
                        queue=act.queue,
                        envelope=types_pb2.HandoffEnvelope(reason=act.reason, summary=act.summary),
                    ),
                    timer_id=own,
                    clock_kind=kind,
                    fires_at_us=to_us(timer.fires_at),
                    from_queue=timer.queue,
                )
            )
        case _:
            assert_never(act)
    return made.SerializeToString()


def read_reply(data: bytes) -> bool:
    """Read ownership's answer: whether it had been done before; raises what was refused."""
    try:
        reply = internal_pb2.CommandReply.FromString(data)
    except DecodeError:
        raise Unavailable("ownership answered something unreadable") from None
    match reply.WhichOneof("result"):
        case "ok":
            return reply.ok.repeat
        case "error":
            raise from_status(reply.error)
        case _:
            raise Unavailable("ownership answered nothing")


def parse_get_clocks(request: sla_pb2.GetClocksRequest) -> str:
    """Read which case is asked for; raises Invalid."""
    return parse_whole("case_id", request.case_id)


def format_clocks(read: CaseNow) -> sla_pb2.GetClocksResponse:
    """Show the clocks of a case."""
    return sla_pb2.GetClocksResponse(
        clocks=[_clock(read, clock) for clock in clocks_of(read.case, read.config, read.now)],
        policy_version=read.config.policy_version,
        sequence=read.sequence,
    )


def _clock(read: CaseNow, clock: Clock) -> types_pb2.SlaClock:
    facts = facts_of(read.case)[clock.kind]
    own = timer_id(read.case.own, clock.kind, Moment.BREACH, facts.started_at)
    stopped_at = facts.stopped_at if clock.ended else read.now if read.ended else None
    state = clock.state
    if read.ended and not clock.ended and state is not ClockState.BREACHED:
        state = ClockState.CANCELLED
    armed = stopped_at is None and own not in read.case.timers
    return types_pb2.SlaClock(
        kind=types_pb2.ClockKind.ValueType(clock.kind),
        state=types_pb2.ClockState.Value(f"CLOCK_STATE_{state.name}"),
        due_at=_stamp(clock.due_at),
        warn_at=_stamp(clock.warn_at),
        started_at=_stamp(facts.started_at),
        ended_at=_stamp(stopped_at),
        timer_id=whole(read.customer, own) if armed else "",
    )


def _stamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    made = Timestamp()
    made.FromDatetime(instant)
    return made
