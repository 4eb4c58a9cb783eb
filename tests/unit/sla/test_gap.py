"""The gap between channels, beside figures worked out by hand, and when it is no noise."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from math import comb, sqrt
from statistics import NormalDist, fmean, variance

import pytest

from toldonce.kernel.errors import Invalid
from toldonce.runtime.log import PAYLOAD_BYTES_MAX
from toldonce.sla.core.counts import CHANNELS_MAX, KEPT, OTHER, Count, Ledger, Mark, Window
from toldonce.sla.core.gap import FIGURES, Mean, Share, Standing, table
from toldonce.sla.handler.counts import pack_ledger

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def one(by_channel: dict[str, dict[str, int]], figure: str, channel: str) -> Standing:
    """Read one figure of one channel."""
    counts = {name: Counter(of) for name, of in by_channel.items()}
    return next(
        found for found in table(counts) if (found.figure, found.channel) == (figure, channel)
    )


# ---- values


SERVED = {"answer_aimed": 8, "answer_in_time": 6, "answer_left_early": 2, "answer_left_late": 2}


@pytest.mark.parametrize(
    ("figure", "counts", "value", "count"),
    [
        ("service_level", SERVED, 6 / 12, 12),
        ("service_level_less_early", SERVED, 6 / 10, 10),
        ("wait_service_level", {"wait_aimed": 3, "wait_in_time": 3, "wait_left_early": 1}, 0.75, 4),
        ("wait_service_level_less_early", {"wait_aimed": 3, "wait_in_time": 3}, 1.0, 3),
        ("first_response", {"answer_n": 4, "answer_ms": 10_000, "answer_ms2": 9}, 2.5, 4),
        ("queue_wait", {"wait_n": 2, "wait_ms": 3_000, "wait_ms2": 9}, 1.5, 2),
        ("first_owner", {"first_yes": 3, "first_no": 1}, 0.75, 4),
        ("retold", {"retold_yes": 1, "retold_no": 4}, 0.2, 5),
        ("abandoned", {"abandoned": 1, "closed": 3}, 0.25, 4),
        ("unanswered", {"unanswered": 1, "closed": 4}, 0.25, 4),
        ("breached", {"breached": 2, "aimed": 5}, 0.4, 5),
        ("commitments_kept", {"kept": 9, "broken": 1}, 0.9, 10),
        ("closed_by_bot", {"closed_by_bot": 1, "closed": 2}, 0.5, 2),
    ],
)
def test_figure_is_what_its_formula_says(
    figure: str, counts: dict[str, int], value: float, count: int
) -> None:
    found = one({"chat": counts}, figure, "chat")
    assert found.value == pytest.approx(value)
    assert found.count == count
    assert found.gap == 0.0


def test_every_figure_has_its_own_name_and_words() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES) == 13
    assert len({figure.formula for figure in FIGURES}) == len(FIGURES)


def test_every_count_is_used_but_that_of_reopenings() -> None:
    used = {
        name
        for figure in FIGURES
        for name in (
            (figure.hits, *figure.of)
            if isinstance(figure, Share)
            else (figure.n, figure.ms, figure.ms2)
        )
    }
    assert set(Count) - used == {Count.REOPENED}


def test_mean_is_that_of_all_cases_and_the_gap_is_to_it() -> None:
    both = {
        "chat": {"answer_aimed": 90, "answer_in_time": 81},
        "email": {"answer_aimed": 10, "answer_in_time": 1},
    }
    chat, email = (one(both, "service_level", name) for name in ("chat", "email"))
    assert (chat.mean, email.mean) == (0.82, 0.82)
    assert chat.gap == pytest.approx(0.08)
    assert email.gap == pytest.approx(-0.72)


def test_channel_of_which_nothing_is_known_has_no_gap() -> None:
    found = one({"chat": {"kept": 2}, "email": {"closed": 1}}, "commitments_kept", "email")
    assert (found.value, found.mean, found.gap, found.count) == (None, 1.0, None, 0)
    assert one({"chat": {}}, "retold", "chat").mean is None


def test_only_channel_has_no_gap_and_nothing_to_be_sure_of() -> None:
    found = one({"chat": {"kept": 500, "broken": 2}}, "commitments_kept", "chat")
    assert (found.gap, found.half_width, found.sure) == (0.0, None, False)


# ---- noise


def test_half_width_of_a_share_is_that_of_two_samples() -> None:
    both = {
        "chat": {"answer_aimed": 80, "answer_in_time": 60},
        "email": {"answer_aimed": 20, "answer_in_time": 5},
    }
    p, q = 61 / 82, 6 / 22
    z = NormalDist().inv_cdf(1 - 0.05 / 4)
    moved = (60 / 80 - 5 / 20) - (p - q)
    wanted = 0.2 * (z * sqrt(p * (1 - p) / 82 + q * (1 - q) / 22) + moved)
    found = one(both, "service_level", "chat")
    assert found.half_width == pytest.approx(wanted)
    assert found.sure


def test_half_width_of_a_wait_is_that_of_two_samples() -> None:
    chat = [1_000 * second for second in range(1, 41)]
    email = [3_000 * second for second in range(1, 31)]
    both = {name: _waits(of) for name, of in (("chat", chat), ("email", email))}
    z = NormalDist().inv_cdf(1 - 0.05 / 4)
    spread = variance(chat) / 1e6 / 40 + variance(email) / 1e6 / 30
    found = one(both, "first_response", "chat")
    assert found.half_width == pytest.approx(z * 30 / 70 * sqrt(spread))
    assert found.gap == pytest.approx((fmean(chat) - fmean(chat + email)) / 1_000)
    assert found.sure


@pytest.mark.parametrize("n", [1, 5, 29])
def test_few_waits_say_nothing_however_far_apart(n: int) -> None:
    both = {"chat": _waits([1_000] * 100), "email": _waits([900_000] * n)}
    for channel in both:
        found = one(both, "first_response", channel)
        assert (found.half_width, found.sure) == (None, False)


@pytest.mark.parametrize(("n", "sure"), [(1, False), (2, False), (10, True)])
def test_share_of_none_or_all_is_not_sure_of_itself_when_few(n: int, *, sure: bool) -> None:
    both = {"chat": {"kept": 40, "broken": 40}, "email": {"broken": n}}
    assert one(both, "commitments_kept", "email").sure is sure


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (2, 3), (4, 4), (3, 12), (8, 9)])
def test_few_cases_served_alike_are_seldom_called_a_gap(p: float, sizes: tuple[int, int]) -> None:
    chances = [[comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)] for n in sizes]
    cried = 0.0
    for (kept, chance), (other, too) in product(*map(enumerate, chances)):
        both = {
            name: {"kept": k, "broken": n - k}
            for name, k, n in zip(("chat", "email"), (kept, other), sizes, strict=True)
        }
        cried += chance * too * one(both, "commitments_kept", "chat").sure
    assert cried <= 0.05, "of every pair of samples there can be, weighed by how often it comes"


def test_same_service_on_every_channel_is_seldom_called_a_gap() -> None:
    rng = random.Random(20_260_105)  # noqa: S311
    tables, cried = 400, 0
    for _ in range(tables):
        by_channel = {}
        for number, n in enumerate((400, 150, 60, 30)):
            in_time = sum(rng.random() < 0.8 for _ in range(n))
            by_channel[f"c{number}"] = {"answer_aimed": n, "answer_in_time": in_time}
        found = [one(by_channel, "service_level_less_early", name) for name in by_channel]
        cried += any(standing.sure for standing in found)
    assert cried / tables <= 0.07, "meant: 5 in 100 tables"


def test_channel_that_is_served_worse_is_called_one() -> None:
    rng = random.Random(20_260_106)  # noqa: S311
    cried = 0
    for _ in range(200):
        share = {"chat": (0.8, 400), "email": (0.8, 200), "social": (0.6, 200)}
        by_channel = {
            name: {"answer_aimed": n, "answer_in_time": sum(rng.random() < p for _ in range(n))}
            for name, (p, n) in share.items()
        }
        cried += one(by_channel, "service_level", "social").sure
    assert cried >= 190


def _waits(of_ms: list[int]) -> dict[str, int]:
    squares = sum(one * one for one in of_ms)
    return {"answer_n": len(of_ms), "answer_ms": sum(of_ms), "answer_ms2": squares}


# ---- windows


def mark(at: datetime, channel: str = "chat", **counts: int) -> Mark:
    return Mark(channel, at, counts or {"closed": 1})


@pytest.mark.parametrize(
    ("window", "ago", "inside"),
    [
        (Window.DAY, timedelta(0), True),
        (Window.DAY, timedelta(hours=23, minutes=30), True),
        (Window.DAY, timedelta(hours=24), False),
        (Window.WEEK, timedelta(hours=24), True),
        (Window.WEEK, timedelta(days=6, hours=12), True),
        (Window.WEEK, timedelta(days=7), False),
    ],
)
def test_window_holds_its_steps_and_no_older_ones(
    window: Window, ago: timedelta, *, inside: bool
) -> None:
    ledger = Ledger()
    now = NOON + timedelta(minutes=45)
    ledger.take(1, [mark(now - ago)])
    assert bool(ledger.of(window, now)) is inside
    assert (window.begins_at(now) <= now - ago) is inside


def test_window_moves_on_without_anything_happening() -> None:
    ledger = Ledger()
    ledger.take(1, [mark(NOON)])
    assert ledger.of(Window.DAY, NOON + timedelta(hours=23))
    assert not ledger.of(Window.DAY, NOON + timedelta(hours=24))


def test_what_stands_at_or_before_its_place_is_counted_once() -> None:
    ledger = Ledger(4)
    assert not ledger.take(4, [mark(NOON)])
    assert ledger.take(5, [mark(NOON)])
    assert not ledger.take(5, [mark(NOON)])
    assert ledger.of(Window.DAY, NOON) == {"chat": {"closed": 1}}


def test_ledger_does_not_grow_with_the_log() -> None:
    ledger = Ledger()
    for hour in range(24 * 60):
        ledger.take(hour + 1, [mark(MONDAY + timedelta(hours=hour), f"c{hour % 5}")])
    windows = ledger.kept()["windows"]
    assert isinstance(windows, dict)
    assert {name: len(steps) for name, steps in windows.items()} == {"24h": 24, "7d": 14}
    assert timedelta(days=7) == KEPT


def test_channels_beyond_the_bound_are_counted_together() -> None:
    ledger = Ledger()
    for number in range(CHANNELS_MAX + 3):
        ledger.take(number + 1, [mark(NOON, f"c{number}")])
    found = ledger.of(Window.DAY, NOON)
    assert len(found) == CHANNELS_MAX + 1
    assert found[OTHER] == {"closed": 3}


def test_ledger_is_kept_and_read_as_it_was() -> None:
    ledger = Ledger()
    ledger.take(7, [mark(NOON, "chat", closed=1, answer_ms2=10**18), mark(MONDAY, "email")])
    again = Ledger.of_kept(ledger.kept())
    assert again is not None
    assert again.kept() == ledger.kept()
    assert again.position == 7


def test_counts_of_other_formulas_are_not_taken_over() -> None:
    assert Ledger.of_kept(Ledger(7).kept() | {"formulas": 99}) is None


def test_fullest_ledger_fits_into_a_row_of_its_table() -> None:
    rng, ledger = random.Random(7), Ledger()  # noqa: S311
    hours = [MONDAY + timedelta(hours=hour) for hour in range(7 * 24)]
    for number, at in enumerate(hour for hour in hours for _ in range(CHANNELS_MAX + 1)):
        counts = {str(count): rng.randint(0, 15_000) for count in Count}
        for wait in ("answer", "wait"):
            counts[f"{wait}_ms"] = rng.randint(0, 15_000 * 3_600_000)
            counts[f"{wait}_ms2"] = rng.randint(0, 15_000 * 3_600_000**2)
        ledger.take(number + 1, [Mark(f"a-channel-{number % (CHANNELS_MAX + 1)}", at, counts)])
    assert len(pack_ledger(ledger)) <= PAYLOAD_BYTES_MAX


@pytest.mark.parametrize(
    "kept",
    [None, {}, {"formulas": 1, "position": "7"}, {"formulas": 1, "position": 7, "windows": {}}],
)
def test_what_is_no_ledger_is_refused(kept: object) -> None:
    with pytest.raises(Invalid):
        Ledger.of_kept(kept)


def test_mean_and_share_are_all_the_kinds_there_are() -> None:
    assert {type(figure) for figure in FIGURES} == {Mean, Share}
