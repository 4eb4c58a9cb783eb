"""Callbacks and appointments."""

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import CallbackWords
from toldonce.ownership.core.commands import RequestCallback, ScheduleCase
from toldonce.ownership.wire.parse.words import (
    Parsed,
    Parsers,
    alias_of,
    case_of,
    instant_of,
    reason_of,
)
from toldonce.runtime.mapping import from_us


def callback_of(
    case: Own, body: internal_pb2.RequestCallback
) -> tuple[RequestCallback, CallbackWords | None]:
    """Parse what the customer of a contact that is in `case` asks."""
    words = CallbackWords(alias_of("to", body.to)) if body.HasField("to") else None
    command = RequestCallback(case, from_us(body.not_before_us), to_other=words is not None)
    return command, words


def _schedule(body: ownership_pb2.ScheduleCaseRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    if body.HasField("to") and not body.callback:
        raise Invalid("to", "an address goes with `callback` alone")
    at = instant_of("not_before_at", body.not_before_at) if body.HasField("not_before_at") else None
    words = CallbackWords(alias_of("to", body.to)) if body.HasField("to") else None
    command = ScheduleCase(
        case=case,
        epoch=body.epoch,
        not_before_at=at,
        callback=body.callback,
        to_other=words is not None,
        reason=reason_of(body.reason),
    )
    return customer, command, words


PARSERS: Parsers = {"schedule_case": _schedule}
