"""Who will be late by what is known of the line they stand in."""

import pytest

from tests.unit.sla.bureau import config
from tests.unit.sla.looming import at, case_id, looming, who
from toldonce.kernel.calendar import ALWAYS
from toldonce.kernel.instants import SECOND
from toldonce.sla.core import Horizon, Outlook, predict

OFFICE = config(office_hours=True).hours_of("orders")


def line(*dues_s: float, queue: str = "orders") -> Horizon:
    """Cases that came one a second, each due then."""
    made = Horizon()
    for number, due_s in enumerate(dues_s):
        made.put(who(number), [looming(number, due_s, queue=queue, waits=True)])
    return made


def told(
    horizon: Horizon, place: int, wait_s: float, *, now_s: float = 10, before=(), hours=ALWAYS
):
    found = predict(
        horizon,
        "orders",
        Outlook(place, round(wait_s * SECOND)),
        calendar=hours,
        now_us=at(now_s),
        before=dict(before),
    )
    return {number: found[case_id(number)] for number in range(9) if case_id(number) in found}


@pytest.mark.parametrize(
    ("dues_s", "place", "wait_s", "late"),
    [
        ((100, 100, 100), 4, 40, []),  # an agent every ten seconds: at 20, 30 and 40
        ((15, 100, 100), 4, 40, [0]),
        ((25, 25, 25), 4, 40, [1, 2]),
        ((25, 25, 100), 4, 40, [1]),
        ((5, 5, 5), 4, 40, []),  # overdue already: that is no prediction
        ((25, 25, 25), 0, 40, []),  # who comes now is offered at once: nobody waits
        ((12, 12, 12), 2, 4, [1, 2]),  # never longer than who comes now
        ((1_000,), 2, 10_000, [0]),
    ],
)
def test_a_clock_that_is_due_before_an_agent_is_expected_is_predicted(dues_s, place, wait_s, late):
    assert list(told(line(*dues_s), place, wait_s)) == late


def test_a_prediction_names_clock_place_and_instant():
    found = told(line(25, 25), 4, 40)[1]
    assert (found.place, found.expected_us, found.due.at_us) == (2, at(30), at(25))


def test_who_counts_for_more_stands_before_who_came_first():
    horizon = line(25, 25)
    horizon.put(who(2), [looming(2, 25, waits=True, priority=500)])
    found = told(horizon, 4, 40)
    assert {number: one.place for number, one in found.items()} == {0: 2, 1: 3}


def test_what_was_predicted_stays_so_until_the_wait_is_a_tenth_shorter():
    horizon = line(25, 25, 31)
    before = predict(
        horizon, "orders", Outlook(3, 30 * SECOND), calendar=ALWAYS, now_us=at(10), before={}
    )
    assert list(before) == [case_id(1), case_id(2)]
    assert list(told(horizon, 3, 21, before=before.items())) == [1, 2]
    assert list(told(horizon, 3, 21)) == []
    assert list(told(horizon, 3, 19, before=before.items())) == []


def test_a_wait_counts_while_the_queue_is_open_alone():
    hour_s = 3_600
    horizon = line(30, 24 * hour_s, 17 * hour_s)
    closes_s, opens_s = 7 * hour_s, 23 * hour_s  # after START, which is ten in the morning there
    assert told(horizon, 3, 1_800, now_s=closes_s - hour_s, hours=OFFICE) == {}
    found = told(horizon, 3, 1_800, now_s=closes_s - 600, hours=OFFICE)
    assert {number: one.expected_us for number, one in found.items()} == {2: at(opens_s + 1_200)}
