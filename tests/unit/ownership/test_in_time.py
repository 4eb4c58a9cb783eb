"""What was in time stays in time, and who is back keeps the case, whatever was decided before."""

from datetime import timedelta

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import GATEWAY, TENANT, agent, contact, customer, offer, office, own, words
from tests.unit.ownership.tale import ANNA, SAM, Tale
from toldonce.kernel.clocks import BREACH, ClockKind, Moment
from toldonce.kernel.ids import Own
from toldonce.kernel.story.bounds import Waiting, bounds
from toldonce.kernel.story.events import EntryKind
from toldonce.kernel.story.types import Case
from toldonce.kernel.timers import timers_of
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import (
    AcceptOffer,
    AppendEntry,
    CloseCase,
    CompleteWrapUp,
    LapseOwnership,
    MergeCases,
    ReopenCase,
    ResumeOwnership,
    SplitCase,
)
from toldonce.ownership.core.reconciling import remedy

HOUR = timedelta(hours=1)
FIRST = ClockKind.FIRST_RESPONSE
HOURLY = aims(wait=3600, first=3600, next_s=3600, done=36_000)


def answered(tale: Tale, case: Case) -> None:
    tale.do(AppendEntry(case.own, tale.case(case.own).epoch, EntryKind.MESSAGE_OUT), ANNA)


def breached(tale: Tale, case: Case) -> None:
    tale.do(fired(tale.case(case.own), FIRST, BREACH))


def merging(tale: Tale, into: Case, ended: Case) -> MergeCases:
    stays, goes = tale.case(into.own), tale.case(ended.own)
    seen = (stays.last_customer_entry, goes.last_customer_entry)
    return MergeCases(stays.own, stays.epoch, goes.own, *seen)


def will_breach(case: Case) -> bool:
    found = timers_of(case, HOURLY)
    return any((timer.clock, timer.moment) == (FIRST, BREACH) for timer in found)


def test_case_answered_in_time_is_not_late_because_another_ends_in_it() -> None:
    tale = Tale()
    old = tale.owned(1, topic="repair")
    answered(tale, old)
    tale.later(2 * 3600)
    new = tale.owned(2)
    tale.do(merging(tale, new, old), ANNA)
    assert not will_breach(tale.case(new.own))


def test_wait_that_was_late_once_is_late_once_after_a_merge() -> None:
    tale = Tale(rules=aimed(HOURLY))
    old = tale.owned(1, topic="repair")
    tale.later(3600)
    breached(tale, old)
    new = tale.owned(2)
    tale.do(merging(tale, new, old), ANNA)
    assert not will_breach(tale.case(new.own))
    assert tale.story.bad_experiences == 1


@pytest.mark.parametrize("late", [True, False])
def test_case_split_from_an_answered_or_late_one_is_not_late_at_once(*, late: bool) -> None:
    tale = Tale(rules=aimed(HOURLY))
    case = tale.owned()
    tale.do(contact(2), GATEWAY)
    if not late:
        answered(tale, case)
    tale.later(3600)
    if late:
        breached(tale, case)
    entry = tale.case(case.own).last_customer_entry
    tale.do(SplitCase(case.own, 1, (own("contact", 2),), others=1, latest=entry), ANNA)
    assert not will_breach(tale.story.cases[-1])


@pytest.mark.parametrize("kind", [Waiting.LAPSE, Waiting.OWNER])
def test_owner_who_is_back_is_not_released_by_who_has_not_heard(kind: Waiting) -> None:
    tale = Tale()
    case = tale.owned()
    if kind is Waiting.LAPSE:
        tale.do(LapseOwnership(case.own, 1, "AWAY", "", 60))
    heard = tale.story
    bound = next(one for one in bounds(heard) if one.kind is kind)
    tale.later((bound.at - tale.now).total_seconds() + 30)
    if kind is Waiting.LAPSE:
        tale.do(ResumeOwnership(case.own, 1), ANNA)
    else:
        answered(tale, case)
    late = remedy(bound, heard)
    assert late is not None
    assert tale.refused(late) == "TOO_EARLY"
    assert tale.case(case.own).owner == "anna"


async def test_case_whose_paperwork_ended_after_a_move_comes_back_under_a_higher_epoch() -> None:
    less, more = sorted((customer("a"), customer("b")))
    house = office()
    do = house.ownership.do
    await do(house.ask(contact(1, queue="returns"), of=more, words=words()))
    await do(house.ask(contact(2), of=less, words=words()))
    case = (await house.stories.load(TENANT, more)).story.cases[0]
    made = offer(case.own, "anna", now=house.clock.now())
    await do(house.ask(made, of=more))
    await do(house.ask(AcceptOffer(made.offer, 0, b""), agent("anna"), of=more))
    closing = CloseCase(case.own, 1, "resolved", case.last_customer_entry)
    await do(house.ask(closing, agent("anna"), of=more))
    await house.ownership.link(TENANT, (less, more), Asked(Own(own("link")), SAM))
    wrapping = (await house.stories.load(TENANT, less)).story.case(case.own)
    assert wrapping is not None
    await do(house.ask(CompleteWrapUp(case.own, wrapping.epoch), agent("anna"), of=less))
    again = await do(house.ask(ReopenCase(case.own, "CAME_BACK"), SAM, of=less))
    back = again.placed.story.case(case.own)
    assert back is not None
    assert back.epoch > wrapping.epoch


def test_timer_of_another_policy_than_the_one_in_force_is_asked_again() -> None:
    tale = Tale(rules=aimed(HOURLY))
    case = tale.owned(1)
    tale.later(2 * 3600)
    tale.rules = aimed(aims(first=3 * 3600))
    assert tale.refused(fired(tale.case(case.own), FIRST, BREACH)) == "TOO_EARLY"
    tale.rules = aimed(HOURLY)
    assert tale.refused(fired(tale.case(case.own), FIRST, Moment(7))) == "POLICY_DIFFERS"
    tale.do(fired(tale.case(case.own), FIRST, BREACH))
    assert not will_breach(tale.case(case.own))
