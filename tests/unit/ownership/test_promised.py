"""What the acknowledgement promised: made once, kept by an answer, broken by time, taken back."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import GATEWAY, START, contact
from tests.unit.ownership.tale import ANNA, SAM, Tale, kinds
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    CommitmentBroken,
    CommitmentKept,
    CommitmentWithdrawn,
    EntryKind,
    Event,
    SlaWarned,
)
from toldonce.kernel.story.types import COMMITMENTS_MAX, Case, Commitment
from toldonce.kernel.timers import story_timers, timer_id
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import (
    AbandonCase,
    AppendEntry,
    BreakCommitment,
    FireTimer,
    KeepCommitment,
    MakeCommitment,
    MergeCases,
    ReceiveContact,
    RequestCallback,
    ScheduleCase,
)

ANSWER = EntryKind.MESSAGE_OUT
PROMISE = ClockKind.COMMITMENT
NO_AIMS = aims(wait=50_000, first=50_000, next_s=50_000, done=50_000, more="")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def until(tale: Tale, seconds: float) -> None:
    tale.later((at(seconds) - tale.now).total_seconds())


def told() -> Tale:
    return Tale(rules=aimed(NO_AIMS))


def spoken() -> Rules:
    """Be a company on whose channel nothing is written back."""
    return aimed(aims(wait=50_000, first=50_000, done=50_000, more="", spoken=True))


def promising(number: int = 1, by_s: float = 100, topic: str = "order") -> ReceiveContact:
    return replace(contact(number, topic=topic), promised_at=at(by_s), commits=True)


def promised(tale: Tale, number: int = 1, by_s: float = 100, topic: str = "order") -> Case:
    tale.do(promising(number, by_s, topic), GATEWAY)
    return tale.story.cases[-1]


def taken(tale: Tale, case: Case) -> Case:
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    return tale.case(case.own)


def of(events: tuple[Event, ...], kind: type) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def the_promise(tale: Tale) -> Commitment:
    (found,) = tale.story.commitments
    return found


def time_is_up(tale: Tale, moment: Moment = BREACH) -> FireTimer:
    one = the_promise(tale)
    own = Own(timer_id(one.own, PROMISE, moment, one.made_at))
    return FireTimer(one.case, own, PROMISE, moment, one.own)


# ---- made


def test_acknowledgement_that_commits_is_a_promise_of_nobody_in_the_same_append() -> None:
    tale = told()
    said = tale.do(promising(), GATEWAY)
    assert kinds(said) == ["CaseOpened", "CommitmentMade", "ContactReceived"]
    one = the_promise(tale)
    assert (one.case, one.agent, one.due_at) == (tale.story.cases[0].own, "", at(100))


def test_acknowledgement_that_does_not_commit_is_no_promise() -> None:
    tale = told()
    tale.do(replace(promising(), commits=False), GATEWAY)
    tale.do(replace(promising(2), promised_at=None), GATEWAY)
    assert tale.story.commitments == ()


def test_case_that_waits_already_is_promised_nothing_more() -> None:
    tale = told()
    promised(tale)
    until(tale, 50)
    assert kinds(tale.do(promising(2, 150), GATEWAY)) == ["ContactReceived"]
    assert the_promise(tale).due_at == at(100)


def test_case_that_was_answered_is_promised_an_answer_again() -> None:
    tale = told()
    case = taken(tale, promised(tale))
    tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
    until(tale, 60)
    assert kinds(tale.do(promising(2, 160), GATEWAY)) == ["CommitmentMade", "ContactReceived"]
    assert the_promise(tale).due_at == at(160)


def test_promise_whose_time_was_over_before_it_came_here_is_none() -> None:
    tale = told()
    until(tale, 100)
    promised(tale)
    assert tale.story.commitments == ()


def test_promise_does_not_keep_a_contact_out_when_there_are_too_many() -> None:
    tale = told()
    case = tale.owned(1)
    for _ in range(COMMITMENTS_MAX):
        tale.do(MakeCommitment(case.own, 1, at(1_000)), ANNA)
    assert kinds(tale.do(promising(2), GATEWAY)) == ["ContactReceived"]


# ---- kept


def test_first_answer_in_time_keeps_it() -> None:
    tale = told()
    case = taken(tale, promised(tale))
    assert len(tale.story.commitments) == 1  # whoever takes a chat has not answered yet
    until(tale, 99)
    said = tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
    assert kinds(said) == ["CommitmentKept", "EntryAppended"]
    assert of(said, CommitmentKept) == [
        CommitmentKept(said[0].commitment, case.own, "anna")  # type: ignore[union-attr]
    ]
    assert tale.story.commitments == ()


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.MESSAGE_IN])
def test_what_is_no_answer_keeps_nothing(kind: EntryKind) -> None:
    tale = told()
    case = taken(tale, promised(tale))
    who = GATEWAY if kind is EntryKind.MESSAGE_IN else ANNA
    tale.do(AppendEntry(case.own, 1, kind), who)
    assert len(tale.story.commitments) == 1


def test_whoever_takes_a_call_keeps_it_by_that() -> None:
    tale = Tale(rules=spoken())
    case = promised(tale)
    tale.offered(case.own, "anna")
    until(tale, 15)
    said = tale.accept(case.own)
    assert kinds(said) == ["CommitmentKept", "OfferAccepted"]
    assert tale.story.commitments == ()


def test_whoever_takes_a_case_to_call_back_keeps_it_by_that() -> None:
    tale = told()
    case = promised(tale)
    tale.do(RequestCallback(case.own, None, to_other=False), GATEWAY)
    tale.offered(case.own, "anna")
    assert kinds(tale.accept(case.own)) == ["CommitmentKept", "OfferAccepted"]


def test_close_keeps_it_in_time() -> None:
    tale = told()
    case = taken(tale, promised(tale))
    said = tale.do(tale.closing(case.own), ANNA)
    assert kinds(said) == ["CommitmentKept", "CaseClosed"]
    assert tale.story.terminal


def test_owner_or_supervisor_can_say_that_it_was_kept_and_nobody_else() -> None:
    for who in (ANNA, SAM):
        tale = told()
        case = taken(tale, promised(tale))
        keep = KeepCommitment(the_promise(tale).own, case.epoch)
        assert tale.refused(keep, replace(ANNA, subject="bram")) == "NOT_OWNER"
        tale.do(keep, who)
        assert tale.story.commitments == ()


def test_answer_of_another_case_keeps_nothing_and_promises_of_agents_are_theirs() -> None:
    tale = told()
    case = promised(tale, 1)
    other = taken(tale, tale.waiting(2, topic="repair"))
    tale.do(MakeCommitment(other.own, 1, at(500)), ANNA)
    tale.do(AppendEntry(other.own, 1, ANSWER), ANNA)
    assert [one.case for one in tale.story.commitments] == [case.own, other.own]


# ---- broken


def test_time_breaks_it_once_and_not_before() -> None:
    tale = told()
    promised(tale)
    timer = time_is_up(tale)
    until(tale, 99.999)
    assert tale.refused(timer) == "TOO_EARLY"
    until(tale, 100)
    assert kinds(tale.do(timer)) == ["CommitmentBroken"]
    assert tale.refused(timer) == "CLOCK_STOPPED"
    assert (tale.story.commitments, tale.story.bad_experiences) == ((), 1)


@pytest.mark.parametrize("how", ["answer", "close", "keep"])
def test_promise_kept_late_was_broken_and_is_kept(how: str) -> None:
    tale = told()
    case = taken(tale, promised(tale))
    until(tale, 100)
    one = the_promise(tale).own
    match how:
        case "answer":
            said = tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)
        case "close":
            said = tale.do(tale.closing(case.own), ANNA)
        case _:
            said = tale.do(KeepCommitment(one, 1), ANNA)
    assert kinds(said)[:2] == ["CommitmentBroken", "CommitmentKept"]
    assert of(said, CommitmentBroken) == [CommitmentBroken(one, case.own, at(100))]
    assert tale.story.bad_experiences == 1


def test_promise_that_was_broken_is_not_kept_any_more_by_the_answer() -> None:
    tale = told()
    case = taken(tale, promised(tale))
    until(tale, 100)
    tale.do(BreakCommitment(the_promise(tale).own))
    assert kinds(tale.do(AppendEntry(case.own, 1, ANSWER), ANNA)) == ["EntryAppended"]
    assert tale.story.bad_experiences == 1


def test_warning_of_a_promise_comes_once_by_the_policy_of_its_case() -> None:
    tale = told()
    case = promised(tale)
    timer = time_is_up(tale, WARN)
    until(tale, 49)
    assert tale.refused(timer) == "TOO_EARLY"
    until(tale, 50)
    one = the_promise(tale)
    assert tale.do(timer) == (SlaWarned(case.own, timer.timer, PROMISE, at(100), one.own),)
    assert tale.do(timer) == ()
    assert the_promise(tale).warned
    assert tale.case(case.own).marks == ()  # it is no clock of the case
    assert tale.rules.config is not None
    left = [str(t.moment) for t in story_timers(tale.story, tale.rules.config) if t.commitment]
    assert left == ["BREACH"]


def test_timer_of_another_promise_or_moment_is_refused() -> None:
    tale = told()
    case = promised(tale)
    until(tale, 200)
    timer = time_is_up(tale)
    assert tale.refused(replace(timer, moment=WARN)) == "CLOCK_STOPPED"
    assert tale.refused(replace(timer, commitment=Own("0" * 26))) == "CLOCK_STOPPED"
    rung = timer_id(the_promise(tale).own, PROMISE, Moment(1), the_promise(tale).made_at)
    assert tale.refused(replace(timer, moment=Moment(1), timer=rung)) == "CLOCK_STOPPED"
    assert tale.refused(fired(case, PROMISE, BREACH)) == "CLOCK_STOPPED"


# ---- taken back


def test_customer_who_goes_away_is_owed_nothing_any_more() -> None:
    tale = told()
    case = promised(tale)
    said = tale.do(AbandonCase(case.own, "WITHDRAWN"), GATEWAY)
    assert kinds(said) == ["CommitmentWithdrawn", "CaseAbandoned"]
    assert (tale.story.terminal, tale.story.bad_experiences) == (True, 0)


def test_promise_of_an_agent_stays_when_the_customer_goes_away() -> None:
    tale = told()
    case = taken(tale, promised(tale))
    tale.do(MakeCommitment(case.own, 1, at(500)), ANNA)
    tale.do(AbandonCase(case.own, "LEFT"), SAM)
    assert the_promise(tale).agent == "anna"


@pytest.mark.parametrize(("wanted_s", "stays"), [(90, True), (3_600, False)])
def test_customer_who_wishes_to_be_called_later_takes_the_promise_back(
    wanted_s: int, *, stays: bool
) -> None:
    tale = told()
    case = promised(tale)
    said = tale.do(RequestCallback(case.own, at(wanted_s), to_other=False), GATEWAY)
    back = [event.reason for event in said if isinstance(event, CommitmentWithdrawn)]
    assert back == ([] if stays else ["CALLBACK"])
    assert bool(tale.story.commitments) is stays


def test_company_that_puts_a_case_off_takes_nothing_back() -> None:
    tale = told()
    case = promised(tale)
    asked = ScheduleCase(case.own, 0, at(3_600), callback=True, to_other=False, reason="BUSY")
    tale.do(asked, SAM)
    assert the_promise(tale).due_at == at(100)


# ---- elsewhere


def test_case_of_two_owes_what_was_promised_first_and_one_answer_keeps_it() -> None:
    tale = told()
    late, soon = promised(tale, 1, 300), promised(tale, 2, 100, topic="repair")
    late, soon = taken(tale, late), taken(tale, soon)
    asked = MergeCases(late.own, 1, soon.own, late.last_customer_entry, soon.last_customer_entry)
    said = tale.do(asked, ANNA)
    assert kinds(said) == ["CommitmentWithdrawn", "CaseMerged"]
    one = the_promise(tale)
    assert (one.case, one.due_at) == (late.own, at(100))
    said = tale.do(AppendEntry(late.own, 1, ANSWER), ANNA)
    assert kinds(said) == ["CommitmentKept", "EntryAppended"]
