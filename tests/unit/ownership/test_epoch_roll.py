"""The log goes on in a new epoch while stories are joined, forgotten, promised and handed over."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.eras import Eras
from tests.tellers import (
    ENGINE,
    ENVELOPE,
    GATEWAY,
    START,
    TENANT,
    Office,
    agent,
    contact,
    customer,
    offer,
    words,
)
from tests.unit.ownership.tale import SAM
from toldonce.kernel.context import context_hash
from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import Own, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Carried, EntryKind, EntryWords
from toldonce.kernel.story.fold import fold
from toldonce.kernel.story.types import Case, Story, TargetKind
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    Forget,
    LapseOwnership,
    MakeCommitment,
    MergeCases,
    MoveOut,
    ResumeOwnership,
)
from toldonce.ownership.handler import Received
from toldonce.runtime.history import chain_of
from toldonce.runtime.ids import new_id

pytestmark = pytest.mark.looptime
LESS, MORE = sorted((customer("a"), customer("b")))
FRESH = customer("fresh")
SUE = Principal(TENANT, Role.ADMIN, "sue")


async def told(house: Office, number: int, of: str, *, topic: str = "order") -> Received:
    command = contact(number, topic=topic)
    ask = house.ask(command, GATEWAY, of=of, operation=command.contact, words=words(f"{number}"))
    return await house.ownership.receive(ask, FRESH)


async def owned(house: Office, number: int, of: str, by: str = "anna") -> Case:
    case = (await told(house, number, of, topic=f"t{number}")).event.case
    made = offer(case, by, now=house.clock.now())
    await house.ownership.do(house.ask(made, of=of))
    await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent(by), of=of))
    return await shown(house, case, of)


async def shown(house: Office, case: str, of: str) -> Case:
    return (await house.ownership.case(TENANT, whole(of, case)))[2]


async def link(house: Office, *pair: str) -> str:
    return await house.ownership.link(TENANT, (pair[0], pair[1]), Asked(Own(new_id()), SAM))


async def forget(house: Office, who: str) -> None:
    await house.ownership.forgetting.forget(TENANT, who, "ASKED_TO", Asked(Own(new_id()), SUE))


async def head(house: Office, who: str) -> Story:
    return (await house.stories.load(TENANT, who)).story


async def texts(house: Office, who: str) -> list[str]:
    timeline = await house.ownership.context.timeline(TENANT, who)
    return [item.text for item in timeline if item.type == "contact_received"]


async def test_roll_keeps_every_kind_of_story_whole_and_a_pending_handoff_its_hash() -> None:
    eras = Eras()
    async with eras.told() as house:
        do = house.ownership.do
        case = await owned(house, 1, customer("hands"))
        hands = customer("hands")
        begin = BeginHandoff(case.own, 1, case.last_customer_entry, TargetKind.AGENT, "bram", 0)
        await do(house.ask(begin, agent("anna"), of=hands, words=ENVELOPE))
        promised = await owned(house, 2, customer("promise"))
        due = house.clock.now() + timedelta(hours=1)
        make = MakeCommitment(promised.own, 1, due)
        await do(house.ask(make, agent("anna"), of=customer("promise")))
        reply = AppendEntry(promised.own, 1, EntryKind.MESSAGE_OUT)
        said = EntryWords("Soon", ())
        await do(house.ask(reply, agent("anna"), of=customer("promise"), words=said))
        one, two = (
            await owned(house, 3, customer("merge")),
            await owned(house, 4, customer("merge")),
        )
        seen = (one.last_customer_entry, two.last_customer_entry)
        await do(house.ask(MergeCases(one.own, 0, two.own, *seen), SAM, of=customer("merge")))
        await told(house, 5, LESS)
        await told(house, 6, MORE)
        await link(house, LESS, MORE)
        await told(house, 7, customer("forgotten"))
        await forget(house, customer("forgotten"))
        names = ("hands", "promise", "merge", "forgotten")
        everybody = (*(customer(name) for name in names), LESS, MORE)
        before = {who: await head(house, who) for who in everybody}
        handoff = (await shown(house, case.own, hands)).handoff
        assert handoff is not None
        hashed = await house.ownership.context.hash(TENANT, hands, handoff.context_sequence)
        assert hashed == handoff.context_hash

        await eras.roll()
        assert await eras.carry(house)
        for who in everybody:
            placed = await house.stories.load(TENANT, who)
            assert placed.epoch == 2
            chain = await chain_of(house.log, TENANT, who)
            assert fold(logged.record for logged in chain) == placed.story
            last = chain[-1].record
            assert [type(event) for event in last.events] == [Carried]
            bare = replace(
                placed.story, at=None, messages=0, operations=b"", operation_floor_at=None
            )
            assert bare == replace(
                before[who], at=None, messages=0, operations=b"", operation_floor_at=None
            )
        told_now = await house.ownership.context.timeline(TENANT, hands, handoff.context_sequence)
        assert context_hash(told_now) == hashed
        made = offer(case.own, "bram", now=house.clock.now(), number=2, epoch=1)
        await do(house.ask(made, of=hands))
        done = await do(house.ask(AcceptOffer(made.offer, 1, hashed), agent("bram"), of=hands))
        assert (done.placed.story.cases[0].owner, done.placed.story.cases[0].epoch) == ("bram", 2)
        again = await told(house, 1, hands)
        assert again.repeated
        assert await texts(house, LESS) == ["5", "6"]


async def test_answer_is_not_given_from_the_old_epoch_once_the_new_one_is_open() -> None:
    eras = Eras()
    async with eras.told() as house:
        other = await eras.replica()
        case = await owned(house, 1, LESS)
        await other.stories.load(TENANT, LESS)
        await eras.seal()
        await eras.pass_time(4)
        for log in eras.logs:
            await log.look()  # everybody has just seen that the next is being opened
        await eras.open()
        await eras.logs[0].look()
        lapse = LapseOwnership(case.own, 1, "AWAY", "", 60)
        await house.ownership.do(house.ask(lapse, ENGINE, of=LESS))
        back = ResumeOwnership(case.own, 1)
        done = await other.ownership.do(other.ask(back, agent("anna"), of=LESS))
        assert not done.repeated
        assert (await shown(house, case.own, LESS)).lapse is None


async def test_process_that_slept_in_the_middle_of_a_read_reads_again() -> None:
    eras = Eras()
    async with eras.told() as house:
        await told(house, 1, LESS)
        other = await eras.replica()
        log = eras.streams[1]
        slept = asyncio.Event()
        read = log.last

        async def sleeps(subject: str) -> object:
            if not slept.is_set():
                slept.set()
                await asyncio.sleep(60)
            return await read(subject)

        log.last = sleeps  # type: ignore[method-assign,assignment]
        reading = asyncio.create_task(other.stories.load(TENANT, LESS))
        await slept.wait()
        await eras.roll()
        assert await eras.carry(house)
        await told(house, 2, LESS)
        placed = await reading
        assert (placed.epoch, placed.story.contacts_total) == (2, 2)


async def test_forgotten_customer_whose_ids_were_linked_stays_forgotten_after_a_roll() -> None:
    eras = Eras()
    async with eras.told() as house:
        await told(house, 1, LESS)
        await told(house, 2, MORE)
        await link(house, LESS, MORE)
        await forget(house, LESS)
        for _ in range(3):
            await eras.roll()
            assert await eras.carry(house)
            for who in (LESS, MORE):
                _, placed = await house.ownership.find(TENANT, who)
                assert placed.story.cases == ()
        received = await told(house, 3, MORE)
        assert [case.own for case in received.story.cases] == [received.event.case]


async def test_contact_sent_again_after_forgetting_and_a_roll_is_still_the_same() -> None:
    eras = Eras()
    async with eras.told() as house:
        first = await told(house, 1, LESS)
        await forget(house, LESS)
        await eras.roll()
        assert await eras.carry(house)
        again = await told(house, 1, LESS)
        assert (again.repeated, again.event) == (True, first.event)
        await told(house, 2, LESS)
        assert (await told(house, 1, LESS)).repeated


async def test_half_a_forgetting_before_a_roll_is_completed_although_they_returned() -> None:
    eras = Eras()
    async with eras.told() as house:
        await told(house, 1, LESS)
        await house.ownership.do(house.ask(Forget("ASKED_TO"), SUE, of=LESS))
        key = (await house.stories.history(TENANT, LESS))[0].record.key
        assert key is not None
        await eras.roll()
        assert await eras.carry(house)
        await told(house, 2, LESS)
        await forget(house, LESS)
        assert await house.keys.find(TENANT, key) is None


async def test_customer_who_was_linked_is_forgotten_whole_although_an_epoch_was_dropped() -> None:
    eras = Eras()
    async with eras.told() as house:
        await told(house, 1, LESS)
        await told(house, 2, MORE)
        refs = [(await head(house, who)).key for who in (LESS, MORE)]
        await link(house, LESS, MORE)
        await eras.roll()
        assert await eras.carry(house)
        await eras.drop(1)
        await forget(house, MORE)
        assert [ref and await house.keys.find(TENANT, ref) for ref in refs] == [None, None]


async def test_half_a_move_is_whole_before_the_old_epoch_can_be_dropped() -> None:
    eras = Eras()
    async with eras.told() as house:
        await told(house, 1, LESS)
        case = (await told(house, 2, MORE)).event.case
        half = MoveOut(MORE, LESS, to_empty=False, arriving=1, stories=1)
        await house.ownership.do(house.ask(half, SAM, of=MORE))
        await eras.roll()
        assert await eras.carry(house)
        await eras.drop(1)
        _, placed = await house.ownership.find(TENANT, MORE)
        assert case in [one.own for one in placed.story.cases]


async def test_operation_done_in_a_dropped_epoch_is_not_done_again() -> None:
    eras = Eras()
    async with eras.told() as house:
        case = await owned(house, 1, LESS)
        note = AppendEntry(case.own, 1, EntryKind.NOTE)
        ask = house.ask(
            note, agent("anna"), of=LESS, operation=new_id(), words=EntryWords("once", ())
        )
        await house.ownership.do(ask)
        await eras.roll()
        assert await eras.carry(house)
        assert (await house.ownership.do(ask)).repeated
        await eras.drop(1)
        with pytest.raises(Rejected) as no:
            await house.ownership.do(ask)
        assert no.value.reason == "MADE_BEFORE_RETENTION"


async def test_carrying_races_with_the_first_write_and_both_are_there() -> None:
    eras = Eras()
    async with eras.told() as house:
        other = await eras.replica()
        everybody = [customer("many", number) for number in range(12)]
        for number, who in enumerate(everybody):
            await told(house, number, who)
        await eras.roll()
        for log in eras.logs:
            await log.look()
        _, *received = await asyncio.gather(
            eras.carry(house),
            *(told(other, 100 + number, who) for number, who in enumerate(everybody)),
        )
        for who, one in zip(everybody, received, strict=True):
            assert isinstance(one, Received)
            assert (await head(house, who)).contacts_total == 2
            history = await house.stories.history(TENANT, who)
            assert len(history) == 3


async def test_new_epoch_in_which_nothing_was_said_yet_is_read_to_its_end() -> None:
    eras = Eras()
    async with eras.told() as house:
        await told(house, 1, LESS)
        last = (await house.log.info()).last
        await eras.roll()
        await eras.logs[0].look()
        assert (await house.log.info()).last == last
        assert house.clock.now() > START
