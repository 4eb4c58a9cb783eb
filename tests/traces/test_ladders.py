"""Days at a desk that every manager argues about: who was told, who got it, where did time go?"""

from collections.abc import Callable

from tests.traces.shift import Shift
from toldonce.kernel.clocks import ClockKind

type Golden = Callable[[str, str], None]

LADDER = """
  - name: service
    targets: {first_response_s: 7200, resolution_s: 57600}
    warn_fraction: 0.5
    on_breach: {raise_priority_by: 100}
    ladder:
      - clocks: [first_response]
        at_fraction: 0.75
        raise_priority_by: 50
        widen: true
        notify: true
      - {after_breach_s: 0, hand_up: 1, clocks: [first_response]}
      - {after_breach_s: 3600, hand_to: directors, page: true}
"""
GOES_ON = """
  - name: service
    targets: {first_response_s: 3600, next_response_s: 7200, resolution_s: 28800}
    pause_on: {resolution: [customer, hold]}
"""
RESTARTS = GOES_ON + "    on_reopen: restart\n"
GENEROUS = """
  - name: service
    targets: {resolution_s: 57600}
    warn_fraction: 0.75
"""
COUNTING = """
  - name: service
    targets: {resolution_s: 57600}
    warn_fraction: 0.75
    pause_on: {resolution: []}
    ladder: [{after_breach_s: 0, hand_up: 1}]
"""
ELSEWHERE = """
  - name: leads
    when: {queues: [leads]}
    targets: {resolution_s: 57600}
    pause_on: {resolution: []}
    ladder: [{after_breach_s: 0, hand_to: directors}]
  - name: service
    targets: {resolution_s: 57600}
    pause_on: {resolution: [hold]}
"""
STRICT = """
  - name: service
    targets: {resolution_s: 28800}
    warn_fraction: 0.75
    ladder: [{after_breach_s: 0, hand_up: 1}]
"""


def test_manager_reads_how_a_case_climbs_rung_by_rung(golden: Golden) -> None:
    shift = (
        Shift(LADDER, "A ladder: told, widened, handed up, paged")
        .writes("2026-06-01 10:00", "a customer writes")
        .takes("2026-06-01 10:20", "anna")
        .looks("2026-06-01 14:00")
        .answers("2026-06-01 14:30", "anna answers at last, while the directors are asked")
        .looks("2026-06-03 16:00")
        .accounts(ClockKind.FIRST_RESPONSE)
    )
    golden("ladder", shift.text)


def test_manager_reads_how_a_case_nobody_takes_moves_up(golden: Golden) -> None:
    shift = (
        Shift(LADDER, "A ladder for work that nobody takes, over a weekend")
        .writes("2026-06-05 15:45", "a customer writes on a Friday afternoon")
        .looks("2026-06-06 12:00")
        .looks("2026-06-08 12:00")
    )
    golden("ladder_nobody", shift.text)


def test_manager_reads_how_a_case_that_comes_back_goes_on_counting(golden: Golden) -> None:
    golden("reopen_continues", _comes_back(GOES_ON, "Opened again: its resolution goes on").text)


def test_manager_reads_how_a_case_that_comes_back_counts_anew(golden: Golden) -> None:
    golden("reopen_restarts", _comes_back(RESTARTS, "Opened again: its resolution restarts").text)


def _comes_back(policy: str, about: str) -> Shift:
    return (
        Shift(policy, about)
        .writes("2026-06-01 09:30", "a customer writes")
        .takes("2026-06-01 09:40", "anna")
        .answers("2026-06-01 10:00", "anna answers, and asks for a photo", asks=True)
        .says("2026-06-02 09:30", "the customer sends the photo")
        .answers("2026-06-02 11:00", "anna answers")
        .holds("2026-06-02 11:05", "2026-06-02 15:05", "anna waits for the supplier")
        .closes("2026-06-02 16:00", "anna closes the case")
        .reopens("2026-06-04 11:00", "the customer is not content: the case is opened again")
        .looks("2026-06-04 11:30")
        .accounts(ClockKind.RESOLUTION)
    )


def test_manager_reads_that_another_policy_keeps_the_time_that_has_passed(golden: Golden) -> None:
    shift = (
        Shift(GENEROUS, "A stricter policy, put in force while a case is on hold")
        .writes("2026-06-01 09:00", "a customer writes")
        .takes("2026-06-01 09:10", "anna")
        .holds("2026-06-01 12:00", "2026-06-05 12:00", "anna waits for the supplier")
        .looks("2026-06-04 12:00")
        .changes("2026-06-04 12:30", STRICT, "eight hours instead of sixteen, and a rung")
        .looks("2026-06-05 11:59")
        .looks("2026-06-05 16:30")
        .looks("2026-06-08 12:30")
        .accounts(ClockKind.RESOLUTION)
    )
    golden("policy_change", shift.text)


def test_manager_reads_that_time_on_hold_never_counts_under_a_later_policy(golden: Golden) -> None:
    shift = (
        Shift(GENEROUS, "A policy that pauses for nothing, put in force after and during a hold")
        .writes("2026-06-01 09:00", "a customer writes")
        .takes("2026-06-01 09:10", "anna")
        .holds("2026-06-01 12:00", "2026-06-03 12:00", "anna waits for the supplier")
        .looks("2026-06-03 12:00")
        .holds("2026-06-03 14:00", "2026-06-05 14:00", "anna waits for the supplier again")
        .changes("2026-06-05 12:00", COUNTING, "no hold pauses any more, and there is a rung")
        .looks("2026-06-05 14:00")
        .holds("2026-06-05 15:00", "2026-06-10 15:00", "anna waits once more: it counts now")
        .looks("2026-06-10 12:00")
        .accounts(ClockKind.RESOLUTION)
    )
    golden("policy_change_pause", shift.text)


def test_manager_reads_that_time_on_hold_never_counts_in_another_queue(golden: Golden) -> None:
    shift = (
        Shift(ELSEWHERE, "A case on hold, sent to a queue whose policy pauses for nothing")
        .writes("2026-06-01 09:00", "a customer writes")
        .holds("2026-06-01 12:00", "2026-06-08 12:00", "sam waits for the supplier")
        .moves("2026-06-05 12:00", "leads", "sam sends it to the leads")
        .looks("2026-06-08 12:00")
        .looks("2026-06-10 09:30")
        .accounts(ClockKind.RESOLUTION)
    )
    golden("queue_change_pause", shift.text)
