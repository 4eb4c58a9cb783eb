"""A thing done once stays done once: after 64 more operations, a move, on a replica that lags."""

import os
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.aims import aimed, fired
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
    words,
)
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as calls
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.clocks import ClockKind, Moment
from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.ids import CustomerId, Own, encode, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import EntryKind, EntryWords, Fenced
from toldonce.kernel.story.types import Case, CaseState, TargetKind
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    CancelHandoff,
    CloseCase,
    Escalate,
    MoveOut,
    ReopenCase,
)
from toldonce.ownership.handler import Received
from toldonce.ownership.wire import command_of, execute
from toldonce.runtime import names
from toldonce.runtime.ids import new_id

LESS, MORE = sorted((customer("a"), customer("b")))
FRESH = customer("fresh")
SUPERVISOR = Principal(TENANT, Role.SUPERVISOR, "sue")


def drawn(at: datetime) -> str:
    raw = bytearray(int(at.timestamp() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6], raw[8] = raw[6] & 15 | 0x70, raw[8] & 63 | 0x80
    return encode(bytes(raw))


async def told(house: Office, number: int, of: str = "", made_at: datetime = START) -> Received:
    command = replace(contact(number), made_at=made_at)
    ask = house.ask(command, GATEWAY, of=of, operation=command.contact, words=words())
    return await house.ownership.receive(ask, FRESH)


async def noted(house: Office, of: str, case: Own, times: int = 66) -> None:
    """Push older operations out of the head, and out of the server's memory of message ids."""
    for _ in range(times):
        note = house.ask(
            AppendEntry(case, 0, EntryKind.NOTE),
            SUPERVISOR,
            of=of,
            operation=drawn(house.clock.now()),
            words=EntryWords("seen", ()),
        )
        await house.ownership.do(note)
    house.log.forget_message_ids()


async def linked(house: Office) -> CustomerId:
    return await house.ownership.link(
        TENANT, (LESS, MORE), Asked(Own(drawn(house.clock.now())), SUPERVISOR)
    )


async def owned(house: Office) -> Case:
    received = await told(house, 1)
    made = offer(received.event.case, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    done = await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
    return done.placed.story.cases[0]


def half(to: str) -> MoveOut:
    return MoveOut(MORE, to, to_empty=False, arriving=1, stories=1)


async def test_link_asked_again_after_half_a_move_completes_it() -> None:
    house = office()
    await told(house, 1, LESS)
    await told(house, 2, MORE)
    await house.ownership.do(house.ask(half(LESS), SUPERVISOR, of=MORE))
    _, placed = await house.ownership.find(TENANT, await linked(house))
    assert len(placed.story.cases) == 2


async def test_case_of_a_story_that_moved_halfway_can_be_read() -> None:
    house = office()
    await told(house, 1, LESS)
    moved = await told(house, 2, MORE)
    await house.ownership.do(house.ask(half(LESS), SUPERVISOR, of=MORE))
    who, _, case = await house.ownership.case(TENANT, whole(MORE, moved.event.case))
    assert (who, case.state) == (LESS, CaseState.OPEN)


async def test_story_is_absorbed_once_however_much_happened_since() -> None:
    house = office()
    kept, moved = await told(house, 1, LESS), await told(house, 2, MORE)
    await linked(house)
    await noted(house, LESS, kept.event.case)
    await noted(house, MORE, moved.event.case, times=1)
    _, placed = await house.ownership.find(TENANT, LESS)
    assert len(placed.story.cases) == 2


async def test_contact_dropped_from_a_head_before_its_story_moved_is_a_repeat() -> None:
    house = office()
    await told(house, 100, LESS, START - timedelta(hours=1))
    first = await told(house, 0, MORE)
    for number in range(1, 33):
        await told(house, number, MORE, START + timedelta(seconds=number))
    await linked(house)
    house.log.forget_message_ids()
    again = await told(house, 0, MORE)
    assert (again.repeated, again.event) == (True, first.event)


async def test_contact_that_came_after_a_move_is_a_repeat_later() -> None:
    house = office()
    kept = await told(house, 100, LESS)
    await told(house, 101, MORE)
    await linked(house)
    await told(house, 1, MORE)
    await noted(house, LESS, kept.event.case)
    assert (await told(house, 1, MORE)).repeated


async def test_answer_given_before_a_move_is_not_given_again_after_it() -> None:
    house = office()
    await told(house, 1, LESS)
    moved = await told(house, 2, MORE)
    answer = house.ask(
        AppendEntry(moved.event.case, 0, EntryKind.MESSAGE_OUT),
        SUPERVISOR,
        of=MORE,
        operation=drawn(START - timedelta(seconds=1)),
        words=EntryWords("Morgen.", ()),
    )
    await house.ownership.do(answer)
    await linked(house)
    assert (await house.ownership.do(answer)).repeated
    _, placed = await house.ownership.find(TENANT, MORE)
    assert len(placed.story.unconfirmed) == 1


async def test_replica_that_lags_knows_a_repeat_all_the_same() -> None:
    house = office()
    other = office(house.log, house.keys)
    known = await told(other, 50)
    await told(house, 1)
    await noted(house, customer(), known.event.case)
    assert (await told(other, 1)).repeated


async def test_contact_of_a_story_nobody_can_read_gets_a_fresh_one() -> None:
    house = office()
    await told(house, 1)
    subject = names.story(TENANT, customer())
    last = await house.log.last(subject)
    assert last is not None
    await house.log.append(
        subject, b"garbage", expected=last.sequence, message_id="g", fence=lambda: b"f"
    )
    received = await told(office(house.log, house.keys), 2)
    assert received.customer == FRESH


async def test_cancelled_contact_leaves_a_case_that_others_are_in() -> None:
    house = office()
    mail, phone = await told(house, 1), await told(house, 2)
    assert mail.event.case == phone.event.case
    message = internal_pb2.Command(
        tenant=TENANT,
        role=options_pb2.ROLE_GATEWAY,
        subject="web",
        operation_id=new_id(),
        abandon_case=internal_pb2.AbandonCase(contact_id=whole(customer(), phone.event.contact)),
    )
    with pytest.raises(Rejected) as refusal:
        await execute(house.ownership, message)
    assert refusal.value.reason == "CASE_SHARED"


async def test_agent_with_an_old_epoch_can_neither_cancel_nor_escalate() -> None:
    house = office()
    case = await owned(house)
    seen, case_id = case.last_customer_entry, whole(customer(), case.own)
    begun = BeginHandoff(case.own, 1, seen, TargetKind.AGENT, "bram", 0)
    await house.ownership.do(house.ask(begun, agent("anna"), words=ENVELOPE))
    envelope = types_pb2.HandoffEnvelope(reason="r", summary="s")
    for body in (
        {"cancel_handoff": calls.CancelHandoffRequest(case_id=case_id, epoch=999)},
        {"escalate": calls.EscalateRequest(case_id=case_id, epoch=999, envelope=envelope)},
        {"complete_wrap_up": calls.CompleteWrapUpRequest(case_id=case_id, epoch=999)},
    ):
        with pytest.raises(Rejected):
            await execute(
                house.ownership,
                command_of(agent("anna"), drawn(house.clock.now()), **body),
            )


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(hours=3)])
async def test_operation_drawn_by_a_clock_ahead_is_done_once(ahead: timedelta) -> None:
    house = office()
    case = await owned(house)
    answer = house.ask(
        AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT),
        agent("anna"),
        operation=drawn(START + ahead),
        words=EntryWords("Morgen.", ()),
    )
    await house.ownership.do(answer)
    await noted(house, customer(), case.own)
    assert (await house.ownership.do(answer)).repeated


async def test_two_links_at_once_make_no_loop() -> None:
    house = office()
    await told(house, 1, MORE)
    stale = MoveOut(LESS, MORE, to_empty=False, arriving=1, stories=1)
    await told(house, 2, LESS)
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(stale, SUPERVISOR, of=LESS))
    assert refusal.value.reason == "MOVE_RACE"
    assert await linked(house) == LESS


@pytest.mark.parametrize("pair", [(LESS, MORE), (MORE, LESS)])
async def test_two_empty_stories_join_under_one_id_in_either_order(pair: tuple[str, str]) -> None:
    house = office()
    by = Asked(Own(drawn(house.clock.now())), SUPERVISOR)
    assert await house.ownership.link(TENANT, pair, by) == LESS


async def test_reason_in_words_is_refused_because_it_would_stand_in_the_clear() -> None:
    house = office()
    case = await owned(house)
    body = calls.ReleaseOwnershipRequest(
        case_id=whole(customer(), case.own), epoch=1, reason="Joan is angry"
    )
    with pytest.raises(Invalid) as refusal:
        await execute(house.ownership, command_of(agent("anna"), "", release_ownership=body))
    assert refusal.value.problems[0].field == "reason"


async def test_escalation_by_a_clock_that_was_stopped_is_refused() -> None:
    house = office(book=aimed())
    case = await owned(house)
    reply = AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT)
    await house.ownership.do(house.ask(reply, agent("anna"), words=EntryWords("Ja.", ())))
    climb = fired(case, ClockKind.FIRST_RESPONSE, Moment(1))
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(climb, words=ENVELOPE))
    assert refusal.value.reason == "CLOCK_STOPPED"


async def test_reopened_case_can_climb_again_and_no_owner_calls_a_climb_off() -> None:
    house = office()
    case = await owned(house)
    climb = Escalate(case.own, 1, 1, "escalations", "E")
    await house.ownership.do(house.ask(climb, SUPERVISOR, words=ENVELOPE))
    called_off = CancelHandoff(case.own, 1, Own(""), "")
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(called_off, agent("anna")))
    assert refusal.value.reason == "ESCALATED"
    closing = CloseCase(case.own, 1, "resolved", case.last_customer_entry, re_told=False)
    await house.ownership.do(house.ask(closing, agent("anna")))
    again = await house.ownership.do(house.ask(ReopenCase(case.own, "CAME_BACK"), SUPERVISOR))
    assert again.placed.story.cases[0].rung == 0


async def test_closing_twice_gives_the_first_answer_twice() -> None:
    house = office()
    case = await owned(house)
    body = calls.CloseCaseRequest(
        case_id=whole(customer(), case.own),
        epoch=1,
        disposition="resolved",
        seen_entry_id=whole(customer(), case.last_customer_entry),
    )
    command = command_of(agent("anna"), drawn(house.clock.now()), close_case=body)
    first, again = [await execute(house.ownership, command) for _ in range(2)]
    assert (first.repeat, again.repeat) == (False, True)
    assert again.case == first.case
    assert again.case.disposition == "resolved"


async def test_offer_that_is_too_old_is_shut_out_before_it_is_refused() -> None:
    house = office()
    done = await told(house, 1)
    (case,) = done.story.cases
    late = offer(case.own, "anna", now=house.clock.now() - timedelta(seconds=3))
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(late, of=done.customer))
    assert refusal.value.reason == "STALE_DECISION"
    history = await house.stories.history(TENANT, done.customer)
    assert [type(event) for event in history[-1].record.events] == [Fenced]
