"""From requests to what the core asks for; raises Invalid and Denied."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.intake.core import Callback, Given, Kind, Submission
from toldonce.kernel.errors import Denied, Invalid
from toldonce.kernel.ids import parse_name
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Reference
from toldonce.runtime.mapping import at_us

_SECONDS_MAX = 253_402_300_800  # the year 10000
_NANOS_MAX = 1_000_000_000
_KINDS = {
    types_pb2.ALIAS_KIND_EMAIL: Kind.EMAIL,
    types_pb2.ALIAS_KIND_PHONE: Kind.PHONE,
    types_pb2.ALIAS_KIND_HANDLE: Kind.HANDLE,
    types_pb2.ALIAS_KIND_ACCOUNT: Kind.ACCOUNT,
    types_pb2.ALIAS_KIND_OTHER: Kind.OTHER,
}
_REASONS = {
    intake_pb2.CANCEL_REASON_ABANDONED: "ABANDONED",
    intake_pb2.CANCEL_REASON_WITHDRAWN: "WITHDRAWN",
}


def submission(request: intake_pb2.SubmitContactRequest, by: Principal) -> Submission:
    """Read a submission."""
    return Submission(
        gateway=gateway_of(request.gateway, by),
        message_id=request.message_id,
        made_at=_moment(request, "made_at"),
        channel=request.channel,
        aliases=tuple(_alias(f"aliases[{at}]", alias) for at, alias in enumerate(request.aliases)),
        customer_name=request.customer_name,
        subject=request.subject,
        text=request.text,
        language_hint=request.language_hint,
        topic_hint=request.topic_hint,
        queue_hint=request.queue_hint,
        skills_hint=tuple((need.skill, need.level) for need in request.skills_hint),
        priority=request.priority if request.HasField("priority") else None,
        references=tuple(
            Reference(one.uri, one.media_type, one.size_bytes, one.sha256)
            for one in request.attachments
        ),
        thread_case_id=request.thread_case_id,
        traceparent=request.traceparent,
        customer_tier=request.customer_tier,
    )


def gateway_of(named: str, by: Principal) -> str:
    """Say for which gateway is asked: a gateway is its token's subject, others name one."""
    if by.role is not Role.GATEWAY:
        return parse_name("gateway", named)
    if named and named != by.subject:
        raise Denied(f"the token is that of gateway {by.subject}; it cannot speak for another")
    return by.subject


def cancel_reason(request: intake_pb2.CancelContactRequest) -> str:
    """Read why a contact is called off."""
    reason = _REASONS.get(request.reason)
    if reason is None:
        raise Invalid("reason", "wanted ABANDONED or WITHDRAWN")
    return reason


def callback(request: intake_pb2.RequestCallbackRequest) -> Callback:
    """Read who is to be called back, where and when."""
    return Callback(
        contact_id=request.contact_id,
        operation_id=request.operation_id,
        to=_alias("to", request.to) if request.HasField("to") else None,
        not_before_at=_moment(request, "not_before_at"),
    )


def _moment(
    request: intake_pb2.SubmitContactRequest | intake_pb2.RequestCallbackRequest, field: str
) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    stamp: Timestamp = getattr(request, field)
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (0 <= seconds < _SECONDS_MAX and 0 <= nanos < _NANOS_MAX and (seconds or nanos)):
        raise Invalid(field, "is no moment since 1970")
    return at_us(seconds * 1_000_000 + nanos // 1_000)


def _alias(field: str, alias: types_pb2.Alias) -> Given:
    kind = _KINDS.get(alias.kind)
    if kind is None:
        raise Invalid(f"{field}.kind", "wanted EMAIL, PHONE, HANDLE, ACCOUNT or OTHER")
    return Given(kind, alias.value, alias.region, alias.shared)
