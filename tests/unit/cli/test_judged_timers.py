"""The demo's judge of timers: what came too late to come at all is lost, and is named."""

from tests.aims import aimed, aims
from tests.unit.ownership.tale import Tale
from toldonce.cli.company.timers import LATE_S, TimerBook
from toldonce.kernel.story.types import EMPTY

WAIT_S, WARN_S = 60, 30


def judged(waited_s: float, *, taken: bool = True) -> TimerBook:
    """Judge a case that has waited so many seconds, and is taken then, without any timer."""
    config = aims(wait=WAIT_S)
    tale, book = Tale(rules=aimed(config)), TimerBook(config)
    case = tale.waiting().own
    tale.later(waited_s)
    if taken:
        tale.offered(case, "anna")
        tale.accept(case)
    before = EMPTY
    for record in tale.records:
        book.take(before, record, record.head)
        before = record.head
    book.finish(tale.now)
    return book


def test_a_warning_that_had_not_come_when_its_clock_stopped_is_lost_and_named() -> None:
    book = judged(WARN_S + LATE_S + 0.1)
    assert len(book.lost) == 1
    assert book.said == ["lost: WARN QUEUE_WAIT: its clock stopped or went further first"]


def test_a_warning_that_had_a_moment_left_is_not_lost() -> None:
    book = judged(WARN_S + LATE_S - 0.1)
    assert (book.lost, book.said) == ([], [])


def test_a_warning_that_has_not_come_while_its_clock_runs_on_is_lost_and_named() -> None:
    book = judged(WARN_S + LATE_S + 0.1, taken=False)
    assert book.said == ["lost: WARN QUEUE_WAIT: its clock runs on"]


def test_a_breach_that_no_timer_recorded_is_recorded_by_who_stops_the_clock() -> None:
    book = judged(WAIT_S + 1)
    assert book.said == ["lost: WARN QUEUE_WAIT: its clock stopped or went further first"]
    assert len(book.fired) == 1
