"""Where a matter goes on when its contacts, its case or its customer are found under another id."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tellers import (
    ENGINE,
    ENVELOPE,
    GATEWAY,
    RULES,
    TENANT,
    Office,
    agent,
    contact,
    customer,
    offer,
    office,
    own,
    words,
)
from tests.unit.ownership.tale import SAM
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.ownership.v1 import ownership_pb2 as calls
from toldonce.api.types.v1 import options_pb2, types_pb2
from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.ids import Own, whole
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.events import CaseReopened, EntryWords, EnvelopeWords
from toldonce.kernel.story.types import CASES_MAX, Case, CaseState, SkillNeed, TargetKind
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import (
    AcceptOffer,
    BeginHandoff,
    CloseCase,
    KeepCommitment,
    MakeCommitment,
    MergeCases,
    ReceiveContact,
    ReopenCase,
    SplitCase,
)
from toldonce.ownership.handler import Received
from toldonce.ownership.wire import command_of, execute
from toldonce.runtime.ids import new_id

LESS, MORE = sorted((customer("a"), customer("b")))
FRESH = customer("fresh")


async def told(
    house: Office, number: int, *, thread: str = "", of: str = "", topic: str = "order"
) -> Received:
    command: ReceiveContact = replace(contact(number, topic=topic), thread=Own(thread))
    ask = house.ask(command, GATEWAY, of=of, operation=command.contact, words=words())
    return await house.ownership.receive(ask, FRESH)


async def owned(house: Office, case: Own, by: str = "anna", of: str = "") -> Case:
    _, _, found = await house.ownership.case(TENANT, whole(of or customer(), case))
    made = offer(case, by, now=house.clock.now(), number=found.epoch + 1, epoch=found.epoch)
    await house.ownership.do(house.ask(made, of=of))
    accept = AcceptOffer(made.offer, found.epoch, b"")
    await house.ownership.do(house.ask(accept, agent(by), of=of))
    return await shown(house, case, of)


async def shown(house: Office, case: Own, of: str = "") -> Case:
    return (await house.ownership.case(TENANT, whole(of or customer(), case)))[2]


async def close(house: Office, case: Own, of: str = "") -> None:
    found = await shown(house, case, of)
    done = CloseCase(case, found.epoch, "resolved", found.last_customer_entry)
    await house.ownership.do(house.ask(done, agent(found.owner), of=of))


async def merge(house: Office, into: Own, ended: Own) -> None:
    stays, goes = await shown(house, into), await shown(house, ended)
    seen = (stays.last_customer_entry, goes.last_customer_entry)
    await house.ownership.do(house.ask(MergeCases(into, 0, ended, *seen), SAM))


async def split(house: Office, case: Own, *numbers: int) -> Case:
    command = SplitCase(case, 0, tuple(own("contact", number) for number in numbers))
    done = await house.ownership.do(house.ask(command, SAM, operation=new_id()))
    return done.placed.story.cases[-1]


async def found(house: Office, number: int) -> internal_pb2.CommandDone:
    """Look a contact up as intake does."""
    return await execute(
        house.ownership,
        internal_pb2.Command(
            tenant=TENANT,
            role=options_pb2.ROLE_GATEWAY,
            subject="web",
            operation_id=new_id(),
            find_contact=internal_pb2.FindContact(
                contact_id=whole(customer(), own("contact", number))
            ),
        ),
    )


async def test_contact_is_found_in_the_case_that_a_split_or_a_merge_took_it_to() -> None:
    house = office()
    first = (await told(house, 1)).event.case
    await told(house, 2)
    made = await split(house, first, 2)
    assert (await found(house, 2)).case.case_id == whole(customer(), made.own)
    await merge(house, first, made.own)
    seen = await found(house, 2)
    assert (seen.case.case_id, seen.case.state) == (
        whole(customer(), first),
        types_pb2.CASE_STATE_OPEN,
    )
    again = await split(house, first, 2)
    assert again.own not in {first, made.own}


async def test_contact_that_left_a_case_cannot_be_split_from_it_again() -> None:
    house = office()
    first = (await told(house, 1)).event.case
    await told(house, 2)
    await told(house, 3)
    await split(house, first, 2)
    with pytest.raises(Invalid) as no:
        await split(house, first, 2, 3)
    assert no.value.problems[0].field == "contact_ids"


async def test_contact_taken_back_ends_the_case_it_is_in_now_and_no_other() -> None:
    house = office()
    first = (await told(house, 1)).event.case
    await told(house, 2)
    made = await split(house, first, 2)
    message = internal_pb2.Command(
        tenant=TENANT,
        role=options_pb2.ROLE_GATEWAY,
        subject="web",
        operation_id=new_id(),
        abandon_case=internal_pb2.AbandonCase(contact_id=whole(customer(), own("contact", 2))),
    )
    await execute(house.ownership, message)
    assert (await shown(house, made.own)).state is CaseState.CLOSED
    assert (await shown(house, first)).state is CaseState.OPEN


async def test_contact_taken_back_leaves_a_case_that_another_was_merged_into() -> None:
    house = office()
    first = (await told(house, 1)).event.case
    other = (await told(house, 2, topic="repair")).event.case
    await merge(house, first, other)
    for number in (1, 2):
        message = internal_pb2.Command(
            tenant=TENANT,
            role=options_pb2.ROLE_GATEWAY,
            subject="web",
            operation_id=new_id(),
            abandon_case=internal_pb2.AbandonCase(
                contact_id=whole(customer(), own("contact", number))
            ),
        )
        with pytest.raises(Rejected) as no:
            await execute(house.ownership, message)
        assert no.value.reason == "CASE_SHARED"
    assert (await shown(house, first)).state is CaseState.OPEN


async def test_answer_to_a_case_that_was_merged_joins_the_one_it_goes_on_in() -> None:
    house = office()
    first = (await told(house, 1)).event.case
    other = (await told(house, 2, topic="repair")).event.case
    await told(house, 3, topic="billing")
    await merge(house, first, other)
    assert (await told(house, 4, thread=other, topic="repair")).event.case == first
    await owned(house, first)
    await close(house, first)
    back = await told(house, 5, thread=other, topic="repair")
    assert (back.event.case, back.event.joined) == (first, True)


async def test_who_writes_to_a_merged_case_is_told_where_it_goes_on() -> None:
    house = office()
    first = (await told(house, 1)).event.case
    other = (await told(house, 2, topic="repair")).event.case
    goes = await shown(house, other)
    await merge(house, first, other)
    again = MergeCases(first, 0, other, own("x"), goes.last_customer_entry)
    for asked in (ReopenCase(other, "CAME_BACK"), again):
        with pytest.raises(Rejected, match=whole(customer(), first)) as no:
            await house.ownership.do(house.ask(asked, SAM))
        assert no.value.reason == "CASE_CLOSED"


async def test_answer_to_an_ended_case_of_a_linked_customer_opens_it_again() -> None:
    house = office()
    await told(house, 1, of=LESS)
    ended = (await told(house, 2, of=MORE, topic="repair")).event.case
    await owned(house, ended, of=MORE)
    await close(house, ended, of=MORE)
    to = await house.ownership.link(TENANT, (LESS, MORE), Asked(Own(new_id()), SAM), "She said so")
    assert to == LESS
    back = await told(house, 3, thread=ended, of=MORE, topic="repair")
    assert (back.customer, back.event.case, back.event.joined) == (LESS, ended, True)
    now = await shown(house, ended, LESS)
    assert (now.state, now.last_owner, now.epoch) == (CaseState.OPEN, "anna", 2)


async def test_answer_while_the_paperwork_goes_on_opens_the_case_with_its_story() -> None:
    house = office()
    command = replace(contact(1, queue="returns"), thread=Own(""))
    ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
    case = (await house.ownership.receive(ask, FRESH)).event.case
    await owned(house, case)
    await close(house, case)
    assert (await shown(house, case)).wrap_until is not None
    back = await told(house, 2, thread=case)
    assert back.event.case == case
    events = back.logged.record.events
    assert any(isinstance(event, CaseReopened) for event in events)
    assert [one.own for one in back.story.cases] == [case]


async def test_reason_of_a_link_is_kept_with_the_story() -> None:
    house = office()
    await told(house, 1, of=LESS)
    await told(house, 2, of=MORE)
    by = Asked(Own(new_id()), SAM)
    await house.ownership.link(TENANT, (LESS, MORE), by, "Her passport.")
    timeline = await house.ownership.context.timeline(TENANT, LESS)
    assert [item.text for item in timeline if item.type == "moved"] == ["Her passport."]


async def test_promise_kept_after_the_case_has_ended_shows_that_case() -> None:
    house = office()
    case = (await told(house, 1)).event.case
    await owned(house, case)
    due = house.clock.now() + timedelta(hours=1)
    promised = house.ask(
        MakeCommitment(case, 1, due), agent("anna"), words=EntryWords("A call.", ())
    )
    done = await house.ownership.do(promised)
    await close(house, case)
    promise = done.placed.story.commitments[0].own
    body = calls.KeepCommitmentRequest(commitment_id=whole(customer(), promise))
    kept = await execute(house.ownership, command_of(agent("anna"), new_id(), keep_commitment=body))
    assert (kept.case.case_id, kept.case.disposition) == (whole(customer(), case), "resolved")
    with pytest.raises(Rejected) as no:
        await house.ownership.do(house.ask(KeepCommitment(promise, 0), agent("anna")))
    assert no.value.reason == "COMMITMENT_GONE"


@pytest.mark.parametrize("said", [None, EnvelopeWords(" ", "", "", "", "", "")])
async def test_handoff_that_lacks_parts_is_refused_naming_every_one(
    said: EnvelopeWords | None,
) -> None:
    needed = ("reason", "summary", "told", "mood")
    house = office(book=replace(RULES, envelope_required=needed))
    case = await owned(house, (await told(house, 1)).event.case)
    begin = BeginHandoff(case.own, 1, case.last_customer_entry, TargetKind.AGENT, "bram", 0)
    with pytest.raises(Invalid) as no:
        await house.ownership.do(house.ask(begin, agent("anna"), words=said))
    assert [one.field for one in no.value.problems] == [
        "envelope.reason",
        "envelope.summary",
        "envelope.told_customer",
        "envelope.mood",
    ]
    assert "reason, summary, told_customer, mood" in str(no.value)
    whole_one = replace(ENVELOPE, mood="calm")
    done = await house.ownership.do(house.ask(begin, agent("anna"), words=whole_one))
    assert done.placed.story.cases[0].handoff is not None


@pytest.mark.parametrize("who", [SAM, ENGINE])
async def test_escalation_says_why(who: Principal) -> None:
    house = office()
    case = await owned(house, (await told(house, 1)).event.case)
    body = calls.EscalateRequest(
        case_id=whole(customer(), case.own), envelope=types_pb2.HandoffEnvelope(summary="s")
    )
    with pytest.raises(Invalid) as no:
        await execute(house.ownership, command_of(who, new_id(), escalate=body))
    assert no.value.problems[0].field == "envelope.reason"


@pytest.mark.parametrize("waits", [True, False])
async def test_why_a_case_climbs_is_kept_whether_or_not_somebody_owns_it(*, waits: bool) -> None:
    house = office()
    case = (await told(house, 1)).event.case
    if not waits:
        await owned(house, case)
    body = calls.EscalateRequest(
        case_id=whole(customer(), case), envelope=types_pb2.HandoffEnvelope(reason="Third time.")
    )
    await execute(house.ownership, command_of(SAM, new_id(), escalate=body))
    timeline = await house.ownership.context.timeline(TENANT, customer())
    said = [item.type for item in timeline if ("envelope_reason", "Third time.") in item.attributes]
    assert said == ["escalated" if waits else "handoff_begun"]


async def test_close_without_an_outcome_is_told_which_there_are() -> None:
    house = office()
    case = await owned(house, (await told(house, 1)).event.case)
    body = calls.CloseCaseRequest(
        case_id=whole(customer(), case.own),
        epoch=1,
        seen_entry_id=whole(customer(), case.last_customer_entry),
    )
    with pytest.raises(Invalid, match="refunded, resolved"):
        await execute(house.ownership, command_of(agent("anna"), new_id(), close_case=body))


async def test_split_that_would_overfill_the_head_is_refused() -> None:
    house = office()
    skills = tuple(SkillNeed(f"{number}" + "s" * 60, 5) for number in range(20))
    last = 0
    for number in range(8):
        command = replace(contact(number, topic=f"{number}" + "t" * 60), skills=skills)
        ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
        if (await house.ownership.receive(ask, FRESH)).customer != customer():
            break
        last = number
    assert last < CASES_MAX - 1
    joins = replace(contact(9, topic=f"{last}" + "t" * 60), skills=skills)
    ask = house.ask(joins, GATEWAY, operation=joins.contact, words=words())
    received = await house.ownership.receive(ask, FRESH)
    assert received.event.joined
    with pytest.raises(Rejected) as no:
        await split(house, received.event.case, 9)
    assert no.value.reason == "TOO_MANY_CASES"
