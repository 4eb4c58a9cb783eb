"""Forgetting: the log first, the keys after; every story of the customer, once, and for good."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tellers import (
    ENVELOPE,
    GATEWAY,
    START,
    TENANT,
    Office,
    agent,
    contact,
    customer,
    offer,
    office,
    secrets,
    words,
)
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as calls
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.aliases import Given, Kind, customer_of, normalise
from toldonce.kernel.errors import Invalid, Missing, Rejected, Unavailable
from toldonce.kernel.ids import Own, derive, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    ContactReceived,
    EntryAppended,
    EntryKind,
    EntryWords,
    Forgotten,
)
from toldonce.kernel.story.types import CaseState, TargetKind
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    DivertContact,
    Forget,
    ReopenCase,
)
from toldonce.ownership.handler import Received, export
from toldonce.ownership.wire import Customers, command_of, execute, pieces
from toldonce.runtime.address import LibraryAddresses
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.ids import new_id
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.testing.table import FakeTable

pytestmark = pytest.mark.looptime

JOAN, JOHN = customer(), customer("john")
LESS, MORE = sorted((JOAN, JOHN))
FRESH = customer("fresh")
SUE = Principal(TENANT, Role.SUPERVISOR, "sue")


async def told(house: Office, number: int = 1, of: str = "", text: str = "Help") -> Received:
    command = contact(number)
    ask = house.ask(command, GATEWAY, of=of, operation=command.contact, words=words(text))
    return await house.ownership.receive(ask, FRESH)


def by(operation: str = "") -> Asked:
    return Asked(Own(operation or new_id()), SUE)


async def forgotten(house: Office, who: str = JOAN, operation: str = ""):
    return await house.ownership.forgetting.forget(TENANT, who, "ASKED_TO", by(operation))


async def texts(house: Office, who: str = JOAN) -> list[str | None]:
    """Read what the keys still open: None where they do not, whatever a timeline would show."""
    found: list[str | None] = []
    for logged in await house.ownership.stories.history(TENANT, who):
        words = await house.ownership.context.words(logged.record)
        for index, event in enumerate(logged.record.events):
            if isinstance(event, ContactReceived | EntryAppended):
                said = (words or {}).get(index)
                found.append(None if words is None else getattr(said, "text", ""))
    return found


async def events(house: Office, who: str = JOAN) -> list[Forgotten]:
    history = await house.ownership.stories.history(TENANT, who)
    return [e for one in history for e in one.record.events if isinstance(e, Forgotten)]


async def owned(house: Office) -> Own:
    received = await told(house)
    made = offer(received.event.case, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
    return received.event.case


async def test_customer_is_forgotten_with_words_cases_offers_and_answers() -> None:
    house = office()
    case = await owned(house)
    entry = house.ask(
        AppendEntry(case, 1, EntryKind.MESSAGE_OUT), agent("anna"), words=EntryWords("Soon", ())
    )
    await house.ownership.do(entry)
    forgot = await forgotten(house)
    assert (forgot.customer, forgot.repeated) == (JOAN, False)
    assert await texts(house) == [None, None]
    placed = await house.stories.load(TENANT, JOAN)
    assert placed.story.forgotten
    assert (placed.story.cases, placed.story.unconfirmed, placed.story.key) == ((), (), None)
    _, _, ended = await house.ownership.case(TENANT, whole(JOAN, case))
    assert (ended.state, ended.disposition) == (CaseState.CLOSED, "forgotten")


async def test_forgetting_again_answers_the_same_and_writes_nothing() -> None:
    house = office()
    await told(house)
    operation = new_id()
    first = await forgotten(house, operation=operation)
    messages = (await house.log.info()).messages
    assert replace(await forgotten(house, operation=operation), repeated=False) == first
    assert replace(await forgotten(house), repeated=False) == first
    assert (await house.log.info()).messages == messages


async def test_forgetting_that_died_between_the_log_and_the_keys_is_completed_by_a_retry() -> None:
    house = office()
    await told(house, text="secret")
    operation = new_id()
    ask = house.ask(Forget("ASKED_TO"), SUE, operation=operation)
    await house.ownership.do(ask)
    assert await texts(house) == ["secret"]
    await forgotten(house, operation=operation)
    assert await texts(house) == [None]


async def test_forgetting_that_died_halfway_is_completed_by_whoever_meets_it() -> None:
    house = office()
    await told(house, text="secret")
    await house.ownership.do(house.ask(Forget("ASKED_TO"), SUE))
    (met,) = await events(house)
    for _ in range(2):
        await house.ownership.forgetting.complete(TENANT, met)
        assert await texts(house) == [None]


async def test_forgetting_is_not_said_to_be_done_while_the_keys_cannot_be_destroyed() -> None:
    table = FakeTable()
    house = office(keys=KeyRing(table, secrets(), LoopClock(START)))
    await told(house)
    table.down = True
    with pytest.raises(Unavailable):
        await forgotten(house)
    table.down = False
    first = await forgotten(house)
    assert len(await events(house)) == 1
    assert first.at == (await house.stories.load(TENANT, JOAN)).story.at


async def test_linked_stories_are_forgotten_together_by_the_id_of_any_of_them() -> None:
    for named in (LESS, MORE):
        house = office()
        await told(house, 1, LESS, "one")
        await told(house, 2, MORE, "two")
        await house.ownership.link(TENANT, (LESS, MORE), by())
        assert await texts(house, LESS) == ["one", "two"]
        assert (await forgotten(house, named)).customer == LESS
        assert await texts(house, LESS) == [None, None]
        assert await texts(house, MORE) == [None]
        (said,) = await events(house, LESS)
        assert len(said.keys) == 2


async def test_contact_that_went_elsewhere_because_the_story_was_full_is_forgotten_too() -> None:
    house = office()
    await told(house, 1, text="first")
    for reason, to in (("TOO_MANY_CASES", customer("x")), ("SHARED_ALIAS", customer("y"))):
        await house.ownership.do(
            house.ask(DivertContact(Own(derive("c", to)), START, to, reason), GATEWAY)
        )
        await told(house, 7, to, f"went to {to}")
    await forgotten(house)
    assert await texts(house) == [None]
    assert await texts(house, customer("x")) == [None]
    assert await texts(house, customer("y")) == [f"went to {customer('y')}"]


async def test_contact_that_was_linked_to_somebody_else_since_stays() -> None:
    house = office()
    await told(house, 1)
    to = customer("x")
    await house.ownership.do(
        house.ask(DivertContact(Own(derive("c", to)), START, to, "TOO_MANY_CASES"), GATEWAY)
    )
    await told(house, 7, to, "mine")
    await told(house, 8, JOHN, "mine too")
    theirs = await house.ownership.link(TENANT, (to, JOHN), by())
    await forgotten(house)
    assert await texts(house, theirs) == ["mine", "mine too"]


async def test_forgotten_customer_who_returns_is_readable_and_the_past_is_not() -> None:
    house = office()
    before = await told(house, 1, text="before")
    await forgotten(house)
    after = await told(house, 2, text="after")
    assert await texts(house) == [None, "after"]
    assert after.event.case != before.event.case
    placed = await house.stories.load(TENANT, JOAN)
    assert not placed.story.forgotten
    assert placed.story.key not in (await events(house))[0].keys
    again = await forgotten(house)
    assert await texts(house) == [None, None]
    assert again.at > START - timedelta(1)
    assert [len(event.keys) for event in await events(house)] == [1, 1]


async def test_contact_sent_again_after_forgetting_is_still_the_same_contact() -> None:
    house = office()
    first = await told(house, 1, text="before")
    await forgotten(house)
    again = await told(house, 1, text="before")
    assert again.repeated
    assert again.event == first.event
    assert again.words is None
    assert await texts(house) == [None]


async def test_replica_that_has_not_heard_of_it_writes_the_next_words_under_a_new_key() -> None:
    table, kept = FakeTable(), secrets()
    house = office(keys=KeyRing(table, kept, LoopClock(START)))
    other = office(house.log, KeyRing(table, kept, LoopClock(START)))
    await told(other, 1, text="before")
    await forgotten(house)
    await told(other, 2, text="after")
    assert await texts(other) == [None, "after"]
    assert await texts(house) == [None, "after"]


async def test_case_of_a_forgotten_customer_cannot_be_reopened() -> None:
    house = office()
    case = await owned(house)
    await forgotten(house)
    with pytest.raises((Rejected, Missing)):
        await house.ownership.do(house.ask(ReopenCase(case, "ASKED"), agent("anna")))
    assert (await house.stories.load(TENANT, JOAN)).story.cases == ()


async def test_handoff_envelope_is_forgotten_and_its_handoff_ends() -> None:
    house = office()
    case = await owned(house)
    placed = await house.stories.load(TENANT, JOAN)
    entry = placed.story.cases[0].last_customer_entry
    begin = BeginHandoff(case, 1, entry, TargetKind.AGENT, "bram", 0)
    await house.ownership.do(house.ask(begin, agent("anna"), words=ENVELOPE))
    await forgotten(house)
    timeline = await house.ownership.context.timeline(TENANT, JOAN)
    said = str(timeline)
    assert ENVELOPE.summary not in said
    assert ENVELOPE.reason not in said


async def test_nobody_is_forgotten_under_an_id_that_nobody_has() -> None:
    house = office()
    with pytest.raises(Missing):
        await forgotten(house, customer("nobody"))
    assert (await house.log.info()).messages == 0


def request(**more) -> calls.ForgetCustomerRequest:
    ref = calls.CustomerRef(customer_id=JOAN)
    return calls.ForgetCustomerRequest(**{"customer": ref, "reason": "ASKED_TO", **more})


async def test_answer_says_by_when_it_is_final() -> None:
    house = office()
    await told(house)
    done = await execute(house.ownership, command_of(SUE, "", forget_customer=request()))
    placed = await house.stories.load(TENANT, JOAN)
    assert placed.story.at is not None
    final = done.forgotten.final_by.ToDatetime(placed.story.at.tzinfo)
    assert final == placed.story.at + timedelta(days=30)
    assert (done.forgotten.customer_id, done.repeat) == (JOAN, False)
    again = await execute(house.ownership, command_of(SUE, "", forget_customer=request()))
    assert again.forgotten == done.forgotten


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "because Joan said so"}, "reason"),
        ({"customer": calls.CustomerRef()}, "customer"),
        ({"customer": calls.CustomerRef(customer_id="*")}, "customer.customer_id"),
    ],
)
async def test_forgetting_without_a_customer_or_a_reason_code_is_refused(given, field) -> None:
    house = office()
    message: internal_pb2.Command = command_of(SUE, "", forget_customer=request(**given))
    with pytest.raises(Invalid) as no:
        await execute(house.ownership, message)
    assert no.value.problems[0].field == field


def test_customer_is_found_by_the_address_intake_knows_them_by() -> None:
    kept = secrets()
    customers = Customers(kept, LibraryAddresses())
    alias = normalise("a", Given(Kind.EMAIL, "Joan@Shop.Example"), LibraryAddresses())
    ref = calls.CustomerRef(
        alias=types_pb2.Alias(kind=types_pb2.ALIAS_KIND_EMAIL, value=" JOAN@shop.example")
    )
    found = customers.by_id(TENANT, "customer", ref)
    assert found.customer_id == customer_of(kept.tenant_key(TENANT), alias)
    for wrong, field in (
        (calls.CustomerRef(), "customer"),
        (calls.CustomerRef(alias=types_pb2.Alias(value="x")), "customer.alias.kind"),
        (calls.CustomerRef(alias=types_pb2.Alias(kind=1, value="x")), "customer.alias.value"),
    ):
        with pytest.raises(Invalid) as no:
            customers.by_id(TENANT, "customer", wrong)
        assert no.value.problems[0].field == field


async def lines(house: Office, who: str = JOAN) -> list[dict]:
    got = [piece.chunk async for piece in pieces(export(house.ownership, TENANT, who))]
    assert all(0 < len(chunk) <= 256 * 1024 for chunk in got)
    return [json.loads(line) for line in b"".join(got).decode().splitlines()]


async def test_export_gives_every_event_of_every_linked_story_with_its_words() -> None:
    house = office()
    await told(house, 1, LESS, "één")
    await told(house, 2, MORE, "two")
    await house.ownership.link(TENANT, (LESS, MORE), by())
    given = await lines(house, MORE)
    assert [line["line"] for line in given][:2] == ["story", "event"]
    assert given[0]["customer_id"] == LESS
    assert len(given[0]["head"]["cases"]) == 2
    said = {line["words"]["text"] for line in given[1:] if line["words"]}
    assert said == {"één", "two"}
    types = {line["type"] for line in given[1:]}
    assert {"case_opened", "contact_received", "moved", "absorbed"} <= types
    assert all(len(line["event_id"]) == 26 for line in given[1:])
    received = next(line for line in given if line.get("type") == "contact_received")
    assert received["facts"]["case"].startswith(LESS)
    assert received["words"]["name"] == "Joan"


async def test_export_cuts_a_long_story_into_pieces_that_fit() -> None:
    house = office()
    case = (await told(house, 1)).event.case
    for number in range(12):
        note = AppendEntry(case, 0, EntryKind.NOTE)
        text = EntryWords(f"{number} " + "\u2603" * 16_000, ())
        await house.ownership.do(house.ask(note, SUE, operation=new_id(), words=text))
    chunks = [piece.chunk async for piece in pieces(export(house.ownership, TENANT, JOAN))]
    assert len(chunks) > 2
    assert len([line for line in await lines(house) if line.get("type") == "entry_appended"]) == 12


async def test_export_of_a_forgotten_customer_shows_that_and_no_words() -> None:
    house = office()
    await told(house, 1, text="secret")
    await forgotten(house)
    given = await lines(house)
    assert "secret" not in str(given)
    assert given[0]["head"]["forgotten"]
    assert {line["forgotten"] for line in given[1:] if line["type"] == "contact_received"} == {True}
    with pytest.raises(Missing):
        await lines(house, customer("nobody"))
