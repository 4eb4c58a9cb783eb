"""The band said to who waits holds as often as it says, on desks of every kind."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.desks import Desk, coverage, play
from toldonce.routing.core.expecting import SHARE, Outlook, Scores

CUSTOMERS = 4_000
TOLERANCE = 0.09  # of some 2 000 told in one run, whose waits hang together
SERVE_S = 180.0


def exponential(rng):
    return rng.expovariate(1.0 / SERVE_S)


def lognormal(rng):
    return rng.lognormvariate(4.9, 0.8)


@settings(max_examples=12)
@given(
    servers=st.sampled_from([1, 4, 10, 30]),
    load=st.floats(0.75, 0.92),
    serve=st.sampled_from([exponential, lognormal]),
    patience_s=st.sampled_from([0.0, 300.0, 900.0]),
    seed=st.integers(0, 1_000),
)
def test_eight_in_ten_waits_lie_in_the_band_that_was_said(servers, load, serve, patience_s, seed):
    desk = Desk(servers, load * servers / (SERVE_S + 5.0), serve, patience_s=patience_s)
    _, heard = play(desk, CUSTOMERS, seed)
    if len(heard) > 800:
        assert abs(coverage(heard) - SHARE) < TOLERANCE


def test_band_holds_where_many_give_up_though_they_are_never_seen_to_be_served():
    found = []
    for seed in range(3):
        desk = Desk(10, 1.2 * 10 / (SERVE_S + 5.0), exponential, patience_s=300.0)
        _, heard = play(desk, 8_000, seed)
        assert sum(not one.served for one in heard) > 800
        found.append(coverage(heard))
    assert all(abs(one - SHARE) < 0.04 for one in found), found


def test_rate_that_doubles_is_learned_within_some_hundred_waits():
    desk = Desk(8, 0.9 * 8 / 185.0, exponential)
    slow = Desk(8, 0.9 * 8 / 365.0, lambda rng: rng.expovariate(1.0 / 360.0))
    _, quick_heard = play(desk, CUSTOMERS, 5)
    _, slow_heard = play(slow, CUSTOMERS, 5)
    width = [
        sum(h.said.high_s - h.said.low_s for h in x) / len(x) for x in (quick_heard, slow_heard)
    ]
    assert 1.5 < width[1] / width[0] < 2.7


@given(
    mean_s=st.floats(0.5, 10_000),
    stages=st.floats(0.5, 500),
    score=st.floats(-2, 5),
)
def test_score_of_a_wait_and_the_wait_of_a_score_are_inverse(mean_s, stages, score):
    outlook = Outlook(mean_s, stages)
    wait_s = outlook.wait_s(score)
    if wait_s > 0.001 * mean_s:
        assert abs(outlook.score(wait_s) - score) < 1e-6


@given(st.integers(0, 10_000))
def test_those_who_give_up_never_make_the_band_narrower_at_its_upper_end(seed):
    rng = random.Random(seed)  # noqa: S311 - a test
    drawn = [rng.gauss(0.0, 1.0) for _ in range(120)]
    left = [rng.random() < 0.2 for _ in drawn]
    with_them, as_if_served = Scores(), Scores()
    for score, gave_up in zip(drawn, left, strict=True):
        with_them.add(score, served=not gave_up)
        as_if_served.add(score, served=True)
    outlook = Outlook(60.0, 4)
    honest, naive = with_them.band(outlook), as_if_served.band(outlook)
    assert naive is not None
    assert honest is None or honest.high_s >= naive.high_s
