"""Ownership writes each thing once, tells the truth about it, and keeps the story whole."""

import asyncio
from dataclasses import replace

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import (
    ENVELOPE,
    GATEWAY,
    Office,
    agent,
    contact,
    customer,
    offer,
    office,
    own,
    words,
)
from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.errors import Invalid, Missing, Rejected, Unavailable
from toldonce.kernel.ids import Own, derive, whole
from toldonce.kernel.story.events import EntryKind, EntryWords
from toldonce.kernel.story.types import (
    HEAD_BYTES_MAX,
    Case,
    CaseState,
    SkillNeed,
    TargetKind,
    WorkState,
)
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    CloseCase,
    Command,
    DeclineOffer,
    MoveOut,
    ReleaseOwnership,
    ReopenCase,
)
from toldonce.runtime.envelope import encode_head
from toldonce.runtime.testing.log import FakeLog, Fate

FRESH = customer("fresh")


async def told(house: Office, number: int = 1, of: str = "") -> Case:
    command = contact(number)
    received = await house.ownership.receive(
        house.ask(command, GATEWAY, of=of, operation=command.contact, words=words()), FRESH
    )
    found = received.story.case(received.event.case)
    assert found is not None
    return found


async def owned(house: Office, by: str = "anna", number: int = 1) -> Case:
    case = await told(house, number)
    made = offer(case.own, by, now=house.clock.now(), epoch=case.epoch)
    await house.ownership.do(house.ask(made))
    accept = AcceptOffer(made.offer, case.epoch, b"")
    done = await house.ownership.do(house.ask(accept, agent(by)))
    found = done.placed.story.case(case.own)
    assert found is not None
    return found


def close(case: Case, epoch: int, seen: Own) -> CloseCase:
    return CloseCase(case.own, epoch, "resolved", seen, re_told=False)


def handoff(case: Case, to: str = "bram") -> BeginHandoff:
    return BeginHandoff(case.own, case.epoch, case.last_customer_entry, TargetKind.AGENT, to, 0)


async def test_contact_told_twice_is_taken_in_once_with_the_first_answer() -> None:
    house = office()
    command = contact()
    ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
    first = await house.ownership.receive(ask, FRESH)
    again = await house.ownership.receive(ask, FRESH)
    assert (again.repeated, again.event, again.words) == (True, first.event, first.words)
    assert (await house.log.info()).messages == 1


async def test_contact_told_twice_at_one_instant_on_two_replicas_is_one_case() -> None:
    house = office()
    other = office(house.log, house.keys)
    command = contact()
    ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
    both = await asyncio.gather(
        house.ownership.receive(ask, FRESH), other.ownership.receive(ask, FRESH)
    )
    assert len({received.event.case for received in both}) == 1
    assert both[0].story.cases_total == 1


async def test_contact_whose_acknowledgement_is_lost_is_still_acknowledged_once() -> None:
    house = office()
    fates = iter([Fate.LOSE_ANSWER])

    async def lose_first(subject: str, payload: bytes) -> Fate | None:
        await asyncio.sleep(0)
        return next(fates, None)

    house.log.before_append = lose_first
    case = await told(house)
    assert case.work is WorkState.QUEUED
    assert (await house.log.info()).messages == 1


async def test_second_contact_on_the_same_topic_joins_the_open_case() -> None:
    house = office()
    first, second = await told(house, 1), await told(house, 2)
    assert first.own == second.own


async def test_ninth_open_case_is_diverted_to_a_fresh_story_and_stays_there() -> None:
    house = office()
    for number in range(8):
        command = contact(number, topic=f"topic{number}")
        ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
        await house.ownership.receive(ask, FRESH)
    ninth = contact(9, topic="topic9")
    ask = house.ask(ninth, GATEWAY, operation=ninth.contact, words=words())
    first = await house.ownership.receive(ask, FRESH)
    again = await house.ownership.receive(ask, FRESH)
    assert first.customer == again.customer == FRESH
    assert again.repeated


async def test_contact_that_was_sent_on_is_found_after_both_stories_became_one() -> None:
    house = office()
    command = contact(1)
    await house.ownership.receive(
        house.ask(contact(2), GATEWAY, operation=contact(2).contact, words=words()), FRESH
    )
    ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
    first = await house.ownership.receive(ask, FRESH, divert=True)
    await house.ownership.link("demo", (customer(), FRESH), house.ask(command).by)
    for divert in (False, True):
        again = await house.ownership.receive(ask, FRESH, divert=divert)
        assert (again.customer, again.event, again.repeated) == (FRESH, first.event, True)
    for story in (customer(), FRESH):
        found = await house.ownership.contact("demo", whole(story, command.contact))
        assert found.event == first.event


async def test_case_that_would_overfill_the_head_is_diverted() -> None:
    house = office()
    for number in range(8):
        command = replace(
            contact(number, topic=f"{number}" + "t" * 60),
            skills=tuple(SkillNeed(f"{skill}" + "s" * 60, 5) for skill in range(20)),
        )
        ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
        received = await house.ownership.receive(ask, customer("fresh", number))
        placed = await house.stories.load("demo", received.customer)
        assert len(encode_head(placed.story)) <= HEAD_BYTES_MAX
    assert received.customer == customer("fresh", 7)


async def test_contact_of_a_shared_alias_goes_to_a_fresh_story_unless_it_came_before() -> None:
    house = office()
    first, second = contact(1), contact(2)
    for command, divert in ((first, False), (first, True), (second, True), (second, False)):
        ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
        received = await house.ownership.receive(ask, FRESH, divert=divert)
        assert received.customer == (customer() if command is first else FRESH)
    assert received.story.contacts_total == 1


async def test_two_agents_racing_for_one_offer_make_one_owner() -> None:
    house = office()
    case = await told(house)
    made = offer(case.own, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    accept = AcceptOffer(made.offer, 0, b"")
    answers = await asyncio.gather(
        *(house.ownership.do(house.ask(accept, agent(name))) for name in ("anna", "bram")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(Rejected) == 1
    _, _, now = await house.ownership.case("demo", whole(customer(), case.own))
    assert (now.owner, now.epoch) == ("anna", 1)


async def test_offer_that_is_gone_says_what_became_of_it() -> None:
    house = office()
    case = await told(house)
    made = offer(case.own, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    await house.ownership.do(house.ask(DeclineOffer(made.offer, "BUSY"), agent("anna")))
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
    assert refusal.value.reason == "OFFER_DECLINED"


async def test_handoff_is_accepted_only_with_the_hash_of_the_whole_story() -> None:
    house = office()
    case = await owned(house)
    begun = await house.ownership.do(house.ask(handoff(case), agent("anna"), words=ENVELOPE))
    pending = begun.placed.story.cases[0].handoff
    assert pending is not None
    made = offer(case.own, "bram", now=house.clock.now(), number=2, epoch=case.epoch)
    await house.ownership.do(house.ask(made))
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(AcceptOffer(made.offer, 1, b"x" * 32), agent("bram")))
    assert refusal.value.reason == "CONTEXT_MISMATCH"
    read = await house.ownership.context.hash("demo", customer(), pending.context_sequence)
    done = await house.ownership.do(house.ask(AcceptOffer(made.offer, 1, read), agent("bram")))
    now = done.placed.story.cases[0]
    assert (now.owner, now.epoch, now.last_owner, now.hops) == ("bram", 2, "anna", 1)


async def test_handoff_declined_leaves_the_case_with_its_sender() -> None:
    house = office()
    case = await owned(house)
    await house.ownership.do(house.ask(handoff(case), agent("anna"), words=ENVELOPE))
    made = offer(case.own, "bram", now=house.clock.now(), number=2, epoch=case.epoch)
    await house.ownership.do(house.ask(made))
    done = await house.ownership.do(house.ask(DeclineOffer(made.offer, "BUSY"), agent("bram")))
    now = done.placed.story.cases[0]
    assert (now.owner, now.epoch, now.handoff) == ("anna", 1, None)


async def test_handoff_without_a_required_part_is_refused_naming_it() -> None:
    house = office()
    case = await owned(house)
    with pytest.raises(Invalid) as refusal:
        await house.ownership.do(house.ask(handoff(case), agent("anna")))
    assert refusal.value.problems[0].field == "envelope.reason"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (lambda case: close(case, 1, own("other")), "UNSEEN_MESSAGE"),
        (lambda case: close(case, 0, case.last_customer_entry), "STALE_EPOCH"),
        (lambda case: AppendEntry(case.own, 7, EntryKind.MESSAGE_OUT), "STALE_EPOCH"),
    ],
)
async def test_owner_with_a_stale_view_is_refused_and_nothing_is_written(
    command: object, reason: str
) -> None:
    house = office()
    case = await owned(house)
    before = (await house.log.info()).messages
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(command(case), agent("anna"), words=EntryWords("x", ())))  # type: ignore[operator]
    assert refusal.value.reason == reason
    assert (await house.log.info()).messages == before


async def test_case_is_closed_with_an_outcome_and_reopened_for_its_last_owner() -> None:
    house = office()
    case = await owned(house)
    done = close(case, 1, case.last_customer_entry)
    await house.ownership.do(house.ask(done, agent("anna")))
    _, _, ended = await house.ownership.case("demo", whole(customer(), case.own))
    assert (ended.state, ended.disposition) == (CaseState.CLOSED, "resolved")
    again = await house.ownership.do(house.ask(ReopenCase(case.own, "CAME_BACK"), agent("anna")))
    reopened = again.placed.story.case(case.own)
    assert reopened is not None
    assert (reopened.owner, reopened.last_owner, reopened.epoch) == ("", "anna", 2)


async def test_answer_to_a_case_nobody_knows_is_missing() -> None:
    house = office()
    await told(house)
    with pytest.raises(Missing):
        await house.ownership.case("demo", whole(customer(), own("nothing")))


async def test_same_operation_again_returns_the_first_answer() -> None:
    house = office()
    case = await owned(house)
    entry = AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT)
    ask = house.ask(entry, agent("anna"), words=EntryWords("Morgen bij u.", ()))
    first = await house.ownership.do(ask)
    again = await house.ownership.do(ask)
    assert first.logged is not None
    assert again.logged is not None
    assert (again.repeated, again.logged.sequence) == (True, first.logged.sequence)


async def test_append_nobody_answers_is_unavailable_with_its_operation_id() -> None:
    house = office()
    case = await owned(house)

    async def lose(subject: str, payload: bytes) -> Fate | None:
        await asyncio.sleep(0)
        return Fate.LOSE_REQUEST

    house.log.before_append = lose
    ask = house.ask(AppendEntry(case.own, 1, EntryKind.NOTE), agent("anna"))
    with pytest.raises(Unavailable) as refusal:
        await house.ownership.do(ask)
    assert refusal.value.operation_id == ask.by.operation
    house.log.before_append = None
    done = await house.ownership.do(ask)
    assert done.placed.story.messages >= 4
    entries = [
        event
        for logged in await house.stories.history("demo", customer())
        if logged.record.operation == ask.by.operation
        for event in logged.record.events
    ]
    assert len(entries) == 1


async def test_linked_customers_have_one_story_and_each_id_finds_it() -> None:
    house = office()
    first, second = sorted((customer("joan"), customer("joan at work")))
    kept = await told(house, 1, of=first)
    moved = await told(house, 2, of=second)
    by = house.ask(AppendEntry(kept.own, 0, EntryKind.NOTE)).by
    to = await house.ownership.link("demo", (first, second), by)
    assert to == first
    who, placed, found = await house.ownership.case("demo", whole(second, moved.own))
    assert (who, found.epoch, len(placed.story.cases)) == (first, 1, 2)
    again = contact(2)
    ask = house.ask(again, GATEWAY, of=second, operation=again.contact, words=words())
    assert (await house.ownership.receive(ask, FRESH)).repeated


async def test_story_moved_halfway_is_completed_by_whoever_meets_it() -> None:
    house = office()
    first, second = sorted((customer("joan"), customer("joan at work")))
    await told(house, 1, of=first)
    await told(house, 2, of=second)
    await house.ownership.do(
        house.ask(MoveOut(second, first, to_empty=False, arriving=1, stories=1), of=second)
    )
    third = contact(3)
    ask = house.ask(third, GATEWAY, of=second, operation=third.contact, words=words())
    received = await house.ownership.receive(ask, FRESH)
    assert received.customer == first
    assert received.story.contacts_total == 3


async def test_clock_that_was_stopped_in_time_cannot_breach() -> None:
    house = office(book=aimed(aims(wait=1)))
    case = await owned(house)
    await asyncio.sleep(2)
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(fired(case, ClockKind.QUEUE_WAIT, BREACH)))
    assert refusal.value.reason == "CLOCK_STOPPED"


async def test_timer_of_an_earlier_wait_says_nothing_about_this_one() -> None:
    house = office(book=aimed(aims(wait=1)))
    case = await owned(house)
    await house.ownership.do(house.ask(ReleaseOwnership(case.own, 1, "LUNCH"), agent("anna")))
    old = fired(case, ClockKind.QUEUE_WAIT, BREACH, case.waiting_since)
    await asyncio.sleep(2)
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(old))
    assert refusal.value.reason == "CLOCK_STOPPED"


def test_derived_ids_are_the_same_on_every_try() -> None:
    command: Command = contact()
    assert derive("case", own("contact", 1)) == derive("case", command.contact)


async def test_words_in_the_log_are_sealed() -> None:
    house = office()
    await told(house)
    stored = await house.log.get(1)
    assert stored is not None
    assert b"pakket" not in stored.payload
    assert b"Joan" not in stored.payload


async def test_writer_asks_the_log_again_before_it_refuses() -> None:
    log = FakeLog()
    house = office(log)
    other = office(log, house.keys)
    case = await owned(house)
    await other.ownership.case("demo", whole(customer(), case.own))
    done = close(case, 1, case.last_customer_entry)
    await house.ownership.do(house.ask(done, agent("anna")))
    with pytest.raises(Rejected) as refusal:
        await other.ownership.do(other.ask(AppendEntry(case.own, 1, EntryKind.NOTE), agent("anna")))
    assert refusal.value.reason == "CASE_CLOSED"
