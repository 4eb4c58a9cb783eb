"""What a case waits for: clocks stand still for it, nothing is due sooner by it, and it ends."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import GATEWAY, START, agent, contact, own
from tests.unit.ownership.tale import ANNA, BRAM, SAM, Tale, kinds
from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.story.events import EntryKind
from toldonce.kernel.story.pausing import paused, resumed
from toldonce.kernel.story.runs import done, run_of
from toldonce.kernel.story.types import (
    PAUSES_MAX,
    Case,
    CaseState,
    Pause,
    PauseCause,
    WorkState,
)
from toldonce.kernel.timers import timers_of
from toldonce.ownership.core.commands import (
    AppendEntry,
    Ended,
    MergeCases,
    PauseCase,
    ReleaseOwnership,
    ReopenCase,
    ResumeCase,
    SplitCase,
)

CUSTOMER, HOLD, CLOSED = PauseCause.CUSTOMER, PauseCause.HOLD, PauseCause.CLOSED
WAIT, FIRST = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE
NEXT, DONE = ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION
BARE = "on_breach: {raise_priority_by: 0}"
ANSWER, ASK = EntryKind.MESSAGE_OUT, EntryKind.MESSAGE_IN
DAY_S = 86_400
OFTEN_S = [(0, 10), (20, 30), (45, 50), (60, 80), (95, 97), (100, 130)]


def told(more: str = BARE, done_s: int = 600) -> Tale:
    return Tale(rules=aimed(aims(first=1_000, next_s=1_000, done=done_s, more=more)))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def until(tale: Tale, seconds: float) -> None:
    tale.later((at(seconds) - tale.now).total_seconds())


def hold(case: Case, until_at: datetime | None = None, *, epoch: int = 1) -> PauseCase:
    return PauseCase(case.own, epoch, HOLD, until_at, "SUPPLIER")


def wait(case: Case, until_at: datetime | None = None) -> PauseCase:
    return PauseCase(case.own, 1, CUSTOMER, until_at, "")


def go_on(case: Case, cause: PauseCause = HOLD, *, epoch: int = 1) -> ResumeCase:
    return ResumeCase(case.own, epoch, cause, "")


def answer(tale: Tale, case: Case, *, awaits: bool = False) -> list[str]:
    epoch, owner = tale.case(case.own).epoch, tale.case(case.own).owner
    return kinds(
        tale.do(AppendEntry(case.own, epoch, ANSWER, awaits_customer=awaits), agent(owner))
    )


def due_s(tale: Tale, case: Case, clock: ClockKind = DONE) -> float | None:
    """Say after how many seconds a clock will be breached; None: it will not, as it stands."""
    assert tale.rules.config is not None
    return due_of(tale.case(case.own), tale.rules.config, clock)


def due_of(case: Case, config: Config, clock: ClockKind = DONE) -> float | None:
    for timer in timers_of(case, config):
        if (timer.clock, timer.moment) == (clock, BREACH):
            return (timer.fires_at - START).total_seconds()
    return None


def pauses(tale: Tale, case: Case) -> list[tuple[str, float, float]]:
    return [
        (p.cause.name, (p.from_at - START).total_seconds(), (p.until_at - START).total_seconds())
        for p in tale.case(case.own).pauses
    ]


# ---- waiting for the customer


def test_answer_that_waits_for_the_customer_stands_still_until_they_speak() -> None:
    tale = told()
    case = tale.owned()
    until(tale, 100)
    assert answer(tale, case, awaits=True) == ["CasePaused", "EntryAppended"]
    now = tale.case(case.own)
    assert now.state is CaseState.PENDING_CUSTOMER
    assert pauses(tale, case) == [("CUSTOMER", 100, 100 + 14 * DAY_S)]
    until(tale, 5_000)
    assert tale.refused(fired(now, DONE, BREACH)) == "TOO_EARLY"
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    assert tale.case(case.own).state is CaseState.OPEN
    assert pauses(tale, case) == [("CUSTOMER", 100, 5_000)]
    assert due_s(tale, case) == 5_500


def test_contact_that_joins_the_case_ends_the_wait_for_the_customer_too() -> None:
    tale = told()
    case = tale.owned()
    tale.do(wait(case), ANNA)
    until(tale, 50)
    tale.do(contact(2), GATEWAY)
    assert tale.case(case.own).state is CaseState.OPEN
    assert due_s(tale, case) == 650


def test_plain_answer_does_not_wait_for_the_customer() -> None:
    tale = told()
    case = tale.owned()
    assert answer(tale, case) == ["EntryAppended"]
    assert (tale.case(case.own).state, pauses(tale, case)) == (CaseState.OPEN, [])


def test_hold_does_not_end_with_the_word_of_the_customer_but_when_the_owner_says_so() -> None:
    tale = told()
    case = tale.owned()
    tale.do(hold(case, at(1_000)), ANNA)
    until(tale, 100)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    assert pauses(tale, case) == [("HOLD", 0, 1_000)]
    assert tale.case(case.own).state is CaseState.OPEN
    until(tale, 300)
    assert kinds(tale.do(go_on(case), ANNA)) == ["CaseResumed"]
    assert due_s(tale, case) == 900


def test_customer_who_speaks_during_a_hold_ends_only_the_wait_for_them() -> None:
    tale = told()
    case = tale.owned()
    tale.do(hold(case, at(1_000)), ANNA)
    until(tale, 10)
    tale.do(wait(case, at(2_000)), ANNA)
    until(tale, 100)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    assert sorted(pauses(tale, case)) == [("CUSTOMER", 10, 100), ("HOLD", 0, 1_000)]
    assert due_s(tale, case) == 1_600


def test_pause_ends_by_itself_at_the_time_that_was_said() -> None:
    tale = told()
    case = tale.owned()
    tale.do(hold(case, at(200)), ANNA)
    assert due_s(tale, case) == 800
    until(tale, 799)
    assert tale.refused(fired(case, DONE, BREACH)) == "TOO_EARLY"
    until(tale, 800)
    assert kinds(tale.do(fired(case, DONE, BREACH))) == ["SlaBreached"]
    assert tale.do(go_on(case), ANNA) == ()


def test_wait_for_the_customer_that_is_over_is_ended_in_word_as_well() -> None:
    tale = told()
    case = tale.owned()
    tale.do(wait(case, at(200)), ANNA)
    until(tale, 300)
    assert tale.case(case.own).state is CaseState.PENDING_CUSTOMER
    assert kinds(tale.do(go_on(case, CUSTOMER), ANNA)) == ["CaseResumed"]
    assert tale.case(case.own).state is CaseState.OPEN
    assert due_s(tale, case) == 800


def test_pause_that_is_said_again_lasts_as_long_as_was_said_last() -> None:
    tale = told()
    case = tale.owned()
    tale.do(hold(case, at(500)), ANNA)
    until(tale, 100)
    tale.do(hold(case, at(300)), ANNA)
    assert pauses(tale, case) == [("HOLD", 0, 300)]
    until(tale, 200)
    tale.do(hold(case), ANNA)
    assert pauses(tale, case) == [("HOLD", 0, 200 + 14 * DAY_S)]


# ---- who may, and what


def test_nobody_but_the_owner_or_a_supervisor_lets_a_case_wait() -> None:
    tale = told()
    case = tale.owned()
    for command in (hold(case), go_on(case)):
        assert tale.refused(command, BRAM) == "NOT_OWNER"
        assert tale.refused(replace(command, epoch=9), ANNA) == "STALE_EPOCH"
    assert kinds(tale.do(hold(case, epoch=0), SAM)) == ["CasePaused"]
    assert kinds(tale.do(go_on(case, epoch=0), SAM)) == ["CaseResumed"]
    tale.close(case.own)
    assert tale.refused(hold(case), ANNA) == "Missing"


@pytest.mark.parametrize("cause", [PauseCause.CLOSED, PauseCause.NOT_OPEN])
def test_cause_that_only_the_log_knows_is_refused(cause: PauseCause) -> None:
    tale = told()
    case = tale.owned()
    for command in (PauseCase(case.own, 1, cause, None, "X"), go_on(case, cause)):
        assert tale.refused(command, ANNA).startswith("cause: ")


def test_hold_without_a_reason_is_refused() -> None:
    tale = told()
    case = tale.owned()
    assert tale.refused(replace(hold(case), reason=""), ANNA).startswith("reason: ")


@pytest.mark.parametrize("seconds", [0, -1, 30 * DAY_S + 1])
def test_pause_lasts_into_the_future_but_not_for_ever(seconds: int) -> None:
    tale = told()
    case = tale.owned()
    assert tale.refused(hold(case, at(seconds)), ANNA).startswith("until_at: ")
    tale.do(hold(case, at(30 * DAY_S)), ANNA)


# ---- what stands still


def test_only_the_clocks_stand_still_that_the_policy_names() -> None:
    more = BARE + "\n    pause_on: {next_response: [hold], resolution: [customer]}"
    tale = told(more)
    case = tale.owned()
    answer(tale, case)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    until(tale, 10)
    tale.do(hold(case, at(110)), ANNA)
    assert due_s(tale, case) == 600
    assert due_s(tale, case, NEXT) == pytest.approx(1_100, abs=0.001)
    until(tale, 150)
    tale.do(wait(case, at(170)), ANNA)
    assert due_s(tale, case) == 620
    assert due_s(tale, case, NEXT) == pytest.approx(1_100, abs=0.001)


def test_pause_can_stop_the_wait_and_the_first_response_where_a_policy_says_so() -> None:
    more = BARE + "\n    pause_on: {queue_wait: [hold], first_response: [customer, hold]}"
    tale = told(more)
    case = tale.waiting()
    tale.do(hold(case, at(40), epoch=0), SAM)
    assert (due_s(tale, case, WAIT), due_s(tale, case, FIRST)) == (100, 1_040)
    assert due_s(tale, case) == 640


def test_policy_that_names_no_cause_for_the_resolution_lets_it_count_on() -> None:
    tale = told(BARE + "\n    pause_on: {resolution: []}")
    case = tale.owned()
    tale.do(hold(case, at(100)), ANNA)
    assert due_s(tale, case) == 600


def test_pauses_that_overlap_count_once() -> None:
    tale = told()
    case = tale.owned()
    tale.do(hold(case, at(100)), ANNA)
    until(tale, 50)
    tale.do(wait(case, at(150)), ANNA)
    assert due_s(tale, case) == 750


def test_order_in_which_pauses_are_learned_does_not_matter() -> None:
    tale = told()
    case = tale.owned()
    config = tale.rules.config
    assert config is not None
    spans = [Pause(at(begins), at(ends), HOLD, DONE.bit) for begins, ends in OFTEN_S[:4]]
    found = {due_of(replace(case, pauses=one), config) for one in permutations(spans)}
    assert found == {600 + 10 + 10 + 5 + 20}


# ---- how many are kept


def often(case: Case, count: int, cause: PauseCause, clocks: int = DONE.bit) -> Case:
    """Let it wait two seconds in every ten."""
    for number in range(count):
        begins = at(number * 10)
        case = paused(case, cause, begins, at(90_000), clocks)
        case = resumed(case, (cause,), begins + 2 * SECOND)
    return case


SECOND = timedelta(seconds=1)


def test_one_pause_more_than_are_kept_makes_one_of_the_two_nearest() -> None:
    tale = told()
    case = often(tale.owned(), PAUSES_MAX, HOLD)
    assert len(case.pauses) == PAUSES_MAX
    near = paused(case, HOLD, at(113), at(120), DONE.bit)
    spans = [((p.from_at - START).seconds, (p.until_at - START).seconds) for p in near.pauses]
    assert spans == [*((number * 10, number * 10 + 2) for number in range(11)), (110, 120)]


def test_pauses_of_two_causes_never_become_one_so_that_neither_gets_shorter() -> None:
    tale = told()
    config = tale.rules.config
    assert config is not None
    case = often(tale.owned(), PAUSES_MAX - 1, HOLD, NEXT.bit)
    case = paused(case, HOLD, at(200), at(201), NEXT.bit)
    assert due_of(case, config) == 600
    long = paused(case, CUSTOMER, at(201), at(50_000), DONE.bit)  # the nearest is a short hold
    assert due_of(long, config) == 600 + 49_799
    assert len(long.pauses) == PAUSES_MAX


def test_those_two_become_one_by_which_the_least_time_more_stands_still() -> None:
    case = often(told().owned(), PAUSES_MAX - 2, HOLD)
    case = paused(case, HOLD, at(1_000), at(9_000), NEXT.bit)
    case = paused(case, HOLD, at(9_000), at(9_001), DONE.bit)  # nearer to it than any to another
    full = paused(case, HOLD, at(9_500), at(9_501), DONE.bit)
    assert len(full.pauses) == PAUSES_MAX
    assert full.pauses[1:] == (*case.pauses[2:], Pause(at(9_500), at(9_501), HOLD, DONE.bit))
    assert full.pauses[0] == Pause(at(0), at(12), HOLD, DONE.bit)


def test_pauses_of_different_clocks_that_become_one_have_the_clocks_of_both() -> None:
    case = told().owned()
    for number in range(PAUSES_MAX + 1):
        clocks = NEXT.bit if number % 2 else DONE.bit
        case = paused(case, HOLD, at(number * 10), at(number * 10 + 2), clocks)
    assert len(case.pauses) == PAUSES_MAX
    assert case.pauses[0] == Pause(at(0), at(12), HOLD, NEXT.bit | DONE.bit)


def test_customer_ends_the_wait_for_them_however_many_pauses_there_were() -> None:
    tale = told()
    case = tale.owned()
    tale.story = tale.story.with_case(often(tale.case(case.own), PAUSES_MAX, HOLD))
    until(tale, 118)
    tale.do(hold(case, at(10_000)), ANNA)
    until(tale, 119)
    tale.do(wait(case), ANNA)
    until(tale, 200)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    until(tale, 300)
    tale.do(go_on(case), ANNA)
    assert len(tale.case(case.own).pauses) <= PAUSES_MAX
    assert not any(one.holds(tale.now) for one in tale.case(case.own).pauses)


# ---- the next answer


def test_next_response_runs_from_the_first_word_after_an_answer_to_the_next_answer() -> None:
    tale = told()
    case = tale.owned()
    assert run_of(tale.case(case.own), NEXT) is None
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    assert run_of(tale.case(case.own), NEXT) is None  # it is still the first answer they wait for
    until(tale, 10)
    answer(tale, case)
    for seconds in (20, 30):
        until(tale, seconds)
        tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    run = run_of(tale.case(case.own), NEXT)
    assert run is not None
    assert (run.started_at, run.stopped_at) == (at(20), None)
    until(tale, 40)
    answer(tale, case)
    run = run_of(tale.case(case.own), NEXT)
    assert run is not None
    assert (run.started_at, run.stopped_at) == (at(20), at(40))
    until(tale, 50)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    run = run_of(tale.case(case.own), NEXT)
    assert run is not None
    assert (run.started_at, run.stopped_at) == (at(50), None)


def test_what_is_added_to_an_answer_in_time_does_not_make_it_late() -> None:
    tale = told()
    case = tale.owned()
    answer(tale, case)
    until(tale, 10)
    tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
    until(tale, 20)
    answer(tale, case)
    until(tale, 2_000)
    assert answer(tale, case) == ["EntryAppended"]
    run = run_of(tale.case(case.own), NEXT)
    assert run is not None
    assert run.stopped_at == at(20)


def test_word_and_answer_of_one_instant_are_told_apart_by_their_order() -> None:
    tale = told()
    case = tale.owned()
    answer(tale, case)
    for asks in (True, False, True, True, False, False, True):
        if asks:
            tale.do(AppendEntry(case.own, 0, ASK), GATEWAY)
        else:
            answer(tale, case)
        run = run_of(tale.case(case.own), NEXT)
        assert run is not None
        assert (run.stopped_at is None) is asks
    assert due_s(tale, case, NEXT) == pytest.approx(1_000, abs=0.001)


# ---- opened again


def closed(tale: Tale, case: Case) -> Ended:
    last = tale.case(case.own)
    tale.close(case.own)
    return Ended(replace(last, state=CaseState.CLOSED, work=WorkState.COMPLETED), tale.now)


def test_resolution_of_a_case_opened_again_goes_on_less_the_time_it_was_closed() -> None:
    tale = told()
    case = tale.owned()
    until(tale, 100)
    tale.do(hold(case, at(9_000)), ANNA)
    until(tale, 150)
    ended = closed(tale, case)
    until(tale, 1_000)
    tale.do(ReopenCase(case.own, "CAME_BACK", ended), SAM)
    assert pauses(tale, case) == [("HOLD", 100, 150), ("CLOSED", 150, 1_000)]
    assert due_s(tale, case) == 1_500
    assert due_s(tale, case, FIRST) == 2_000
    assert due_s(tale, case, WAIT) == 1_060


def test_breach_of_the_resolution_is_not_told_again_of_a_case_opened_again() -> None:
    tale = told()
    case = tale.owned()
    until(tale, 600)
    tale.do(fired(tale.case(case.own), DONE, BREACH))
    ended = closed(tale, case)
    until(tale, 700)
    tale.do(ReopenCase(case.own, "CAME_BACK", ended), SAM)
    assert due_s(tale, case) is None
    assert due_s(tale, case, WAIT) == 760


def test_resolution_that_restarts_counts_from_the_reopening_and_is_told_anew() -> None:
    tale = told(BARE + "\n    on_reopen: restart")
    case = tale.owned()
    until(tale, 600)
    tale.do(fired(tale.case(case.own), DONE, BREACH))
    tale.do(hold(case, at(9_000)), ANNA)
    ended = closed(tale, case)
    until(tale, 700)
    tale.do(ReopenCase(case.own, "CAME_BACK", ended), SAM)
    assert (due_s(tale, case), pauses(tale, case)) == (1_300, [])


def test_case_that_waited_for_its_customer_waits_for_somebody_when_opened_again() -> None:
    tale = told()
    case = tale.owned()
    tale.do(wait(case), ANNA)
    until(tale, 10)
    ended = closed(tale, case)
    tale.do(ReopenCase(case.own, "CAME_BACK", ended), SAM)
    assert tale.case(case.own).state is CaseState.OPEN
    assert pauses(tale, case) == [("CUSTOMER", 0, 10)]


def test_case_that_nobody_owns_any_more_waits_for_its_customer_all_the_same() -> None:
    tale = told()
    case = tale.owned()
    tale.do(wait(case, at(500)), ANNA)
    until(tale, 10)
    tale.do(ReleaseOwnership(case.own, 1, "LUNCH"), ANNA)
    assert tale.case(case.own).state is CaseState.PENDING_CUSTOMER
    assert due_s(tale, case) == 1_100
    assert due_s(tale, case, WAIT) == 70


# ---- two made one, one made two


def merging(tale: Tale, into: Case, ended: Case) -> MergeCases:
    stays, goes = tale.case(into.own), tale.case(ended.own)
    seen = (stays.last_customer_entry, goes.last_customer_entry)
    return MergeCases(stays.own, stays.epoch, goes.own, *seen)


def test_case_of_two_stood_still_while_neither_went_on() -> None:
    tale = told()
    one = tale.owned(1)
    until(tale, 10)
    tale.do(hold(one, at(100)), ANNA)
    until(tale, 50)
    two = tale.owned(2, topic="repair")
    until(tale, 70)
    tale.do(wait(two, at(300)), ANNA)
    until(tale, 120)
    tale.do(merging(tale, one, two), ANNA)
    assert sorted(pauses(tale, one)) == [("CUSTOMER", 70, 100), ("HOLD", 10, 50)]
    assert due_s(tale, one) == 670
    assert tale.case(one.own).state is CaseState.OPEN


@pytest.mark.parametrize("both", [True, False])
def test_case_of_two_waits_for_the_customer_only_if_both_did(*, both: bool) -> None:
    tale = told()
    one, two = tale.owned(1), tale.owned(2, topic="repair")
    tale.do(wait(one, at(500)), ANNA)
    if both:
        tale.do(wait(two, at(300)), ANNA)
    until(tale, 100)
    tale.do(merging(tale, one, two), ANNA)
    state = CaseState.PENDING_CUSTOMER if both else CaseState.OPEN
    assert tale.case(one.own).state is state
    assert pauses(tale, one) == ([("CUSTOMER", 0, 300)] if both else [])


def test_case_of_two_is_not_late_for_what_one_had_paused_before_the_other_began_anew() -> None:
    tale = told(BARE + "\n    on_reopen: restart")
    old = tale.owned(1, topic="repair")
    ended = closed(tale, old)
    until(tale, 100)
    new = tale.owned(2)
    until(tale, 150)
    tale.do(wait(new, at(5_000)), ANNA)
    until(tale, 5_000)
    tale.do(ReopenCase(old.own, "CAME_BACK", ended), SAM)
    tale.offered(old.own, "anna")
    tale.accept(old.own)
    assert (due_s(tale, old), due_s(tale, new)) == (5_600, 5_550)
    tale.do(merging(tale, new, old), ANNA)
    assert due_s(tale, new) == 5_550


def test_merge_leaves_what_a_clock_had_recorded_of_either_case() -> None:
    tale = told(done_s=100)
    one, two = tale.owned(1), tale.owned(2, topic="repair")
    until(tale, 100)
    tale.do(fired(tale.case(two.own), DONE, BREACH))
    tale.do(fired(tale.case(one.own), DONE, BREACH))
    tale.do(merging(tale, one, two), ANNA)
    now = tale.case(one.own)
    run = run_of(now, DONE)
    assert run is not None
    assert done(now, run) & BREACH.bit
    assert tale.story.bad_experiences == 2


def test_what_came_after_the_last_answer_of_both_waits_for_the_next_one() -> None:
    tale = told()
    old = tale.owned(1, topic="repair")
    answer(tale, old)
    until(tale, 100)
    new = tale.owned(2)
    tale.do(merging(tale, new, old), ANNA)
    assert due_s(tale, new, FIRST) is None
    assert due_s(tale, new, NEXT) == 1_100
    until(tale, 200)
    tale.do(AppendEntry(new.own, 0, ASK), GATEWAY)
    assert due_s(tale, new, NEXT) == 1_100
    answer(tale, new)
    assert due_s(tale, new, NEXT) is None


def test_longest_wait_for_the_next_answer_goes_on_in_the_case_of_two() -> None:
    for reverse in (False, True):
        tale = told()
        one, two = tale.owned(1), tale.owned(2, topic="repair")
        answer(tale, one)
        answer(tale, two)
        until(tale, 50)
        tale.do(AppendEntry(two.own, 0, ASK), GATEWAY)
        until(tale, 80)
        tale.do(AppendEntry(one.own, 0, ASK), GATEWAY)
        pair = (two, one) if reverse else (one, two)
        tale.do(merging(tale, *pair), ANNA)
        assert due_s(tale, pair[0], NEXT) == 1_050


def test_case_made_of_another_has_its_pauses_and_stands_still_no_more() -> None:
    tale = told()
    case = tale.owned()
    tale.do(contact(2), GATEWAY)
    until(tale, 10)
    tale.do(hold(case, at(500)), ANNA)
    until(tale, 110)
    entry = tale.case(case.own).last_customer_entry
    tale.do(SplitCase(case.own, 1, (own("contact", 2),), others=1, latest=entry), ANNA)
    made = tale.story.cases[-1]
    assert pauses(tale, made) == [("HOLD", 10, 110)]
    assert (due_s(tale, case), due_s(tale, made)) == (1_090, 700)
