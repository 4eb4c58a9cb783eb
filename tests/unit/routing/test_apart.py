"""Weights: what is left apart, for how long, and what they may not change."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.routing.world import World, office, person
from toldonce.kernel.config.tree import Problems, fields
from toldonce.kernel.config.types import Agent, Config
from toldonce.kernel.config.weighing import MILLI, Weighing, Weights, adaptive, weighing
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.engine import Engine


def desk(weights: Weights, *agents: Agent, **groups: Weights) -> Config:
    config = office(*agents)
    weigh = Weighing(weights, groups)
    return replace(config, policies={"plain": replace(config.policies["plain"], weigh=weigh)})


def test_case_left_apart_finds_somebody_in_time_though_the_first_in_line_is_excluded() -> None:
    rested = Weights(base=-5 * MILLI, wait=0, idle=10 * MILLI)  # after half a minute without news
    world = World(desk(rested, person("ann", units=3), person("bob", units=3)))
    world.open_doors(all_in=False)
    for name, who in (("ann", "kim"), ("bob", "max")):
        world.log_on(name)
        world.wait(60)
        world.contact(who)
        assert world.asked(who) == name
        world.accept(who)
    world.hand_over("kim", TargetKind.QUEUE, "experts", timeout_s=600)
    assert not world.asked("kim")
    world.wait(29)
    assert not world.asked("kim")
    world.wait(1)
    assert world.asked("kim") == "bob"


def test_handoff_to_a_person_is_not_overtaken_by_younger_work_whatever_the_line_is_worth() -> None:
    for weights in (Weights(base=1_000 * MILLI), adaptive(MILLI, 20_000)):
        world = World(desk(weights, person("ann"), person("bob"))).open_doors(all_in=False)
        world.log_on("ann")
        world.contact("kim")
        world.accept("kim")
        world.log_on("bob")
        world.contact("first")
        world.accept("first")
        world.hand_over("kim", TargetKind.AGENT, "bob", timeout_s=600)
        world.wait(5)
        for number in range(3):
            world.contact(f"younger{number}")
        world.close("first")
        assert world.asked("kim") == "bob"


def test_pair_counts_the_work_at_hand_whoever_came_first() -> None:
    alone = Weights(base=500, wait=0, queue=-MILLI)
    agent_first = World(desk(alone, person("ann"))).open_doors()
    agent_first.contact("kim")
    work_first = World(desk(alone, person("ann"))).open_doors(all_in=False)
    work_first.contact("kim")
    work_first.log_on("ann")
    assert (agent_first.asked("kim"), work_first.asked("kim")) == ("", "")


def test_what_was_learned_goes_into_a_snapshot() -> None:
    world = World(desk(adaptive(MILLI, 0), person("ann"))).open_doors()
    for number in range(3):
        world.contact(f"kim{number}")
        world.accept(f"kim{number}")
        world.now += timedelta(seconds=90)
        world.close(f"kim{number}")
    ((queue, group, count, total_us),) = world.engine.snapshot().head.paces
    assert (queue, group, count, total_us) == ("billing", "", 3, 270_000_000)


def test_line_keeps_nobody_who_has_gone() -> None:
    world = World(desk(Weights(), person("ann"))).open_doors(all_in=False)
    world.contact("stays")
    for number in range(300):
        world.contact(f"goes{number}")
        world.close(f"goes{number}")
    (work,) = world.engine._index.work_kinds.values()  # noqa: SLF001
    assert work.count == 1
    assert len(work._line) + len(work._late) < 100  # noqa: SLF001


def test_agent_with_work_who_is_idle_longer_is_not_hidden_by_one_without() -> None:
    weights = Weights(base=-2 * MILLI, wait=0, idle=MILLI)
    world = World(desk(weights, person("ann", units=2), person("bob", units=2))).open_doors()
    world.wait(121)
    world.contact("kim")
    assert world.asked("kim") in {"ann", "bob"}
    first = world.asked("kim")
    world.accept("kim")
    other = "bob" if first == "ann" else "ann"
    world.seen(other, world.engine._ledger.agents[other].presence)  # noqa: SLF001
    world.contact("lee")
    world.wait(125)
    assert world.asked("lee")


@pytest.mark.parametrize("key", ["idle", "in_time", "pace"])
def test_weight_that_would_hide_somebody_for_ever_is_refused(key: str) -> None:
    problems = Problems()
    weighing(fields("policies[0]", {"weigh": {key: -1}}, None, problems), 10)
    with pytest.raises(Invalid) as no:
        problems.refuse()
    assert no.value.problems[0].field == f"policies[0].weigh.{key}"


def test_pace_is_drawn_from_those_who_are_alike_until_it_is_known() -> None:
    engine = Engine("demo")
    paces = engine._ledger.paces  # noqa: SLF001
    for _ in range(1_000):
        paces.of("billing", "seniors").see(60_000_000)
    assert 55_000_000 < paces.of("billing", "juniors").mean_us() < 70_000_000
    for _ in range(200):
        paces.of("billing", "juniors").see(180_000_000)
    assert paces.of("billing", "juniors").mean_us() > 150_000_000
