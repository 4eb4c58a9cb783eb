"""Requirements that relax late, and steps that are there for nothing."""

from typing import Any

from tests.unit.linter.desk import config_of, desk, found, only
from tests.unit.routing.world import World
from toldonce.kernel.config.linter import Rule, Severity

WARNING = Severity.WARNING


def stepped(*steps: dict[str, Any], level: int = 2, **more: Any) -> dict[str, Any]:
    """A desk whose queues share one policy with these steps, and whose topic asks `level`."""
    tree = desk(**more)
    tree["policies"][0]["steps"] = list(steps)
    tree["topics"][0]["skills"] = {"parts": level}
    return tree


def french(tree: dict[str, Any]) -> dict[str, Any]:
    """Give the company a language that nobody on the queue `works` speaks."""
    tree["languages"].append("fr")
    tree["topics"][0]["words"]["fr"] = ["pièce"]
    tree["agents"][1]["languages"]["fr"] = 5
    return tree


def test_work_that_nobody_meets_until_a_step_is_a_warning_that_names_the_wait() -> None:
    tree = french(stepped({"after_s": 30, "lower_by": 1}, {"after_s": 45, "any_language": True}))
    said = found(tree, Rule.UNSATISFIABLE)
    assert [(one.severity, one.field) for one in said] == [
        (WARNING, "queues[1]"),
        (WARNING, "topics[0]"),
    ]
    assert "asks in fr until step 2 of policy plain" in said[1].sentence
    assert "waits 45 s" in said[1].sentence


def test_a_language_that_nobody_speaks_keeps_nobody_waiting() -> None:
    tree = french(stepped({"after_s": 45, "lower_by": 1, "any_language": True}))
    del tree["agents"][1]["languages"]["fr"]
    assert found(tree) == []
    world = World(config_of(tree)).open_doors()
    world.contact("kim", "works", language="fr")
    assert world.asked("kim") == "anna"


def test_work_that_somebody_meets_at_once_is_not_told_of() -> None:
    assert found(stepped({"after_s": 30, "lower_by": 1})) == []


def test_a_handoff_that_ends_before_anybody_may_take_it_is_a_warning() -> None:
    tree = french(stepped({"after_s": 60, "any_language": True}, handoff={"timeout_s": 60}))
    severity, field, sentence = only(tree, Rule.STEP)
    assert (severity, field) == (WARNING, "policies[0].steps[0].after_s")
    assert "handoff to queue works in fr waits 60 s" in sentence
    tree["handoff"]["timeout_s"] = 61
    assert found(tree, Rule.STEP) == []


def test_a_step_that_changes_nothing_asked_is_a_warning() -> None:
    tree = stepped({"after_s": 30, "lower_by": 1}, {"after_s": 60, "at_most": {"parts": 3}})
    severity, field, sentence = only(tree, Rule.STEP)
    assert (severity, field) == (WARNING, "policies[0].steps[1].after_s")
    assert "changes nothing that is asked on desk, works" in sentence


def test_a_step_that_helps_one_queue_of_its_policy_is_for_something() -> None:
    assert found(stepped({"after_s": 30, "drop": ["parts"]}), Rule.STEP) == []


def test_a_step_of_a_policy_that_no_queue_names_is_left_alone() -> None:
    tree = desk()
    tree["policies"].append({"name": "default", "steps": [{"after_s": 9, "lower_by": 1}]})
    for queue in tree["queues"]:
        del queue["policy"]
    assert found(tree) == []


def test_a_step_after_the_longest_wait_is_a_warning() -> None:
    tree = stepped({"after_s": 3_601, "lower_by": 1})
    severity, field, sentence = only(tree, Rule.STEP)
    assert (severity, field) == (WARNING, "policies[0].steps[0].after_s")
    assert "later than wait_max_s (3600)" in sentence
    tree["policies"][0]["wait_max_s"] = 3_601
    assert found(tree, Rule.STEP) == []


def climbing(after_s: int, **of_queue: Any) -> dict[str, Any]:
    """A step, and work that is escalated from both queues after 60 + 30 s of waiting."""
    tree = stepped({"after_s": after_s, "lower_by": 1})
    aims = {"queue_wait_s": 60}
    breach = {"escalate_after_s": 30}
    tree["sla"] = [{"name": "quick", "targets": aims, "on_breach": breach}]
    tree["queues"].append({"name": "top", "policy": "", "dispositions": ["done"]})
    del tree["queues"][2]["policy"]
    for queue in tree["queues"][:2]:
        queue |= {"sla": "quick", "escalation_queue": "top", **of_queue}
    return tree


def test_a_step_after_the_work_has_climbed_away_is_a_warning() -> None:
    severity, field, sentence = only(climbing(90), Rule.STEP)
    assert (severity, field) == (WARNING, "policies[0].steps[0].after_s")
    assert "never in force: work on desk, works has been escalated by 90 s" in sentence
    assert found(climbing(89), Rule.STEP) == []


def test_a_step_may_be_in_force_while_the_clock_stands_still() -> None:
    office = {"name": "day", "zone": "Europe/Amsterdam", "weekly": {"monday": ["09:00-17:00"]}}
    tree = climbing(90, calendar="day") | {"calendars": [office]}
    assert found(tree, Rule.STEP) == []
