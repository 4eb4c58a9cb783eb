"""Several agents are asked at once over real gRPC: one has the case, and the others hear so."""

import asyncio

import pytest

from tests.e2e.shop import (
    DOCUMENT,
    HASTY,
    Person,
    Shop,
    check_history,
    customer,
    message,
    opened,
    refusal,
    tenant_name,
)
from tests.servers import eventually
from toldonce.cli.desktop import Desktop
from toldonce.cli.house import House
from toldonce.cli.output import Out
from toldonce.client.agent import AgentSession, Taken
from toldonce.client.news import OfferOver
from toldonce.client.seen import Offer
from toldonce.kernel.errors import Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import OfferAccepted, OfferRevoked

pytestmark = pytest.mark.asyncio(loop_scope="module")

THREE = DOCUMENT.replace("wait_max_s: 30,", "wait_max_s: 30, round: 3,")
ONE_EACH = THREE.replace("capacity_units: 50", "capacity_units: 1")


async def contact(shop: Shop, name: str = "joan") -> str:
    web = await shop.gateway()
    return (await web.submit(message(name, addresses=customer(name)))).case_id


async def staff(shop: Shop, *names: str) -> list[Person]:
    return [await shop.agent(name) for name in names]


async def test_of_three_who_accept_at_the_same_moment_one_has_the_case(running: House) -> None:
    async with opened(running, tenant_name(), THREE) as shop:
        people = await staff(shop, "anna", "bram", "carl")
        case_id = await contact(shop)
        offers: list[Offer] = [await one.offered(case_id) for one in people]
        assert [offer.asked for offer in offers] == [3, 3, 3]
        assert sorted(offer.trace.reason.split("; ")[1] for offer in offers) == [
            "first of 3 asked at once",
            "second of 3 asked at once",
            "third of 3 asked at once",
        ]
        answers = await asyncio.gather(
            *(one.session.accept(offer) for one, offer in zip(people, offers, strict=True)),
            return_exceptions=True,
        )
        won = [one for one in answers if isinstance(one, Taken)]
        lost = [one for one in answers if isinstance(one, Rejected)]
        assert (len(won), [one.reason for one in lost]) == (1, ["OFFER_TAKEN"] * 2)
        winner = won[0].case.owner
        for one, offer in zip(people, offers, strict=True):
            over = await one.over(offer.offer_id)
            assert over.reason == ("ACCEPTED" if one.name == winner else "TAKEN")
            heard = [news for news in one.heard if isinstance(news, OfferOver)]
            assert len(heard) == 1
            assert not one.standing()
        story = await shop.story(case_id[:26])
        check_history(story)
        accepted = [one for one in story if any(_is_accept(e) for e in one.record.events)]
        (append,) = accepted
        ended = [e.agent for e in append.record.events if isinstance(e, OfferRevoked)]
        assert sorted(ended) == sorted({"anna", "bram", "carl"} - {winner})


def _is_accept(event: object) -> bool:
    return isinstance(event, OfferAccepted)


async def test_who_is_asked_beside_others_is_free_at_once_for_the_next_customer(
    running: House,
) -> None:
    async with opened(running, tenant_name(), ONE_EACH) as shop:
        people = await staff(shop, "anna", "bram")
        first = await contact(shop, "joan")
        offers = [await one.offered(first) for one in people]
        second = await contact(shop, "kim")
        beside = people[0 if offers[0].trace.reason.startswith("anna is asked beside") else 1]
        other = people[1 if beside is people[0] else 0]
        assert (await beside.told(OfferOver)).reason == "REVOKED"
        assert (await beside.take(second)).owner == beside.name
        offer = next(one for one in other.standing() if one.case_id == first)
        assert (await other.session.accept(offer)).case.owner == other.name
        events = await shop.events(first[:26])
        assert [e.reason for e in events if isinstance(e, OfferRevoked)] == ["NEEDED"]


async def test_customer_who_hangs_up_ends_the_whole_round(running: House) -> None:
    async with opened(running, tenant_name(), THREE) as shop:
        people = await staff(shop, "anna", "bram", "carl")
        web = await shop.gateway()
        ack = await web.submit(message("joan", addresses=customer("joan")))
        offers = [await one.offered(ack.case_id) for one in people]
        await web.cancel(ack.contact_id)
        for one, offer in zip(people, offers, strict=True):
            assert (await one.over(offer.offer_id)).reason == "CASE_ENDED"
            no = await refusal(one.session.accept(offer))
            assert isinstance(no, Rejected)


async def test_round_that_nobody_answers_runs_out_and_the_case_is_sought_anew(
    running: House,
) -> None:
    hasty = HASTY.replace("wait_max_s: 30,", "wait_max_s: 30, round: 3,")
    async with opened(running, tenant_name(), hasty) as shop:
        people = await staff(shop, "anna", "bram")
        case_id = await contact(shop)
        offers = [await one.offered(case_id) for one in people]
        ends = [await one.over(offer.offer_id) for one, offer in zip(people, offers, strict=True)]
        assert [end.reason for end in ends] == ["EXPIRED", "EXPIRED"]
        no = await refusal(people[0].session.accept(offers[0]))
        assert isinstance(no, Rejected)
        assert no.reason == "OFFER_EXPIRED"
        assert (await people[1].take(case_id)).owner == "bram"


async def test_agent_who_comes_back_in_the_middle_of_a_round_sees_that_others_are_asked(
    running: House,
) -> None:
    async with opened(running, tenant_name(), THREE) as shop:
        people = await staff(shop, "anna", "bram")
        case_id = await contact(shop)
        for one in people:
            await one.offered(case_id)
        await people[0].vanish()
        again = await shop.agent("anna")
        offer = await again.offered(case_id)
        assert offer.asked == 2
        assert (await again.session.accept(offer)).case.owner == "anna"
        assert (await people[1].told(OfferOver)).reason == "TAKEN"


async def test_desktop_says_that_others_are_asked_and_that_somebody_else_has_taken_it(
    running: House, capsys: pytest.CaptureFixture[str]
) -> None:
    async with opened(running, tenant_name(), THREE) as shop:
        bram = await shop.agent("bram")
        client = await shop.client(Role.AGENT, "anna")
        async with AgentSession(client, "anna") as session:
            desktop = Desktop(session, Out(), wait_s=5)
            listening = asyncio.create_task(desktop._listen())  # noqa: SLF001 - nobody types
            shown = ""

            def shows(words: str) -> bool:
                nonlocal shown
                shown += capsys.readouterr().out
                return words in shown

            case_id = await contact(shop)
            await eventually(lambda: shows("2 are asked at once: whoever accepts first has it."))
            assert (await bram.take(case_id)).owner == "bram"
            await eventually(lambda: shows("The offer is over: taken by somebody else."))
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
