"""What is wrong is refused with a status and details that say what; nothing is written for it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc.status_pb2 import Status

from tests.e2e.raw import No, Raw, heard, no_in, no_of, raw, stranger
from tests.e2e.shop import DOCUMENT, Shop, customer, message
from toldonce.api.config.v1 import config_pb2
from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.gateway import Gateway
from toldonce.client.seen import CaseSeen
from toldonce.kernel.principal import Role
from toldonce.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBMIT = "/toldonce.api.intake.v1.IntakeService/SubmitContact"
WRONG_IDS = ("*", "a.b", ">", "a b", "a\nb", "", "z" * 53, "0" * 51 + "*", "0" * 51 + "U")
PHONE = types_pb2.ALIAS_KIND_PHONE
AVAILABLE = types_pb2.AVAILABILITY_AVAILABLE


@pytest_asyncio.fixture(loop_scope="module")
async def quiet(shop: Shop) -> AsyncIterator[Shop]:
    """A company in which a test must write nothing at all, and that answers afterwards."""
    before = await shop.messages()
    yield shop
    assert await shop.messages() == before
    ack = await (await shop.gateway()).submit(message(new_id()))
    assert not ack.repeat


def contact(**changed: Any) -> intake_pb2.SubmitContactRequest:
    request = intake_pb2.SubmitContactRequest(
        message_id="m-1",
        channel="chat",
        text="Where is my order?",
        aliases=[types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value="joan@shop.example")],
    )
    request.made_at.GetCurrentTime()
    for name in changed:
        request.ClearField(name)
    request.MergeFrom(intake_pb2.SubmitContactRequest(**changed))
    return request


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"channel": ""}, "channel"),
        ({"message_id": ""}, "message_id"),
        ({"message_id": "a\nb"}, "message_id"),
        ({"text": "x" * (48 * 1024 + 1)}, "text"),
        ({"text": "€" * (16 * 1024 + 1)}, "text"),
        ({"text": "ring\x07"}, "text"),
        ({"text": "null\x00"}, "text"),
        ({"subject": "ring\x07"}, "subject"),
        ({"queue_hint": "orders.>"}, "queue_hint"),
        ({"topic_hint": "a b"}, "topic_hint"),
        ({"priority": -1}, "priority"),
        ({"aliases": [types_pb2.Alias(kind=PHONE, value="call me", region="NL")]}, "aliases["),
        ({"aliases": [types_pb2.Alias(kind=PHONE, value="+3112", region="NL")]}, "aliases["),
        ({"aliases": [types_pb2.Alias(kind=PHONE, value="0201234567")]}, "aliases["),
        ({"aliases": [types_pb2.Alias(value="who?")]}, "aliases["),
        ({"made_at": {"seconds": 4_102_444_800}}, "made_at"),
        ({"gateway": "*"}, "gateway"),
    ],
)
async def test_contact_that_is_wrong_is_refused_by_its_field(
    quiet: Shop, changed: dict[str, Any], field: str
) -> None:
    web = await raw(quiet, Role.SERVICE, "loader")
    no = await web.no(web.intake.SubmitContact, contact(**{"gateway": "web", **changed}))
    assert (no.code, no.reason) == ("INVALID_ARGUMENT", "INVALID")
    assert [named for named in no.fields if named.startswith(field)]


@pytest.mark.parametrize("wrong", WRONG_IDS)
async def test_id_that_is_none_reads_nobody_elses_story(quiet: Shop, wrong: str) -> None:
    web = await raw(quiet, Role.GATEWAY, "web")
    sam = await raw(quiet, Role.SUPERVISOR, "sam")
    anna = await raw(quiet, Role.AGENT, "anna")
    contact_id = intake_pb2.GetContactRequest(contact_id=wrong)
    entry_id = intake_pb2.ConfirmDeliveryRequest(entry_id=wrong)
    explain = routing_pb2.ExplainDecisionRequest(case_id=wrong)
    asks = [
        ("contact_id", web.no(web.intake.GetContact, contact_id)),
        ("entry_id", web.no(web.intake.ConfirmDelivery, entry_id)),
        ("case_id", sam.no(sam.ownership.GetCase, pb.GetCaseRequest(case_id=wrong))),
        ("case_id", sam.no(sam.ownership.GetContext, pb.GetContextRequest(case_id=wrong))),
        ("case_id", sam.no(sam.routing.ExplainDecision, explain)),
        ("offer_id", anna.no(anna.ownership.AcceptOffer, pb.AcceptOfferRequest(offer_id=wrong))),
    ]
    for field, ask in asks:
        no = await ask
        assert (no.code, no.fields) == ("INVALID_ARGUMENT", (field,))


async def test_bytes_that_are_no_message_and_fields_nobody_knows_are_named(quiet: Shop) -> None:
    web = await raw(quiet, Role.GATEWAY, "web")
    whole = contact().SerializeToString()
    bad_utf8 = whole + b"\x52\x02\xff\xfe"
    no = await web.no_bytes(SUBMIT, bad_utf8)
    assert (no.code, no.fields) == ("INVALID_ARGUMENT", ("SubmitContactRequest",))
    no = await web.no_bytes(SUBMIT, b"\xff\xff\xff\xff")
    assert (no.code, no.fields) == ("INVALID_ARGUMENT", ("SubmitContactRequest",))
    no = await web.no_bytes(SUBMIT, whole + b"\xa2\x06\x01x")
    assert (no.code, no.fields) == ("INVALID_ARGUMENT", ("SubmitContactRequest.100",))
    huge = contact(text="x" * 300_000)
    no = await web.no(web.intake.SubmitContact, huge)
    assert no.code == "INVALID_ARGUMENT"


async def test_things_that_are_not_there_are_not_found(quiet: Shop) -> None:
    sam, web = await raw(quiet, Role.SUPERVISOR, "sam"), await raw(quiet, Role.GATEWAY, "web")
    anna = await raw(quiet, Role.AGENT, "anna")
    nothing = "0" * 52
    for no in (
        await sam.no(sam.ownership.GetCase, pb.GetCaseRequest(case_id=nothing)),
        await sam.no(sam.ownership.GetContext, pb.GetContextRequest(case_id=nothing)),
        await web.no(web.intake.GetContact, intake_pb2.GetContactRequest(contact_id=nothing)),
        await anna.no(anna.ownership.AcceptOffer, pb.AcceptOfferRequest(offer_id=nothing)),
    ):
        assert (no.code, no.reason) == ("NOT_FOUND", "MISSING")


async def test_nobody_and_people_of_other_companies_see_and_do_nothing(shop: Shop) -> None:
    ack = await (await shop.gateway()).submit(message(1))
    written = await shop.story(ack.customer_id)
    for token in ("", "nonsense", shop.house.token(Role.GATEWAY, "web", shop.tenant)[:-3] + "AAA"):
        nobody = await stranger(shop, token)
        no = await nobody.no(nobody.intake.SubmitContact, contact())
        assert (no.code, no.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    other = await raw(shop, Role.SUPERVISOR, "sam", tenant="elsewhere")
    no = await other.no(other.ownership.GetCase, pb.GetCaseRequest(case_id=ack.case_id))
    assert (no.code, no.reason) == ("NOT_FOUND", "MISSING")
    seen = (await (await shop.desk()).case(ack.case_id)).seen_entry
    close = pb.CloseCaseRequest(case_id=ack.case_id, disposition="solved", seen_entry_id=seen)
    no = await other.no(other.ownership.CloseCase, close)
    assert no.code == "NOT_FOUND"
    web = await raw(shop, Role.GATEWAY, "web")
    no = await web.no(web.ownership.CloseCase, close)
    assert (no.code, no.reason) == ("PERMISSION_DENIED", "DENIED")
    no = await web.no(web.intake.SubmitContact, contact(gateway="mail"))
    assert (no.code, no.reason) == ("PERMISSION_DENIED", "DENIED")
    mail = await raw(shop, Role.GATEWAY, "mail")
    wanted = intake_pb2.GetContactRequest(contact_id=ack.contact_id)
    assert (await mail.no(mail.intake.GetContact, wanted)).code == "NOT_FOUND"
    assert await shop.story(ack.customer_id) == written


async def test_offer_that_is_not_open_to_the_caller_is_refused_with_its_reason(
    hasty: Shop,
) -> None:
    web, anna = await hasty.gateway(), await hasty.agent("anna")
    bram = await raw(hasty, Role.AGENT, "bram")
    mine = await raw(hasty, Role.AGENT, "anna")
    ack = await web.submit(message(1))
    offer = await anna.offered(ack.case_id)
    accept = pb.AcceptOfferRequest(offer_id=offer.offer_id, epoch=offer.epoch)
    no = await bram.no(bram.ownership.AcceptOffer, accept)
    assert (no.code, no.reason) == ("FAILED_PRECONDITION", "OFFER_NOT_YOURS")
    stale = pb.AcceptOfferRequest(offer_id=offer.offer_id, epoch=offer.epoch + 1)
    no = await mine.no(mine.ownership.AcceptOffer, stale)
    assert (no.code, no.reason) == ("FAILED_PRECONDITION", "STALE_EPOCH")
    await anna.session.declare("AWAY")
    over = await anna.over(offer.offer_id)
    no = await mine.no(mine.ownership.AcceptOffer, accept)
    assert no.code == "FAILED_PRECONDITION"
    assert no.reason == {"EXPIRED": "OFFER_EXPIRED", "REVOKED": "OFFER_REVOKED"}[over.reason]

    second = await web.submit(message(2, addresses=customer("jim")))
    await anna.session.declare("AVAILABLE")
    offer = await anna.offered(second.case_id)
    cancel = intake_pb2.CancelContactRequest(
        contact_id=second.contact_id, reason=intake_pb2.CANCEL_REASON_ABANDONED
    )
    gate = await raw(hasty, Role.GATEWAY, "web")
    await gate.yes(gate.intake.CancelContact, cancel)
    written = await hasty.story(second.customer_id)
    accept = pb.AcceptOfferRequest(offer_id=offer.offer_id, epoch=offer.epoch)
    no = await mine.no(mine.ownership.AcceptOffer, accept)
    assert (no.code, no.reason) == ("FAILED_PRECONDITION", "OFFER_REVOKED")
    assert await hasty.story(second.customer_id) == written


async def test_write_that_quotes_an_old_epoch_or_overlooks_a_message_is_refused(
    shop: Shop,
) -> None:
    web, anna, case = await _owned(shop)
    mine = await raw(shop, Role.AGENT, "anna")
    written = await shop.story(case.customer_id)

    async def close(**changed: Any) -> No:
        given = {"epoch": case.epoch, "seen_entry_id": case.seen_entry, "disposition": "solved"}
        request = pb.CloseCaseRequest(case_id=case.case_id, **{**given, **changed})
        return await mine.no(mine.ownership.CloseCase, request)

    assert await close(epoch=case.epoch + 1) == No("FAILED_PRECONDITION", "STALE_EPOCH")
    no = await close(epoch=case.epoch - 1)
    assert no.code in {"FAILED_PRECONDITION", "INVALID_ARGUMENT"}
    for disposition in ("", "mended", "a b"):
        no = await close(disposition=disposition)
        assert (no.code, no.fields) == ("INVALID_ARGUMENT", ("disposition",))
    assert await shop.story(case.customer_id) == written
    await web.submit(message(2, "Wait, one more thing"))
    written = await shop.story(case.customer_id)
    assert await close() == No("FAILED_PRECONDITION", "UNSEEN_MESSAGE")
    handoff = pb.BeginHandoffRequest(
        case_id=case.case_id,
        epoch=case.epoch,
        seen_entry_id=case.seen_entry,
        target=types_pb2.HandoffTarget(agent="bram"),
        envelope=types_pb2.HandoffEnvelope(reason="r", summary="s"),
    )
    no = await mine.no(mine.ownership.BeginHandoff, handoff)
    assert no == No("FAILED_PRECONDITION", "UNSEEN_MESSAGE")
    handoff.target.agent = "nobody"
    assert (await mine.no(mine.ownership.BeginHandoff, handoff)).code in {
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
    }
    other = await raw(shop, Role.AGENT, "bram")
    entry = pb.AppendEntryRequest(
        case_id=case.case_id, epoch=case.epoch, kind=pb.ENTRY_KIND_NOTE, text="mine now"
    )
    no = await other.no(other.ownership.AppendEntry, entry)
    assert (no.code, no.reason) == ("FAILED_PRECONDITION", "NOT_OWNER")
    entry.text = "x" * (48 * 1024 + 1)
    assert (await mine.no(mine.ownership.AppendEntry, entry)).fields == ("text",)
    entry.text, entry.operation_id = "mine", "0" * 26
    assert (await mine.no(mine.ownership.AppendEntry, entry)).fields == ("operation_id",)
    entry.operation_id = ""
    release = pb.ReleaseOwnershipRequest(
        case_id=case.case_id, epoch=case.epoch, reason="I am Joan's neighbour"
    )
    assert (await mine.no(mine.ownership.ReleaseOwnership, release)).fields == ("reason",)
    entry.text, entry.kind = "", pb.ENTRY_KIND_MESSAGE
    assert (await mine.no(mine.ownership.AppendEntry, entry)).code == "INVALID_ARGUMENT"
    assert await shop.story(case.customer_id) == written
    assert (await anna.session.close_case(case.case_id, "solved")).state == "CLOSED"


async def test_session_that_says_wrong_things_ends_with_a_reason(shop: Shop) -> None:
    anna = await raw(shop, Role.AGENT, "anna")
    hello = routing_pb2.AgentSessionRequest(ref=1, hello=routing_pb2.Hello(availability=AVAILABLE))
    beat = routing_pb2.AgentSessionRequest(heartbeat=routing_pb2.Heartbeat())
    as_bram = routing_pb2.AgentSessionRequest(hello=routing_pb2.Hello(agent="bram"))
    assert await _session(anna, hello, hello) == No("FAILED_PRECONDITION", "ALREADY_SAID_HELLO")
    no = await _session(anna, beat)
    assert (no.code, no.fields) == ("INVALID_ARGUMENT", ("hello",))
    assert (await _session(anna, as_bram)).code == "PERMISSION_DENIED"
    zoe = await raw(shop, Role.AGENT, "zoe")
    assert (await _session(zoe, hello)).code == "NOT_FOUND"
    nobody = await stranger(shop)
    assert (await _session(nobody, hello)).code == "UNAUTHENTICATED"
    web = await raw(shop, Role.GATEWAY, "web")
    assert (await _session(web, hello)).code == "PERMISSION_DENIED"


async def test_wrong_request_in_a_session_is_answered_and_the_session_stays(shop: Shop) -> None:
    anna = await raw(shop, Role.AGENT, "anna")
    stream = anna.routing.AgentSession(metadata=anna.metadata, timeout=20.0)
    hello = routing_pb2.Hello(availability=AVAILABLE)
    await stream.write(routing_pb2.AgentSessionRequest(ref=1, hello=hello))
    assert (await stream.read()).HasField("welcome")
    wrong = [
        ({"accept": routing_pb2.Accept(offer_id="*")}, "INVALID_ARGUMENT"),
        ({"accept": routing_pb2.Accept(offer_id="0" * 52)}, "NOT_FOUND"),
        ({"set_availability": routing_pb2.SetAvailability()}, "INVALID_ARGUMENT"),
        ({}, "INVALID_ARGUMENT"),
    ]
    for ref, (body, code) in enumerate(wrong, start=2):
        await stream.write(routing_pb2.AgentSessionRequest(ref=ref, **body))
        answer = (await stream.read()).reply
        assert answer.ref == ref
        status = Status.FromString(answer.error.SerializeToString())
        assert no_in(status).code == code
    stream.cancel()


async def test_configuration_that_cannot_work_is_refused_by_its_keys(shop: Shop) -> None:
    ada = await raw(shop, Role.ADMIN, "ada")
    stands = await ada.yes(ada.config.GetConfig, config_pb2.GetConfigRequest())
    for yaml, field in (
        (DOCUMENT + "colour: blue\n", "colour"),
        (DOCUMENT.replace("skills: {lead: 1}", "skills: {lead: 5}"), "queues[3].skills.lead"),
        (DOCUMENT.replace("queue: repairs,", "queue: repair,"), "topics[1].queue"),
        (DOCUMENT.replace("version: 1", "version: 2"), "version"),
        ("agents: [", ""),
    ):
        request = config_pb2.ApplyConfigRequest(yaml=yaml)
        no = await ada.no(ada.config.ApplyConfig, request)
        assert no.code == "INVALID_ARGUMENT"
        assert not field or field in no.fields
    sam = await raw(shop, Role.SUPERVISOR, "sam")
    no = await sam.no(sam.config.ApplyConfig, config_pb2.ApplyConfigRequest(yaml=DOCUMENT))
    assert no.code == "PERMISSION_DENIED"
    assert await ada.yes(ada.config.GetConfig, config_pb2.GetConfigRequest()) == stands


async def test_servers_that_are_away_are_unavailable_with_when_to_come_back(shop: Shop) -> None:
    web, sam = await raw(shop, Role.GATEWAY, "web"), await raw(shop, Role.SUPERVISOR, "sam")
    servers = shop.house.servers
    for server, ask in (
        (servers.valkey, lambda: sam.no(sam.ownership.ListCases, pb.ListCasesRequest())),
        (servers.nats, lambda: web.no(web.intake.SubmitContact, contact())),
    ):
        await server.kill()
        try:
            no = await ask()
        finally:
            await server.start()
        assert (no.code, no.reason) == ("UNAVAILABLE", "UNAVAILABLE")
        assert no.retry_s > 0
    ack = await Gateway(await shop.client(Role.GATEWAY, "web")).submit(message(1))
    assert not ack.repeat


async def _owned(shop: Shop) -> tuple[Gateway, Any, CaseSeen]:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1))
    return web, anna, await anna.take(ack.case_id)


async def _session(who: Raw, *messages: routing_pb2.AgentSessionRequest) -> No:
    """Say these in a session and give what it ended with."""
    stream = who.routing.AgentSession(metadata=who.metadata, timeout=20.0)

    async def talk() -> None:
        for said in messages:
            await stream.write(said)
        while await stream.read() is not grpc.aio.EOF:
            pass

    async with asyncio.timeout(15.0):
        try:
            await talk()
        except grpc.aio.AioRpcError as error:
            return no_of(error)
        except asyncio.InvalidStateError:
            return await heard(stream)
    raise AssertionError("the session was not ended")
