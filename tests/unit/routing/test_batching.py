"""Several free agents and several cases that come together, matched as a whole."""

from dataclasses import replace
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.routing.world import START, World, office, person
from toldonce.kernel.config.types import Config
from toldonce.kernel.config.weighing import MILLI
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.batching import BATCH_MAX
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import AgentChanged, PresenceChanged
from toldonce.routing.core.types import Availability, Presence
from toldonce.runtime.assignment import assign

SKILLS = ("billing", "parcels", "returns")
CASES_MAX = 4


def batching(config: Config, *, fit: int = 0) -> Config:
    plain = config.policies["plain"]
    everybody = replace(plain.weigh.everybody, fit=fit * MILLI)
    weigh = replace(plain.weigh, batch=True, everybody=everybody)
    return replace(config, policies={"plain": replace(plain, weigh=weigh)})


def world_of(config: Config) -> World:
    world = World(config, engine=Engine("demo", solve=assign))
    return world.open_doors(all_in=False)


def all_come(world: World) -> dict[str, str]:
    """Have everybody log on in one step; return which case was offered to whom."""
    facts = [
        fact
        for name in world.config.agents
        for fact in (
            AgentChanged(name, Availability.AVAILABLE, "", START),
            PresenceChanged(name, Presence.CONNECTED, world.now),
        )
    ]
    made = world.engine.step_all(facts, world.now)
    return {world.names[one.customer]: one.agent for one in made if isinstance(one, MakeOffer)}


def test_nobody_waits_for_whom_a_batch_leaves_the_one_who_can() -> None:
    """Pair by pair, whoever comes first by the seed might take the only case the other can."""
    config = office(person("anna", billing=3, parcels=3), person("bob", billing=3))
    world = world_of(batching(config))
    world.contact("kim", billing=1)
    world.wait(1)
    world.contact("lee", parcels=1)
    assert all_come(world) == {"kim": "bob", "lee": "anna"}


def test_of_very_many_cases_the_worthiest_are_in_the_batch() -> None:
    world = world_of(batching(office(person("anna", billing=5), person("bob", billing=5))))
    for number in range(BATCH_MAX + 10):
        level = 1 + number % 5
        world.contact(f"case{number}", billing=level, priority=number)
    served = all_come(world)
    assert served.keys() == {f"case{BATCH_MAX + 9}", f"case{BATCH_MAX + 8}"}


def test_batch_is_worth_most_together() -> None:
    """Greedy gives anna the case she is best at by 4 levels, and bob the one he is worst at."""
    config = office(person("anna", billing=5, parcels=4), person("bob", billing=4, parcels=1))
    world = world_of(batching(config, fit=100))
    world.contact("kim", billing=1)
    world.contact("lee", parcels=1)
    assert all_come(world) == {"kim": "bob", "lee": "anna"}
    said = [live.trace for item in world.engine._ledger.items() for live in item.offers.values()]  # noqa: SLF001
    assert {trace.reason for trace in said if trace} == {
        "best of all ways to match 2 cases at once"
    }


def test_older_of_a_kind_is_not_left_behind_by_a_batch() -> None:
    config = office(person("anna", billing=5), person("bob", billing=2))
    world = world_of(batching(config, fit=100))
    for name in ("one", "two", "three"):
        world.contact(name, billing=1)
        world.wait(1)
    assert set(all_come(world)) == {"one", "two"}


def test_overdue_case_is_in_a_batch_whatever_others_are_worth() -> None:
    config = office(person("anna", billing=3), person("bob", billing=3), wait_max_s=60)
    world = world_of(batching(config))
    world.contact("old", billing=1)
    world.wait(60)
    for name in ("lee", "mia"):
        world.contact(name, billing=2, priority=1_000)
    served = all_come(world)
    assert "old" in served
    assert len(served) == 2


def test_engine_without_a_solver_matches_pair_by_pair() -> None:
    world = World(batching(office(person("anna", billing=3), person("bob", billing=3))))
    world.open_doors(all_in=False)
    world.contact("kim", billing=1)
    world.contact("lee", billing=1)
    assert set(all_come(world)) == {"kim", "lee"}


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    able = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5), min_size=1)
    agents = draw(st.lists(able, min_size=2, max_size=4))
    cases = draw(st.lists(able, min_size=1, max_size=CASES_MAX))
    return agents, cases


def most_pairs(agents: list[dict[str, int]], cases: list[dict[str, int]]) -> int:
    """Count by trying every order of the agents."""

    def can(agent: dict[str, int], case: dict[str, int]) -> bool:
        return all(agent.get(skill, 0) >= level for skill, level in case.items())

    wide = [*agents, *({} for _ in cases)]
    return max(
        sum(can(agent, case) for agent, case in zip(order, cases, strict=False))
        for order in permutations(wide, len(cases))
    )


@settings(max_examples=60)
@given(situations(), st.integers(0, 100))
def test_batch_serves_as_many_as_can_be_served(
    situation: tuple[list[dict[str, int]], list[dict[str, int]]], fit: int
) -> None:
    agents, cases = situation
    people = [person(f"agent{number}", **skills) for number, skills in enumerate(agents)]
    world = world_of(batching(office(*people), fit=fit))
    for number, skills in enumerate(cases):
        world.contact(f"case{number}", **skills)
    assert len(all_come(world)) == most_pairs(agents, cases)
