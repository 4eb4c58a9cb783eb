"""From a `Command` message to an `Ask`: everything is checked here, once."""

import re
from dataclasses import replace
from typing import Any

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.context import normal
from toldonce.kernel.errors import Invalid, Unbuilt
from toldonce.kernel.ids import (
    Own,
    customer_of,
    derive,
    drawn_at,
    own_of,
    parse_name,
    parse_own,
    parse_tenant,
    parse_whole,
)
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    Alias,
    ContactWords,
    EntryKind,
    EntryWords,
    EnvelopeWords,
    Reference,
    Words,
)
from toldonce.kernel.story.types import TEXT_BYTES_MAX, SkillNeed, TargetKind
from toldonce.ownership.core import Asked, Command
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    BeginWrapUp,
    CancelHandoff,
    CloseCase,
    CompleteWrapUp,
    ConfirmDelivery,
    DeclineOffer,
    DueTimer,
    Escalate,
    ExpireOffer,
    MakeOffer,
    ReceiveContact,
    RecordTimer,
    ReleaseOwnership,
    ReopenCase,
    RevokeOffer,
)
from toldonce.ownership.handler import Ask
from toldonce.runtime.ids import new_id
from toldonce.runtime.mapping import at_us, from_us

REASON_BYTES_MAX = 256
PART_BYTES_MAX = 8 * 1024
REFERENCES_MAX = 16
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ENTRY_KINDS = {
    ownership_pb2.ENTRY_KIND_MESSAGE: EntryKind.MESSAGE_OUT,
    ownership_pb2.ENTRY_KIND_NOTE: EntryKind.NOTE,
    ownership_pb2.ENTRY_KIND_ATTACHMENT: EntryKind.ATTACHMENT,
}


def command_of(principal: Principal, operation: str, **body: Any) -> internal_pb2.Command:  # noqa: ANN401 - one body of many
    """Wrap a public request as the command it is; no operation id: a fresh one is drawn.

    Raises Invalid for an id that is no uuid7: when it was drawn tells how far back a repeat of it
    must be looked for.
    """
    if operation and drawn_at(parse_own("operation_id", operation)) is None:
        raise Invalid("operation_id", "wanted a uuid7 in 26 characters of base32")
    return internal_pb2.Command(
        tenant=principal.tenant,
        role=options_pb2.Role.Value(f"ROLE_{principal.role.name}"),
        subject=principal.subject,
        operation_id=operation or new_id(),
        **body,
    )


def asked(message: internal_pb2.Command) -> Asked:
    """Say who asks; raises Invalid."""
    tenant = parse_tenant(message.tenant)
    if message.role == options_pb2.ROLE_UNSPECIFIED:
        raise Invalid("role", "who asks must be said")
    role = Role[options_pb2.Role.Name(message.role).removeprefix("ROLE_")]
    operation = Own(parse_own("operation_id", message.operation_id))
    return Asked(operation, Principal(tenant, role, message.subject))


def ask_of(message: internal_pb2.Command) -> Ask:
    """Parse any command about something that exists already; raises Invalid or Unbuilt."""
    body = message.WhichOneof("body")
    if body is None or body not in _PARSERS:
        raise Unbuilt(f"ownership does not know how to {body or 'do nothing'}")
    by = asked(message)
    customer, command, words = _PARSERS[body](getattr(message, body))
    return Ask(message.tenant, customer, command, by, words, message.traceparent)


def contact_of(message: internal_pb2.Command) -> Ask:
    """Parse a contact; raises Invalid."""
    contact = message.receive_contact
    customer = parse_own("customer_id", contact.customer_id)
    own = Own(own_of(parse_whole("contact_id", contact.contact_id)))
    need = contact.requirement
    thread = contact.thread_case_id
    command = ReceiveContact(
        contact=own,
        gateway=parse_name("gateway", contact.gateway),
        channel=parse_name("channel", contact.channel),
        made_at=at_us(contact.contact_made_at_us),
        thread=Own(own_of(parse_whole("thread_case_id", thread))) if thread else Own(""),
        queue=parse_name("requirement.queue", need.queue),
        topic=parse_name("topic", contact.topic) if contact.topic else "",
        language=contact.language,
        skills=tuple(SkillNeed(one.skill, one.level) for one in need.skills),
        priority=contact.priority,
        preferred_agent=need.preferred_agents[0] if need.preferred_agents else "",
        promised_at=from_us(contact.promised_by_us),
    )
    words = ContactWords(
        aliases=tuple(
            Alias(
                types_pb2.AliasKind.Name(alias.kind).removeprefix("ALIAS_KIND_"),
                text_of("aliases.value", alias.value, PART_BYTES_MAX),
            )
            for alias in contact.aliases
        ),
        name=text_of("customer_name", contact.customer_name, PART_BYTES_MAX),
        subject=text_of("subject_line", contact.subject_line, PART_BYTES_MAX),
        text=text_of("text", contact.text, TEXT_BYTES_MAX),
        acknowledgement=text_of("ack_text", contact.ack_text, PART_BYTES_MAX),
        references=_references(contact.attachments),
    )
    by = replace(asked(message), operation=Own(derive("receive", own)))
    return Ask(message.tenant, customer, command, by, words, message.traceparent)


def text_of(field: str, text: str, bytes_max: int) -> str:
    """Bring a text into its stored form; refuses control characters and what is too long."""
    if len(text.encode()) > bytes_max:
        raise Invalid(field, f"at most {bytes_max} bytes of UTF-8; send more by reference")
    control = _CONTROL.search(text)
    if control is not None:
        raise Invalid(field, f"holds a control character (U+{ord(control[0]):04X})")
    return normal(text)


def _case(field: str, case_id: str) -> tuple[str, Own]:
    parse_whole(field, case_id)
    return customer_of(case_id), Own(own_of(case_id))


def _seen(entry_id: str) -> Own:
    if not entry_id:
        raise Invalid("seen_entry_id", "say which entry of the customer you saw last")
    return Own(own_of(parse_whole("seen_entry_id", entry_id)))


def _reason(reason: str) -> str:
    if reason and not _REASON.fullmatch(reason):
        raise Invalid("reason", "wanted a code such as BUSY or LUNCH_BREAK; words go in a note")
    return reason


def _references(attachments: Any) -> tuple[Reference, ...]:  # noqa: ANN401 - a repeated field
    if len(attachments) > REFERENCES_MAX:
        raise Invalid("attachments", f"at most {REFERENCES_MAX}")
    return tuple(
        Reference(
            text_of("attachments.uri", one.uri, PART_BYTES_MAX),
            text_of("attachments.media_type", one.media_type, REASON_BYTES_MAX),
            one.size_bytes,
            one.sha256,
        )
        for one in attachments
    )


type _Parsed = tuple[str, Command, Words | None]


def _append_entry(body: ownership_pb2.AppendEntryRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    kind = _ENTRY_KINDS.get(body.kind)
    if kind is None:
        raise Invalid("kind", "wanted MESSAGE, NOTE or ATTACHMENT")
    text = text_of("text", body.text, TEXT_BYTES_MAX)
    if kind is EntryKind.ATTACHMENT and not body.attachments:
        raise Invalid("attachments", "an attachment needs at least one reference")
    if kind is not EntryKind.ATTACHMENT and not text:
        raise Invalid("text", "an empty entry says nothing")
    words = EntryWords(text, _references(body.attachments))
    return customer, AppendEntry(case, body.epoch, kind), words


def _offer(body: internal_pb2.Offer) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    command = MakeOffer(
        case=case,
        epoch=body.case_epoch,
        offer=Own(parse_own("own_offer_id", body.own_offer_id)),
        agent=parse_name("agent", body.agent),
        issued_at=at_us(body.issued_at_us),
        expires_at=at_us(body.expires_at_us),
        engine_epoch=body.engine_epoch,
        policy_version=body.trace.policy_version,
        trace=body.trace.SerializeToString(deterministic=True),
    )
    return customer, command, None


def _offer_id(offer_id: str) -> tuple[str, Own]:
    return _case("offer_id", offer_id)


def _expire(body: internal_pb2.ExpireOffer) -> _Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, ExpireOffer(offer), None


def _revoke(body: internal_pb2.RevokeOffer) -> _Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, RevokeOffer(offer, _reason(body.reason)), None


def _accept(body: ownership_pb2.AcceptOfferRequest) -> _Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, AcceptOffer(offer, body.epoch, body.context_hash), None


def _decline(body: ownership_pb2.DeclineOfferRequest) -> _Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, DeclineOffer(offer, _reason(body.reason)), None


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


def _envelope(envelope: types_pb2.HandoffEnvelope) -> EnvelopeWords:
    return EnvelopeWords(
        *(
            text_of(f"envelope.{part}", getattr(envelope, part), PART_BYTES_MAX)
            for part in ("reason", "summary", "tried", "promised", "told_customer")
        )
    )


def _begin_handoff(body: ownership_pb2.BeginHandoffRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    kind, target = _target(body.target)
    command = BeginHandoff(
        case=case,
        epoch=body.epoch,
        seen=_seen(body.seen_entry_id),
        target_kind=kind,
        target=target,
        timeout_s=body.timeout_s,
    )
    return customer, command, _envelope(body.envelope)


def _cancel_handoff(body: ownership_pb2.CancelHandoffRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    handoff = _case("handoff_id", body.handoff_id)[1] if body.handoff_id else Own("")
    return customer, CancelHandoff(case, body.epoch, handoff, _reason(body.reason)), None


def _escalate(
    body: ownership_pb2.EscalateRequest,
) -> tuple[str, Escalate, EnvelopeWords]:
    customer, case = _case("case_id", body.case_id)
    queue = parse_name("queue", body.queue) if body.queue else ""
    envelope = _envelope(body.envelope)
    if body.rung < 0:
        raise Invalid("rung", "rungs count from 1")
    return customer, Escalate(case, body.epoch, body.rung, queue, "ESCALATED"), envelope


def _escalate_sla(body: internal_pb2.EscalateSla) -> _Parsed:
    customer, command, envelope = _escalate(body.escalate)
    timer = Own(own_of(parse_whole("timer_id", body.timer_id)))
    due = DueTimer(timer, _clock(body.clock_kind), at_us(body.fires_at_us))
    return customer, replace(command, timer=due, reason="SLA_BREACHED"), envelope


def _timer(
    body: internal_pb2.WarnSla | internal_pb2.BreachSla, fires_at_us: int, *, raise_by: int | None
) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    kind = _clock(body.clock_kind)
    command = RecordTimer(
        case=case,
        timer=Own(own_of(parse_whole("timer_id", body.timer_id))),
        clock=kind,
        due_at=at_us(body.due_at_us),
        fires_at=at_us(fires_at_us),
        breach=raise_by is not None,
        raise_priority_by=raise_by or 0,
    )
    return customer, command, None


def _clock(kind: int) -> ClockKind:
    try:
        return ClockKind(kind)
    except ValueError:
        raise Invalid("clock_kind", "which clock?") from None


def _warn(body: internal_pb2.WarnSla) -> _Parsed:
    return _timer(body, body.fires_at_us, raise_by=None)


def _breach(body: internal_pb2.BreachSla) -> _Parsed:
    return _timer(body, body.due_at_us, raise_by=body.raise_priority_by)


def _begin_wrap_up(body: internal_pb2.BeginWrapUp) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    return customer, BeginWrapUp(case, body.epoch), None


def _complete_wrap_up(body: ownership_pb2.CompleteWrapUpRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    return customer, CompleteWrapUp(case, body.epoch), None


def _close(body: ownership_pb2.CloseCaseRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    if not body.disposition:
        raise Invalid("disposition", "closing needs an outcome")
    command = CloseCase(
        case=case,
        epoch=body.epoch,
        disposition=parse_name("disposition", body.disposition),
        seen=_seen(body.seen_entry_id),
        re_told=body.re_told,
    )
    return customer, command, None


def _reopen(body: ownership_pb2.ReopenCaseRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    return customer, ReopenCase(case, _reason(body.reason)), None


def _release(body: ownership_pb2.ReleaseOwnershipRequest) -> _Parsed:
    customer, case = _case("case_id", body.case_id)
    return customer, ReleaseOwnership(case, body.epoch, _reason(body.reason)), None


def _confirm(body: internal_pb2.ConfirmDelivery) -> _Parsed:
    customer, entry = _case("entry_id", body.entry_id)
    return customer, ConfirmDelivery(entry), None


_PARSERS: dict[str, Any] = {
    "append_entry": _append_entry,
    "offer": _offer,
    "expire_offer": _expire,
    "revoke_offer": _revoke,
    "accept_offer": _accept,
    "decline_offer": _decline,
    "begin_handoff": _begin_handoff,
    "cancel_handoff": _cancel_handoff,
    "escalate": _escalate,
    "escalate_sla": _escalate_sla,
    "warn_sla": _warn,
    "breach_sla": _breach,
    "begin_wrap_up": _begin_wrap_up,
    "complete_wrap_up": _complete_wrap_up,
    "close_case": _close,
    "reopen_case": _reopen,
    "release_ownership": _release,
    "confirm_delivery": _confirm,
}
