"""Queues that nothing leads to, and words and skills that are there for nothing."""

import pytest

from tests.style.tree import ROOT
from tests.unit.linter.desk import desk, found, only
from toldonce.kernel.config.linter import Rule, Severity, findings
from toldonce.runtime.document import check, demo_text
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.zones import WheelZones


def test_a_plain_desk_has_nothing_to_complain_of() -> None:
    assert found(desk()) == []


@pytest.mark.parametrize("name", ["demo.yaml", "desk.yaml"])
def test_the_examples_are_free_of_errors_and_warnings(name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    said = findings(check(text, WheelZones(), WheelHolidays(2026)))
    assert [one for one in said if one.severity is not Severity.NOTE] == []


def test_the_demo_is_told_of_its_queue_for_handoffs() -> None:
    said = findings(check(demo_text(), WheelZones(), WheelHolidays(2026)))
    assert "queue vip is reached by handoff only" in [one.sentence for one in said]


def _with_queue(name: str, **more: object) -> dict[str, object]:
    tree = desk()
    tree["queues"].append({"name": name, "dispositions": ["done"], **more})
    return tree


def test_a_queue_that_nothing_leads_to_is_a_warning() -> None:
    severity, field, sentence = only(_with_queue("attic"), Rule.UNREACHABLE)
    assert (severity, field) == (Severity.WARNING, "queues[2]")
    assert "no agent names it" in sentence


def test_a_queue_that_an_agent_names_is_reached_by_handoff() -> None:
    tree = _with_queue("attic")
    tree["agents"][1]["queues"] = ["desk", "attic"]
    assert only(tree, Rule.UNREACHABLE) == (
        Severity.NOTE,
        "queues[2]",
        "queue attic is reached by handoff only",
    )


def test_an_escalation_leads_to_a_queue_only_from_one_that_is_reached() -> None:
    tree = _with_queue("attic")
    tree["queues"][0]["escalation_queue"] = "attic"
    assert found(tree, Rule.UNREACHABLE) == []
    del tree["queues"][0]["escalation_queue"]
    tree["queues"].append({"name": "cellar", "dispositions": ["done"], "escalation_queue": "attic"})
    assert [one.field for one in found(tree, Rule.UNREACHABLE)] == ["queues[2]", "queues[3]"]


def test_skills_that_nothing_asks_and_topics_without_words_are_notes() -> None:
    tree = desk(skills=["parts", "juggling"])
    del tree["topics"][0]["words"]["nl"]
    said = found(tree, Rule.UNUSED)
    assert [(one.severity, one.field) for one in said] == [
        (Severity.NOTE, "skills"),
        (Severity.NOTE, "topics[0].words"),
    ]
    assert "juggling" in said[0].sentence
    assert "no words in nl" in said[1].sentence
