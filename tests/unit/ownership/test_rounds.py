"""A round of offers in the log: several stand at once, the first accept ends the others."""

import asyncio
from dataclasses import replace

import pytest

from tests.replicas import Loop, Replicas
from tests.tellers import (
    ENGINE,
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
from tests.unit.ownership.tale import ANNA, BRAM, CARL, HASH, Tale, kinds
from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import Own, whole
from toldonce.kernel.story.events import OfferRevoked
from toldonce.kernel.story.types import (
    EVENTS_MAX,
    HEAD_BYTES_MAX,
    OFFERS_MAX,
    Case,
    SkillNeed,
    TargetKind,
    WorkState,
)
from toldonce.ownership.core.commands import (
    AbandonCase,
    AcceptOffer,
    DeclineOffer,
    Escalate,
    ExpireOffer,
    MakeOffer,
    ReleaseOwnership,
    RevokeOffer,
)
from toldonce.runtime.envelope import encode_head

THREE = ("anna", "bram", "carl")
FIVE = ("bram", "carl", "dora", "emil", "fay")


def one_of(tale: Tale, case: Own, to: str, count: int = 3, *, epoch: int = 1) -> MakeOffer:
    number = len(tale.records)
    made = offer(case, to, now=tale.now, number=number, epoch=tale.case(case).epoch, round_of=count)
    return replace(made, engine_epoch=epoch)


def asked(tale: Tale, case: Own, *names: str) -> list[Own]:
    """Ask so many at once."""
    made = [one_of(tale, case, name, len(names)) for name in names]
    made = [replace(one, offer=own("round", case, one.agent)) for one in made]
    for one in made:
        tale.do(one)
    return [one.offer for one in made]


def live(tale: Tale, case: Own) -> list[str]:
    return [one.agent for one in tale.case(case).offers]


def test_a_round_stands_as_several_live_offers_of_one_case() -> None:
    tale = Tale()
    case = tale.waiting().own
    asked(tale, case, *THREE)
    assert live(tale, case) == list(THREE)
    assert tale.case(case).work is WorkState.OFFERED


def test_the_first_accept_ends_the_offers_of_the_others_in_the_same_append() -> None:
    tale = Tale()
    case = tale.waiting().own
    first, second, third = asked(tale, case, *THREE)
    events = tale.do(AcceptOffer(second, 0, b""), BRAM)
    assert kinds(events) == ["OfferRevoked", "OfferRevoked", "OfferAccepted"]
    ended = [event for event in events if isinstance(event, OfferRevoked)]
    assert [(one.offer, one.agent, one.reason) for one in ended] == [
        (first, "anna", "TAKEN"),
        (third, "carl", "TAKEN"),
    ]
    assert (tale.case(case).owner, tale.case(case).epoch) == ("bram", 1)
    assert live(tale, case) == []
    assert tale.refused(AcceptOffer(first, 0, b""), ANNA) == "OFFER_GONE"


def test_a_decline_an_expiry_and_a_revoke_leave_the_others_standing() -> None:
    tale = Tale()
    case = tale.waiting().own
    first, second, third = asked(tale, case, *THREE)
    tale.do(DeclineOffer(first, "BUSY"), ANNA)
    assert live(tale, case) == ["bram", "carl"]
    assert tale.case(case).work is WorkState.OFFERED
    tale.do(RevokeOffer(second, "NEEDED"))
    tale.later(21)
    tale.do(ExpireOffer(third))
    assert live(tale, case) == []
    assert tale.case(case).work is WorkState.QUEUED


def test_an_offer_to_one_joins_no_other_and_none_joins_it() -> None:
    tale = Tale()
    case = tale.waiting().own
    tale.do(one_of(tale, case, "anna", 1))
    assert tale.refused(one_of(tale, case, "bram", 1)) == "OFFERED"
    tale.do(RevokeOffer(tale.case(case).offers[0].own, "TEST"))
    asked(tale, case, "anna", "bram")
    assert tale.refused(one_of(tale, case, "carl", 1)) == "OFFERED"


def test_a_round_has_no_more_offers_than_it_says_and_never_more_than_five() -> None:
    tale = Tale()
    case = tale.waiting().own
    asked(tale, case, "anna", "bram")
    assert tale.refused(one_of(tale, case, "carl", 2)) == "OFFERED"
    for number, name in enumerate(("carl", "dora", "emil")):
        tale.do(one_of(tale, case, name, 3 + number))
    assert len(live(tale, case)) == OFFERS_MAX
    assert tale.refused(one_of(tale, case, "fay", 9)) == "OFFERED"


def test_nobody_is_asked_twice_in_a_round() -> None:
    tale = Tale()
    case = tale.waiting().own
    asked(tale, case, "anna", "bram")
    assert tale.refused(one_of(tale, case, "anna", 3)) == "OFFERED"


def test_an_engine_adds_nobody_to_the_round_of_another() -> None:
    tale = Tale()
    case = tale.waiting().own
    tale.do(one_of(tale, case, "anna", 3, epoch=1))
    assert tale.refused(one_of(tale, case, "bram", 3, epoch=2)) == "OFFERED"
    tale.do(RevokeOffer(tale.case(case).offers[0].own, "TEST"))
    tale.do(one_of(tale, case, "bram", 3, epoch=2))
    assert tale.refused(one_of(tale, case, "carl", 3, epoch=1)) == "OFFERED"
    assert live(tale, case) == ["bram"]


def test_an_offer_of_a_round_that_comes_after_the_accept_is_refused() -> None:
    tale = Tale()
    case = tale.waiting().own
    late = one_of(tale, case, "carl", 3)
    first, _ = asked(tale, case, "anna", "bram")
    tale.do(AcceptOffer(first, 0, b""), ANNA)
    assert tale.refused(late) == "STALE_EPOCH"


def test_an_accept_after_the_expiry_of_its_own_offer_is_too_late_for_it_alone() -> None:
    tale = Tale()
    case = tale.waiting().own
    first, second = asked(tale, case, "anna", "bram")
    tale.later(20)
    tale.do(ExpireOffer(first))
    assert tale.refused(AcceptOffer(second, 0, b""), BRAM) == "OFFER_EXPIRED"
    assert tale.refused(AcceptOffer(first, 0, b""), ANNA) == "OFFER_GONE"


def test_who_is_asked_for_a_handoff_in_a_round_reads_the_story_first() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.hand(case, "returns", kind=TargetKind.QUEUE)
    first, second = asked(tale, case, "bram", "carl")
    assert tale.refused(AcceptOffer(first, 1, b"x" * 32), BRAM) == "CONTEXT_MISMATCH"
    events = tale.do(AcceptOffer(second, 1, HASH), CARL)
    assert kinds(events) == ["OfferRevoked", "OfferAccepted"]
    assert tale.case(case).owner == "carl"


@pytest.mark.parametrize("end", ["customer", "release", "climb"])
def test_a_full_round_ends_with_what_it_was_for_in_one_append(end: str) -> None:
    tale = Tale()
    case = tale.waiting().own
    if end != "customer":
        tale.offered(case, "anna")
        tale.accept(case)
        tale.hand(case, "returns", kind=TargetKind.QUEUE)
    asked(tale, case, *FIVE)
    match end:
        case "customer":
            events = tale.do(AbandonCase(case, "HUNG_UP"), GATEWAY)
        case "release":
            events = tale.do(ReleaseOwnership(case, 1, "LUNCH"), ANNA)
        case _:
            events = tale.do(Escalate(case, 1, 0, "", "TEST"), ANNA)
    assert kinds(events).count("OfferRevoked") == OFFERS_MAX
    assert len(events) <= EVENTS_MAX
    found = tale.story.case(case)
    assert found is None or found.offers == ()


async def waiting(house: Office) -> Case:
    command = contact(1)
    received = await house.ownership.receive(
        house.ask(command, GATEWAY, operation=command.contact, words=words()), customer("fresh")
    )
    return received.story.cases[0]


async def in_a_round(house: Office, case: Case, *names: str) -> dict[str, Own]:
    offers: dict[str, Own] = {}
    for number, name in enumerate(names):
        made = offer(case.own, name, now=house.clock.now(), number=number, round_of=len(names))
        await house.ownership.do(house.ask(made))
        offers[name] = made.offer
    return offers


async def test_of_two_accepts_at_once_one_wins_and_the_other_hears_that_it_is_taken() -> None:
    house = office()
    case = await waiting(house)
    offers = await in_a_round(house, case, *THREE)
    asks = [house.ask(AcceptOffer(offers[name], 0, b""), agent(name)) for name in THREE]
    answers = await asyncio.gather(
        *(house.ownership.do(ask) for ask in asks), return_exceptions=True
    )
    lost = [one for one in answers if isinstance(one, Rejected)]
    assert len(lost) == 2
    assert {one.reason for one in lost} == {"OFFER_TAKEN"}
    winner = THREE[next(i for i, one in enumerate(answers) if not isinstance(one, Rejected))]
    _, _, now = await house.ownership.case("demo", whole(customer(), case.own))
    assert (now.owner, now.epoch) == (winner, 1)
    count = house.log.count
    for ask, first in zip(asks, answers, strict=True):  # each asks the same again
        if isinstance(first, Rejected):
            with pytest.raises(Rejected, match="somebody else"):
                await house.ownership.do(ask)
        else:
            assert (await house.ownership.do(ask)).repeated
    told = [
        event
        for logged in await house.stories.history("demo", customer())
        for event in logged.record.events
        if isinstance(event, OfferRevoked)
    ]
    assert sorted(one.agent for one in told) == sorted({*THREE} - {winner})
    assert house.log.count <= count + 2  # nothing but fences


async def test_decline_that_crosses_an_accept_hears_that_the_case_is_taken() -> None:
    house = office()
    case = await waiting(house)
    offers = await in_a_round(house, case, "anna", "bram")
    answers = await asyncio.gather(
        house.ownership.do(house.ask(AcceptOffer(offers["anna"], 0, b""), ANNA)),
        house.ownership.do(house.ask(DeclineOffer(offers["bram"], "BUSY"), BRAM)),
        return_exceptions=True,
    )
    _, _, now = await house.ownership.case("demo", whole(customer(), case.own))
    assert (now.owner, now.offers) == ("anna", ())
    lost = [one.reason for one in answers if isinstance(one, Rejected)]
    assert lost in ([], ["OFFER_TAKEN"])  # the decline was first, or it came too late


@pytest.mark.looptime
async def test_accept_and_the_expiries_of_its_round_at_one_instant_agree() -> None:
    house = office()
    case = await waiting(house)
    offers = await in_a_round(house, case, *THREE)
    accept = house.ask(AcceptOffer(offers["bram"], 0, b""), BRAM)
    expiries = [house.ask(ExpireOffer(own_)) for own_ in offers.values()]
    await asyncio.sleep(19)
    early = await asyncio.gather(
        *(house.ownership.do(ask) for ask in expiries), return_exceptions=True
    )
    assert {getattr(one, "reason", "") for one in early} == {"TOO_EARLY"}
    await asyncio.sleep(1)
    answers = await asyncio.gather(
        *(house.ownership.do(ask) for ask in (expiries[0], accept, *expiries[1:])),
        return_exceptions=True,
    )
    assert [getattr(one, "reason", "") for one in answers] == ["", "OFFER_EXPIRED", "", ""]
    _, _, now = await house.ownership.case("demo", whole(customer(), case.own))
    assert (now.owner, now.offers, now.work) == ("", (), WorkState.QUEUED)


async def test_an_old_engine_adds_nobody_once_a_newer_one_has_decided() -> None:
    house = office()
    case = await waiting(house)
    made = offer(case.own, "anna", now=house.clock.now(), round_of=3)
    await house.ownership.do(house.ask(replace(made, engine_epoch=2)))
    late = offer(case.own, "bram", now=house.clock.now(), number=2, round_of=3)
    with pytest.raises(Rejected) as refusal:
        await house.ownership.do(house.ask(late))
    assert refusal.value.reason == "STALE_ENGINE"


def test_two_replicas_give_a_case_to_one_of_those_who_accept_at_once() -> None:
    loop, world = Loop(), Replicas()
    try:
        replicas = [world.open(), world.open()]

        async def race() -> list[object]:
            told = contact(1)
            ask = world.ask(customer(), told, GATEWAY, operation=told.contact, words=words())
            received = await replicas[0].ownership.receive(ask, customer("fresh"))
            case = received.story.cases[0].own
            accepts = []
            for number, name in enumerate(("anna", "bram")):
                made = offer(case, name, now=world.clock.now(), number=number, round_of=2)
                await replicas[number].ownership.do(world.ask(customer(), made, ENGINE))
                accept = AcceptOffer(made.offer, 0, b"")
                accepts.append(world.ask(customer(), accept, agent(name)))
            return await asyncio.gather(
                *(one.ownership.do(ask) for one, ask in zip(replicas, accepts, strict=True)),
                return_exceptions=True,
            )

        answers = loop.run(race())
        lost = [one for one in answers if isinstance(one, Rejected)]
        assert [one.reason for one in lost] == ["OFFER_TAKEN"]
    finally:
        loop.run(world.keys.close())
        loop.close()


async def test_a_round_that_would_overfill_the_head_stays_smaller() -> None:
    house = office()
    needs = tuple(SkillNeed(f"{skill}" + "s" * 60, 5) for skill in range(10))
    for number in range(7):
        told = replace(contact(number, topic=f"{number}" + "t" * 60), skills=needs)
        ask = house.ask(told, GATEWAY, operation=told.contact, words=words())
        await house.ownership.receive(ask, customer("fresh"))
    refused: set[str] = set()
    cases = (await house.stories.load("demo", customer())).story.cases
    for number in range(OFFERS_MAX):
        for case in cases:
            name = f"{number}" + "n" * 62
            made = offer(case.own, name, now=house.clock.now(), number=number, round_of=5)
            try:
                await house.ownership.do(house.ask(made))
            except Rejected as no:
                refused.add(no.reason)
    story = (await house.stories.load("demo", customer())).story
    assert all(case.offers for case in story.cases)
    assert len(encode_head(story)) <= HEAD_BYTES_MAX
    assert refused == {"OFFERED"}
    assert any(len(case.offers) > 1 for case in story.cases)
