"""The closed forms give the published figures to the printed digit, and know what they cannot."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toldonce.kernel.errors import Invalid
from toldonce.lab.formulas import (
    ErlangA,
    ErlangC,
    LimitedLines,
    erlang_b,
    erlang_c,
    halfin_whitt,
    mm1_mean_wait,
    square_root_staffing,
)

TARGET = 1 / 3  # 20 s in minutes

agents = st.integers(1, 40)
shares = st.floats(0.05, 0.95)
rates = st.floats(0.05, 5.0)


def test_twelve_agents_answer_as_printed():
    queue = ErlangC(4.2, 0.5, 12)
    assert f"{queue.delay:.5f} {queue.mean_wait:.5f}" == "0.18389 0.10216"
    assert f"{queue.within(TARGET):.5f}" == "0.89908"


@pytest.mark.parametrize(
    ("staff", "level", "answer"),
    [
        (11, "0.3896", "2.046"),
        (12, "0.6402", "0.6741"),
        (13, "0.7956", "0.2853"),
        (14, "0.8884", "0.1306"),
    ],
)
def test_each_agent_more_brings_the_printed_service_level(staff, level, answer):
    queue = ErlangC(200 / 60, 1 / 3, staff)
    assert f"{queue.within(TARGET):.4f}" == level
    assert f"{queue.mean_wait:.{len(answer) - 2}f}" == answer


def test_twelve_agents_with_impatient_callers_answer_as_printed():
    queue = ErlangA(4.2, 0.5, 12, 1.0)
    assert f"{queue.delay:.5f} {queue.abandonment:.5f}" == "0.12737 0.02968"
    assert f"{queue.service_level(TARGET):.5f}" == "0.96787"
    assert f"{8 * 60 * 4.2 * queue.abandonment:.1f}" == "59.8"  # a day of eight hours


def test_hundred_agents_with_impatient_callers_answer_as_printed():
    queue = ErlangA(100.0, 1.0, 100, 1.0)
    assert f"{queue.delay:.4f} {queue.abandonment:.5f}" == "0.5133 0.03986"


def test_limit_of_many_agents_is_near_the_exact_delay_as_printed():
    assert f"{erlang_c(110, 100.0):.4f} {halfin_whitt(1.0):.4f}" == "0.2370 0.2234"
    assert square_root_staffing(100.0, 1.0) == 110


@pytest.mark.parametrize(
    ("queue", "blocking", "wait"),
    [
        (LimitedLines(8.4, 0.1, 90, 120), "0.0036", "0.450"),
        (LimitedLines(1.4, 0.1, 15, 20), "0.0653", "0.823"),
    ],
)
def test_limited_lines_block_and_delay_as_printed(queue, blocking, wait):
    assert f"{queue.blocking:.4f} {queue.mean_wait:.3f}" == f"{blocking} {wait}"


def test_limited_lines_answer_within_half_a_minute_as_printed():
    assert f"{LimitedLines(8.4, 0.1, 90, 120).within(0.5):.4f}" == "0.7329"


def test_two_single_agents_for_short_and_long_calls_wait_as_printed():
    short, long = mm1_mean_wait(10 / 6, 2.0), mm1_mean_wait(1 / 6, 0.2)
    assert (short, long) == (pytest.approx(2.5), pytest.approx(25.0))
    assert f"{(10 * short + long) / 11:.3f}" == "4.545"


@given(agents, shares)
def test_a_limit_on_lines_that_is_far_away_changes_nothing(staff, share):
    free, limited = ErlangC(share * staff, 1.0, staff), LimitedLines(share * staff, 1.0, staff, 900)
    assert limited.mean_wait == pytest.approx(free.mean_wait, rel=1e-6)
    assert limited.within(0.7) == pytest.approx(free.within(0.7), abs=1e-6)


@given(agents, shares)
def test_as_many_lines_as_agents_lose_what_erlang_b_says(staff, share):
    limited = LimitedLines(share * staff, 1.0, staff, staff)
    assert limited.blocking == pytest.approx(erlang_b(staff, share * staff), rel=1e-9)
    assert (limited.mean_wait, limited.within(0.0)) == (0, pytest.approx(1))


@given(agents, rates, rates)
def test_what_arrives_is_either_served_or_given_up(staff, load, patience_rate):
    queue = ErlangA(load * staff, 1.0, staff, patience_rate)
    served = sum(min(j, staff) * p for j, p in enumerate(queue.law))
    assert served / (load * staff) + queue.abandonment == pytest.approx(1, rel=1e-9)


@given(agents, rates)
def test_patience_like_a_service_makes_the_number_in_system_poisson(staff, load):
    queue = ErlangA(load, 1.0, staff, 1.0)
    assert sum(j * p for j, p in enumerate(queue.law)) == pytest.approx(load, rel=1e-9)


@given(agents, shares)
def test_callers_with_endless_patience_are_served_as_in_erlang_c(staff, share):
    patient, free = ErlangA(share * staff, 1.0, staff, 1e-9), ErlangC(share * staff, 1.0, staff)
    assert patient.delay == pytest.approx(free.delay, rel=1e-4)
    assert patient.service_level(0.7) == pytest.approx(free.within(0.7), abs=1e-4)


@given(st.integers(1, 12), st.floats(0.05, 1.5), rates)
def test_service_level_grows_from_the_undelayed_share_to_all_that_is_served(staff, load, patience):
    queue = ErlangA(load * staff, 1.0, staff, patience)
    levels = [queue.service_level(target) for target in (0.0, 0.1, 1.0)]
    assert levels == sorted(levels)
    assert levels[0] == pytest.approx(1 - queue.delay, abs=1e-9)
    assert levels[-1] <= 1 + 1e-12


@given(st.floats(0.05, 4.0))
def test_limit_of_many_agents_is_approached_as_the_load_grows(beta):
    staff = square_root_staffing(40_000.0, beta)
    assert erlang_c(staff, 40_000.0) == pytest.approx(halfin_whitt(beta), abs=0.005)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: erlang_b(-1, 1.0), "agents"),
        (lambda: erlang_b(1, 0.0), "load"),
        (lambda: erlang_c(0, 0.5), "agents"),
        (lambda: erlang_c(10, 10.0), "load"),
        (lambda: mm1_mean_wait(1.0, 1.0), "load"),
        (lambda: halfin_whitt(0.0), "beta"),
        (lambda: square_root_staffing(100.0, inf), "beta"),
        (lambda: ErlangC(nan, 1.0, 2), "arrival_rate"),
        (lambda: ErlangC(1.0, 1.0, 2).within(-0.1), "target"),
        (lambda: LimitedLines(1.0, 1.0, 3, 2), "lines"),
        (lambda: LimitedLines(1.0, -1.0, 3, 3), "service_rate"),
        (lambda: ErlangA(1.0, 1.0, 3, 0.0), "patience_rate"),
        (lambda: ErlangA(1e9, 1.0, 3, 1.0), "patience_rate"),
        (lambda: ErlangA(1.0, 1.0, 3, 1.0).service_level(1e12), "target"),
    ],
)
def test_what_is_impossible_names_its_field(build, field):
    with pytest.raises(Invalid) as refusal:
        build()
    assert refusal.value.problems[0].field == field
