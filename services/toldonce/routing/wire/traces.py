"""Decision traces."""

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.types.v1 import types_pb2
from toldonce.routing.core.types import Candidate, DecisionTrace
from toldonce.runtime.case_views import stamp

_REASON_MAX = 500


def write_trace(trace: DecisionTrace) -> types_pb2.DecisionTrace:
    """Write a trace; agents counted together keep one line without a name."""
    return types_pb2.DecisionTrace(
        decision_id=trace.decision_id,
        policy_version=trace.policy_version,
        engine_epoch=trace.engine_epoch,
        at=stamp(trace.at),
        chosen_agent=trace.chosen,
        step=trace.step,
        waited_s=trace.waited_s,
        considered=trace.considered,
        candidates=[_candidate(one) for one in trace.candidates],
        reason=trace.reason,
        asked=trace.asked if trace.asked > 1 else 0,
    )


def read_trace(encoded: bytes) -> types_pb2.DecisionTrace | None:
    """Read the trace an `Offered` event carries; None for none, or for bytes that are no trace."""
    try:
        return types_pb2.DecisionTrace.FromString(encoded) if encoded else None
    except DecodeError:
        return None


def is_brief(trace: types_pb2.DecisionTrace) -> bool:
    """Tell whether an offer's trace says only who and why."""
    return bool(trace.chosen_agent) and trace.considered > 0 and not trace.candidates


def without_others(trace: types_pb2.DecisionTrace, why: str) -> types_pb2.DecisionTrace:
    """Say of a trace in brief why it does not say more."""
    told = types_pb2.DecisionTrace()
    told.CopyFrom(trace)
    told.reason = f"{trace.reason}; the others are not explained: {why}"[:_REASON_MAX]
    return told


def us_of(at: Timestamp) -> int:
    """Read an instant in microseconds since 1970."""
    return at.ToMicroseconds()


def _candidate(one: Candidate) -> types_pb2.Candidate:
    counted = one.detail if one.agent else f"{one.count} agents: {one.detail}"
    return types_pb2.Candidate(
        agent=one.agent,
        first_failing_gate=types_pb2.Gate.ValueType(one.gate),
        detail=counted,
        rank=one.rank,
    )
