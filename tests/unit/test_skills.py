"""Requirements relax by steps, and an agent fails at the first gate."""

from dataclasses import dataclass, field

import pytest

from toldonce.kernel.skills import Gate, Requirement, Step, meets, next_step_s, relaxed


@dataclass(frozen=True)
class Somebody:
    name: str = "anna"
    skills: dict[str, int] = field(default_factory=lambda: {"orders": 3})
    languages: dict[str, int] = field(default_factory=lambda: {"nl": 5})
    queues: frozenset[str] = frozenset()


ASKED = Requirement("orders", (("orders", 3),), "nl")


def test_agent_meets_what_she_is_able_to_do() -> None:
    assert meets(Somebody(), ASKED) is None


@pytest.mark.parametrize(
    ("agent", "requirement", "gate"),
    [
        (Somebody(queues=frozenset({"returns"})), ASKED, Gate.QUEUE),
        (Somebody(), Requirement("orders", excluded_agents=("anna",)), Gate.EXCLUDED),
        (Somebody(skills={}), ASKED, Gate.SKILL),
        (Somebody(skills={"orders": 2}), ASKED, Gate.LEVEL),
        (Somebody(languages={"de": 5}), ASKED, Gate.LANGUAGE),
        (Somebody(skills={}, languages={}, queues=frozenset({"x"})), ASKED, Gate.QUEUE),
    ],
)
def test_agent_fails_at_the_first_gate(
    agent: Somebody, requirement: Requirement, gate: Gate
) -> None:
    assert meets(agent, requirement) is gate


def test_steps_relax_in_order_and_build_upon_each_other() -> None:
    asked = Requirement("orders", (("orders", 4), ("vip", 2)), "nl", ("anna",), ("bob",))
    steps = (
        Step(10, lower_by=1),
        Step(20, at_most=(("orders", 2),)),
        Step(30, drop=("vip",), any_language=True),
    )
    assert relaxed(asked, steps, 9.9) is asked
    assert relaxed(asked, steps, 10).skills == (("orders", 3), ("vip", 1))
    assert relaxed(asked, steps, 20).skills == (("orders", 2), ("vip", 1))
    last = relaxed(asked, steps, 30)
    assert last == Requirement("orders", (("orders", 2),), "", ("anna",), ("bob",))


def test_a_level_never_falls_below_one() -> None:
    assert relaxed(ASKED, (Step(0, lower_by=4), Step(0, lower_by=4)), 0).skills == (("orders", 1),)


def test_the_next_step_is_told_until_there_is_none() -> None:
    steps = (Step(10, lower_by=1), Step(30, lower_by=1))
    assert [next_step_s(steps, w) for w in (0, 10, 29.5, 30)] == [10, 30, 30, None]
