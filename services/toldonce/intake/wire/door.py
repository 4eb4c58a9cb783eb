"""Ownership as intake's handler sees it: commands out, answers in, refusals raised."""

from datetime import datetime
from typing import Any

from google.protobuf.message import DecodeError

from toldonce.api.events.v1 import events_pb2
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.client.commands import CommandDoor
from toldonce.intake.core import Contact
from toldonce.intake.handler import Found, Taken
from toldonce.intake.handler.intake import receiving
from toldonce.intake.wire.views import found
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import derive
from toldonce.kernel.principal import Principal
from toldonce.kernel.skills import Requirement
from toldonce.kernel.story.events import Alias
from toldonce.runtime.clock import Clock
from toldonce.runtime.ids import new_id
from toldonce.runtime.mapping import to_us
from toldonce.runtime.rpc import from_status

_ROLES = {
    role: options_pb2.Role.ValueType(number)
    for name, number in options_pb2.Role.items()
    for role in (name.removeprefix("ROLE_"),)
}


class Door:
    """`handler.Ownership` over a `CommandDoor`."""

    def __init__(self, door: CommandDoor, clock: Clock) -> None:
        """Send through `door`."""
        self._door = door
        self._clock = clock

    async def receive(
        self, contact: Contact, by: Principal
    ) -> Taken[types_pb2.FixedAcknowledgement]:
        """See `Ownership.receive`; the operation id follows from the contact's."""
        done = await self._call(
            by,
            receiving(contact.contact_id),
            contact.traceparent,
            receive_contact=_contact(contact),
        )
        return Taken(done.ack, done.repeat)

    async def find(self, contact_id: str, by: Principal) -> Found[intake_pb2.ContactView]:
        """See `Ownership.find`."""
        asked = internal_pb2.FindContact(contact_id=contact_id)
        return found(await self._call(by, new_id(), find_contact=asked))

    async def abandon(self, contact_id: str, reason: str, operation: str, by: Principal) -> None:
        """See `Ownership.abandon`."""
        body = internal_pb2.AbandonCase(contact_id=contact_id, reason=reason)
        await self._call(by, operation, abandon_case=body)

    async def call_back(
        self,
        contact_id: str,
        to: Alias | None,
        not_before_at: datetime | None,
        operation: str,
        by: Principal,
    ) -> None:
        """See `Ownership.call_back`."""
        body = internal_pb2.RequestCallback(
            contact_id=contact_id,
            to=None if to is None else _alias(to),
            not_before_us=to_us(not_before_at),
        )
        await self._call(by, operation, request_callback=body)

    async def confirm(
        self, entry_id: str, gateway: str, operation: str, by: Principal
    ) -> intake_pb2.ConfirmDeliveryResponse:
        """Say that an answer was delivered; without `operation` its id follows from the entry."""
        body = internal_pb2.ConfirmDelivery(entry_id=entry_id, gateway=gateway)
        done = await self._call(by, operation or derive("confirm", entry_id), confirm_delivery=body)
        response = intake_pb2.ConfirmDeliveryResponse(repeat=done.repeat)
        if done.confirmed_at_us:
            response.confirmed_at.FromMicroseconds(done.confirmed_at_us)
        return response

    async def _call(
        self,
        by: Principal,
        operation: str,
        traceparent: str = "",
        **body: Any,  # noqa: ANN401 - one body of many
    ) -> internal_pb2.CommandDone:
        command = internal_pb2.Command(
            tenant=by.tenant,
            role=_ROLES[by.role.name],
            subject=by.subject,
            operation_id=operation,
            made_at_us=to_us(self._clock.now()),
            traceparent=traceparent,
            **body,
        )
        answer = await self._door.call(by.tenant, command.SerializeToString())
        try:
            reply = internal_pb2.CommandReply.FromString(answer)
        except DecodeError as error:
            raise Unavailable("ownership's answer cannot be read; ask again") from error
        if reply.WhichOneof("result") != "ok":
            raise from_status(reply.error)
        return reply.ok


def _contact(contact: Contact) -> internal_pb2.ReceiveContact:
    return internal_pb2.ReceiveContact(
        customer_id=contact.customer,
        contact_id=contact.contact_id,
        gateway=contact.gateway,
        message_id=contact.message_id,
        contact_made_at_us=to_us(contact.made_at),
        channel=contact.channel,
        aliases=[_alias(one) for one in contact.aliases],
        customer_name=contact.customer_name,
        subject_line=contact.subject,
        text=contact.text,
        language=contact.language,
        topic=contact.topic,
        topic_by=events_pb2.TopicBy.ValueType(contact.topic_by),
        topic_sure_pct=contact.topic_sure_pct,
        topic_model=contact.topic_model,
        requirement=_requirement(contact.requirement),
        priority=contact.priority,
        attachments=[
            types_pb2.Attachment(
                uri=one.uri,
                media_type=one.media_type,
                size_bytes=one.size_bytes,
                sha256=one.sha256,
            )
            for one in contact.references
        ],
        thread_case_id=contact.thread_case_id,
        promised_by_us=to_us(contact.promised_at),
        ack_text=contact.acknowledgement,
        policy_version=contact.policy_version,
        diverted_customer_id=contact.fresh,
        divert=contact.divert,
        customer_tier=contact.tier,
        commits=contact.commits,
    )


def _alias(alias: Alias) -> types_pb2.Alias:
    kind = types_pb2.AliasKind.Value(f"ALIAS_KIND_{alias.kind}")
    return types_pb2.Alias(kind=kind, value=alias.value)


def _requirement(need: Requirement) -> types_pb2.Requirement:
    return types_pb2.Requirement(
        queue=need.queue,
        skills=[types_pb2.SkillNeed(skill=name, level=level) for name, level in need.skills],
        language=need.language,
        preferred_agents=need.preferred_agents,
        excluded_agents=need.excluded_agents,
    )
