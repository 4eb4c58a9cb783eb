"""What the simulation found: an old leader believed, a climb unread, an offer made too late."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.tellers import ENVELOPE, TENANT, agent, contact, customer, offer, office, own, words
from toldonce.kernel.errors import Missing, Rejected, Unavailable
from toldonce.kernel.ids import Own, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    EntryKind,
    EntryWords,
    OfferAccepted,
    OfferDeclined,
    OfferRevoked,
)
from toldonce.kernel.story.types import CaseState
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    CloseCase,
    DeclineOffer,
    Escalate,
    ReopenCase,
    RevokeOffer,
)
from toldonce.runtime.log import Stored
from toldonce.runtime.testing.log import FakeLog

SUPERVISOR = Principal(TENANT, Role.SUPERVISOR, "sue")
LESS, MORE = sorted((customer("a"), customer("b")))


class Behind(FakeLog):
    """A log whose histories come from an old leader, who knows nothing after `limit`."""

    limit: int | None = None

    async def read(self, subject: str, *, upto: int | None = None, **how: Any) -> list[Stored]:
        end = upto if self.limit is None else min(self.limit, upto or self.limit)
        return await super().read(subject, upto=end, **how)


class Older(Behind):
    """The same, also for what a story ends with."""

    async def last(self, subject: str) -> Stored | None:
        found = await self.read(subject)
        return found[-1] if found else None


class Meanwhile(FakeLog):
    """A log in which something happens between a decision and the reading of the history."""

    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def read(self, subject: str, **how: Any) -> list[Stored]:
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens()
        return await super().read(subject, **how)


async def test_history_that_ends_before_the_known_head_is_not_believed() -> None:
    house = office(log := Behind())
    await house.ownership.do(house.ask(contact(1), operation=own("first"), words=words()))
    placed = await house.stories.load(TENANT, customer())
    case = placed.story.cases[0].own
    entry = AppendEntry(case, 0, EntryKind.NOTE)
    note = house.ask(entry, SUPERVISOR, operation=own("note"), words=EntryWords("seen", ()))
    done = await house.ownership.do(note)
    log.limit = placed.sequence
    with pytest.raises(Unavailable):
        await house.ownership.context.hash(TENANT, customer(), done.placed.sequence)
    with pytest.raises(Unavailable):
        await house.ownership.do(note)
    log.limit = None
    again = await house.ownership.do(note)
    assert again.repeated
    assert again.placed.sequence == done.placed.sequence


async def test_customer_is_not_said_to_be_forgotten_while_an_old_leader_hides_the_keys() -> None:
    house = office(log := Older())
    await house.ownership.do(house.ask(contact(1), operation=own("first"), words=words()))
    (told,) = await house.stories.history(TENANT, customer())
    by = Asked(Own(own("forget")), SUPERVISOR)
    write = log.append

    async def append(*given: Any, **how: Any) -> Any:
        outcome = await write(*given, **how)
        log.limit = told.sequence
        return outcome

    log.append = append  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await house.ownership.forgetting.forget(TENANT, customer(), "ASKED", by)
    log.append, log.limit = write, None  # type: ignore[method-assign]
    await house.ownership.forgetting.forget(TENANT, customer(), "ASKED", by)
    assert told.record.key is not None
    assert await house.keys.find(TENANT, told.record.key) is None


async def test_case_that_moved_during_its_paperwork_comes_back_under_a_higher_epoch() -> None:
    house = office()
    told = contact(1, queue="returns")
    await house.ownership.do(house.ask(told, of=MORE, words=words()))
    await house.ownership.do(house.ask(contact(2), of=LESS, words=words()))
    case = (await house.stories.load(TENANT, MORE)).story.cases[0]
    made = offer(case.own, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made, of=MORE))
    taken = AcceptOffer(made.offer, 0, b"")
    await house.ownership.do(house.ask(taken, agent("anna"), of=MORE))
    closing = CloseCase(case.own, 1, "resolved", case.last_customer_entry)
    await house.ownership.do(house.ask(closing, agent("anna"), of=MORE))
    by = Asked(Own(own("link")), SUPERVISOR)
    assert await house.ownership.link(TENANT, (LESS, MORE), by) == LESS
    wrapping = (await house.stories.load(TENANT, LESS)).story.case(case.own)
    assert wrapping is not None
    assert wrapping.state is CaseState.CLOSED
    again = await house.ownership.do(
        house.ask(ReopenCase(case.own, "CAME_BACK"), SUPERVISOR, of=LESS)
    )
    back = again.placed.story.case(case.own)
    assert back is not None
    assert back.epoch > wrapping.epoch


async def test_second_climb_of_a_case_carries_its_context_as_the_first_does() -> None:
    house = office()
    await house.ownership.do(house.ask(contact(1), words=words()))
    case = (await house.stories.load(TENANT, customer())).story.cases[0]
    made = offer(case.own, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
    for number in (1, 2):
        climb = Escalate(case.own, 1, 0, "escalations", "ESCALATED")
        asked = house.ask(climb, agent("anna"), operation=own("climb", number), words=ENVELOPE)
        done = await house.ownership.do(asked)
        assert done.before is not None
        handoff = done.placed.story.cases[0].handoff
        assert handoff is not None
        assert handoff.context_sequence == done.placed.sequence - 1
        assert len(handoff.context_hash) == 32


async def test_who_asks_for_an_offer_that_ended_is_not_told_there_never_was_one() -> None:
    house = office(log := Behind())
    await house.ownership.do(house.ask(contact(1), words=words()))
    case = (await house.stories.load(TENANT, customer())).story.cases[0].own
    before = (await house.stories.load(TENANT, customer())).sequence
    made = offer(case, "anna", now=house.clock.now())
    await house.ownership.do(house.ask(made))
    await house.ownership.do(house.ask(RevokeOffer(made.offer, "TEST")))
    accept = house.ask(AcceptOffer(made.offer, 0, b""), agent("anna"))
    log.settled, log.limit = False, before
    with pytest.raises(Unavailable):
        await house.ownership.do(accept)
    log.limit = None
    with pytest.raises(Rejected, match="taken back"):
        await house.ownership.do(accept)


@pytest.mark.parametrize("ends", [OfferRevoked, OfferAccepted, OfferDeclined])
async def test_offer_made_while_its_end_was_refused_is_ended_and_not_said_to_be_gone(
    ends: type,
) -> None:
    house = office(log := Meanwhile())
    other = office(log, house.keys)
    await house.ownership.do(house.ask(contact(1), words=words()))
    case = (await house.stories.load(TENANT, customer())).story.cases[0].own
    made = offer(case, "anna", now=house.clock.now())
    end = {
        OfferRevoked: house.ask(RevokeOffer(made.offer, "NEEDED")),
        OfferAccepted: house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")),
        OfferDeclined: house.ask(DeclineOffer(made.offer, "BUSY"), agent("anna")),
    }[ends]
    log.meanwhile = lambda: other.ownership.do(other.ask(made))
    done = await house.ownership.do(end)
    assert done.logged is not None
    assert isinstance(done.logged.record.events[0], ends)
    assert done.placed.story.cases[0].offer(made.offer) is None


async def test_a_story_that_an_old_leader_does_not_know_is_not_called_missing() -> None:
    house = office(log := FakeLog())
    accept = house.ask(AcceptOffer(own("offer"), 0, b""), agent("anna"))
    log.settled = False
    with pytest.raises(Unavailable, match="new leader"):
        await house.ownership.do(accept)
    log.settled = True
    with pytest.raises(Missing):
        await house.ownership.do(accept)


async def test_who_asks_for_what_an_old_leader_does_not_know_is_told_to_come_back() -> None:
    house = office(log := FakeLog())
    stranger = whole(customer(), own("stranger"))
    by = Asked(SUPERVISOR, own("forget"))
    reads = (
        lambda: house.ownership.case(TENANT, stranger),
        lambda: house.ownership.contact(TENANT, stranger),
        lambda: house.ownership.forgetting.forget(TENANT, customer(), "ASKED", by),
    )
    for read in reads:
        log.settled = False
        with pytest.raises(Unavailable, match="new leader"):
            await read()
        log.settled = True
        with pytest.raises(Missing):
            await read()


async def test_history_up_to_a_handoff_is_whole_or_not_given() -> None:
    house = office(log := Behind())
    await house.ownership.do(house.ask(contact(1), operation=own("first"), words=words()))
    first = await house.stories.load(TENANT, customer())
    entry = AppendEntry(first.story.cases[0].own, 0, EntryKind.NOTE)
    for name in ("one", "two"):
        note = house.ask(entry, SUPERVISOR, operation=own(name), words=EntryWords(name, ()))
        done = await house.ownership.do(note)
    upto = done.placed.sequence - 1
    whole = await house.stories.history(TENANT, customer(), upto)
    assert [one.sequence for one in whole] == [1, 2]
    log.limit = first.sequence
    with pytest.raises(Unavailable):
        await house.stories.history(TENANT, customer(), upto)


async def test_fence_of_an_earlier_try_is_not_taken_for_this_one() -> None:
    house = office(log := Older(dedupe_first=True))
    await house.ownership.do(house.ask(contact(1), words=words()))
    first = await house.stories.load(TENANT, customer())
    accept = house.ask(AcceptOffer(own("offer"), 0, b""), agent("anna"))
    log.settled = False
    with pytest.raises(Missing):
        await house.ownership.do(accept)
    await asyncio.sleep(1)
    log.limit = first.sequence
    house.stories.keep(TENANT, customer(), first)
    with suppress(Missing, Unavailable):
        await house.ownership.do(accept)
    log.limit = None
    entry = AppendEntry(first.story.cases[0].own, 0, EntryKind.NOTE)
    await house.ownership.do(house.ask(entry, SUPERVISOR, words=EntryWords("seen", ())))
    await house.stories.history(TENANT, customer())
