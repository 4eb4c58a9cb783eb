"""A story is read in pages: the card first, each small enough, none of another request."""

import asyncio
import base64
from dataclasses import replace

import pytest

from tests.tellers import (
    ENVELOPE,
    GATEWAY,
    RULES,
    Office,
    agent,
    contact,
    customer,
    offer,
    office,
    own,
)
from tests.unit.ownership.reading import Reader, be
from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client.context import ContextRead
from toldonce.kernel.context import context_hash
from toldonce.kernel.errors import Conflict, Invalid, Missing, Rejected
from toldonce.kernel.ids import CustomerId, derive, whole
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
from toldonce.kernel.story.types import TEXT_BYTES_MAX, Case, TargetKind
from toldonce.ownership import handler
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    CancelHandoff,
    CloseCase,
    Forget,
    LinkIncident,
    MakeCommitment,
)
from toldonce.ownership.core.rules import Rules
from toldonce.ownership.handler import Ownership, Writer
from toldonce.ownership.handler.context import Told
from toldonce.ownership.wire.context import parse_context_request
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import HANDOFF_CONTEXT_COMPLETE

CASE = whole(CustomerId(derive("customer")), derive("case"))
FRESH = customer("fresh")
SAM = Principal("demo", Role.SUPERVISOR, "sam")
MAIL = Alias("EMAIL", "joan@example.org")
PHONE = Alias("PHONE", "+31201234567")


@pytest.fixture(autouse=True)
def bram_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, "bram")


def spoken(text: str = "Waar is mijn pakket?", *aliases: Alias, name: str = "Joan") -> ContactWords:
    return ContactWords(aliases or (MAIL,), name, "", text, "Dank u, we antwoorden snel.", ())


async def tell(
    house: Office, number: int = 1, said: ContactWords | None = None, of: str = "", **more: str
) -> Case:
    command = replace(contact(number), **more)  # type: ignore[arg-type]
    ask = house.ask(command, GATEWAY, of=of, operation=command.contact, words=said or spoken())
    received = await house.ownership.receive(ask, FRESH)
    found = received.story.case(received.event.case)
    assert found is not None
    return found


async def do(
    house: Office, command: object, who: Principal, said: Words | None = None, name: str = ""
) -> Case | None:
    ask = house.ask(command, who, words=said, operation=own(name) if name else "")  # type: ignore[arg-type]
    done = await house.ownership.do(ask)
    cases = done.placed.story.cases
    return cases[0] if cases else None


async def owned(house: Office, case: Case, by: str = "anna", number: int = 1) -> Case:
    made = offer(case.own, by, now=house.clock.now(), epoch=case.epoch, number=number)
    await house.ownership.do(house.ask(made))
    done = await house.ownership.do(house.ask(AcceptOffer(made.offer, case.epoch, b""), agent(by)))
    return next(one for one in done.placed.story.cases if one.own == case.own)


async def note(house: Office, case: Case, text: str, number: int, *large: Reference) -> None:
    entry = AppendEntry(case.own, case.epoch, EntryKind.NOTE)
    await do(house, entry, agent("anna"), EntryWords(text, large), f"note {number}")


async def handed(
    house: Office,
    case: Case,
    said: EnvelopeWords = ENVELOPE,
    *,
    warm: bool = False,
    to: str = "bram",
) -> Case:
    begin = BeginHandoff(
        case.own, case.epoch, case.last_customer_entry, TargetKind.AGENT, to, 0, warm=warm
    )
    found = await do(house, begin, agent("anna"), said, f"handoff {said.summary}")
    assert found is not None
    return found


def asking(words: bytes, **more: int) -> ownership_pb2.GetContextRequest:
    token = base64.urlsafe_b64encode(words).decode()
    return ownership_pb2.GetContextRequest(case_id=CASE, page_token=token, **more)


WHO = f"{CASE[:26]} {CASE[26:]}".encode()


def test_agent_asks_for_the_next_page_by_the_token_of_the_last() -> None:
    wanted = parse_context_request(asking(b"40 1234 7 " + WHO, after_sequence=7))
    assert (wanted.start, wanted.upto, wanted.after) == (40, 1234, 7)


@pytest.mark.parametrize(
    "words",
    [
        b"-1 1234 0 " + WHO,
        b"1 -1 0 " + WHO,
        b"1",
        b"1 2 3",
        b" 1 2 0 " + WHO,
        b"1_0 2 0 " + WHO,
        b"\xff 2",
        b"",
        b"9" * 30 + b" 1 0 " + WHO,
        b"1 2 0 " + WHO[:-1] + b"*",
        b"1 2 9 " + WHO,
        b"1 2 0 " + WHO[:-1] + b"1",
    ],
)
def test_agent_cannot_ask_for_a_page_by_a_token_of_their_own_or_of_another_request(
    words: bytes,
) -> None:
    request = asking(words)
    request.page_token = request.page_token or "!"
    with pytest.raises(Invalid):
        parse_context_request(request)


def test_agent_cannot_read_further_by_a_token_than_they_asked() -> None:
    with pytest.raises(Invalid):
        parse_context_request(asking(b"1 50 0 " + WHO, upto_sequence=40))
    with pytest.raises(Invalid):
        parse_context_request(
            ownership_pb2.GetContextRequest(case_id=CASE, min_sequence=8, upto_sequence=7)
        )


async def test_every_page_of_a_long_story_is_small_and_together_they_are_the_whole() -> None:
    house = office()
    reader = Reader(house)
    case = await owned(house, await tell(house, 1, spoken("é" * (TEXT_BYTES_MAX // 2))))
    for number in range(30):
        large = Reference("s3://files/" + "x" * 900, "image/png", 2**40, "a" * 64)
        await note(house, case, f"{number}" * (TEXT_BYTES_MAX // 2), number, *[large] * 16)
    for number in range(8):
        part = f"{number}" + "w" * 4_000
        pending = await handed(house, case, EnvelopeWords("why", part, part, part, part, "angry"))
        assert pending.handoff is not None
        stop = CancelHandoff(case.own, case.epoch, pending.handoff.own, "")
        await do(house, stop, agent("anna"))
    read = await reader.read(whole(customer(), case.own))
    timeline = await house.ownership.context.timeline("demo", customer())
    assert read.items == timeline
    assert read.hash == context_hash(timeline)
    assert len(reader.pages) > 5
    assert [page.HasField("card") for page in reader.pages] == [True] + [False] * (
        len(reader.pages) - 1
    )
    told = [one for page in reader.pages for one in page.handoffs]
    assert len(told) == 8
    for page in reader.pages:
        begun = [item.sequence for item in page.items if item.type == "handoff_begun"]
        assert [one.sequence for one in page.handoffs] == begun


async def test_page_with_the_fullest_card_and_the_longest_first_text_is_small_all_the_same() -> (
    None
):
    house = office()
    reader = Reader(house)
    every = [Alias("OTHER", f"{number:04}" + "a" * 1_000) for number in range(32)]
    first = spoken("t" * TEXT_BYTES_MAX, *every[:8], name="n" * 8_000)
    case = await owned(house, await tell(house, 1, first))
    for number in range(1, 4):
        await tell(house, 1 + number, spoken("?", *every[number * 8 : number * 8 + 8]))
    for number in range(16):
        due = house.clock.now().replace(year=2026, month=6)
        promise = MakeCommitment(case.own, case.epoch, due)
        await do(house, promise, agent("anna"), EntryWords("p" * 4_096, ()), f"promise {number}")
    page = await reader.page(case_id=whole(customer(), case.own))
    assert len(page.card.aliases) == 32
    assert len(page.card.commitments) == 16
    assert page.card.commitments[0].text == "p" * 4_096
    assert page.items


async def test_card_says_who_the_customer_is_over_all_stories_that_were_linked() -> None:
    house = office()
    reader = Reader(house)
    first, second = sorted((customer("joan"), customer("joan at work")))
    await tell(house, 1, spoken("een", MAIL, name="Jo"), of=second, topic="other", language="fr")
    case = await tell(house, 2, spoken("twee", PHONE, name="Joan"), of=first)
    await tell(house, 3, spoken("drie", PHONE, name=""), of=first)
    by = house.ask(AppendEntry(case.own, 0, EntryKind.NOTE)).by
    assert await house.ownership.link("demo", (first, second), by) == first
    read = await reader.read(whole(first, case.own))
    assert read.card.aliases == (("PHONE", PHONE.value), ("EMAIL", MAIL.value))
    assert (read.card.name, read.card.language) == ("Joan", "nl")
    assert (read.card.preferred_channel, read.card.contacts_total) == ("chat", 3)


async def test_card_shows_what_is_open_and_how_earlier_cases_ended() -> None:
    house = office()
    reader = Reader(house)
    old = await owned(house, await tell(house, 1, topic="parcel"))
    await do(
        house,
        CloseCase(old.own, 1, "resolved", old.last_customer_entry, re_told=False),
        agent("anna"),
    )
    case = await owned(house, await tell(house, 2), number=2)
    due = house.clock.now().replace(year=2026, month=2)
    await do(house, MakeCommitment(case.own, 1, due), agent("anna"), EntryWords("Morgen.", ()))
    await do(house, LinkIncident(case.own, "parcels-lost"), SAM)
    card = (await reader.read(whole(customer(), case.own))).card
    assert [(one.topic, one.agent, one.disposition) for one in card.earlier_cases] == [
        ("parcel", "anna", "resolved")
    ]
    assert [(one.text, one.due_at, one.agent) for one in card.promises] == [
        ("Morgen.", due, "anna")
    ]
    assert (card.incident, card.preferred_agent) == ("parcels-lost", "anna")


async def test_story_as_of_a_position_shows_the_case_and_the_card_of_then() -> None:
    house = office()
    reader = Reader(house)
    case = await owned(house, await tell(house))
    await handed(house, case)
    upto = (await house.stories.load("demo", customer())).sequence
    await tell(house, 2, spoken("Nog iets", PHONE))
    then = await reader.read(whole(customer(), case.own), upto=upto)
    now = await reader.read(whole(customer(), case.own))
    assert (then.upto, then.case.sequence, then.card.contacts_total) == (upto, upto, 1)
    assert (now.card.contacts_total, len(now.card.aliases)) == (2, 2)
    assert then.items == now.items[: len(then.items)]
    later = await reader.read(whole(customer(), case.own), after=upto)
    assert later.items == now.items[len(then.items) :]
    far = await reader.read(whole(customer(), case.own), upto=9_999)
    assert far.upto == now.upto


async def test_case_that_came_later_is_not_in_the_story_of_before() -> None:
    house = office()
    await tell(house)
    upto = (await house.stories.load("demo", customer())).sequence
    case = await tell(house, 2, topic="other")
    with pytest.raises(Missing):
        await Reader(house).read(whole(customer(), case.own), upto=upto)


async def test_handoff_is_told_with_its_envelope_and_how_it_ended() -> None:
    house = office()
    reader = Reader(house)
    case = await owned(house, await tell(house))
    said = replace(ENVELOPE, mood="impatient")
    pending = await handed(house, case, said, warm=True)
    read = await reader.read(whole(customer(), case.own))
    told = read.handoffs[0]
    assert (told.outcome, told.warm, told.envelope.mood) == ("UNSPECIFIED", True, "impatient")
    assert pending.handoff is not None
    upto = pending.handoff.context_sequence
    digest = (await reader.read(whole(customer(), case.own), upto=upto)).hash
    made = offer(case.own, "bram", now=house.clock.now(), number=2, epoch=1)
    await house.ownership.do(house.ask(made))
    await do(house, AcceptOffer(made.offer, 1, digest), agent("bram"))
    told = (await reader.read(whole(customer(), case.own))).handoffs[0]
    assert (told.outcome, told.ended_reason, told.ended_at is not None) == ("ACCEPTED", "", True)


async def test_story_that_was_forgotten_shows_facts_without_words() -> None:
    house = office()
    reader = Reader(house)
    case = await owned(house, await tell(house))
    await note(house, case, "belt morgen", 1)
    case_id = whole(customer(), case.own)
    words = await reader.read(case_id)
    # the keys are still there, as they are for a moment after the log has said so
    await do(house, Forget("ASKED_TO"), SAM)
    for upto in (0, words.upto):
        read = await reader.read(case_id, upto=upto)
        said = [item for item in read.items if item.type in {"contact_received", "entry_appended"}]
        assert len(said) == 2
        assert all(not item.text for item in read.items)
        assert all(dict(item.attributes)["forgotten"] == "true" for item in said)
        assert (read.card.aliases, read.card.name) == ((), "")
    assert read.card.contacts_total == 1
    read = await reader.read(case_id)
    assert read.card.forgotten
    assert read.case.closed
    back = await tell(house, 2, spoken("Daar ben ik weer", PHONE))
    card = (await reader.read(whole(customer(), back.own))).card
    assert (card.forgotten, card.aliases) == (True, (("PHONE", PHONE.value),))
    assert [one.disposition for one in card.earlier_cases] == ["forgotten"]


async def test_long_story_is_told_from_memory_only_while_the_log_has_nothing_newer() -> None:
    house = office()
    case = await owned(house, await tell(house, 1, spoken("geheim " + "x" * 40_000)))
    await note(house, case, "geheim " + "y" * 40_000, 1)
    case_id = whole(customer(), case.own)

    async def told(upto: int = 0) -> Told:
        return await handler.tell(house.ownership, "demo", case_id, upto=upto)

    first = await told()
    assert await told() is first
    assert await told(first.upto - 1) is not first
    await note(house, case, "nog iets", 2)
    second = await told()
    assert second.items[: len(first.items)] == first.items
    assert second.items[-1].text == "nog iets"
    assert await told(second.upto) is second
    await do(house, Forget("ASKED_TO"), SAM)
    assert not any(item.text for item in (await told(second.upto)).items)


async def test_large_thing_is_shown_by_reference() -> None:
    house = office()
    case = await owned(house, await tell(house))
    await note(house, case, "foto", 1, Reference("s3://a/b", "image/png", 5, "0f" * 32))
    read = await Reader(house).read(whole(customer(), case.own))
    shown = dict(read.items[-1].attributes)["reference_0"]
    assert shown == f"s3://a/b image/png 5 {'0f' * 32}"


async def test_reader_who_asks_for_what_they_wrote_gets_it() -> None:
    house = office()
    case = await owned(house, await tell(house))
    case_id = whole(customer(), case.own)
    written = (await house.stories.load("demo", customer())).sequence
    assert (await Reader(house).read(case_id, least=written)).upto == written
    await tell(house, 9, of=customer("other"))
    other = (await house.stories.load("demo", customer("other"))).sequence
    assert (await Reader(house).read(case_id, least=other)).upto == written


async def test_reader_ahead_of_the_log_waits_a_moment_and_is_told_so() -> None:
    house = office()
    case = await owned(house, await tell(house))
    case_id = whole(customer(), case.own)
    written = (await house.stories.load("demo", customer())).sequence
    waiting = asyncio.ensure_future(Reader(house).read(case_id, least=written + 1))
    await asyncio.sleep(0)
    await note(house, case, "net op tijd", 1)
    assert (await waiting).items[-1].text == "net op tijd"
    with pytest.raises(Rejected) as refusal:
        await Reader(house).read(case_id, least=written + 9)
    assert refusal.value.reason == "BEHIND"


async def test_reader_of_a_story_that_moved_between_two_pages_begins_anew() -> None:
    house = office()
    reader = Reader(house)
    first, second = sorted((customer("joan"), customer("joan at work")))
    await tell(house, 1, of=first)
    case = await tell(house, 2, spoken("x" * TEXT_BYTES_MAX), of=second)
    for number in range(3, 10):
        await tell(house, number, spoken("x" * TEXT_BYTES_MAX), of=second)
    page = await reader.page(case_id=whole(second, case.own))
    assert page.next_page_token
    by = house.ask(AppendEntry(case.own, 0, EntryKind.NOTE)).by
    await house.ownership.link("demo", (first, second), by)
    with pytest.raises(Conflict):
        await reader.page(case_id=whole(second, case.own), page_token=page.next_page_token)


async def test_receiver_who_read_something_else_leaves_the_case_with_its_sender_counted() -> None:
    meter = Meter()
    house = metered(meter)
    reader = Reader(house)
    case = await owned(house, await tell(house))
    pending = await handed(house, case)
    assert pending.handoff is not None
    upto = pending.handoff.context_sequence
    made = offer(case.own, "bram", now=house.clock.now(), number=2, epoch=1)
    await house.ownership.do(house.ask(made))
    read: ContextRead = await reader.read(whole(customer(), case.own), upto=upto)
    wrong = replace(read.items[1], text="Iets anders")
    forged = context_hash([read.items[0], wrong, *read.items[2:]])
    with pytest.raises(Rejected) as refusal:
        await do(house, AcceptOffer(made.offer, 1, forged), agent("bram"))
    assert refusal.value.reason == "CONTEXT_MISMATCH"
    _, placed, still = await house.ownership.case("demo", whole(customer(), case.own))
    assert (still.owner, still.epoch, still.handoff is not None) == ("anna", 1, True)
    assert counted(meter) == 0.0
    taken = await do(house, AcceptOffer(made.offer, 1, read.hash), agent("bram"))
    assert taken is not None
    assert (taken.owner, taken.epoch) == ("bram", 2)
    assert counted(meter) == 0.5
    assert placed.story.handoffs_total == 1


def metered(meter: Meter) -> Office:
    """Open an ownership service that counts with `meter`."""
    house = office()

    async def rules(_tenant: str) -> Rules:
        await asyncio.sleep(0)
        return RULES

    writer = Writer(
        log=house.log,
        stories=house.stories,
        keys=house.keys,
        clock=house.clock,
        committed=lambda _tenant, _customer, _sequence: None,
        meter=meter,
    )
    ownership = Ownership(
        writer=writer, stories=house.stories, context=house.ownership.context, rules=rules
    )
    return replace(house, ownership=ownership)


def counted(meter: Meter) -> float | None:
    return meter.registry.get_sample_value(HANDOFF_CONTEXT_COMPLETE.name)
