"""Who may wait for ever, as the linter says it and as the engine does it."""

from typing import Any

import pytest

from tests.unit.linter.desk import config_of, desk, found, only, two
from tests.unit.routing.world import World
from toldonce.kernel.config.linter import Rule, Severity
from toldonce.routing.core.acts import MakeOffer

WARNING = Severity.WARNING


def slow(gains: int, wait_max_s: int, priority: int) -> dict[str, Any]:
    tree = two(
        {"age_points_per_minute": gains, "wait_max_s": wait_max_s}, {"age_points_per_minute": 10}
    )
    tree["queues"][1]["priority"] = priority
    del tree["agents"][1]["queues"]
    return tree


def test_a_queue_that_cannot_pass_new_work_within_a_day_starves() -> None:
    severity, field, sentence = only(slow(1, 200_000, 1_441), Rule.STARVING)
    assert (severity, field) == (WARNING, "policies[0].age_points_per_minute")
    assert "behind every new work of queue works (priority 1441) for 86460 s" in sentence


@pytest.mark.parametrize(
    "tree",
    [slow(1, 200_000, 1_440), slow(2, 200_000, 1_441), slow(1, 86_400, 1_441)],
    ids=["a day", "gains more", "waits at most a day"],
)
def test_a_queue_that_passes_new_work_within_a_day_does_not_starve(tree: dict[str, Any]) -> None:
    assert found(tree, Rule.STARVING) == []


def test_a_queue_that_somebody_takes_alone_does_not_starve() -> None:
    tree = slow(1, 200_000, 1_441)
    tree["agents"][1]["queues"] = ["desk"]
    assert found(tree, Rule.STARVING) == []


def weighed(**weigh: Any) -> dict[str, Any]:
    """A desk whose work all counts alike, is weighed so, and may wait for 600 s; anna is in `a`."""
    tree = desk()
    del tree["topics"], tree["queues"][1], tree["agents"][1]
    tree["policies"][0] |= {"wait_max_s": 600, "weigh": weigh}
    tree["agents"][0]["group"] = "a"
    return tree


def asked_after(tree: dict[str, Any], waited_s: int) -> bool:
    """Whether the engine has asked anna, who is free all the time, after so long."""
    world = World(config_of(tree)).open_doors()
    world.contact("kim", "desk")
    world.wait(waited_s)
    return any(isinstance(one, MakeOffer) for one in world.said)


@pytest.mark.parametrize(
    "tree",
    [
        weighed(base=-1, wait=0),
        weighed(base=-101, wait=10),
        weighed(base=50, groups={"a": {"base": -2, "wait": -5, "spare": -1}}),
    ],
)
def test_work_worth_less_than_nothing_to_all_starves_until_its_longest_wait(
    tree: dict[str, Any],
) -> None:
    severity, field, sentence = only(tree, Rule.STARVING)
    assert (severity, field) == (WARNING, "policies[0].weigh")
    assert "so it waits 600 s (wait_max_s) even when they are free" in sentence
    assert not asked_after(tree, 599)
    assert asked_after(tree, 600)


@pytest.mark.parametrize(
    "tree",
    [
        weighed(base=0, wait=0),
        weighed(base=-99, wait=10),
        weighed(base=-1, wait=0, groups={"a": {"base": 0}}),
        weighed(base=-1, wait=0, spare=2),
    ],
)
def test_work_that_becomes_worth_something_is_not_left_apart(tree: dict[str, Any]) -> None:
    assert found(tree, Rule.STARVING) == []
    assert asked_after(tree, 599)


def test_an_offer_that_stands_as_long_as_work_may_wait_is_a_warning() -> None:
    tree = desk()
    tree["queues"][0]["offer_timeout_s"] = 3_600
    severity, field, sentence = only(tree, Rule.STARVING)
    assert (severity, field) == (WARNING, "queues[0].offer_timeout_s")
    assert "stands for 3600 s, as long as its work may wait" in sentence
    tree["queues"][0]["offer_timeout_s"] = 3_599
    assert found(tree) == []


def test_hoping_for_the_owner_as_long_as_work_may_wait_is_a_warning() -> None:
    tree = desk()
    del tree["topics"]
    tree["policies"][0] |= {"prefer_owner_s": 30, "wait_max_s": 30, "offer_timeout_s": 20}
    assert [one.field for one in found(tree, Rule.STARVING)] == [
        "policies[0].prefer_owner_s",
        "policies[0].prefer_owner_s",
    ]
    tree["policies"][0]["prefer_owner_s"] = 29
    assert found(tree, Rule.STARVING) == []
