"""One command message in, one done message out: what both doors call."""

from google.protobuf.message import DecodeError

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.errors import Invalid, Refusal, Rejected
from toldonce.kernel.ids import CustomerId, parse_own, parse_whole, whole
from toldonce.kernel.story.events import (
    CaseReopened,
    CaseSplit,
    CommitmentMade,
    DeliveryConfirmed,
    EntryAppended,
    Event,
)
from toldonce.kernel.story.types import CaseState
from toldonce.ownership.core.commands import AbandonCase, FireTimer
from toldonce.ownership.handler import Ask, Done, Ownership, Received
from toldonce.ownership.handler.past import ended_at, ended_by, whereabouts
from toldonce.ownership.wire.customers import customer_of_ref
from toldonce.ownership.wire.forget import forgotten
from toldonce.ownership.wire.parse import ask_of, asked, callback_of, contact_of, text_of
from toldonce.ownership.wire.views import acknowledgement, contact_facts
from toldonce.runtime.case_views import case_view
from toldonce.runtime.ids import new_id
from toldonce.runtime.logs import frames, logger
from toldonce.runtime.mapping import to_us
from toldonce.runtime.rpc import Broken, to_status

PROOF_BYTES_MAX = 512
_log = logger()


async def execute(ownership: Ownership, message: internal_pb2.Command) -> internal_pb2.CommandDone:
    """Do what the message asks; raises a Refusal."""
    match message.WhichOneof("body"):
        case "receive_contact":
            fresh = message.receive_contact.diverted_customer_id
            ask = contact_of(message)
            parse_own("diverted_customer_id", fresh)
            divert = message.receive_contact.divert
            return _taken(await ownership.receive(ask, CustomerId(fresh), divert=divert))
        case "find_contact":
            return await _found(ownership, message)
        case "abandon_case":
            return await _abandoned(ownership, message)
        case "request_callback":
            return await _called_back(ownership, message)
        case "link_customers":
            return await _linked(ownership, message)
        case "forget_customer":
            return await forgotten(ownership, message)
        case "keep_commitment":
            return await _kept(ownership, message)
        case _:
            ask = ask_of(message)
            return _done(ask, await ownership.do(ask))


async def answer(ownership: Ownership, data: bytes) -> bytes:
    """Do one command given as bytes and say how it ended; never raises."""
    reply = internal_pb2.CommandReply()
    body = ""
    try:
        try:
            command = internal_pb2.Command.FromString(data)
        except DecodeError:
            raise Invalid("command", "these bytes are no command") from None
        body = command.WhichOneof("body") or ""
        reply.ok.CopyFrom(await execute(ownership, command))
    except Refusal as no:
        reply.error.CopyFrom(to_status(no))
    except Exception as fault:  # noqa: BLE001 - the last net: the asker always gets an answer
        incident_id = new_id()
        _log.error(
            "fault in a command",
            command=body,
            incident_id=incident_id,
            error=type(fault).__name__,
            frames=frames(fault),
        )
        said = Broken(f"a fault of ours; tell us {incident_id}", incident_id)
        reply.error.CopyFrom(to_status(said))
    return reply.SerializeToString()


def _taken(received: Received) -> internal_pb2.CommandDone:
    return internal_pb2.CommandDone(
        sequence=received.logged.sequence,
        event_id=received.logged.record.event_id(0),
        repeat=received.repeated,
        ack=acknowledgement(received),
        entry_id=whole(received.customer, received.event.entry),
        customer_id=received.customer,
    )


async def _found(ownership: Ownership, message: internal_pb2.Command) -> internal_pb2.CommandDone:
    contact_id = parse_whole("contact_id", message.find_contact.contact_id)
    received = await ownership.contact(message.tenant, contact_id)
    made = _taken(received)
    case_id = whole(received.customer, received.moved)
    who, placed, case = await ownership.case(message.tenant, case_id)
    made.case.CopyFrom(case_view(who, case, placed.sequence))
    made.contact.CopyFrom(
        contact_facts(received.customer, received.event, to_us(received.event.made_at))
    )
    if case.state is CaseState.CLOSED:
        history = await ownership.stories.history(message.tenant, who)
        made.contact.ended_at_us = to_us(ended_at(history, case.own))
    return made


async def _abandoned(
    ownership: Ownership, message: internal_pb2.Command
) -> internal_pb2.CommandDone:
    contact_id = parse_whole("contact_id", message.abandon_case.contact_id)
    received = await ownership.contact(message.tenant, contact_id)
    who, _ = await ownership.find(message.tenant, received.customer)
    now = whereabouts(await ownership.stories.history(message.tenant, who))
    if sum(case == received.moved for case in now.values()) > 1:
        raise Rejected("CASE_SHARED", "the customer said more in this case: it stays open")
    command = AbandonCase(received.moved, message.abandon_case.reason)
    ask = Ask(message.tenant, received.customer, command, asked(message))
    return _done(ask, await ownership.do(ask))


async def _called_back(
    ownership: Ownership, message: internal_pb2.Command
) -> internal_pb2.CommandDone:
    body = message.request_callback
    contact_id = parse_whole("contact_id", body.contact_id)
    received = await ownership.contact(message.tenant, contact_id)
    command, words = callback_of(received.moved, body)
    ask = Ask(message.tenant, received.customer, command, asked(message), words)
    return _done(ask, await ownership.do(ask))


async def _kept(ownership: Ownership, message: internal_pb2.Command) -> internal_pb2.CommandDone:
    """Note that a promise was kept, and show its case even when that has ended."""
    ask = ask_of(message)
    done = await ownership.do(ask)
    made = _done(ask, done)
    own = "" if done.logged is None else _case_of(done.logged.record.events)
    if own and not made.HasField("case"):
        case_id = whole(made.customer_id, own)
        who, placed, case = await ownership.case(message.tenant, case_id)
        made.case.CopyFrom(
            case_view(who, case, placed.sequence, commitments=placed.story.commitments)
        )
    return made


async def _linked(ownership: Ownership, message: internal_pb2.Command) -> internal_pb2.CommandDone:
    body = message.link_customers
    pair = (customer_of_ref("first", body.first), customer_of_ref("second", body.second))
    proof = text_of("reason", body.reason, PROOF_BYTES_MAX)
    to = await ownership.link(message.tenant, pair, asked(message), proof)
    who, placed = await ownership.find(message.tenant, to)
    link = ownership_pb2.LinkCustomersResponse(
        customer_id=who,
        moved_customer_id=pair[0] if pair[0] != who else pair[1],
        cases=[
            case_view(who, case, placed.sequence, commitments=placed.story.commitments)
            for case in placed.story.cases
        ],
        sequence=placed.sequence,
    )
    return internal_pb2.CommandDone(sequence=placed.sequence, link=link, customer_id=who)


def _done(ask: Ask, done: Done) -> internal_pb2.CommandDone:
    story, sequence = done.placed.story, done.placed.sequence
    made = internal_pb2.CommandDone(
        sequence=sequence, repeat=done.repeated, customer_id=ask.customer
    )
    events: tuple[Event, ...] = ()
    if done.logged is not None:
        record = done.logged.record
        made.customer_id = record.customer
        made.event_id = record.event_id(0)
        made.sequence = done.logged.sequence
        story, events = record.head, record.events
    if isinstance(ask.command, FireTimer):
        return made  # whoever tells of timers follows the stories: no view is looked at
    own = getattr(ask.command, "case", "") or _case_of(events)
    case = story.case(own)
    if case is None and done.before is not None and done.logged is not None:
        case = ended_by(done.before, done.logged.record, own)
    if case is not None:
        view = case_view(made.customer_id, case, made.sequence, commitments=story.commitments)
        made.case.CopyFrom(view)
        made.case.event_id = made.event_id
    for event in events:
        if isinstance(event, EntryAppended):
            made.entry_id = whole(made.customer_id, event.entry)
        if isinstance(event, CommitmentMade):
            made.commitment_id = whole(made.customer_id, event.commitment)
        if isinstance(event, CaseSplit):
            made.new_case.CopyFrom(case_view(made.customer_id, event.made, made.sequence))
        if isinstance(event, DeliveryConfirmed) and done.logged is not None:
            made.confirmed_at_us = to_us(done.logged.record.at)
    return made


def _case_of(events: tuple[Event, ...]) -> str:
    for event in events:
        if isinstance(event, CaseReopened):
            return event.case.own
        if own := getattr(event, "case", ""):
            return str(own)
    return ""
