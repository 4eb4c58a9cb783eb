"""Gateways over real gRPC: intake and ownership as they are, on a log and a store in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from google.rpc.status_pb2 import Status

from tests.tellers import TENANT, secrets
from tests.unit.intake.models import written
from toldonce.api.intake.v1 import intake_pb2 as pb
from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.story import topic
from toldonce.client.channel import Client
from toldonce.client.commands import LocalDoor
from toldonce.client.context import read_context
from toldonce.intake.bind import bind as bind_intake
from toldonce.intake.bind import read_model
from toldonce.kernel.errors import Denied, Invalid, Missing, Refusal, Rejected, Unavailable
from toldonce.kernel.ids import customer_of, own_of
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import ContactReceived, TopicBy
from toldonce.ownership.bind import bind as bind_ownership
from toldonce.ownership.wire import command_of
from toldonce.runtime import names
from toldonce.runtime.app import App
from toldonce.runtime.auth import issue
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import Stored, check, demo_text, pack
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.listening import Listen
from toldonce.runtime.ports import Ports, Tables, assemble, begin
from toldonce.runtime.rpc import from_status
from toldonce.runtime.testing.bus import FakeBus
from toldonce.runtime.testing.log import FakeLog, Fate
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.zones import WheelZones

CLOCK = SystemClock()
MAIL = types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value="Joan@Shop.Example")
WITHIN_S = 10.0


class House:
    """Intake and ownership in one process, and doors into it."""

    def __init__(self, app: App, ports: Ports, log: FakeLog) -> None:
        self.app = app
        self.ports = ports
        self.log = log

    def client(self, role: Role = Role.GATEWAY, name: str = "web", tenant: str = TENANT) -> Client:
        token = issue(self.app.secrets, Principal(tenant, role, name), CLOCK)
        return Client(self.app.address, token)

    async def messages(self) -> int:
        return (await self.log.info()).messages

    async def received(self, ack: types_pb2.Acknowledgement) -> list[ContactReceived]:
        """Read the contacts of a story in the log."""
        return [
            event
            for stored in await self.log.read(names.story(TENANT, ack.fixed.customer_id))
            for event in decode_record(stored.payload).events
            if isinstance(event, ContactReceived)
        ]

    async def command(self, who: Principal, **body: Any) -> internal_pb2.CommandDone:
        command = command_of(who, "", **body)
        answer = await self.ports.door.call(TENANT, command.SerializeToString())
        reply = internal_pb2.CommandReply.FromString(answer)
        if reply.WhichOneof("result") != "ok":
            raise from_status(reply.error)
        return reply.ok

    async def owned(self, case: str, agent: str = "anouk") -> types_pb2.CaseView:
        """Make `agent` the owner of a waiting case, as the engine and a session would."""
        at_us = round(CLOCK.now().timestamp() * 1_000_000)
        engine = Principal(TENANT, Role.SERVICE, "engine")
        own = own_of(case)
        offer = internal_pb2.Offer(
            case_id=case,
            agent=agent,
            own_offer_id=own,
            engine_epoch=1,
            issued_at_us=at_us,
            expires_at_us=at_us + 60_000_000,
        )
        await self.command(engine, offer=offer)
        accept = ownership_pb2.AcceptOfferRequest(offer_id=customer_of(case) + own)
        done = await self.command(Principal(TENANT, Role.AGENT, agent), accept_offer=accept)
        return done.case

    async def answered(self, view: types_pb2.CaseView, text: str) -> str:
        entry = ownership_pb2.AppendEntryRequest(
            case_id=view.case_id,
            epoch=view.epoch,
            kind=ownership_pb2.ENTRY_KIND_MESSAGE,
            text=text,
        )
        who = Principal(TENANT, Role.AGENT, view.owner)
        return (await self.command(who, append_entry=entry)).entry_id


@asynccontextmanager
async def running(document: str, topic_model: Path | None = None) -> AsyncIterator[House]:
    log = FakeLog(clock=CLOCK)
    tables = Tables(*(FakeTable(clock=CLOCK) for _ in range(5)))
    days = check(document, WheelZones(), WheelHolidays(CLOCK.now().year)).expansion
    stored = pack(Stored(document, CLOCK.now(), "test", days))
    await tables.config.put(names.config_key(TENANT), stored, expected=0)
    async with App(Listen(port=0, metrics_port=None), secrets(), CLOCK) as app:

        async def unbound(_: bytes) -> bytes:
            raise Unavailable("not bound yet")

        ports = assemble(
            app,
            log,
            tables,
            FakeBus(),
            FakeStore(clock=CLOCK),
            door=LocalDoor(unbound),
            tenants=(TENANT,),
        )
        consumer = await bind_ownership(app, ports)
        ports = replace(ports, door=LocalDoor(consumer.answer))
        await bind_intake(app, ports, topic_model=read_model(topic_model))
        await begin(app, ports)
        await app.start()
        yield House(app, ports, log)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with running(demo_text()) as house:
        yield house


def contact(number: int = 1, **changed: Any) -> pb.SubmitContactRequest:
    """Say a contact, the same for the same number."""
    request = pb.SubmitContactRequest(
        message_id=f"m-{number}",
        channel="chat",
        aliases=[MAIL],
        text="Waar blijft mijn pakket, het is nog niet binnen?",
    )
    request.made_at.FromJsonString("2026-01-05T09:00:00Z")
    request.MergeFrom(pb.SubmitContactRequest(**changed))
    return request


async def refusal(asked: Awaitable[Any]) -> Refusal:
    try:
        await asked
    except Refusal as no:
        return no
    raise AssertionError("it was not refused")


async def test_gateway_hears_at_once_what_becomes_of_a_contact(house: House) -> None:
    async with house.client() as web:
        ack = await web.intake.SubmitContact(contact())
    assert ack.fixed.new_case
    assert not ack.repeat
    assert ack.fixed.queue == "orders"
    assert "Minute" not in ack.fixed.text
    assert "We hebben uw bericht ontvangen" in ack.fixed.text
    promised_s = ack.fixed.promised_by.seconds - ack.fixed.received_at.seconds
    assert 58 <= promised_s <= 61
    assert not ack.live.known


async def test_contact_sent_again_hears_exactly_the_first_answer(house: House) -> None:
    async with house.client() as web, house.client() as other:
        first = await web.intake.SubmitContact(contact())
        written = await house.messages()
        again = [await other.intake.SubmitContact(contact()) for _ in range(3)]
    assert [ack.repeat for ack in again] == [True] * 3
    assert {ack.fixed.SerializeToString() for ack in again} == {first.fixed.SerializeToString()}
    assert await house.messages() == written


async def test_contact_sent_twice_at_one_instant_is_one_contact(house: House) -> None:
    async with house.client() as web, house.client() as other:
        acks = await asyncio.gather(
            *(client.intake.SubmitContact(contact()) for client in (web, other) * 8)
        )
    assert len({ack.fixed.SerializeToString() for ack in acks}) == 1
    assert sum(not ack.repeat for ack in acks) == 1
    assert await house.messages() == 1


async def test_contact_whose_answer_was_lost_is_taken_in_once(house: House) -> None:
    async def lose(_subject: str, _payload: bytes) -> Fate:
        await asyncio.sleep(0)
        return Fate.LOSE_ANSWER

    async with house.client() as web:
        house.log.before_append = lose
        no = await refusal(web.intake.SubmitContact(contact()))
        assert isinstance(no, Unavailable)
        assert no.operation_id
        house.log.before_append = None
        ack = await web.intake.SubmitContact(contact())
        assert ack.repeat
        assert (await web.intake.SubmitContact(contact())).fixed == ack.fixed
    assert len(await house.received(ack)) == 1


async def test_customer_written_otherwise_tells_on_in_the_same_case(house: House) -> None:
    other = types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value=" joan@SHOP.example")
    async with house.client() as web:
        first = await web.intake.SubmitContact(contact(1))
        request = contact(2)
        del request.aliases[:]
        request.aliases.append(other)
        second = await web.intake.SubmitContact(request)
    assert second.fixed.customer_id == first.fixed.customer_id
    assert second.fixed.case_id == first.fixed.case_id
    assert second.fixed.joined
    assert second.fixed.contact_id != first.fixed.contact_id


async def test_contact_without_topic_words_gets_its_topic_by_the_model(tmp_path: Path) -> None:
    file = tmp_path / "topics.json"
    file.write_bytes(written())
    with structlog.testing.capture_logs() as said:
        async with running(demo_text(), file) as house, house.client() as web:
            acks = [
                await web.intake.SubmitContact(contact(number, text=text, language_hint="en"))
                for number, text in enumerate(("My new chair wobbles.", "Good morning.", "parcel"))
            ]
            assert (await web.intake.SubmitContact(contact(0, text="My new chair wobbles."))).repeat
            first, unknown, words = await house.received(acks[0])
            model = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
            assert (first.topic, first.topic_by) == ("technical", TopicBy.MODEL)
            assert (first.topic_sure_pct, first.topic_model) == (92, model)
            assert (unknown.topic, unknown.topic_by) == ("", TopicBy.UNSPECIFIED)
            assert (words.topic, words.topic_by) == ("late-delivery", TopicBy.WORDS)
            assert [ack.fixed.queue for ack in acks] == ["technical", "technical", "orders"]
            page = house.app.meter.page().decode()
            assert 'toldonce_topics_told_total{by="model"} 2.0' in page  # a repeat counts
            async with house.client(Role.SUPERVISOR, "sam") as sam:
                story = await read_context(sam, acks[0].fixed.case_id)
    assert topic(story) == "technical (by the model, 92 % sure)"
    ignored = [line for line in said if "ignored" in line["event"]]
    assert [(line["count"], line["sentence"].partition(":")[0]) for line in ignored] == [
        (1, "somewhere-else")
    ]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"message_id": "a\x00"}, "message_id"),
        ({"text": "x" * 49_153}, "text"),
        ({"text": "a\x07"}, "text"),
        ({"thread_case_id": "*"}, "thread_case_id"),
        ({"topic_hint": "a.b"}, "topic_hint"),
        ({"queue_hint": "a b"}, "queue_hint"),
        ({"priority": 1_001}, "priority"),
        (
            {"aliases": [types_pb2.Alias(kind=types_pb2.ALIAS_KIND_PHONE, value="0612345678")]},
            "aliases[1].region",
        ),
        (
            {"aliases": [types_pb2.Alias(kind=types_pb2.ALIAS_KIND_PHONE, value="+31 12")]},
            "aliases[1].value",
        ),
        ({"aliases": [types_pb2.Alias(value="x")]}, "aliases[1].kind"),
        ({"skills_hint": [types_pb2.SkillNeed(skill="magic", level=1)]}, "skills_hint[0].skill"),
    ],
)
async def test_contact_that_is_wrong_is_refused_by_its_field_and_nothing_is_written(
    house: House, changed: dict[str, Any], field: str
) -> None:
    async with house.client() as web:
        no = await refusal(web.intake.SubmitContact(contact(**changed)))
        assert isinstance(no, Invalid)
        assert no.problems[0].field == field
        assert await house.messages() == 0
        assert (await web.intake.SubmitContact(contact())).fixed.new_case


@pytest.mark.parametrize("seconds", [None, -1, 253_402_300_800, 4_000_000_000])
async def test_contact_without_a_good_moment_is_refused(house: House, seconds: int | None) -> None:
    request = contact()
    request.ClearField("made_at")
    if seconds is not None:
        request.made_at.seconds = seconds
    async with house.client() as web:
        no = await refusal(web.intake.SubmitContact(request))
    assert isinstance(no, Invalid)
    assert no.problems[0].field == "made_at"
    assert await house.messages() == 0


async def test_gateway_cannot_speak_for_another(house: House) -> None:
    async with house.client() as web, house.client(Role.SERVICE, "load") as service:
        assert isinstance(await refusal(web.intake.SubmitContact(contact(gateway="mail"))), Denied)
        unnamed = await refusal(service.intake.SubmitContact(contact()))
        assert isinstance(unnamed, Invalid)
        assert unnamed.problems[0].field == "gateway"
        assert (await service.intake.SubmitContact(contact(gateway="mail"))).fixed.new_case
        assert (await web.intake.SubmitContact(contact(gateway="web"))).fixed.joined


async def test_stream_answers_each_contact_by_itself(house: House) -> None:
    async with house.client() as web:
        stream = web.intake.SubmitContacts()
        for tag in range(40):
            sent = contact(tag % 30, channel="fax" if tag == 7 else "chat")
            await stream.write(pb.SubmitContactsRequest(tag=tag, contact=sent))
        await stream.done_writing()
        answers = {answer.tag: answer async for answer in stream}
    assert sorted(answers) == list(range(40))
    wrong = from_status(Status.FromString(answers[7].error.SerializeToString()))
    assert isinstance(wrong, Invalid)
    assert wrong.problems[0].field == "channel"
    acks = [answers[tag].ack for tag in answers if tag != 7]
    assert sum(not ack.repeat for ack in acks) == 30
    assert len({ack.fixed.contact_id for ack in acks}) == 30
    assert answers[35].ack.fixed == answers[5].ack.fixed


async def test_stream_ends_with_a_word_when_the_server_drains(house: House) -> None:
    async with house.client() as web:
        stream = web.intake.SubmitContacts()
        await stream.write(pb.SubmitContactsRequest(tag=1, contact=contact()))
        assert (await stream.read()).ack.fixed.new_case
        house.app.draining.set()
        assert isinstance(await refusal(stream.read()), Unavailable)


async def test_contact_is_watched_until_its_customer_leaves(house: House) -> None:
    async with house.client() as web:
        ack = await web.intake.SubmitContact(contact())
        wanted = pb.WatchContactRequest(contact_id=ack.fixed.contact_id)
        watching = aiter(web.intake.WatchContact(wanted))
        first = await anext(watching)
        assert (first.state, first.gateway) == (pb.CONTACT_STATE_WAITING, "web")
        assert first.fixed == ack.fixed
        cancel = pb.CancelContactRequest(
            contact_id=ack.fixed.contact_id, reason=pb.CANCEL_REASON_ABANDONED
        )
        cancelled = await web.intake.CancelContact(cancel)
        async with asyncio.timeout(WITHIN_S):
            last = await anext(watching)
            assert last.state == cancelled.state == pb.CONTACT_STATE_ABANDONED
            with pytest.raises(StopAsyncIteration):
                await anext(watching)
        no = await refusal(web.intake.CancelContact(cancel))
    assert isinstance(no, Rejected)
    assert no.reason == "CASE_CLOSED"


async def test_contact_is_watched_until_its_agent_is_done(house: House) -> None:
    async with house.client() as web:
        ack = await web.intake.SubmitContact(contact())
        wanted = pb.WatchContactRequest(contact_id=ack.fixed.contact_id)
        watching = aiter(web.intake.WatchContact(wanted))
        assert (await anext(watching)).state == pb.CONTACT_STATE_WAITING
        view = await house.owned(ack.fixed.case_id)
        async with asyncio.timeout(WITHIN_S):
            owned = await anext(watching)
            assert owned.state == pb.CONTACT_STATE_OWNED
            assert owned.HasField("owned_at")
            close = ownership_pb2.CloseCaseRequest(
                case_id=view.case_id,
                epoch=view.epoch,
                disposition="answered",
                seen_entry_id=view.last_customer_entry_id,
            )
            await house.command(Principal(TENANT, Role.AGENT, view.owner), close_case=close)
            assert (await anext(watching)).state == pb.CONTACT_STATE_DONE
            with pytest.raises(StopAsyncIteration):
                await anext(watching)


async def test_withdrawn_contact_is_cancelled_once(house: House) -> None:
    async with house.client() as web:
        ack = await web.intake.SubmitContact(contact())
        cancel = pb.CancelContactRequest(
            contact_id=ack.fixed.contact_id,
            reason=pb.CANCEL_REASON_WITHDRAWN,
            operation_id="0" * 26,
        )
        assert (await web.intake.CancelContact(cancel)).state == pb.CONTACT_STATE_CANCELLED
        written = await house.messages()
        assert (await web.intake.CancelContact(cancel)).state == pb.CONTACT_STATE_CANCELLED
        assert await house.messages() == written
        cancel.ClearField("reason")
        assert isinstance(await refusal(web.intake.CancelContact(cancel)), Invalid)


async def test_contact_of_another_gateway_or_tenant_is_not_there(house: House) -> None:
    async with house.client() as web, house.client(name="mail") as mail:
        ack = await web.intake.SubmitContact(contact())
        wanted = pb.GetContactRequest(contact_id=ack.fixed.contact_id)
        assert isinstance(await refusal(mail.intake.GetContact(wanted)), Missing)
        async with house.client(Role.SUPERVISOR, "ruth") as ruth:
            assert (await ruth.intake.GetContact(wanted)).gateway == "web"
        async with house.client(tenant="other") as stranger:
            assert isinstance(await refusal(stranger.intake.GetContact(wanted)), Missing)
        bad = pb.GetContactRequest(contact_id="*")
        assert isinstance(await refusal(web.intake.GetContact(bad)), Invalid)


async def test_answer_reaches_its_gateway_until_it_is_confirmed(house: House) -> None:
    async with house.client() as web, house.client(name="mail") as mail:
        ack = await web.intake.SubmitContact(contact())
        view = await house.owned(ack.fixed.case_id)
        entry_id = await house.answered(view, "Het komt morgen.")
        async with asyncio.timeout(WITHIN_S):
            entry = await anext(aiter(web.intake.WatchOutbox(pb.WatchOutboxRequest())))
            again = await anext(aiter(web.intake.WatchOutbox(pb.WatchOutboxRequest())))
        assert entry == again
        assert (entry.entry_id, entry.text) == (entry_id, "Het komt morgen.")
        assert (entry.to.value, entry.channel) == ("joan@shop.example", "chat")
        assert (entry.case_id, entry.contact_id) == (ack.fixed.case_id, ack.fixed.contact_id)
        assert entry.language == "nl"

        confirm = pb.ConfirmDeliveryRequest(entry_id=entry_id)
        assert isinstance(await refusal(mail.intake.ConfirmDelivery(confirm)), Denied)
        first = await web.intake.ConfirmDelivery(confirm)
        repeat = await web.intake.ConfirmDelivery(confirm)
        assert (first.repeat, repeat.repeat) == (False, True)
        assert first.confirmed_at == repeat.confirmed_at

        unknown = pb.ConfirmDeliveryRequest(entry_id=entry_id[:-26] + "0" * 26)
        assert isinstance(await refusal(web.intake.ConfirmDelivery(unknown)), Missing)

        later_id = await house.answered(view, "En nog iets.")
        async with asyncio.timeout(WITHIN_S):
            stream = web.intake.WatchOutbox(pb.WatchOutboxRequest(from_position=entry.position))
            assert (await anext(aiter(stream))).entry_id == later_id


async def test_ninth_matter_of_a_customer_finds_a_story_of_its_own(house: House) -> None:
    topics = (
        *("fraud", "complaint", "late-delivery", "refund", "return", "payment", "invoice"),
        *("technical", "account"),
    )
    async with house.client() as web:
        acks = [
            await web.intake.SubmitContact(contact(n, topic_hint=topic))
            for n, topic in enumerate(topics)
        ]
        again = await web.intake.SubmitContact(contact(8, topic_hint="account"))
    assert all(ack.fixed.new_case for ack in acks)
    assert len({ack.fixed.customer_id for ack in acks[:8]}) == 1
    assert acks[8].fixed.customer_id != acks[0].fixed.customer_id
    assert again.repeat
    assert again.fixed == acks[8].fixed


async def test_log_that_is_away_is_told_with_when_to_come_back(house: House) -> None:
    async with house.client() as web:
        house.log.down = True
        no = await refusal(web.intake.SubmitContact(contact()))
        assert isinstance(no, Unavailable)
        assert no.retry_s > 0
        house.log.down = False
        house.log.wake()
        assert (await web.intake.SubmitContact(contact())).fixed.new_case


async def test_incidents_are_not_built(house: House) -> None:
    async with house.client() as web:
        with pytest.raises(Refusal, match="not built"):
            await web.intake.ListIncidents(pb.ListIncidentsRequest())


async def test_intake_counts_what_comes_in(house: House) -> None:
    async with house.client() as web:
        await web.intake.SubmitContact(contact())
        await web.intake.SubmitContact(contact())
        await web.intake.SubmitContact(contact(2, text=""))
        await refusal(web.intake.SubmitContact(contact(3, channel="fax")))
    page = house.app.meter.page().decode()
    assert 'toldonce_contacts_offered_total{channel="chat"} 3.0' in page
    assert 'toldonce_contacts_offered_total{channel="unknown"} 1.0' in page
    assert 'toldonce_contacts_acknowledged_total{channel="chat"} 2.0' in page
    assert 'toldonce_contacts_repeated_total{channel="chat"} 1.0' in page
    assert "joan" not in page.lower()
