"""Who overtakes whom, as the linter says it and as the engine does it."""

from typing import Any

import pytest

from tests.unit.linter.desk import config_of, found, only, two
from tests.unit.routing.world import World
from toldonce.kernel.config.linter import Rule, Severity

WARNING = Severity.WARNING


def apart(tree: dict[str, Any]) -> dict[str, Any]:
    """Let nobody work on both queues."""
    tree["agents"][0]["queues"] = ["works"]
    tree["agents"][1]["languages"] = {"nl": 5, "en": 4}
    return tree


def first_served(tree: dict[str, Any], waited_s: int) -> str:
    """Which of two cases that came at once the engine gives to anna, free after so long."""
    world = World(config_of(tree)).open_doors(all_in=False)
    world.contact("low", "desk", priority=0)
    world.contact("high", "works", priority=100)
    world.wait(waited_s)
    world.log_on("anna")
    before = [case for case, _ in sorted(_offers(world), key=lambda pair: pair[1])]
    return before[0]


def _offers(world: World) -> list[tuple[str, int]]:
    customers = [getattr(one, "customer", "") for one in world.said]
    return [
        (name, customers.index(customer))
        for customer, name in world.names.items()
        if customer in customers
    ]


FASTER = two({"age_points_per_minute": 70}, {"age_points_per_minute": 10})
SOONER = two({"wait_max_s": 600}, {"wait_max_s": 900})


def test_a_low_queue_that_gains_faster_is_an_inversion_that_names_the_second() -> None:
    severity, field, sentence = only(FASTER, Rule.INVERSION)
    assert (severity, field) == (WARNING, "policies[0].age_points_per_minute")
    assert "passes queue works (priority 100, 10 a minute) after 101 s" in sentence


@pytest.mark.parametrize(("waited_s", "name"), [(99, "high"), (101, "low")])
def test_the_engine_inverts_by_points_when_the_linter_says(waited_s: int, name: str) -> None:
    assert first_served(FASTER, waited_s) == name


def test_a_low_queue_that_waits_less_long_is_an_inversion() -> None:
    severity, field, sentence = only(SOONER, Rule.INVERSION)
    assert (severity, field) == (WARNING, "policies[0].wait_max_s")
    assert "from 600 s of waiting until 900 s" in sentence


@pytest.mark.parametrize(("waited_s", "name"), [(599, "high"), (600, "low"), (900, "high")])
def test_the_engine_inverts_by_waiting_when_the_linter_says(waited_s: int, name: str) -> None:
    assert first_served(SOONER, waited_s) == name


@pytest.mark.parametrize(
    "tree",
    [
        two({"age_points_per_minute": 10}, {"age_points_per_minute": 10}),
        two({"age_points_per_minute": 5}, {"age_points_per_minute": 50}),
        two({"age_points_per_minute": 11, "wait_max_s": 900}, {"wait_max_s": 900}),
        two({"wait_max_s": 900}, {"wait_max_s": 600}),
        apart(two({"wait_max_s": 600}, {"wait_max_s": 900})),
    ],
    ids=["alike", "slower", "too late to matter", "waits longer", "nobody works on both"],
)
def test_what_keeps_its_order_is_no_inversion(tree: dict[str, Any]) -> None:
    assert found(tree, Rule.INVERSION) == []


def test_a_topic_that_counts_more_than_its_queue_is_compared_too() -> None:
    tree = two({"wait_max_s": 600}, {"wait_max_s": 900})
    tree["queues"][1]["priority"] = 0
    assert "goes before topic part on queue works (priority 100)" in only(tree, Rule.INVERSION)[2]


def test_an_inversion_of_two_policies_is_told_once_by_its_widest_gap() -> None:
    tree = two({"wait_max_s": 600}, {"wait_max_s": 900})
    tree["queues"].append(tree["queues"][0] | {"name": "lobby", "priority": 50})
    assert "queue desk (priority 0)" in only(tree, Rule.INVERSION)[2]


def test_weights_of_a_group_can_invert_for_that_group() -> None:
    tree = two({"age_points_per_minute": 10}, {"age_points_per_minute": 10})
    tree["policies"][0]["weigh"] = {"groups": {"a": {"wait": 130}}}
    assert found(tree, Rule.INVERSION) == []
    tree["agents"][0]["group"] = "a"
    sentence = only(tree, Rule.INVERSION)[2]
    assert "gains 130 points a minute" in sentence
    assert "after 51 s, with agents of group a" in sentence
    assert (first_served(tree, 49), first_served(tree, 51)) == ("high", "low")


@pytest.mark.parametrize(
    "weigh", [{"queue": 1}, {"fit": 1}, {"serving": 1}, {"spare": 1}, {"idle": 1}]
)
def test_an_order_that_hangs_on_the_moment_is_not_judged(weigh: dict[str, int]) -> None:
    tree = two({"age_points_per_minute": 70, "weigh": weigh}, {"age_points_per_minute": 10})
    assert found(tree, Rule.INVERSION) == []
