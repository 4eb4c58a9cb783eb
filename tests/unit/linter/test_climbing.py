"""Rungs that hand work to nobody: nothing is as high above the queue where it is."""

from itertools import pairwise
from typing import Any

import pytest

from tests.unit.linter.desk import desk, found, only
from toldonce.kernel.config.linter import Rule, Severity

SOON, LATE = {"after_breach_s": 10}, {"after_breach_s": 20}
ONE, TWO, THREE = {"hand_up": 1}, {"hand_up": 2}, {"hand_up": 3}


def with_ladder(
    *rungs: dict[str, Any], above: str = "", when: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A desk whose queue `desk` has the queues of `above` over it, each over the one before."""
    policy = {"name": "s", "targets": {"queue_wait_s": 60}, "ladder": list(rungs)} | more
    if when is not None:
        policy["when"] = when
    tree = desk(sla=[policy])
    if when is None:
        tree["queues"][0]["sla"] = "s"
    names = ["desk", *above.split()]
    tree["queues"] += [{"name": name, "dispositions": ["done"]} for name in names[1:]]
    by_name = {queue["name"]: queue for queue in tree["queues"]}
    for name, over in pairwise(names):
        by_name[name]["escalation_queue"] = over
    return tree


def test_a_rung_that_hands_higher_than_there_are_queues_is_told_by_its_key() -> None:
    tree = with_ladder(SOON | {"notify": True}, LATE | THREE, above="first second")
    assert only(tree, Rule.UNREACHABLE)[:2] == (Severity.WARNING, "sla[0].ladder[1].hand_up")
    assert only(tree, Rule.UNREACHABLE)[2] == (
        "rung 2 of policy s never hands work to anybody: it wants 3 queues above, and desk has 2: "
        "hand up fewer"
    )


@pytest.mark.parametrize("rung", [ONE, TWO, {"hand_to": "first"}])
def test_a_rung_with_as_many_queues_above_as_it_wants_is_none(rung: dict[str, Any]) -> None:
    assert found(with_ladder(LATE | rung, above="first second")) == []


def test_a_rung_of_a_queue_that_has_nothing_above_it_hands_nobody_anything() -> None:
    severity, field, sentence = only(with_ladder(LATE | ONE), Rule.UNREACHABLE)
    assert (severity, field) == (Severity.WARNING, "sla[0].ladder[0].hand_up")
    assert sentence.endswith(
        "never hands work to anybody: nothing is above queue desk: "
        "name its escalation_queue, or use hand_to"
    )


def test_a_ladder_written_shortly_is_told_by_its_own_key() -> None:
    for breach, key in (
        ({"escalate_after_s": 5}, "escalate_after_s"),
        ({"escalate_to": "desk"}, "escalate_to"),
    ):
        tree = with_ladder(on_breach=breach)
        del tree["sla"][0]["ladder"]
        severity, field, _ = only(tree, Rule.UNREACHABLE)
        assert (severity, field) == (Severity.WARNING, f"sla[0].on_breach.{key}")


def test_only_the_queues_with_too_few_above_are_named() -> None:
    tree = with_ladder(LATE | TWO, above="first second third", when={})
    (warned, noted) = found(tree, Rule.UNREACHABLE)
    assert (warned.severity, noted.severity) == (Severity.WARNING, Severity.NOTE)
    assert "and works has 0, second has 1: hand up fewer" in warned.sentence
    assert "and third has 0: hand up fewer" in noted.sentence
    assert "hands work to nobody" in warned.sentence


def test_the_end_of_an_escalation_may_well_be_meant_to_hand_nobody_anything() -> None:
    queues = {"queues": ["desk", "first"]}
    severity, _, sentence = only(
        with_ladder(LATE | ONE, above="first", when=queues), Rule.UNREACHABLE
    )
    assert (severity, "nothing is above queue first" in sentence) == (Severity.NOTE, True)


def test_work_that_a_lower_rung_handed_on_counts_from_there() -> None:
    severity, field, sentence = only(
        with_ladder(SOON | ONE, LATE | TWO, above="first second"), Rule.UNREACHABLE
    )
    assert (severity, field) == (Severity.WARNING, "sla[0].ladder[1].hand_up")
    assert (
        "hands work to nobody: it wants 2 queues above, and first has 1 (a lower rung" in sentence
    )


def test_rungs_that_climb_one_queue_each_are_none() -> None:
    assert found(with_ladder(SOON | ONE, LATE | ONE, above="first second")) == []


def test_a_lower_rung_of_another_clock_may_not_have_been_climbed() -> None:
    waits, all_day = {"clocks": ["queue_wait"]}, {"clocks": ["resolution"]}
    targets = {"queue_wait_s": 60, "resolution_s": 60}
    tree = with_ladder(
        SOON | ONE | waits, LATE | TWO | all_day, above="first second", targets=targets
    )
    assert "first has 1" in only(tree, Rule.UNREACHABLE)[2]
    tree = with_ladder(SOON | ONE | waits, LATE | ONE | all_day, above="first", targets=targets)
    severity, _, sentence = only(tree, Rule.UNREACHABLE)
    assert (severity, "above queue first (a lower" in sentence) == (Severity.NOTE, True)


def test_where_another_policy_holds_its_own_rungs_are_climbed() -> None:
    tree = with_ladder(SOON | ONE, LATE | TWO, above="first second")
    tree["sla"].append({"name": "u", "targets": {"queue_wait_s": 60}})
    next(queue for queue in tree["queues"] if queue["name"] == "first")["sla"] = "u"
    assert found(tree) == []


def test_a_policy_is_not_asked_about_work_that_one_before_it_takes() -> None:
    tree = with_ladder(LATE | TWO, above="first second", when={"channels": ["chat"]})
    low = {"name": "low", "targets": {"queue_wait_s": 60}, "when": {"queues": ["works", "first"]}}
    tree["sla"].insert(0, low)
    assert [(one.severity, one.field) for one in found(tree, Rule.UNREACHABLE)] == [
        (Severity.NOTE, "sla[1].ladder[0].hand_up")
    ]


def test_work_that_is_where_a_rung_hands_it_is_nothing_to_tell() -> None:
    assert found(with_ladder(LATE | {"hand_to": "works"}, when={})) == []
