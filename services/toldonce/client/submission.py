"""One contact as a gateway hands it in, and what the channel can show at once."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.places import PlaceSeen, place_seen
from toldonce.client.seen import instant, stamp


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a customer; `kind` is EMAIL, PHONE, HANDLE, ACCOUNT or OTHER."""

    kind: str
    value: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """One contact as the gateway has it. `message_id` and `made_at` are fixed once, together."""

    message_id: str
    made_at: datetime
    channel: str
    text: str
    addresses: tuple[Address, ...] = ()
    name: str = ""
    subject: str = ""
    language: str = ""
    topic: str = ""
    queue: str = ""
    priority: int | None = None
    thread: str = ""
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """What the channel can show at once; all but `repeat` and `live` is the same for every repeat.

    `live` is the place in line at this moment, None where nobody could tell.
    """

    contact_id: str
    case_id: str
    customer_id: str
    joined: bool
    queue: str
    promised_by: datetime | None
    text: str
    received_at: datetime | None
    repeat: bool
    live: PlaceSeen | None = None


def ack_of(answer: types_pb2.Acknowledgement) -> Ack:
    """Read an acknowledgement."""
    fixed = answer.fixed
    return Ack(
        contact_id=fixed.contact_id,
        case_id=fixed.case_id,
        customer_id=fixed.customer_id,
        joined=fixed.joined,
        queue=fixed.queue,
        promised_by=instant(fixed.promised_by),
        text=fixed.text,
        received_at=instant(fixed.received_at),
        repeat=answer.repeat,
        live=place_seen(answer.live),
    )


def request_of(given: Submission, gateway: str) -> intake_pb2.SubmitContactRequest:
    """Write a submission."""
    return intake_pb2.SubmitContactRequest(
        gateway=gateway,
        message_id=given.message_id,
        made_at=stamp(given.made_at),
        channel=given.channel,
        aliases=[alias(one) for one in given.addresses],
        customer_name=given.name,
        subject=given.subject,
        text=given.text,
        language_hint=given.language,
        topic_hint=given.topic,
        queue_hint=given.queue,
        priority=given.priority,
        thread_case_id=given.thread,
        customer_tier=given.tier,
    )


def alias(address: Address) -> types_pb2.Alias:
    """Write an address."""
    kind = types_pb2.AliasKind.Value(f"ALIAS_KIND_{address.kind}")
    return types_pb2.Alias(kind=kind, value=address.value, region=address.region)
