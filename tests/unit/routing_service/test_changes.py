"""What agents are told of an append: a case that is not in the head any more has ended, and how."""

import pytest

from tests.tellers import GATEWAY, TENANT, agent, contact, customer, offer, office, words
from toldonce.kernel.story.types import CaseState, WorkState
from toldonce.ownership.core.commands import AcceptOffer, Forget, MergeCases
from toldonce.routing.handler.changes import pushes
from toldonce.routing.handler.words import CaseTold

pytestmark = pytest.mark.looptime
FRESH = customer("fresh")


async def owned(house, number, *, queue="orders", topic="order"):
    command = contact(number, queue=queue, topic=topic)
    ask = house.ask(command, GATEWAY, operation=command.contact, words=words())
    case = (await house.ownership.receive(ask, FRESH)).event.case
    made = offer(case, "anna", now=house.clock.now(), number=number)
    await house.ownership.do(house.ask(made))
    await house.ownership.do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna")))
    return case


def told(done):
    return [push for name, push in pushes(done.before, done.logged) if name == "anna"]


async def test_owner_is_told_that_a_case_of_a_forgotten_customer_has_ended():
    house = office()
    case = await owned(house, 1)
    done = await house.ownership.do(house.ask(Forget("ASKED_TO")))
    (said,) = told(done)
    assert isinstance(said, CaseTold)
    assert (said.case.own, said.what) == (case, ("Forgotten",))
    assert (said.case.state, said.case.work) == (CaseState.CLOSED, WorkState.CANCELLED)
    assert said.case.disposition == "forgotten"


async def test_owner_is_told_that_a_merged_case_has_ended_and_the_other_goes_on():
    house = office()
    stays = await owned(house, 1)
    ends = await owned(house, 2, queue="returns", topic="return")
    story = (await house.stories.load(TENANT, customer())).story
    last, last_of_ended = (story.case(own).last_customer_entry for own in (stays, ends))
    merge = MergeCases(stays, 1, ends, seen=last, merged_seen=last_of_ended)
    done = await house.ownership.do(house.ask(merge, agent("anna")))
    seen = {push.case.own: push.case.state for push in told(done) if isinstance(push, CaseTold)}
    assert seen[ends] is CaseState.CLOSED
    assert seen.get(stays, CaseState.OPEN) is CaseState.OPEN
