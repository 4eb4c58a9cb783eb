"""What else becomes of a case: advice, promises, outcomes, coming back, and two made one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tellers import ENGINE, GATEWAY, RULES, contact, own
from tests.unit.ownership.tale import ANNA, BRAM, CARL, SAM, Tale, kinds
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import CaseClosed, CaseReopened, EntryKind, Event
from toldonce.kernel.story.types import Case, CaseState, WorkState
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import (
    AppendEntry,
    BreakCommitment,
    CloseCase,
    CompleteWrapUp,
    DeclineOffer,
    Ended,
    JoinConsult,
    KeepCommitment,
    LeaveConsult,
    LinkIncident,
    MakeCommitment,
    MergeCases,
    ReceiveContact,
    ReleaseOwnership,
    ReopenCase,
    SetPriority,
    SplitCase,
)

CROWD = replace(RULES, agents=frozenset({"anna", "bram", "carl", "dora", "emil", "finn"}))


def merging(tale: Tale, into: Case, ended: Case) -> MergeCases:
    stays, goes = tale.case(into.own), tale.case(ended.own)
    return MergeCases(
        into.own, stays.epoch, ended.own, stays.last_customer_entry, goes.last_customer_entry
    )


def answering(
    number: int, thread: Own, closed: Ended | None, topic: str = "order"
) -> ReceiveContact:
    return replace(contact(number, topic=topic), thread=thread, closed=closed)


# ---- advice


def test_adviser_writes_notes_and_nothing_else() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(JoinConsult(case, ""), BRAM)
    for kind in (EntryKind.NOTE, EntryKind.ATTACHMENT):
        tale.do(AppendEntry(case, 0, kind), BRAM)
    assert tale.refused(AppendEntry(case, 1, EntryKind.MESSAGE_OUT), BRAM) == "NOT_OWNER"
    assert tale.refused(tale.closing(case), BRAM) == "NOT_OWNER"
    assert tale.refused(tale.handing(case, "carl"), BRAM) == "NOT_OWNER"
    assert tale.refused(MakeCommitment(case, 1, tale.now + timedelta(1)), BRAM) == "NOT_OWNER"
    assert tale.refused(ReleaseOwnership(case, 1, "MINE"), BRAM) == "NOT_OWNER"
    assert tale.case(case).owner == "anna"


def test_adviser_leaves_or_is_let_go_and_then_adds_nothing() -> None:
    for who in (BRAM, ANNA, SAM):
        tale = Tale()
        case = tale.owned().own
        tale.do(JoinConsult(case, "bram"), ANNA)
        assert tale.do(JoinConsult(case, "bram"), ANNA) == ()
        assert tale.refused(LeaveConsult(case, "bram", ""), CARL) == "NOT_OWNER"
        tale.do(LeaveConsult(case, "bram", ""), who)
        assert tale.do(LeaveConsult(case, "bram", ""), who) == ()
        assert tale.refused(AppendEntry(case, 0, EntryKind.NOTE), BRAM) == "NOT_OWNER"


def test_adviser_whose_time_is_up_adds_nothing_although_nobody_said_so_yet() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(JoinConsult(case, ""), BRAM)
    tale.later(RULES.consult_max_s)
    assert tale.refused(AppendEntry(case, 0, EntryKind.NOTE), BRAM) == "NOT_OWNER"
    tale.do(LeaveConsult(case, "bram", "TIMED_OUT"), ENGINE)
    assert tale.case(case).advisers == ()


def test_adviser_whose_time_is_up_is_let_in_again_before_anybody_has_said_so() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(JoinConsult(case, "bram"), ANNA)
    tale.later(RULES.consult_max_s)
    tale.do(JoinConsult(case, "bram"), ANNA)
    tale.do(AppendEntry(case, 0, EntryKind.NOTE), BRAM)
    assert tale.refused(LeaveConsult(case, "bram", "TIMED_OUT"), ENGINE) == "TOO_EARLY"
    assert [one.agent for one in tale.case(case).advisers] == ["bram"]


def test_who_may_ask_whom_for_advice() -> None:
    tale = Tale()
    case = tale.owned().own
    assert tale.refused(JoinConsult(case, ""), ANNA) == "OWNER"
    assert tale.refused(JoinConsult(case, "carl"), BRAM) == "NOT_OWNER"
    assert tale.refused(JoinConsult(case, "nobody"), ANNA).startswith("agent: no agent")
    assert tale.refused(JoinConsult(case, ""), SAM).startswith("agent: name")
    tale.do(JoinConsult(case, "carl"), SAM)
    assert [one.agent for one in tale.case(case).advisers] == ["carl"]


def test_there_is_always_a_seat_for_who_hands_over_warm() -> None:
    tale = Tale()
    tale.rules = CROWD
    case = tale.owned().own
    for name in ("carl", "dora", "emil"):
        tale.do(JoinConsult(case, name), SAM)
    tale.hand(case, "bram", warm=True)
    assert tale.refused(JoinConsult(case, "finn"), SAM) == "TOO_MANY_ADVISERS"
    tale.offered(case, "bram")
    tale.accept(case)
    assert {one.agent for one in tale.case(case).advisers} == {"anna", "carl", "dora", "emil"}
    assert tale.refused(tale.handing(case, "finn", warm=True), BRAM) == "TOO_MANY_ADVISERS"
    tale.hand(case, "finn")


def test_adviser_who_accepts_the_case_is_no_adviser_any_more() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(JoinConsult(case, "bram"), ANNA)
    tale.hand_on(case, "bram", warm=True)
    now = tale.case(case)
    assert (now.owner, [one.agent for one in now.advisers]) == ("bram", ["anna"])


# ---- promises


def test_promise_is_seen_by_every_later_owner_until_it_is_kept() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(MakeCommitment(case, 1, tale.now + timedelta(hours=1)), ANNA)
    tale.hand_on(case, "bram")
    tale.hand_on(case, "carl")
    (promise,) = tale.story.commitments
    assert promise.agent == "anna"
    assert tale.refused(KeepCommitment(promise.own, 3), BRAM) == "NOT_OWNER"
    tale.do(KeepCommitment(promise.own, 3), CARL)
    assert tale.story.commitments == ()
    assert tale.refused(KeepCommitment(promise.own, 3), CARL) == "COMMITMENT_GONE"


def test_promise_outlives_its_case_and_then_its_maker_or_a_supervisor_keeps_it() -> None:
    for who in (ANNA, SAM):
        tale = Tale()
        case = tale.owned().own
        tale.do(MakeCommitment(case, 1, tale.now + timedelta(hours=1)), ANNA)
        tale.hand_on(case, "bram")
        tale.close(case)
        assert (tale.story.cases, tale.story.terminal) == ((), False)
        promise = tale.story.commitments[0].own
        assert tale.refused(KeepCommitment(promise, 0), BRAM) == "NOT_OWNER"
        tale.do(KeepCommitment(promise, 0), who)
        assert tale.story.terminal


def test_promise_is_broken_when_it_is_due_and_not_before_and_by_no_agent() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(MakeCommitment(case, 1, tale.now + timedelta(hours=1)), ANNA)
    promise = tale.story.commitments[0].own
    assert tale.refused(BreakCommitment(promise)) == "TOO_EARLY"
    tale.later(3600)
    assert tale.refused(BreakCommitment(promise), ANNA) == "NOT_A_SERVICE"
    tale.do(BreakCommitment(promise))
    assert (tale.story.commitments, tale.story.bad_experiences) == ((), 1)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=367)])
def test_promise_is_for_the_future_but_not_for_ever(ahead: timedelta) -> None:
    tale = Tale()
    case = tale.owned().own
    assert tale.refused(MakeCommitment(case, 1, tale.now + ahead), ANNA).startswith("due_at: ")


def test_seventeenth_open_promise_is_refused() -> None:
    tale = Tale()
    case = tale.owned().own
    for _ in range(16):
        tale.do(MakeCommitment(case, 1, tale.now + timedelta(hours=1)), ANNA)
    one_more = MakeCommitment(case, 1, tale.now + timedelta(hours=1))
    assert tale.refused(one_more, ANNA) == "TOO_MANY_COMMITMENTS"


# ---- outcomes


def test_case_is_closed_with_an_outcome_of_its_queue() -> None:
    tale = Tale()
    case = tale.owned().own
    for outcome in ("", "mended"):
        asked = replace(tale.closing(case), disposition=outcome)
        said = tale.refused(asked, ANNA)
        assert said.startswith("disposition: ")
        assert "refunded, resolved" in said
    tale.close(case)


@pytest.mark.parametrize("told", [None, True, False])
@pytest.mark.parametrize("first", [None, True, False])
def test_what_was_not_asked_at_the_close_is_not_known(
    *, told: bool | None, first: bool | None
) -> None:
    tale = Tale()
    case = tale.owned().own
    (closed,) = tale.do(tale.closing(case, re_told=told, resolved_first_owner=first), ANNA)
    assert isinstance(closed, CaseClosed)
    assert (closed.re_told_known, closed.re_told) == (told is not None, bool(told))
    assert (closed.resolved_known, closed.resolved_first_owner) == (first is not None, bool(first))


# ---- coming back


def ended(tale: Tale, case: Own) -> Ended:
    """Close a case of its owner and say how the history shows it."""
    last = tale.case(case)
    tale.close(case)
    return Ended(replace(last, state=CaseState.CLOSED, work=WorkState.COMPLETED), tale.now)


def test_answer_to_an_ended_case_opens_it_again_for_its_last_owner() -> None:
    tale = Tale()
    case = tale.owned().own
    closed = ended(tale, case)
    tale.later(RULES.reopen_window_s)
    events = tale.do(answering(2, case, closed), GATEWAY)
    assert kinds(events) == ["CaseReopened", "ContactReceived"]
    now = tale.case(case)
    assert (now.owner, now.last_owner, now.epoch, now.work) == ("", "anna", 2, WorkState.QUEUED)
    assert now.last_customer_entry != closed.case.last_customer_entry


def test_answer_while_the_paperwork_goes_on_opens_the_case_again() -> None:
    tale = Tale()
    case = tale.owned(queue="returns").own
    closed = ended(tale, case)
    assert tale.case(case).state is CaseState.CLOSED
    events = tale.do(answering(2, case, closed), GATEWAY)
    assert kinds(events) == ["WrapUpCompleted", "CaseReopened", "ContactReceived"]
    assert (len(tale.story.cases), tale.case(case).state) == (1, CaseState.OPEN)
    assert tale.refused(CompleteWrapUp(case, 1), ANNA) == "CASE_OPEN"


def test_answer_after_the_window_is_a_new_case_or_joins_the_open_one_of_its_matter() -> None:
    for other in (False, True):
        tale = Tale()
        case = tale.owned().own
        closed = ended(tale, case)
        tale.later(RULES.reopen_window_s + 1)
        there = [tale.waiting(7).own] if other else []
        tale.do(answering(2, case, closed), GATEWAY)
        assert [one.own for one in tale.story.cases if one.own in there] == there
        assert (len(tale.story.cases), tale.story.case(case)) == (1, None)


def test_answer_in_a_full_story_is_left_to_be_taken_in_elsewhere() -> None:
    tale = Tale()
    case = tale.owned().own
    closed = ended(tale, case)
    for number in range(8):
        tale.waiting(10 + number, topic=f"topic{number}")
    fresh = answering(2, case, closed, topic="other")
    assert tale.refused(fresh, GATEWAY) == "TOO_MANY_CASES"


def test_case_opens_again_within_the_window_only() -> None:
    never: Rules = replace(RULES, reopen_window_s=0)
    for rules, wait_s in ((never, 0), (RULES, RULES.reopen_window_s + 1)):
        tale = Tale()
        case = tale.owned().own
        closed = ended(tale, case)
        tale.rules = rules
        tale.later(wait_s)
        asked = ReopenCase(case, "CAME_BACK", closed)
        assert tale.refused(asked, SAM) == "REOPEN_WINDOW"


def test_case_that_comes_back_forgets_its_climbs_and_hops_but_not_its_owner() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.hand_on(case, "bram", warm=True)
    closed = ended(tale, case)
    (back,) = tale.do(ReopenCase(case, "CAME_BACK", closed), SAM)
    assert isinstance(back, CaseReopened)
    assert back.reason == "CAME_BACK"
    now = tale.case(case)
    assert (now.hops, now.former_owners, now.advisers) == (0, (), ())
    assert (now.last_owner, now.epoch) == ("bram", closed.case.epoch + 1)
    assert tale.do(ReopenCase(case, "CAME_BACK", closed), SAM) == ()


def test_case_that_came_back_can_be_declined_by_its_last_owner_like_any_other() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(ReopenCase(case, "", ended(tale, case)), SAM)
    made = tale.offered(case, "anna")
    assert kinds(tale.do(DeclineOffer(made, "BUSY"), ANNA)) == ["OfferDeclined"]
    tale.offered(case, "bram")
    tale.accept(case)
    assert tale.case(case).owner == "bram"


# ---- two made one, one made two


def test_case_that_ends_in_another_leaves_it_its_age_its_weight_and_its_promises() -> None:
    tale = Tale()
    old = tale.owned(1, topic="repair")
    tale.do(MakeCommitment(old.own, 1, tale.now + timedelta(hours=1)), ANNA)
    tale.later(100)
    new = tale.owned(2)
    tale.do(merging(tale, new, old), ANNA)
    (now,) = tale.story.cases
    assert (now.own, now.owner, now.epoch) == (new.own, "anna", 1)
    assert (now.opened_at, now.enqueued_at) == (old.opened_at, old.enqueued_at)
    assert tale.story.commitments[0].case == new.own


def test_nobody_merges_away_the_case_of_another() -> None:
    tale = Tale()
    mine, theirs = tale.owned(1), tale.owned(2, by="bram", topic="repair")
    assert tale.refused(merging(tale, mine, theirs), ANNA) == "NOT_OWNER"
    assert tale.refused(merging(tale, theirs, mine), ANNA) == "NOT_OWNER"
    assert tale.refused(merging(tale, mine, mine), ANNA).startswith("merged_case_id: ")
    tale.do(merging(tale, mine, theirs), SAM)
    assert [case.owner for case in tale.story.cases] == ["anna"]


def test_nothing_is_merged_over_words_that_were_not_seen() -> None:
    tale = Tale()
    mine, other = tale.owned(1), tale.waiting(2, topic="repair")
    early = merging(tale, mine, other)
    tale.do(replace(contact(3, topic="repair"), thread=other.own), GATEWAY)
    assert tale.refused(early, ANNA) == "UNSEEN_MESSAGE"
    tale.do(merging(tale, mine, other), ANNA)


def test_case_made_of_some_contacts_waits_at_the_old_age() -> None:
    tale = Tale()
    case = tale.owned()
    tale.do(contact(2), GATEWAY)
    tale.later(50)
    entry = tale.case(case.own).last_customer_entry
    tale.do(SplitCase(case.own, 1, (own("contact", 2),), others=1, latest=entry), ANNA)
    kept, made = tale.story.cases
    assert (kept.owner, made.owner, made.work) == ("anna", "", WorkState.QUEUED)
    assert (made.enqueued_at, made.last_owner, made.epoch) == (case.enqueued_at, "anna", 0)
    assert (made.last_customer_entry, tale.story.cases_total) == (entry, 2)


def test_contacts_that_cannot_be_split_off_are_refused() -> None:
    tale = Tale()
    case = tale.owned().own
    of_others = SplitCase(case, 1, (own("contact", 9),), others=0, latest=None)
    assert tale.refused(of_others, ANNA).startswith("contact_ids: ")
    all_of_it = SplitCase(case, 1, (own("contact", 1),), others=0, latest=own("entry"))
    assert tale.refused(all_of_it, ANNA).startswith("contact_ids: ")
    for number in range(7):
        tale.waiting(10 + number, topic=f"topic{number}")
    ninth = SplitCase(case, 1, (own("contact", 1),), others=1, latest=own("entry"))
    assert tale.refused(ninth, ANNA) == "TOO_MANY_CASES"


def test_incident_behind_a_case_is_said_once_and_can_be_taken_back() -> None:
    tale = Tale()
    case = tale.waiting().own
    asked: list[tuple[Event, ...]] = [tale.do(LinkIncident(case, "outage")) for _ in range(2)]
    assert [len(events) for events in asked] == [1, 0]
    tale.do(LinkIncident(case, ""))
    assert tale.case(case).incident == ""


def test_priority_is_set_once_up_or_down_by_who_may_and_with_a_reason() -> None:
    tale = Tale()
    case = tale.waiting().own
    up = SetPriority(case, 700, "VIP")
    assert [len(tale.do(up, SAM)) for _ in range(2)] == [1, 0]
    tale.do(SetPriority(case, 3, "MISTAKE"), SAM)
    assert tale.case(case).priority == 3
    assert tale.refused(SetPriority(case, 1_001, "VIP"), SAM).startswith("priority: ")
    assert tale.refused(SetPriority(case, 7, ""), SAM).startswith("reason: ")
    assert tale.refused(up, ANNA) == "Denied"


def test_close_by_who_lost_the_case_is_refused() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.hand_on(case, "bram")
    late = CloseCase(case, 1, "resolved", tale.case(case).last_customer_entry)
    assert tale.refused(late, ANNA) == "NOT_OWNER"
