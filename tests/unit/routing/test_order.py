"""Who is first: of the cases, and of the agents."""

from dataclasses import replace

from tests.unit.routing.world import World, office, person
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.facts import ConfigChanged
from toldonce.routing.core.types import Availability


def test_free_agent_is_offered_the_contact_the_moment_it_comes() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    assert world.asked("kim") == "anna"


def test_agent_who_becomes_free_takes_the_oldest_of_equals() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    for name in ("one", "two", "three"):
        world.contact(name)
        world.wait(1)
    world.log_on("anna")
    served = []
    for _ in range(3):
        name = next(n for n in ("one", "two", "three") if n not in served and world.asked(n))
        served.append(name)
        world.accept(name)
        world.close(name)
    assert served == ["one", "two", "three"]


def test_higher_priority_goes_first_until_age_has_outweighed_it() -> None:
    world = World(office(person("anna"), age_points_per_minute=10)).open_doors(all_in=False)
    world.contact("old")
    world.wait(59)
    world.contact("young", priority=5)  # worth half a minute
    world.wait(1)
    world.contact("urgent", priority=50)  # worth five minutes
    world.log_on("anna")
    assert world.asked("urgent") == "anna"
    world.accept("urgent")
    world.close("urgent")
    assert world.asked("old") == "anna"


def test_work_older_than_the_longest_wait_comes_before_any_priority() -> None:
    world = World(office(person("anna"), wait_max_s=60)).open_doors(all_in=False)
    world.contact("old")
    world.wait(30)
    world.contact("urgent", priority=1_000)
    world.wait(30)
    world.log_on("anna")
    assert world.asked("old") == "anna"


def test_raised_priority_bites_at_once() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("first")
    world.contact("second")
    world.raise_priority("second", 100)
    world.log_on("anna")
    assert world.asked("second") == "anna"


def test_longest_idle_agent_is_asked_first() -> None:
    world = World(office(person("anna"), person("bob"), person("cleo"))).open_doors(all_in=False)
    for name in ("cleo", "anna", "bob"):
        world.log_on(name)
        world.wait(1)
    world.contact("kim")
    assert world.asked("kim") == "cleo"


def test_agent_who_finished_work_goes_behind_those_who_wait_longer() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.wait(5)
    world.log_on("bob")
    world.wait(5)
    world.contact("one")
    world.accept("one")
    world.close("one")
    world.contact("two")
    assert world.asked("two") == "bob"


def test_ignoring_an_offer_makes_nobody_look_busy_or_idle() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.wait(5)
    world.log_on("bob")
    world.contact("one")
    assert world.asked("one") == "anna"
    world.wait(20)  # anna lets it expire
    assert world.asked("one") == "bob"
    world.accept("one")
    world.wait(31)  # anna's cool-down is over, and she still idles longest
    world.contact("two")
    assert world.asked("two") == "anna"


def test_agents_without_work_come_before_those_with_some() -> None:
    world = World(office(person("anna", units=2), person("bob", units=2))).open_doors(all_in=False)
    world.log_on("anna")
    world.wait(60)
    world.contact("one")
    world.accept("one")
    world.wait(60)
    world.log_on("bob")
    world.contact("two")
    assert world.asked("two") == "bob"


def test_equals_are_told_apart_by_a_seed_and_not_by_name() -> None:
    chosen = set()
    for tenant in range(12):
        config = office(person("anna"), person("bob"), person("cleo"))
        world = World(config)
        world.engine = type(world.engine)(f"tenant{tenant}")
        world.open_doors().contact("kim")
        chosen.add(world.asked("kim"))
    assert len(chosen) > 1


def test_offers_are_numbered_so_that_the_same_facts_give_the_same_ids() -> None:
    def run() -> list[str]:
        world = World(office(person("anna"), person("bob"))).open_doors()
        world.contact("kim")
        world.contact("lee")
        return [made.offer for made in world.said if isinstance(made, MakeOffer)]

    assert run() == run()
    assert len(set(run())) == 2


def test_agent_who_is_away_gets_nothing_new_and_keeps_the_cases() -> None:
    world = World(office(person("anna", units=3))).open_doors()
    world.contact("one")
    world.accept("one")
    world.declare("anna", Availability.AWAY)
    world.contact("two")
    world.wait(600)
    assert world.asked("two") == ""
    assert world.case("one").owner == "anna"
    world.declare("anna", Availability.AVAILABLE)
    assert world.asked("two") == "anna"


def test_new_configuration_is_matched_by_at_once() -> None:
    world = World(office(person("anna", billing=1))).open_doors()
    world.contact("kim", billing=3)
    assert world.asked("kim") == ""
    assert world.gates("kim") == {"anna": "SKILL: skill billing 1 < 3"}
    world.tell(ConfigChanged(replace(office(person("anna", billing=3)), revision=2)))
    assert world.asked("kim") == "anna"


def test_agents_drawn_by_lot_are_not_always_the_longest_idle() -> None:
    config = office(*(person(name) for name in ("anna", "bob", "cleo", "dora")))
    plain = config.policies["plain"]
    lots = replace(plain, weigh=replace(plain.weigh, by_lot=True))
    world = World(replace(config, policies={"plain": lots})).open_doors()
    asked = []
    for number in range(40):
        world.contact(f"kim{number}")
        asked.append(world.asked(f"kim{number}"))
        world.accept(f"kim{number}")
        world.close(f"kim{number}")
    assert {asked.count(name) for name in ("anna", "bob", "cleo", "dora")} != {10}
    assert set(asked) == {"anna", "bob", "cleo", "dora"}
    again = World(replace(config, policies={"plain": lots})).open_doors()
    again.contact("kim0")
    assert again.asked("kim0") == asked[0]
