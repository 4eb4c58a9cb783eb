"""In the laboratory success is learned from who has to come again, and fewer have to."""

from dataclasses import replace

import pytest

from toldonce.kernel.errors import Invalid
from toldonce.lab.desk import Desk
from toldonce.lab.dice import dice
from toldonce.lab.estimate import Estimate
from toldonce.lab.reading import read
from toldonce.lab.running import Plan, run
from toldonce.lab.scenario import Scenario
from toldonce.lab.suite import text_of
from toldonce.runtime.yaml_tree import load

SEED = 7
DESK = dict(load(text_of("learned")))  # type: ignore[call-overload]


def desk(least: float = 0.6, most: float = 0.95) -> Scenario:
    """Twenty hours of the shipped desk, of which the last thirteen count."""
    group = {**DESK["groups"][0], "resolves": {"refunds": [least, most]}}
    one = read({**DESK, "groups": [group]})
    return replace(one, warm_up=400.0, periods=(800.0,))


def repeats(one: Scenario, policy: str, replications: int = 4) -> Estimate:
    (result,) = run([Plan(one, one.policies[policy], replications, SEED)], processes=1)
    return result.figures["repeat_pct"]


def test_fewer_have_to_come_again_where_success_is_learned() -> None:
    one = desk()
    none, learned = repeats(one, "none"), repeats(one, "learned")
    assert none.value == pytest.approx(22.5, abs=1.0)  # all agents alike often: 1 - .775
    assert learned.value + learned.half_width < none.value - none.half_width


def test_where_all_agents_resolve_alike_there_is_nothing_to_gain() -> None:
    one = desk(0.8, 0.8)
    none, learned = repeats(one, "none"), repeats(one, "learned")
    assert abs(none.value - learned.value) < none.half_width + learned.half_width
    assert none.value == pytest.approx(20, abs=1.5)


def test_a_shadow_changes_nothing() -> None:
    one = desk()
    days = [Desk(one, one.policies[name], dice(one, SEED, 0)).run() for name in ("none", "shadow")]
    assert days[0][0].served == days[1][0].served
    assert days[0][0].unresolved == days[1][0].unresolved > 100


def test_the_engine_sees_the_effect_that_the_day_has() -> None:
    """Fifty hours in cycles of half an hour: its own lift is that of the cases it counted."""
    one = replace(desk(), warm_up=1_000.0, periods=(2_000.0,))
    day = Desk(one, one.policies["half-the-time"], dice(one, SEED, 1))
    day.run()
    (lift,) = day.engine.lifts()
    assert lift.lift is not None
    assert lift.half_width is not None
    assert lift.lift - lift.half_width / 2 > 0
    assert lift.half_width < 0.05
    assert lift.on.cases + lift.off.cases > 0.9 * (day.seen[0].ended + 2 * 1_000)


@pytest.mark.parametrize(
    ("shares", "says"),
    [([0.9, 0.6], "the least and then the most"), ([0.2, 0.3, 0.4], "one share"), (1.5, "0.999")],
)
def test_shares_that_cannot_be_are_refused_with_the_path(shares: object, says: str) -> None:
    group = {**DESK["groups"][0], "resolves": {"refunds": shares}}
    with pytest.raises(Invalid) as refused:
        read({**DESK, "groups": [group]})
    assert refused.value.problems[0].field == "groups[0].resolves.refunds"
    assert says in refused.value.problems[0].sentence
