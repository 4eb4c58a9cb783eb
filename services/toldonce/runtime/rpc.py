"""Refusals as gRPC statuses, and back: the one table of the house.

A status carries `google.rpc` details: always an ErrorInfo of domain `toldonce` whose `reason` a
machine can switch on, and with it BadRequest (which field), RetryInfo (when again) or ResourceInfo
(what is missing). The same bytes travel as the error of a call, of a message in a stream and of a
reply on the bus.
"""

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2 as details_pb2  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from toldonce.kernel.errors import (
    Conflict,
    Denied,
    Exhausted,
    Invalid,
    Missing,
    Problem,
    Refusal,
    Rejected,
    Unauthenticated,
    Unavailable,
    Unbuilt,
)

DOMAIN = "toldonce"
DETAILS_KEY = "grpc-status-details-bin"
PROBLEMS_MAX = 16
SENTENCE_CHARS_MAX = 600

OF_CODE = {code.value[0]: code for code in grpc.StatusCode}


class Broken(Refusal):
    """A fault of ours; `incident_id` finds it in the log of the service."""

    def __init__(self, sentence: str, incident_id: str = "") -> None:
        """Take the id under which the fault was logged."""
        super().__init__(sentence)
        self.incident_id = incident_id


def to_status(refusal: BaseException) -> Status:
    """Say a refusal as a status; anything that is none is INTERNAL, and its text stays inside."""
    match refusal:
        case Invalid():
            return _status(grpc.StatusCode.INVALID_ARGUMENT, refusal, "INVALID", _fields(refusal))
        case Rejected():
            return _status(grpc.StatusCode.FAILED_PRECONDITION, refusal, refusal.reason)
        case Missing():
            gone = details_pb2.ResourceInfo(
                resource_type=refusal.what, description=_short(str(refusal))
            )
            return _status(grpc.StatusCode.NOT_FOUND, refusal, "MISSING", gone)
        case Conflict():
            facts = {"current": str(refusal.current)}
            return _status(grpc.StatusCode.ABORTED, refusal, "CONFLICT", facts=facts)
        case Unavailable():
            again = details_pb2.RetryInfo(retry_delay=_duration(refusal.retry_s))
            facts = {"operation_id": refusal.operation_id} if refusal.operation_id else {}
            return _status(grpc.StatusCode.UNAVAILABLE, refusal, "UNAVAILABLE", again, facts=facts)
        case Exhausted():
            return _status(grpc.StatusCode.RESOURCE_EXHAUSTED, refusal, "EXHAUSTED")
        case Unauthenticated():
            return _status(grpc.StatusCode.UNAUTHENTICATED, refusal, "UNAUTHENTICATED")
        case Denied():
            return _status(grpc.StatusCode.PERMISSION_DENIED, refusal, "DENIED")
        case Unbuilt():
            return _status(grpc.StatusCode.UNIMPLEMENTED, refusal, "UNBUILT")
        case Broken():
            facts = {"incident_id": refusal.incident_id}
            return _status(grpc.StatusCode.INTERNAL, refusal, "BROKEN", facts=facts)
        case TimeoutError():
            late = Unavailable("no answer in time; ask again with the same operation id")
            return _status(grpc.StatusCode.DEADLINE_EXCEEDED, late, "LATE")
        case _:
            broken = Broken("this is a fault of ours, not of the request")
            return _status(grpc.StatusCode.INTERNAL, broken, "BROKEN")


def from_status(status: Status) -> Refusal:
    """Read a status back into the refusal it was made from; total over every code and detail."""
    info, fields, again, gone = (
        details_pb2.ErrorInfo(),
        details_pb2.BadRequest(),
        details_pb2.RetryInfo(),
        details_pb2.ResourceInfo(),
    )
    for packed in status.details:
        for detail in (info, fields, again, gone):
            _unpack(packed, detail)
    sentence, facts = status.message, info.metadata
    match OF_CODE.get(status.code):
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.OUT_OF_RANGE:
            return _invalid(sentence, fields)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return Rejected(info.reason or "REJECTED", sentence)
        case grpc.StatusCode.NOT_FOUND:
            return Missing(gone.resource_type, sentence)
        case grpc.StatusCode.ABORTED | grpc.StatusCode.ALREADY_EXISTS:
            return Conflict(sentence, _number(facts.get("current", "")))
        case grpc.StatusCode.UNAVAILABLE:
            return _unavailable(sentence, again, facts)
        case grpc.StatusCode.DEADLINE_EXCEEDED | grpc.StatusCode.CANCELLED:
            late = sentence or "no answer in time; ask again with the same operation id"
            return _unavailable(late, again, facts)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Exhausted(sentence)
        case grpc.StatusCode.UNAUTHENTICATED:
            return Unauthenticated(sentence)
        case grpc.StatusCode.PERMISSION_DENIED:
            return Denied(sentence)
        case grpc.StatusCode.UNIMPLEMENTED:
            return Unbuilt(sentence)
        case _:
            return Broken(sentence, facts.get("incident_id", ""))


def from_call_error(error: grpc.aio.AioRpcError) -> Refusal:
    """Read what a client call failed with."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            status = Status()
            try:
                status.MergeFromString(value)
            except DecodeError:
                break
            return from_status(status)
    sentence = error.details() or ""
    if error.code() is grpc.StatusCode.UNKNOWN:
        # our servers always send details: this came from the transport (`Stream removed`)
        return Unavailable(sentence or "the call broke off; ask again with the same operation id")
    return from_status(Status(code=error.code().value[0], message=sentence))


def code_of(status: Status) -> grpc.StatusCode:
    """Give the code of a status."""
    return OF_CODE.get(status.code, grpc.StatusCode.UNKNOWN)


async def abort(context: "Context", status: Status) -> None:
    """End a call with a status and its details; raises, as gRPC wants it."""
    await context.abort(
        code_of(status), status.message, ((DETAILS_KEY, status.SerializeToString()),)
    )


type Context = grpc.aio.ServicerContext[Message, Message]


def _status(
    code: grpc.StatusCode,
    refusal: BaseException,
    reason: str,
    *more: Message,
    facts: Mapping[str, str] | None = None,
) -> Status:
    status = Status(code=code.value[0], message=_short(str(refusal)))
    for detail in (details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=facts), *more):
        status.details.add().Pack(detail)
    return status


def _fields(refusal: Invalid) -> details_pb2.BadRequest:
    said = refusal.problems[:PROBLEMS_MAX]
    violations = [_violation(problem.field, problem.sentence) for problem in said]
    left = len(refusal.problems) - len(said)
    if left:
        violations.append(_violation("", f"and {left} more problems"))
    return details_pb2.BadRequest(field_violations=violations)


def _violation(field: str, sentence: str) -> details_pb2.BadRequest.FieldViolation:
    return details_pb2.BadRequest.FieldViolation(field=_short(field), description=_short(sentence))


def _invalid(sentence: str, fields: details_pb2.BadRequest) -> Invalid:
    problems = [Problem(each.field, each.description) for each in fields.field_violations]
    if not problems:
        return Invalid("", sentence)
    first, *more = problems
    return Invalid(first.field, first.sentence, *more)


def _unavailable(
    sentence: str, again: details_pb2.RetryInfo, facts: Mapping[str, str]
) -> Unavailable:
    delay = again.retry_delay
    return Unavailable(
        sentence,
        retry_s=delay.seconds + delay.nanos / 1e9 or 1.0,
        operation_id=facts.get("operation_id", ""),
    )


def _duration(seconds: float) -> Duration:
    nanos = round(max(seconds, 0.0) * 1e9)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def _unpack(packed: Packed, detail: Message) -> None:
    try:
        packed.Unpack(detail)
    except DecodeError:
        detail.Clear()


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _short(text: str) -> str:
    return text if len(text) <= SENTENCE_CHARS_MAX else text[:SENTENCE_CHARS_MAX] + "…"
