"""The rules of counting, one story each, with what a person would count beside it."""

from dataclasses import replace

import pytest

from tests.tellers import customer, own
from tests.unit.sla.tale import (
    ANNA,
    BRAM,
    DOCUMENT,
    ROBO,
    Tale,
    at,
    closed,
    config,
    joined,
    let_go,
    opened,
    said,
    taken,
)
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.story.events import (
    Absorbed,
    CallbackRequested,
    CaseAbandoned,
    CaseMerged,
    CasePaused,
    CaseReopened,
    CaseResumed,
    CaseScheduled,
    CaseSplit,
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    CommitmentWithdrawn,
    EntryKind,
    Fenced,
    Forgotten,
    HandoffBegun,
    HandoffCancelled,
    Moved,
    SlaBreached,
    WrapUpBegun,
    WrapUpCompleted,
)
from toldonce.kernel.story.types import PauseCause, TargetKind

GONE = CaseAbandoned(own("case"), "ABANDONED")
DAY_S = 86_400


def handed(to: str = "bram") -> HandoffBegun:
    return HandoffBegun(
        own("hand"), own("case"), "anna", TargetKind.AGENT, to, at(900), 1, b"hash", 0
    )


def reopened(tale: Tale, at_s: float) -> CaseReopened:
    old = tale.case()
    return CaseReopened(
        replace(
            old,
            epoch=9,
            owner="",
            enqueued_at=at(at_s),
            waiting_since=at(at_s),
            owned_at=None,
            first_reply_at=None,
        )
    )


@pytest.mark.parametrize(
    ("wait_s", "answer_s", "in_time"),
    [
        (10, 20, {"wait_in_time": 1, "answer_in_time": 1}),
        (29.999, 59.999, {"wait_in_time": 1, "answer_in_time": 1}),
        (30, 60, {}),  # at its due instant a clock is breached
        (40, 50, {"answer_in_time": 1}),
    ],
)
def test_wait_ends_with_an_owner_and_with_the_first_answer(
    wait_s: float, answer_s: float, in_time: dict[str, int]
) -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(wait_s, taken())
    tale.tell(answer_s, said(), by=ANNA)
    tale.tell(answer_s + 500, said(n=2), by=ANNA)
    wait_ms, answer_ms = round(wait_s * 1_000), round(answer_s * 1_000)
    assert tale.counted() == {
        "chat": {
            "wait_n": 1,
            "wait_ms": wait_ms,
            "wait_ms2": wait_ms**2,
            "wait_aimed": 1,
            "answer_n": 1,
            "answer_ms": answer_ms,
            "answer_ms2": answer_ms**2,
            "answer_aimed": 1,
            **in_time,
        }
    }


def test_night_does_not_count_in_office_hours() -> None:
    tale = Tale()
    tale.tell(8 * 3_600 - 60, opened("email", queue="returns"))  # 16:59 on Monday
    tale.tell(DAY_S + 60, taken())  # 9:01 on Tuesday
    counted = tale.counted()["email"]
    assert (counted["wait_ms"], counted["wait_in_time"]) == (120_000, 1)


def test_queue_without_targets_has_waits_and_no_service_level() -> None:
    tale = Tale()
    tale.tell(0, opened(queue="aimless"))
    tale.tell(5, taken())
    tale.tell(6, said(), by=ANNA)
    tale.tell(7, closed())
    names = set(tale.counted()["chat"])
    assert names == {
        *("wait_n", "wait_ms", "wait_ms2", "answer_n", "answer_ms", "answer_ms2", "closed")
    }


def test_case_counts_where_it_began_however_loud_it_became() -> None:
    tale = Tale()
    tale.tell(0, opened("email"))
    tale.tell(3_600, joined("chat"))
    assert tale.case().channel == "chat"
    tale.tell(3_601, taken())
    tale.tell(3_602, said(), by=ANNA)
    assert set(tale.counted()) == {"email"}
    assert "answer_in_time" not in tale.counted()["email"]


def test_target_is_that_of_the_queue_in_which_the_wait_ends() -> None:
    slow = Tale()
    slow.tell(0, opened(queue="returns"))
    slow.tell(100, taken())
    assert slow.counted()["chat"]["wait_in_time"] == 1
    quick = Tale()
    quick.tell(0, opened())
    quick.tell(100, taken())
    assert "wait_in_time" not in quick.counted()["chat"]


# ---- bots


def test_bot_who_takes_and_answers_ends_no_wait() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(1, taken("robo"))
    tale.tell(2, said(), by=ROBO)
    assert tale.counted() == {}
    tale.tell(40, taken("anna", epoch=2, hand="hand"))
    tale.tell(50, said(n=2), by=ANNA)
    counted = tale.counted()["chat"]
    assert (counted["wait_ms"], counted["answer_ms"]) == (40_000, 50_000)
    assert ("wait_in_time" in counted, counted["answer_in_time"]) == (False, 1)


def test_what_a_bot_closes_is_closed_by_a_bot_and_its_word_is_not_taken() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(1, taken("robo"))
    tale.tell(2, closed("robo", first=True, retold=False))
    assert tale.counted() == {"chat": {"closed": 1, "closed_by_bot": 1, "aimed": 1}}


def test_customer_who_leaves_a_bot_left_unanswered() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(1, taken("robo"))
    tale.tell(2, said(), by=ROBO)
    tale.tell(45, GONE)
    assert tale.counted() == {
        "chat": {"abandoned": 1, "aimed": 1, "answer_left_early": 1, "wait_left_late": 1}
    }


@pytest.mark.parametrize("by", ["service:routing", "gateway:web"])
def test_what_no_person_wrote_is_no_answer(by: str) -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(5, said(), by=by)
    assert tale.counted() == {}


@pytest.mark.parametrize("by", ["supervisor:ruth", "agent:who-left"])
def test_supervisor_and_an_agent_who_has_left_are_persons(by: str) -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(5, said(), by=by)
    assert tale.counted()["chat"]["answer_n"] == 1


def test_note_is_no_answer() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(5, said(kind=EntryKind.NOTE), by=ANNA)
    assert tale.counted() == {}


# ---- spoken and unspoken answers


@pytest.mark.parametrize(
    ("channel", "asked", "expected"),
    [
        ("voice", None, {"answer_n": 1, "answer_in_time": 1}),
        ("chat", CallbackRequested(own("case"), None, ""), {"answer_n": 1, "answer_in_time": 1}),
        ("chat", None, {"unanswered": 1}),
    ],
    ids=["on the phone", "called back", "never answered"],
)
def test_case_closed_without_a_written_answer(
    channel: str, asked: CallbackRequested | None, expected: dict[str, int]
) -> None:
    tale = Tale()
    tale.tell(0, opened(channel), *(() if asked is None else (asked,)))
    tale.tell(20, taken())
    tale.tell(500, closed())
    counted = tale.counted()[channel]
    names = ("answer_n", "answer_in_time", "unanswered")
    assert {name: counted[name] for name in names if name in counted} == expected
    assert counted.get("answer_ms", 20_000) == 20_000


# ---- who goes away


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [
        (20, {"wait_left_early": 1, "answer_left_early": 1}),
        (40, {"wait_left_late": 1, "answer_left_early": 1}),
        (90, {"wait_left_late": 1, "answer_left_late": 1}),
    ],
)
def test_customer_who_leaves_leaves_early_or_late(left_s: float, expected: dict[str, int]) -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(left_s, GONE)
    assert tale.counted() == {"chat": {"abandoned": 1, "aimed": 1, **expected}}


def test_customer_who_leaves_after_an_answer_left_no_wait() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(10, taken())
    tale.tell(20, said(), by=ANNA)
    tale.tell(30, GONE)
    assert not [name for name in tale.counted()["chat"] if "left" in name]


# ---- appointments


def test_waits_begin_at_the_appointment() -> None:
    tale = Tale()
    tale.tell(0, opened("voice"))
    tale.tell(10, CallbackRequested(own("case"), at(3_600), ""))
    tale.tell(3_620, taken())
    tale.tell(3_700, closed())
    counted = tale.counted()["voice"]
    assert (counted["wait_ms"], counted["wait_in_time"]) == (20_000, 1)
    assert (counted["answer_ms"], counted["answer_in_time"]) == (20_000, 1)


def test_who_takes_it_back_before_the_appointment_left_early() -> None:
    tale = Tale()
    tale.tell(0, opened(), CaseScheduled(own("case"), at(3_600), "LATER"))
    tale.tell(1_000, CaseAbandoned(own("case"), "CANCELLED"))
    counted = tale.counted()["chat"]
    assert (counted["wait_left_early"], counted["answer_left_early"]) == (1, 1)


def test_case_given_back_for_later_waits_from_then_on() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(10, taken())
    tale.tell(15, let_go(), CaseScheduled(own("case"), at(1_000), "LATER"))
    tale.tell(1_025, taken("bram", epoch=3))
    assert tale.counted()["chat"]["wait_n"] == 2
    assert tale.counted()["chat"]["wait_ms"] == 10_000 + 25_000


# ---- handed over, let go, merged, split, moved


def test_handoff_neither_begins_nor_ends_a_wait() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(10, taken())
    tale.tell(20, handed())
    tale.tell(25, taken("bram", epoch=2, hand="hand"))
    tale.tell(30, said(), by=BRAM)
    tale.tell(40, handed("anna"))
    tale.tell(41, HandoffCancelled(own("hand"), own("case"), "TIMED_OUT"))
    tale.tell(50, closed("bram"))
    counted = tale.counted()["chat"]
    assert (counted["wait_n"], counted["wait_ms"]) == (1, 10_000)
    assert (counted["answer_n"], counted["answer_ms"], counted["closed"]) == (1, 30_000, 1)


def test_case_that_is_let_go_waits_again() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(10, taken())
    tale.tell(100, let_go())
    tale.tell(150, taken("bram", epoch=3))
    counted = tale.counted()["chat"]
    assert (counted["wait_n"], counted["wait_ms"], counted["wait_in_time"]) == (2, 60_000, 1)


def test_merged_case_is_one_matter_and_answered_once() -> None:
    tale = Tale()
    tale.tell(0, opened("email"), opened("chat", name="other"))
    tale.tell(10, taken(), taken("anna", name="other"))
    tale.tell(20, said(name="other"), by=ANNA)
    tale.tell(30, CaseMerged(own("other"), own("case")))
    tale.tell(40, said(n=2), by=ANNA)
    tale.tell(50, closed())
    counted = tale.counted()
    assert counted["chat"]["answer_n"] == 1
    assert "closed" not in counted["chat"]
    assert "answer_n" not in counted["email"]
    assert counted["email"]["closed"] == 1


def test_breach_of_what_was_merged_goes_on_in_what_stays() -> None:
    tale = Tale()
    tale.tell(0, opened("email"), opened("chat", name="other"))
    tale.tell(90, SlaBreached(own("other"), own("timer"), ClockKind.FIRST_RESPONSE, at(60)))
    tale.tell(95, CaseMerged(own("other"), own("case")))
    tale.tell(99, taken())
    tale.tell(100, closed())
    assert tale.counted()["email"]["breached"] == 1


def test_matter_split_off_counts_where_it_came_from_and_waits_anew() -> None:
    tale = Tale()
    tale.tell(0, opened("email"))
    tale.tell(5, joined("chat"))
    tale.tell(10, taken())
    tale.tell(20, said(), by=ANNA)
    made = replace(
        tale.case(), own=own("made"), owner="", owned_at=None, waiting_since=at(30), epoch=0
    )
    tale.tell(30, CaseSplit(own("case"), made, (own("more"),)))
    tale.tell(36, taken(name="made"))
    tale.tell(50, said(name="made", n=2), by=ANNA)
    counted = tale.counted()
    assert set(counted) == {"email"}
    assert (counted["email"]["wait_n"], counted["email"]["wait_ms"]) == (2, 16_000)
    assert counted["email"]["answer_n"] == 1


def test_moved_case_is_known_where_it_comes_to() -> None:
    tale = Tale()
    tale.tell(0, opened("email"))
    tale.tell(5, joined("chat"))
    tale.tell(6, CommitmentMade(own("promise"), own("case"), "anna", at(500)))
    tale.tell(10, SlaBreached(own("case"), own("timer"), ClockKind.QUEUE_WAIT, at(30)))
    before = tale.heads[customer("joan")]
    tale.tell(20, Moved(customer("joanna")))
    tale.tell(20, Fenced(own("late")))
    came = Absorbed(
        source=customer("joan"),
        source_sequence=5,
        source_at=at(20),
        sources=(),
        cases=tuple(replace(case, epoch=case.epoch + 1) for case in before.cases),
        contacts=b"",
        contact_floor_at=None,
        unconfirmed=(),
        contacts_total=1,
        cases_total=1,
        handoffs_total=0,
        bad_experiences=0,
        commitments=before.commitments,
    )
    tale.tell(21, came, who="joanna")
    tale.tell(25, taken(epoch=2), who="joanna")
    tale.tell(40, said(), who="joanna", by=ANNA)
    tale.tell(50, closed(), who="joanna")
    tale.tell(60, CommitmentKept(own("promise"), own("case"), "anna"), who="joanna")
    counted = tale.counted()
    assert set(counted) == {"email"}
    email = counted["email"]
    assert (email["wait_ms"], email["answer_ms"]) == (25_000, 40_000)
    assert (email["breached"], email["kept"]) == (1, 1)


# ---- ends


@pytest.mark.parametrize(
    ("first", "retold", "expected"),
    [
        (True, False, {"first_yes": 1, "retold_no": 1}),
        (False, True, {"first_no": 1, "retold_yes": 1}),
        (None, None, {}),
    ],
)
def test_outcome_is_counted_only_where_it_was_asked(
    *, first: bool | None, retold: bool | None, expected: dict[str, int]
) -> None:
    tale = Tale()
    tale.tell(0, opened("voice"))
    tale.tell(5, taken())
    tale.tell(9, closed(first=first, retold=retold))
    counted = tale.counted()["voice"]
    names = ("first_yes", "first_no", "retold_yes", "retold_no")
    assert {name: counted[name] for name in names if name in counted} == expected


def test_reopened_case_waits_anew_and_its_first_owner_had_not_resolved_it() -> None:
    tale = Tale()
    tale.tell(0, opened("email"))
    tale.tell(5, taken())
    tale.tell(10, said(), by=ANNA)
    again = reopened(tale, 4_000)
    tale.tell(20, closed(first=True))
    tale.tell(4_000, again)
    tale.tell(4_010, taken("bram", epoch=10))
    tale.tell(4_030, said(n=2), by=BRAM)
    tale.tell(4_040, closed("bram", first=False))
    email = tale.counted()["email"]
    assert (email["closed"], email["reopened"]) == (2, 1)
    assert "first_yes" not in email
    assert email["first_no"] == 2
    assert (email["wait_n"], email["answer_n"]) == (2, 2)
    assert email["answer_ms"] == 10_000 + 30_000
    taken_back = next(mark for mark in tale.marks if mark.counts.get("first_yes") == -1)
    assert taken_back.at == at(20)


def test_reopened_case_counts_where_it_began_though_another_channel_joined() -> None:
    tale = Tale()
    tale.tell(0, opened("email"))
    tale.tell(1, joined("chat"))
    tale.tell(5, taken())
    again = reopened(tale, 30)
    tale.tell(20, closed())
    tale.tell(30, again)
    assert set(tale.counted()) == {"email"}


def test_case_in_wrap_up_is_closed_once() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(5, taken())
    tale.tell(9, said(), by=ANNA)
    tale.tell(10, WrapUpBegun(own("case"), "anna", at(60)), closed())
    tale.tell(20, said(n=2), by=ANNA)
    tale.tell(40, WrapUpCompleted(own("case"), "anna"))
    counted = tale.counted()["chat"]
    assert (counted["closed"], counted["answer_n"]) == (1, 1)


@pytest.mark.parametrize("late", [False, True], ids=["told before", "told with it"])
def test_breached_case_is_one_however_many_clocks_ran_out(*, late: bool) -> None:
    tale = Tale()
    breached = [
        SlaBreached(own("case"), own(kind.name), kind, at(60))
        for kind in (ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE)
    ]
    tale.tell(0, opened())
    tale.tell(90, taken(), *(() if late else breached))
    tale.tell(95, closed(), *(breached if late else ()))
    counted = tale.counted()["chat"]
    assert (counted["aimed"], counted["breached"]) == (1, 1)


def test_forgotten_customer_is_not_counted() -> None:
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(50, Forgotten((), "HER_WISH"))
    assert tale.counted() == {}
    assert not tale.known[customer("joan")].matters


def test_commitment_counts_for_the_channel_it_was_made_on_after_the_case_has_ended() -> None:
    tale = Tale()
    tale.tell(0, opened("email"))
    tale.tell(5, taken())
    tale.tell(10, CommitmentMade(own("a"), own("case"), "anna", at(90)))
    tale.tell(11, CommitmentMade(own("b"), own("case"), "anna", at(90)))
    tale.tell(20, closed())
    tale.tell(30, CommitmentKept(own("a"), own("case"), "anna"))
    tale.tell(95, CommitmentBroken(own("b"), own("case"), at(90)))
    email = tale.counted()["email"]
    assert (email["kept"], email["broken"]) == (1, 1)


def test_policy_in_force_is_the_one_that_judges() -> None:
    strict = Tale(config(DOCUMENT.replace("queue_wait_s: 30", "queue_wait_s: 5")))
    strict.tell(0, opened())
    strict.tell(10, taken())
    assert "wait_in_time" not in strict.counted()["chat"]


def test_policy_for_a_channel_goes_before_that_of_the_queue() -> None:
    calm = "\nsla:\n  - {name: calm, when: {channels: [email]}, targets: {queue_wait_s: 900}}\n"
    tale = Tale(config(DOCUMENT.replace("\nsla:\n", calm)))
    tale.tell(0, opened("email"), opened("chat", name="other"))
    tale.tell(300, taken(), taken(name="other"))
    counted = tale.counted()
    assert counted["email"]["wait_in_time"] == 1
    assert "wait_in_time" not in counted["chat"]


def test_time_in_which_the_clock_stands_still_does_not_count() -> None:
    still = ClockKind.FIRST_RESPONSE.bit
    tale = Tale()
    tale.tell(0, opened())
    tale.tell(10, taken())
    tale.tell(20, CasePaused(own("case"), PauseCause.HOLD, at(10_000), "CARRIER", still))
    tale.tell(500, CaseResumed(own("case"), PauseCause.HOLD, "CARRIER"))
    tale.tell(530, said(), by=ANNA)
    counted = tale.counted()["chat"]
    assert (counted["answer_ms"], counted["answer_in_time"]) == (50_000, 1)


def test_commitment_that_was_withdrawn_is_neither_kept_nor_broken() -> None:
    tale = Tale()
    tale.tell(0, opened("email"), CommitmentMade(own("a"), own("case"), "", at(90)))
    tale.tell(5, CommitmentWithdrawn(own("a"), own("case"), "CASE_ENDED"))
    assert tale.counted() == {}
    assert not tale.known[customer("joan")].promises
