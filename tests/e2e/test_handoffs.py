"""Handoffs over real gRPC: whatever happens in the middle, the story is equal on both sides.

Each side computes the hash of what it read itself; the log holds a third, ownership's own.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.shop import (
    DOCUMENT,
    HASTY,
    Person,
    Shop,
    check_history,
    customer,
    message,
    opened,
    patiently,
    refusal,
    tenant_name,
)
from tests.servers import eventually
from toldonce.api.ownership.v1 import ownership_pb2 as pb
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.desktop import Desktop
from toldonce.cli.house import House, house
from toldonce.cli.output import Out
from toldonce.cli.work import Work
from toldonce.client.agent import Taken
from toldonce.client.cases import Cases
from toldonce.client.context import Envelope
from toldonce.client.news import CaseNews, HandoffOver, OfferOver
from toldonce.client.seen import CaseSeen, Offer
from toldonce.client.submission import Ack
from toldonce.kernel.context import Item, context_hash
from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.ids import own_of
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import CaseClosed, HandoffBegun, HandoffCancelled
from toldonce.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENVELOPE = Envelope("needs another eye", "parcel lost twice", "called them", "", "a while", "calm")
LADDER = DOCUMENT.replace("{name: orders,", "{name: orders, escalation_queue: repairs,").replace(
    "{name: repairs,", "{name: repairs, escalation_queue: escalations,"
)
STRICT = LADDER.replace("required: [reason, summary]", "required: [reason, summary, told, mood]")
SMALL = LADDER.replace("{name: bram, capacity_units: 50", "{name: bram, capacity_units: 1")


@pytest_asyncio.fixture(loop_scope="module")
async def firm(running: House) -> AsyncIterator[Shop]:
    """A company with a ladder of departments."""
    async with opened(running, tenant_name(), LADDER) as found:
        yield found


class Side:
    """One side of a handoff: all that this agent has read of a story, and its hash."""

    def __init__(self, person: Person, case: str) -> None:
        self._person, self._case = person, case
        self._items: dict[tuple[int, int], Item] = {}

    async def read(self) -> None:
        for item in (await self._person.session.peek(self._case)).items:
            self._items[(item.sequence, item.index)] = item

    def digest(self, upto: int) -> bytes:
        return context_hash(self._items[at] for at in sorted(self._items) if at[0] <= upto)

    def words(self) -> list[str]:
        return [item.text for item in self._items.values() if item.text]


async def first_owner(shop: Shop, ack: Ack, name: str = "anna") -> tuple[Person, CaseSeen]:
    person = await shop.agent(name)
    return person, await person.take(ack.case_id)


async def begun(sender: Person, case: str, **how: Any) -> tuple[Side, CaseSeen]:
    """Begin a handoff by a sender who reads on."""
    side = Side(sender, case)
    await side.read()
    pending = await sender.session.hand_over(case, ENVELOPE, **how)
    assert (pending.owner, pending.ownership) == (sender.name, "HANDOFF_PENDING")
    await side.read()
    return side, pending


async def done(
    shop: Shop, side: Side, pending: CaseSeen, receiver: Person, offer: Offer | None = None
) -> Taken:
    """Let the receiver accept, and compare what each side has computed from its own reading."""
    offer = offer or await receiver.offered(pending.case_id)
    taken = await receiver.session.accept(offer)
    assert pending.handoff is not None
    upto = pending.handoff.context_sequence
    logged = [
        event
        for event in await shop.events(pending.customer_id)
        if isinstance(event, HandoffBegun) and event.handoff == own_of(pending.handoff.handoff_id)
    ]
    assert taken.context_hash == side.digest(upto) == logged[0].context_hash
    assert taken.context is not None
    told = {
        one.handoff_id: one.envelope
        for one in (await receiver.session.peek(pending.case_id)).handoffs
    }
    assert told[pending.handoff.handoff_id] == ENVELOPE
    assert (taken.case.owner, taken.case.epoch) == (receiver.name, pending.epoch + 1)
    check_history(await shop.story(pending.customer_id))
    return taken


async def handed(shop: Shop, sender: Person, case: str, receiver: Person, **how: Any) -> Taken:
    """Hand a case over from one to the other."""
    side, pending = await begun(sender, case, **(how or {"agent": receiver.name}))
    return await done(shop, side, pending, receiver)


async def test_story_told_on_two_channels_goes_to_another_department_cold(firm: Shop) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1, "Where is my order?"))
    anna, case = await first_owner(firm, ack)
    mail = await web.submit(message(2, "My order, by mail.", channel="email"))
    assert (mail.case_id, mail.joined) == (ack.case_id, True)
    await anna.session.reply(case.case_id, "I look for it.")
    await anna.session.note(case.case_id, "The carrier is silent.")
    bram = await firm.agent("bram")
    taken = await handed(firm, anna, case.case_id, bram, queue="repairs")
    assert (taken.case.queue, taken.case.hops) == ("repairs", 1)
    assert taken.context is not None
    words = [item.text for item in taken.context.items if item.text]
    assert words[:2] == ["Where is my order?", "My order, by mail."]
    assert {item.channel for item in taken.context.items} >= {"chat", "email"}
    over = await anna.told(HandoffOver, case=case.case_id)
    assert (over.outcome, over.new_owner) == ("ACCEPTED", "bram")
    late = await refusal(anna.session.reply(case.case_id, "Still me?"))
    assert not isinstance(late, Invalid)


async def test_warm_sender_stays_until_they_are_let_go(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    bram = await firm.agent("bram")
    taken = await handed(firm, anna, case.case_id, bram, agent="bram", warm=True)
    assert [(one.agent, one.kind) for one in taken.case.advisers] == [("anna", "WARM")]
    note = await anna.session.note(case.case_id, "She is called Joan, not Joanne.")
    assert own_of(note) in str((await bram.session.unread(case.case_id))[-1].attributes)
    as_owner = Cases(await firm.client(Role.AGENT, "anna"))
    for asked in (
        as_owner.hand_over(case.case_id, ENVELOPE, agent="carl"),
        as_owner.reply(case.case_id, "And one more thing"),
    ):
        await refusal(asked)
    gone = await bram.session.let_go(case.case_id, "anna")
    assert gone.advisers == ()
    no = await refusal(anna.session.note(case.case_id, "Too late."))
    assert isinstance(no, Rejected)
    assert no.reason == "NOT_OWNER"


async def test_adviser_sees_and_notes_and_the_owner_stays_the_owner(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    bram, carl = await firm.agent("bram"), await firm.agent("carl")
    seen = await anna.session.consult(case.case_id, "bram")
    assert [(one.agent, one.kind) for one in seen.advisers] == [("bram", "CONSULT")]
    await bram.told(CaseNews, case=case.case_id, what="ConsultJoined")
    assert (list(bram.session.advising), bram.session.cases) == ([case.case_id], {})
    side = Side(bram, case.case_id)
    await side.read()
    assert "Where is my order?" in side.words()
    await bram.session.note(case.case_id, "Ask for the track number.")
    calls = (await firm.client(Role.AGENT, "bram")).ownership
    words = pb.AppendEntryRequest(
        case_id=case.case_id, epoch=1, kind=pb.ENTRY_KIND_MESSAGE, text="Hello"
    )
    end = pb.CloseCaseRequest(
        case_id=case.case_id, epoch=1, disposition="solved", seen_entry_id=case.seen_entry
    )
    for asked in (calls.AppendEntry(words), calls.CloseCase(end)):
        no = await refusal(asked)
        assert isinstance(no, Rejected)
        assert no.reason == "NOT_OWNER"
    assert (await bram.session.let_go(case.case_id)).advisers == ()
    await bram.told(CaseNews, case=case.case_id, what="ConsultLeft")
    assert bram.session.advising == {}
    taken = await handed(firm, anna, case.case_id, carl)
    assert taken.context is not None
    assert "Ask for the track number." in [item.text for item in taken.context.items]


async def test_tier_is_found_by_climbing_departments(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    lena = await firm.agent("lena")
    no = await refusal(anna.session.hand_over(case.case_id, ENVELOPE, tier="3"))
    assert "no tier 3" in str(no)
    taken = await handed(firm, anna, case.case_id, lena, tier="2")
    assert (taken.case.queue, taken.case.owner) == ("escalations", "lena")


async def test_declined_once_and_accepted_then(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    bram, carl = await firm.agent("bram"), await firm.agent("carl")
    await begun(anna, case.case_id, agent="bram", warm=True)
    await bram.session.decline(await bram.offered(case.case_id), "AT_LUNCH")
    over = await anna.told(HandoffOver, case=case.case_id)
    assert (over.outcome, over.new_owner) == ("DECLINED", "anna")
    kept = await (await firm.desk()).case(case.case_id)
    assert (kept.owner, kept.epoch, kept.advisers) == ("anna", 1, ())
    taken = await handed(firm, anna, case.case_id, carl)
    assert taken.case.last_owner == "anna"


async def test_nobody_there_then_somebody(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    await begun(anna, case.case_id, agent="bram", timeout_s=1)
    over = await anna.told(HandoffOver, case=case.case_id)
    assert (over.outcome, over.new_owner) == ("EXPIRED", "anna")
    side, pending = await begun(anna, case.case_id, agent="bram")
    no = await refusal(anna.session.hand_over(case.case_id, ENVELOPE, agent="carl"))
    assert isinstance(no, Rejected)
    assert no.reason == "HANDOFF_PENDING"
    await done(firm, side, pending, await firm.agent("bram"))


async def test_receiver_without_room_takes_it_when_they_have_some(running: House) -> None:
    async with opened(running, tenant_name(), SMALL) as small:
        web = await small.gateway()
        other = await web.submit(message(2, addresses=customer("kim")))
        bram, busy = await first_owner(small, other, "bram")
        ack = await web.submit(message(1))
        anna, case = await first_owner(small, ack)
        await begun(anna, case.case_id, agent="bram", timeout_s=1)
        assert (await anna.told(HandoffOver, case=case.case_id)).outcome == "EXPIRED"
        assert not [offer for offer in bram.standing() if offer.case_id == case.case_id]
        side, pending = await begun(anna, case.case_id, agent="bram")
        await bram.session.close_case(busy.case_id, "solved")
        await done(small, side, pending, bram)


@pytest.mark.parametrize("moves", [True, False])
async def test_linked_customer_brings_both_stories(firm: Shop, *, moves: bool) -> None:
    web = await firm.gateway()
    first = await web.submit(message(1))
    second = await web.submit(message(2, "It is broken", addresses=customer("joan-at-work")))
    smaller, greater = sorted((first, second), key=lambda ack: ack.customer_id)
    ack, other = (greater, smaller) if moves else (smaller, greater)
    anna, case = await first_owner(firm, ack)
    bram = await firm.agent("bram", availability="AWAY", reason="lunch")
    side, pending = await begun(anna, case.case_id, agent="bram")
    sam = await firm.client(Role.SUPERVISOR, "sam")
    linked = await sam.ownership.LinkCustomers(
        pb.LinkCustomersRequest(
            operation_id=new_id(),
            first=pb.CustomerRef(customer_id=ack.customer_id),
            second=pb.CustomerRef(customer_id=other.customer_id),
            reason="She gave her order number by phone.",
        )
    )
    assert linked.customer_id == smaller.customer_id
    if moves:
        over = await anna.told(HandoffOver, case=case.case_id)
        assert (over.outcome, over.new_owner) == ("CANCELLED", "anna")
        await anna.told(CaseNews, what="Absorbed")
        kept = next(iter(anna.session.cases.values()))
        assert own_of(kept.case_id) == own_of(case.case_id)
        await anna.session.note(case.case_id, "Two addresses, one Joan.")
        side, pending = await begun(anna, kept.case_id, agent="bram")
    await bram.session.declare("AVAILABLE")
    taken = await done(firm, side, pending, bram)
    assert taken.context is not None
    words = {item.text for item in (*taken.context.items, *taken.later)}
    assert {"Where is my order?", "It is broken", "She gave her order number by phone."} <= words


async def test_reopened_case_goes_to_its_last_owner_and_then_on(firm: Shop) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1))
    anna, case = await first_owner(firm, ack)
    closed = await anna.session.close_case(
        case.case_id, "solved", re_told=True, resolved_first_owner=False
    )
    assert closed.disposition == "solved"
    told = [e for e in await firm.events(ack.customer_id) if isinstance(e, CaseClosed)]
    assert [
        (e.re_told, e.re_told_known, e.resolved_first_owner, e.resolved_known) for e in told
    ] == [(True, True, False, True)]
    carl = await firm.agent("carl")
    back = await web.submit(message(2, "It is broken again", thread=case.case_id))
    assert (back.case_id, back.joined) == (case.case_id, True)
    again = await anna.take(case.case_id)
    assert (again.last_owner, again.epoch) == ("anna", closed.epoch + 2)
    taken = await handed(firm, anna, case.case_id, carl)
    assert taken.context is not None
    assert "case_reopened" in {item.type for item in taken.context.items}


async def test_reopened_case_of_who_is_away_goes_to_whoever_is_there(firm: Shop) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1))
    anna, case = await first_owner(firm, ack)
    await anna.session.close_case(case.case_id, "solved")
    await anna.session.declare("AWAY", "lunch")
    carl = await firm.agent("carl")
    await web.submit(message(2, "Once more", thread=case.case_id))
    again = await carl.take(case.case_id)
    assert (again.owner, again.last_owner) == ("carl", "anna")


async def test_cases_made_one_and_two_while_a_handoff_waits(firm: Shop) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1))
    anna, case = await first_owner(firm, ack)
    more = await web.submit(message(2, "And my parcel?"))
    other = await web.submit(message(3, "It is broken"))
    assert (more.case_id, other.joined) == (case.case_id, False)
    await anna.take(other.case_id)
    side, pending = await begun(anna, case.case_id, agent="bram")
    merged = await anna.session.merge(case.case_id, other.case_id)
    assert merged.ownership == "HANDOFF_PENDING"
    assert list(anna.session.cases) == [case.case_id]
    ours, made = await anna.session.split(case.case_id, [more.contact_id])
    assert (ours.case_id, made.owner, made.last_owner) == (case.case_id, "", "anna")
    bram = await firm.agent("bram")
    taken = await done(firm, side, pending, bram)
    later = {item.type for item in taken.later}
    assert {"case_merged", "case_split"} <= later
    state = await (await firm.desk()).case(other.case_id)
    assert (state.state, state.disposition) == ("CLOSED", "merged")


async def test_promise_reaches_the_third_owner_who_keeps_it(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    due = datetime.now(UTC) + timedelta(hours=2)
    promise = await anna.session.promise(case.case_id, "A call before noon.", due)
    bram, carl = await firm.agent("bram"), await firm.agent("carl")
    await handed(firm, anna, case.case_id, bram)
    for whom in ("anna", "bram"):
        no = await refusal(bram.session.hand_over(case.case_id, ENVELOPE, agent=whom))
        assert isinstance(no, Rejected | Invalid)
    taken = await handed(firm, bram, case.case_id, carl)
    assert [one.commitment_id for one in taken.case.commitments] == [promise]
    assert taken.context is not None
    assert "A call before noon." in [item.text for item in taken.context.items]
    kept = await carl.session.keep_promise(promise)
    assert kept.commitments == ()
    back = await handed(firm, carl, case.case_id, anna, agent="anna", override_reason="KNOWS_HER")
    assert back.case.hops == 3
    begun_by = [e for e in await firm.events(ack.customer_id) if isinstance(e, HandoffBegun)]
    assert [event.override for event in begun_by] == ["", "", "KNOWS_HER"]


async def test_receiver_who_is_lost_finds_it_again_with_what_was_added(running: House) -> None:
    async with opened(running, tenant_name(), HASTY) as hasty:
        web = await hasty.gateway()
        ack = await web.submit(message(1))
        anna, case = await first_owner(hasty, ack)
        bram = await hasty.agent("bram")
        side, pending = await begun(anna, case.case_id, queue="repairs")
        lost = await bram.offered(case.case_id)
        await bram.vanish()
        await web.submit(message(2, "Are you there?"))
        await eventually(lambda: _no_offer(hasty, case.case_id))
        back = await hasty.agent("bram")
        offer = await back.offered(case.case_id)
        assert offer.offer_id != lost.offer_id
        taken = await done(hasty, side, pending, back, offer)
        assert "Are you there?" in [item.text for item in taken.later]


async def test_sender_who_vanishes_leaves_the_story_behind(running: House) -> None:
    async with opened(running, tenant_name(), HASTY) as hasty:
        ack = await (await hasty.gateway()).submit(message(1))
        anna, case = await first_owner(hasty, ack)
        side, pending = await begun(anna, case.case_id, queue="repairs")
        await anna.vanish()
        await done(hasty, side, pending, await hasty.agent("bram"))


async def test_wiped_store_and_a_climb_in_the_middle(firm: Shop) -> None:
    ack = await (await firm.gateway()).submit(message(1))
    anna, case = await first_owner(firm, ack)
    await begun(anna, case.case_id, agent="bram")
    await firm.house.ports.store.call("FLUSHALL")
    side = Side(anna, case.case_id)
    await side.read()
    said = Envelope("third time", ENVELOPE.summary)
    silent = await refusal(anna.session.escalate(case.case_id, Envelope("", "s")))
    assert isinstance(silent, Invalid)
    pending = await anna.session.escalate(case.case_id, said)
    over = await anna.told(HandoffOver, case=case.case_id)
    assert over.outcome == "REPLACED"
    no = await refusal(anna.session.call_off(case.case_id))
    assert isinstance(no, Rejected)
    assert no.reason == "ESCALATED"
    await firm.house.ports.store.call("FLUSHALL")
    bram = await firm.agent("bram")
    taken = await bram.session.accept(await bram.offered(case.case_id))
    assert pending.handoff is not None
    assert taken.context_hash == side.digest(pending.handoff.context_sequence)
    assert (taken.case.queue, taken.case.rung) == ("repairs", 1)


async def test_customer_who_hangs_up_mid_transfer_is_closed_by_the_owner(firm: Shop) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1))
    anna, case = await first_owner(firm, ack)
    bram = await firm.agent("bram")
    await begun(anna, case.case_id, agent="bram")
    offer = await bram.offered(case.case_id)
    no = await refusal(web.cancel(ack.contact_id))
    assert isinstance(no, Rejected)
    assert no.reason == "OWNED"
    await anna.session.close_case(case.case_id, "solved")
    assert (await bram.over(offer.offer_id)).reason == "CASE_ENDED"
    over = await anna.told(HandoffOver, case=case.case_id)
    assert over.outcome == "CANCELLED"
    cancelled = [e for e in await firm.events(ack.customer_id) if isinstance(e, HandoffCancelled)]
    assert [event.reason for event in cancelled] == ["CASE_ENDED"]
    assert [news for news in bram.heard if isinstance(news, OfferOver)]


async def test_envelope_that_lacks_parts_is_refused_naming_all_of_them(running: House) -> None:
    async with opened(running, tenant_name(), STRICT) as strict:
        ack = await (await strict.gateway()).submit(message(1))
        anna, case = await first_owner(strict, ack)
        no = await refusal(anna.session.hand_over(case.case_id, Envelope("r", ""), agent="bram"))
        assert isinstance(no, Invalid)
        assert [one.field for one in no.problems] == [
            "envelope.summary",
            "envelope.told_customer",
            "envelope.mood",
        ]
        await handed(strict, anna, case.case_id, await strict.agent("bram"))


async def test_ownership_that_starts_anew_in_the_middle_hands_over_the_same_story(
    tmp_path: Path,
) -> None:
    data, tenant = tmp_path / "data", tenant_name()
    async with (
        house(data, document=LADDER, metrics_port=None) as up,
        opened(up, tenant, LADDER) as one,
    ):
        ack = await (await one.gateway()).submit(message(1))
        anna, case = await first_owner(one, ack)
        side, pending = await begun(anna, case.case_id, agent="bram", timeout_s=600)
    async with house(data, metrics_port=None) as up, opened(up, tenant, LADDER) as two:
        bram = await patiently(lambda: two.agent("bram"))
        taken = await done(two, side, pending, bram)
        assert taken.case.state == "OPEN"
        client = await two.client(Role.AGENT, "bram")
        view = await client.ownership.GetCase(pb.GetCaseRequest(case_id=case.case_id))
        assert view.ownership_state == types_pb2.OWNERSHIP_STATE_OWNED


async def _no_offer(shop: Shop, case_id: str) -> bool:
    client = await shop.client(Role.SUPERVISOR, "sam")
    view = await client.ownership.GetCase(pb.GetCaseRequest(case_id=case_id))
    return not view.offers


async def test_agent_at_a_terminal_can_do_all_of_it(
    firm: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1))
    anna, case = await first_owner(firm, ack)
    await web.submit(message(2, "And my parcel?"))
    other = await web.submit(message(3, "It is broken"))
    bram = await firm.agent("bram", availability="AWAY", reason="lunch")
    desk = Desktop(anna.session, Out(), wait_s=5)

    async def type_in(line: str) -> str:
        """Type a command and give what is shown."""
        verb, _, words = line.partition(" ")
        await desk.commands[verb](words)
        return capsys.readouterr().out

    listed = await type_in("l")
    assert f"case 2: case …{other.case_id[-6:]} (chat, repairs, repair), waits" in listed
    assert "contact 2: " in listed
    assert "They are one case now" in await type_in("m 2")
    await type_in("l")
    assert "Made case" in await type_in("x 2")
    await type_in("p 2h A call.")
    assert "promise 1: A call. (by " in await type_in("l")
    await type_in("ask carl")
    assert [one.agent for one in anna.session.cases[case.case_id].advisers] == ["carl"]
    await type_in("bye carl")
    await type_in("h agent:bram He knows / Parcel lost")
    await type_in("k")
    assert (await anna.told(HandoffOver, case=case.case_id)).outcome == "CANCELLED"
    await type_in("h warm agent:bram He knows / Parcel lost")
    await bram.session.declare("AVAILABLE")
    theirs = Desktop(bram.session, Out(), wait_s=5)
    await bram.session.accept(await bram.offered(case.case_id))
    await anna.told(HandoffOver, case=case.case_id)
    await theirs.commands["y"]("1")
    await theirs.commands["bye"]("anna")
    wrong = await refusal(theirs.commands["c"]("gone retold:no"))
    assert "refunded, solved" in str(wrong)
    await theirs.commands["c"]("solved retold:no first:no")
    await theirs.commands["o"]("")
    view = await (await firm.desk()).case(case.case_id)
    assert (view.state, view.last_owner, view.commitments) == ("OPEN", "bram", ())


async def test_agent_at_a_keyboard_reads_what_came_in_before_the_case_is_closed(
    firm: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    web = await firm.gateway()
    ack = await web.submit(message(1))
    anna, case = await first_owner(firm, ack)
    work = Work(anna.session, Out(), typed=True)
    await work.commands["s"]("")
    await web.submit(message(2, "One more thing."))
    await anna.told(CaseNews, case=case.case_id, what="ContactReceived")
    carl = await firm.agent("carl")
    theirs = Work(carl.session, Out(), typed=True)
    await refusal(theirs.commands["j"](""))
    await work.commands["ask"]("carl")
    await carl.told(CaseNews, case=case.case_id, what="ConsultJoined")
    await theirs.commands["j"]("")
    assert "Where is my order?" in capsys.readouterr().out
    await theirs.commands["n"]("I know her.")
    await theirs.commands["bye"]("")
    for verb, words in (("c", "solved"), ("h", "agent:bram He knows / It")):
        capsys.readouterr()
        await work.commands[verb](words)
        shown = capsys.readouterr().out
        assert ("One more thing." in shown, "say it again" in shown) == (True, True)
        kept = await (await firm.desk()).case(case.case_id)
        assert (kept.state, kept.ownership) == ("OPEN", "OWNED")
        await web.submit(message(f"again-{verb}", "One more thing."))
    await work.commands["c"]("solved")
    await work.commands["c"]("solved")
    assert (await (await firm.desk()).case(case.case_id)).state == "CLOSED"
