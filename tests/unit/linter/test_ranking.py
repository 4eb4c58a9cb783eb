"""Who overtakes whom, as the linter says it and as the engine does it."""

from typing import Any

import pytest

from tests.unit.linter.desk import config_of, desk, found, only
from tests.unit.routing.world import World
from toldonce.kernel.config.linter import Rule, Severity

WARNING = Severity.WARNING


def two(low: dict[str, int], high: dict[str, int]) -> dict[str, Any]:
    """A desk whose queue `works` counts 100 more than `desk`, each under a policy of its own."""
    tree = desk()
    tree["policies"] = [{"name": "low", **low}, {"name": "high", **high}]
    tree["queues"][0]["policy"] = "low"
    tree["queues"][1] |= {"policy": "high", "priority": 100}
    return tree


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


def slow(gains: int, wait_max_s: int, priority: int) -> dict[str, Any]:
    tree = two(
        {"age_points_per_minute": gains, "wait_max_s": wait_max_s}, {"age_points_per_minute": 10}
    )
    tree["queues"][1]["priority"] = priority
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
