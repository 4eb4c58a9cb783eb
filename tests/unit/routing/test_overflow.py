"""A queue that is full or closed sends work on, once, and what it sends keeps its age."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.routing.world import (
    START,
    World,
    cid,
    office,
    own,
    person,
    with_hours,
    with_overflow,
)
from toldonce.kernel.config.types import Config
from toldonce.kernel.story.events import QueueChanged
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.acts import ChangeQueue
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import LeadershipChanged


def moves(world: World) -> list[tuple[str, str, str]]:
    return [
        (world.names[one.customer], one.queue, one.reason)
        for one in world.said
        if isinstance(one, ChangeQueue)
    ]


def crowded(waiting_max: int = 2) -> Config:
    """Anna works on billing and bob on experts; billing holds so many who wait."""
    people = person("anna", queues=("billing",)), person("bob", queues=("experts",), units=9)
    return with_overflow(office(*people), "billing", "experts", waiting_max)


def test_whoever_comes_to_a_full_queue_goes_on_at_the_old_age() -> None:
    world = World(crowded()).open_doors()
    for name in ("one", "two", "three", "four"):
        world.contact(name)
        world.wait(1)
    assert world.asked("one") == "anna"
    assert moves(world) == [("four", "experts", "OVERFLOW_FULL")]
    assert world.asked("four") == "bob"
    assert world.case("four").queue == "experts"
    assert world.case("four").enqueued_at == START + timedelta(seconds=3)
    assert [world.asked(name) for name in ("two", "three")] == ["", ""]


def test_what_overflowed_asks_what_its_new_queue_asks() -> None:
    config = crowded(0)
    anna = replace(config.agents["anna"], skills={"billing": 3})
    world = World(replace(config, agents={**config.agents, "anna": anna})).open_doors()
    world.contact("one", billing=3)
    world.contact("two", billing=3)
    assert (world.asked("one"), world.asked("two")) == ("anna", "bob")


def test_case_that_a_supervisor_moved_does_not_overflow() -> None:
    config = with_overflow(office(person("anna", queues=("technical",))), "billing", "experts", 0)
    world = World(config).open_doors(all_in=False)
    customer = world.contact("one", "technical")
    world.happen(customer, QueueChanged(own("one"), "technical", "billing", "MISROUTED"))
    world.wait(60)
    assert (world.case("one").queue, moves(world)) == ("billing", [])
    assert world.reason("one").endswith("(came from technical)")


def test_offer_of_what_overflowed_says_where_it_came_from() -> None:
    world = World(crowded(0)).open_doors()
    world.contact("one")
    world.contact("two")
    reason = world.reason("two")
    assert reason == "bob is the only one who can take it now (came from billing)"


def test_full_queue_with_somebody_free_sends_nothing_on() -> None:
    world = World(crowded(0)).open_doors()
    world.contact("one")
    assert (world.asked("one"), moves(world)) == ("anna", [])


def test_case_on_its_way_is_offered_to_nobody_and_says_where_it_goes() -> None:
    world = World(crowded(0)).open_doors()
    world.contact("one")
    world.accept("one")
    world.obeys = False
    world.contact("two")
    words = "overflows from billing to experts: full"
    assert world.reason("two") == words
    assert world.gates("two")["anna"] == f"QUEUE: {words}"
    world.close("one")
    assert world.asked("two") == ""
    world.obeys = True
    world.wait(5)  # the log never showed the move, and anna is free now
    assert world.asked("two") == "anna"


def test_move_that_the_log_does_not_show_is_asked_for_again() -> None:
    world = World(crowded(0)).open_doors()
    world.contact("one")
    world.obeys = False
    world.contact("two")
    world.wait(11)
    assert moves(world) == [("two", "experts", "OVERFLOW_FULL")] * 3


def test_what_overflowed_once_does_not_overflow_again() -> None:
    config = with_overflow(crowded(0), "experts", "technical", 0)
    world = World(config).open_doors(all_in=False)
    world.contact("one")
    assert world.case("one").queue == "experts"
    world.wait(60)
    assert moves(world) == [("one", "experts", "OVERFLOW_FULL")]


def test_closed_queue_sends_on_those_who_come_and_those_who_wait_at_its_end() -> None:
    hours = with_hours(office(person("anna", queues=("billing",))), "billing", ("10:00", "10:30"))
    world = World(with_overflow(hours, "billing", "experts", closed=True)).open_doors()
    for name in ("one", "two"):
        world.contact(name)
    world.accept("one")
    world.wait(1_799)
    assert moves(world) == []
    world.wait(1)
    assert moves(world) == [("two", "experts", "OVERFLOW_CLOSED")]
    world.contact("three")
    assert moves(world)[1:] == [("three", "experts", "OVERFLOW_CLOSED")]
    assert world.case("one").owner == "anna"


def test_case_that_somebody_had_waits_where_it_is() -> None:
    world = World(crowded(0)).open_doors()
    world.contact("one")
    world.accept("one")
    world.hand_over("one", TargetKind.QUEUE, "billing")
    assert moves(world) == []


def test_new_leader_sends_on_what_waits_in_a_closed_queue() -> None:
    hours = with_hours(office(person("anna", queues=("billing",))), "billing", ("10:00", "10:30"))
    world = World(with_overflow(hours, "billing", "experts", closed=True)).open_doors()
    world.contact("one")
    world.contact("two")
    world.accept("one")
    standby = Engine("demo")
    for fact, at in world.facts:
        if not isinstance(fact, LeadershipChanged):
            standby.step(fact, at)
    world.engine = standby
    world.now = START + timedelta(minutes=31)
    world.tell(LeadershipChanged(2))
    assert moves(world) == [("two", "experts", "OVERFLOW_CLOSED")]


def test_smaller_queue_sends_on_the_last_who_came() -> None:
    world = World(crowded(5)).open_doors(all_in=False)
    for name in ("one", "two", "three"):
        world.contact(name)
        world.wait(1)
    world.configure(replace(crowded(2), revision=2))
    assert moves(world) == [("three", "experts", "OVERFLOW_FULL")]
    assert world.engine.queue_of(cid("three"), own("three")) == "experts"
