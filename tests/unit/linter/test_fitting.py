"""What units make impossible, as the linter says it and as the engine does it."""

from typing import Any

import pytest

from tests.unit.linter.desk import config_of, desk, found, only
from tests.unit.routing.world import World
from toldonce.kernel.config.linter import Rule, Severity


def voiced(cost: int, chat: int = 1, units: int = 3) -> dict[str, Any]:
    """A desk with a second channel of this cost, whose chats cost `chat`."""
    tree = desk()
    tree["channels"] = [
        {"name": "chat", "kind": "chat", "cost": chat, "queue": "desk"},
        {"name": "voice", "kind": "voice", "cost": cost, "queue": "desk"},
    ]
    for agent in tree["agents"]:
        agent["capacity_units"] = units
    return tree


def test_a_channel_that_costs_more_than_the_able_have_is_an_error() -> None:
    tree = voiced(3)
    tree["agents"][0]["capacity_units"] = 2
    bobs = {"languages": {"nl": 4, "en": 4}, "queues": ["desk", "works"]}
    tree["agents"][1] |= bobs
    severity, field, sentence = only(tree, Rule.COST)
    assert (severity, field) == (Severity.ERROR, "channels[1].cost")
    assert "3 is more than the 2 units" in sentence
    assert "topic part on queue works in nl, en" in sentence
    assert sentence.endswith("capacity_units of anna")


def test_a_channel_that_somebody_able_has_the_units_for_is_no_error() -> None:
    tree = voiced(3)
    tree["agents"][1]["capacity_units"] = 1
    assert found(tree, Rule.COST) == []


def test_one_language_is_enough_to_be_too_dear_in() -> None:
    tree = voiced(3)
    tree["agents"][0]["capacity_units"] = 2
    tree["agents"][1]["queues"] = ["desk", "works"]
    said = [one.sentence for one in found(tree, Rule.COST)]
    assert len(said) == 2
    assert "anybody who can take queue desk in nl: it" in said[0]
    assert "anybody who can take topic part on queue works in nl, en: it" in said[1]


@pytest.mark.parametrize(
    ("cost", "chat", "units"), [(3, 1, 3), (3, 1, 4), (3, 2, 4), (2, 1, 9), (4, 3, 6)]
)
def test_large_work_behind_small_work_that_never_ends_is_noted_and_starves(
    cost: int, chat: int, units: int
) -> None:
    tree = voiced(cost, chat, units)
    severity, field, sentence = only(tree, Rule.STARVING)
    assert (severity, field) == (Severity.NOTE, "channels[1].cost")
    assert f"that of voice (cost {cost}) is never offered" in sentence
    assert not served(tree)


@pytest.mark.parametrize(("cost", "chat", "units"), [(1, 1, 3), (2, 2, 4), (4, 3, 5), (3, 2, 5)])
def test_large_work_that_one_end_makes_room_for_is_not_noted_and_served(
    cost: int, chat: int, units: int
) -> None:
    tree = voiced(cost, chat, units)
    assert found(tree, Rule.STARVING) == []
    assert served(tree)


def served(tree: dict[str, Any]) -> bool:
    """Run anna's day: a call waits, and whenever a chat ends the next one is there already."""
    world = World(config_of(tree)).open_doors(all_in=False)
    world.log_on("anna")
    fits = tree["agents"][0]["capacity_units"] // tree["channels"][0]["cost"]
    for number in range(2 * fits):
        world.contact(f"c{number}", "works")
    world.contact("call", "works", channel="voice", priority=1_000)
    having: list[str] = []
    done: set[str] = set()
    for number in range(2 * fits, 40):
        offered = [n for n in world.names.values() if n not in done and world.asked(n)]
        for name in offered:
            world.accept(name)
            having.append(name)
        if "call" in having:
            return True
        world.wait(200)
        done.add(having[0])
        world.close(having.pop(0))
        world.contact(f"c{number}", "works")
    return False


def test_large_work_does_not_starve_where_somebody_takes_nothing_smaller() -> None:
    tree = voiced(3)
    tree["queues"].append({"name": "calls", "dispositions": ["done"]})
    tree["channels"][1]["queue"] = "calls"
    del tree["topics"]
    tree["agents"].append(tree["agents"][0] | {"name": "cleo", "queues": ["calls"]})
    assert found(tree, Rule.STARVING) == []
    tree["agents"][-1]["queues"] = ["calls", "desk"]
    assert "never offered on calls" in only(tree, Rule.STARVING)[2]


def test_interruptible_work_does_not_keep_out_what_interrupts_it() -> None:
    tree = voiced(3)
    tree["channels"][0]["interruptible"] = True
    assert found(tree, Rule.STARVING) == []
    assert served(tree)
    tree["channels"][1]["interruptible"] = True
    assert only(tree, Rule.STARVING)[1] == "channels[1].cost"
    assert not served(tree)
