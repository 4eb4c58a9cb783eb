"""Between the bytes of commands and calls, and what a timer asks or a case tells of its clocks."""

from datetime import datetime
from math import floor

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.account import Span
from toldonce.kernel.clocks import BREACH, WARN, Clock, ClockKind, ClockState
from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.kernel.explanation import Explanation, standing
from toldonce.kernel.ids import own_of, parse_whole, whole
from toldonce.kernel.sla import clocks_of, policy_of, promise_clock
from toldonce.kernel.story.runs import done, runs
from toldonce.kernel.story.types import Commitment
from toldonce.kernel.timers import timer_id
from toldonce.runtime.mapping import to_us
from toldonce.runtime.rpc import from_status
from toldonce.sla.core import SERVICE, Act, operation_of
from toldonce.sla.handler import CaseNow

_MOMENTS = {WARN: internal_pb2.TIMER_MOMENT_WARN, BREACH: internal_pb2.TIMER_MOMENT_BREACH}


def command(tenant: str, customer: str, act: Act, made_at: datetime) -> bytes:
    """Write what a timer asks of ownership."""
    timer = act.timer
    fire = internal_pb2.FireTimer(
        timer_id=whole(customer, timer.own),
        case_id=whole(customer, timer.case),
        clock_kind=types_pb2.ClockKind.ValueType(timer.clock),
        moment=_MOMENTS.get(timer.moment, internal_pb2.TIMER_MOMENT_RUNG),
        rung=max(timer.moment.rung, 0),
        commitment_id=whole(customer, timer.commitment) if timer.commitment else "",
    )
    if act.summary:
        said = types_pb2.HandoffEnvelope(reason=act.reason, summary=act.summary)
        fire.envelope.CopyFrom(said)
    return internal_pb2.Command(
        tenant=tenant,
        role=options_pb2.ROLE_SERVICE,
        subject=SERVICE,
        operation_id=operation_of(timer),
        made_at_us=to_us(made_at),
        fire_timer=fire,
    ).SerializeToString()


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
    """Show the clocks of a case, and those of the promises made in it."""
    policy = None if read.ended_at else policy_of(read.case, read.config)
    return sla_pb2.GetClocksResponse(
        clocks=[
            *(clock_view(read, clock) for clock in clocks_of(read.case, read.config, read.until)),
            *(
                promise_view(read.customer, one, promise_clock(one, read.now, policy))
                for one in read.promises
            ),
        ],
        policy_version=read.config.policy_version,
        sequence=read.sequence,
    )


def parse_explain_clock(request: sla_pb2.ExplainClockRequest) -> tuple[str, ClockKind, str]:
    """Read which clock of which case is asked for, and of which promise; raises Invalid."""
    case_id = parse_whole("case_id", request.case_id)
    kind = next((kind for kind in ClockKind if kind.value == request.kind), None)
    if kind is None:
        known = ", ".join(kind.name for kind in ClockKind)
        raise Invalid("kind", f"which clock? One of {known}")
    if not request.commitment_id:
        return case_id, kind, ""
    if kind is not ClockKind.COMMITMENT:
        raise Invalid("commitment_id", f"{kind.name} is no clock of a promise: leave it empty")
    return case_id, kind, own_of(parse_whole("commitment_id", request.commitment_id))


def format_explanation(read: CaseNow, found: Explanation) -> sla_pb2.ExplainClockResponse:
    """Show a clock with the account of its time."""
    return sla_pb2.ExplainClockResponse(
        clock=_explained(read, found),
        policy_version=read.config.policy_version,
        target_s=round(found.target.target_s),
        calendar=found.calendar.name,
        spans=[_span(span) for span in found.spans],
        policy=found.policy,
        policy_reason=found.why,
        zone=found.calendar.zone_name,
        calendar_version=read.config.calendar_version,
        read_at=_instant(found.read_at),
        elapsed_s=found.clock.elapsed_s,
        remaining_s=found.clock.remaining_s,
        sequence=read.sequence,
    )


def _explained(read: CaseNow, found: Explanation) -> types_pb2.SlaClock:
    if found.promise is None:
        return clock_view(read, found.clock)
    return promise_view(read.customer, found.promise, found.clock)


def _span(span: Span) -> sla_pb2.ClockSpan:
    return sla_pb2.ClockSpan(
        from_at=_instant(span.from_at),
        to_at=_instant(span.to_at),
        counted=span.counted_s > 0,
        reason=span.reason,
        counted_s=span.counted_s,
        merged_total=span.merged if span.merged > 1 else 0,
    )


def clock_view(read: CaseNow, clock: Clock) -> types_pb2.SlaClock:
    """Show a clock of a case."""
    run = next(run for run in runs(read.case) if run.clock is clock.kind)
    own = timer_id(read.case.own, clock.kind, BREACH, run.started_at)
    stopped_at = run.stopped_at if clock.ended else read.ended_at
    state = standing(clock, case_ended=read.ended_at is not None)
    armed = stopped_at is None and not done(read.case, run) & BREACH.bit
    shown = _shown(clock, state)
    shown.started_at.CopyFrom(_instant(run.started_at))
    if stopped_at is not None:
        shown.ended_at.CopyFrom(_instant(stopped_at))
    shown.timer_id = whole(read.customer, own) if armed else ""
    return shown


def promise_view(customer: str, promise: Commitment, clock: Clock) -> types_pb2.SlaClock:
    """Show the clock of a promise."""
    shown = _shown(clock, clock.state)
    shown.started_at.CopyFrom(_instant(promise.made_at))
    own = timer_id(promise.own, ClockKind.COMMITMENT, BREACH, promise.made_at)
    shown.timer_id = whole(customer, own)
    shown.commitment_id = whole(customer, promise.own)
    return shown


def _shown(clock: Clock, state: ClockState) -> types_pb2.SlaClock:
    return types_pb2.SlaClock(
        kind=types_pb2.ClockKind.ValueType(clock.kind),
        state=types_pb2.ClockState.Value(f"CLOCK_STATE_{state.name}"),
        due_at=None if clock.due_at is None else _instant(clock.due_at),
        warn_at=None if clock.warn_at is None else _instant(clock.warn_at),
        remaining_s=floor(clock.remaining_s),
    )


def _instant(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made
