"""Contacts and entries: what comes in, what goes out."""

from dataclasses import replace

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import Own, derive, own_of, parse_name, parse_own, parse_whole
from toldonce.kernel.story.events import ContactWords, EntryKind, EntryWords, TopicBy
from toldonce.kernel.story.types import TEXT_BYTES_MAX, SkillNeed
from toldonce.ownership.core.commands import AppendEntry, ConfirmDelivery, ReceiveContact
from toldonce.ownership.handler import Ask
from toldonce.ownership.wire.parse.words import (
    PART_BYTES_MAX,
    Parsed,
    Parsers,
    alias_of,
    asked,
    case_of,
    references_of,
    text_of,
)
from toldonce.runtime.mapping import at_us, from_us

_ENTRY_KINDS = {
    ownership_pb2.ENTRY_KIND_MESSAGE: EntryKind.MESSAGE_OUT,
    ownership_pb2.ENTRY_KIND_NOTE: EntryKind.NOTE,
    ownership_pb2.ENTRY_KIND_ATTACHMENT: EntryKind.ATTACHMENT,
}


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
        topic_by=_topic_by(contact.topic_by),
        topic_sure_pct=contact.topic_sure_pct,
        topic_model=contact.topic_model,
        tier=parse_name("customer_tier", contact.customer_tier) if contact.customer_tier else "",
        commits=contact.commits,
    )
    words = ContactWords(
        aliases=tuple(alias_of("aliases", alias) for alias in contact.aliases),
        name=text_of("customer_name", contact.customer_name, PART_BYTES_MAX),
        subject=text_of("subject_line", contact.subject_line, PART_BYTES_MAX),
        text=text_of("text", contact.text, TEXT_BYTES_MAX),
        acknowledgement=text_of("ack_text", contact.ack_text, PART_BYTES_MAX),
        references=references_of(contact.attachments),
    )
    by = replace(asked(message), operation=Own(derive("receive", own)))
    return Ask(message.tenant, customer, command, by, words, message.traceparent)


def _topic_by(number: int) -> TopicBy:
    """Read who said the topic; somebody of whom a newer intake speaks is nobody we know."""
    return TopicBy(number) if number in TopicBy else TopicBy.UNSPECIFIED


def _append_entry(body: ownership_pb2.AppendEntryRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    kind = _ENTRY_KINDS.get(body.kind)
    if kind is None:
        raise Invalid("kind", "wanted MESSAGE, NOTE or ATTACHMENT")
    text = text_of("text", body.text, TEXT_BYTES_MAX)
    if kind is EntryKind.ATTACHMENT and not body.attachments:
        raise Invalid("attachments", "an attachment needs at least one reference")
    if kind is not EntryKind.ATTACHMENT and not text:
        raise Invalid("text", "an empty entry says nothing")
    words = EntryWords(text, references_of(body.attachments))
    awaits = body.awaits_customer and kind is EntryKind.MESSAGE_OUT
    return customer, AppendEntry(case, body.epoch, kind, awaits_customer=awaits), words


def _confirm(body: internal_pb2.ConfirmDelivery) -> Parsed:
    customer, entry = case_of("entry_id", body.entry_id)
    return customer, ConfirmDelivery(entry), None


PARSERS: Parsers = {"append_entry": _append_entry, "confirm_delivery": _confirm}
