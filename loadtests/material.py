"""What is sent: contacts as a gateway would hand them in, and the configuration they meet.

Contacts are made from a number, so every run and every round sends the same kind and size: an
e-mail of about 300 characters whose language and topic have to be found. Each is of a new customer.
"""

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.runtime.ids import new_id

GATEWAY = "load"
PARKED, SERVED = "parked", "served"
DISPOSITION = "answered"
AGENTS = tuple(f"agent-{number:02}" for number in range(1, 17))
UNITS = 64

_TEXTS = (
    """\
Good morning, I ordered two table lamps last Tuesday and the parcel still has not arrived, although
the tracking page says since Friday that it was handed to the courier. Could you please find out
where it is and tell me when I can expect it? I am at home every evening after six and on Saturday.
""",
    """\
Hello, the coffee machine that I bought from you in March does not work any more. It heats up for a
minute, then the red light goes on and it turns itself off. I have cleaned it as the manual says and
tried another socket. Can it be repaired, or would you rather replace it? The receipt is attached.
""",
    """\
Dear team, my credit card was charged twice for the same order, once on the third and once on the
fifth of this month. I have only received one shipment and one confirmation. Please have a look at
it and send the second amount back to the same card, as my bank tells me that only you can do so.
""",
)
_DOCUMENT = """\
version: 1
tenant: Load
languages: [en, nl]
skills: [help]
channels:
  - {{name: email, kind: email, cost: 1, reply: true, calendar: always, queue: {parked}}}
topics:
  - name: delivery
    queue: {parked}
    words: {{en: [parcel, tracking], nl: [pakket]}}
  - name: technical
    queue: {parked}
    words: {{en: ["not work", repair*], nl: [kapot]}}
queues:
  - {{name: {parked}, calendar: always, sla: none, policy: plain, dispositions: [answered]}}
  - {{name: {served}, calendar: always, sla: none, policy: plain, dispositions: [answered]}}
policies:
  - {{name: plain, wait_max_s: 86400, offer_timeout_s: 30}}
sla:
  - name: none
    targets: {{queue_wait_s: 86400, first_response_s: 86400}}
presence: {{heartbeat_s: 2, stale_s: 20, gone_s: 60}}
handoff: {{timeout_s: 30, required: [reason, summary]}}
limits: {{submit_per_s: 0}}
agents:
  - name: parker
    capacity_units: 1
    languages: {{en: 5, nl: 5}}
    skills: {{help: 5}}
    queues: [{parked}]
{agents}
"""


def document(agents_named: Sequence[str] = AGENTS, units: int = UNITS) -> str:
    """Write the configuration: agents of so many units for `SERVED`, nobody there for `PARKED`."""
    agents = "\n".join(
        f"  - {{name: {name}, capacity_units: {units}, languages: {{en: 5, nl: 5}}, "
        f"skills: {{help: 5}}, queues: [{SERVED}]}}"
        for name in agents_named
    )
    return _DOCUMENT.format(parked=PARKED, served=SERVED, agents=agents)


def contact(number: int, queue: str) -> intake_pb2.SubmitContactRequest:
    """Make a contact of a customer never seen before, for one of the two queues."""
    own = new_id()
    made_at = Timestamp()
    made_at.GetCurrentTime()
    return intake_pb2.SubmitContactRequest(
        gateway=GATEWAY,
        message_id=own,
        made_at=made_at,
        channel="email",
        aliases=[types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value=f"{own}@mail.example.org")],
        customer_name="A. Customer",
        subject="A question about my order",
        text=_TEXTS[number % len(_TEXTS)],
        queue_hint=queue,
    )


def answer() -> types_pb2.Acknowledgement:
    """Make an acknowledgement of the size of a real one."""
    customer = new_id()
    fixed = types_pb2.FixedAcknowledgement(
        contact_id=customer + new_id(),
        case_id=customer + new_id(),
        customer_id=customer,
        new_case=True,
        queue=PARKED,
        text="Thank you. We have your message and will answer it.",
    )
    fixed.received_at.GetCurrentTime()
    fixed.promised_by.GetCurrentTime()
    return types_pb2.Acknowledgement(fixed=fixed, live=types_pb2.LiveAcknowledgement())


def tagged_answer() -> intake_pb2.SubmitContactsResponse:
    """Make the same, as it comes on a stream."""
    return intake_pb2.SubmitContactsResponse(tag=1, ack=answer())
