"""Agents vanish: one by one, their work is freed; all at once, the fault is ours."""

from tests.unit.routing.world import START, World, office, person
from toldonce.routing.core.acts import ReleaseOwnership, RevokeOffer
from toldonce.routing.core.facts import LeadershipChanged
from toldonce.routing.core.types import Availability, Presence


def test_agent_gone_longer_than_the_grace_loses_cases_and_offers() -> None:
    world = World(office(person("anna", units=2), person("bob", units=2))).open_doors()
    world.contact("kim", before="anna")
    world.accept("kim")
    world.contact("lee", before="anna")
    world.seen("anna", Presence.STALE)
    world.wait(9)
    world.seen("anna", Presence.GONE)
    assert not world.wait(5.9)
    assert [type(one) for one in world.wait(0.1)][:2] == [ReleaseOwnership, RevokeOffer]
    assert (world.asked("kim"), world.asked("lee")) == ("bob", "bob")
    assert world.case("kim").enqueued_at == START


def test_agent_back_within_the_grace_keeps_everything() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.seen("anna", Presence.STALE)
    world.wait(14)
    world.seen("anna", Presence.CONNECTED)
    assert not world.wait(60)
    assert world.case("kim").owner == "anna"


def test_new_leader_starts_every_grace_anew() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.seen("anna", Presence.GONE)
    world.wait(14)
    world.tell(LeadershipChanged(0))
    world.wait(10)
    world.tell(LeadershipChanged(2))
    assert not world.wait(14.9)
    assert isinstance(world.wait(0.1)[0], ReleaseOwnership)


def test_owner_whom_no_session_was_ever_seen_of_is_released_too() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim", before="anna")
    world.accept("kim")
    facts = [fact for fact, _ in world.facts if "Presence" not in type(fact).__name__]
    world.engine = type(world.engine)("demo")
    world.engine.step_all(facts, world.now)
    said = world.wait(15)
    assert isinstance(said[0], ReleaseOwnership)


def crowd(count: int) -> World:
    world = World(office(*(person(f"a{i:02}") for i in range(count)))).open_doors()
    for i in range(count):
        world.contact(f"c{i}")
        world.accept(f"c{i}")
    return world


def test_many_agents_vanishing_at_once_freeze_releases_until_they_are_back() -> None:
    world = crowd(20)
    for i in range(8):
        world.seen(f"a{i:02}", Presence.STALE)
    assert world.engine.frozen_since == world.now
    assert not world.wait(30)
    for i in range(6):
        world.seen(f"a{i:02}", Presence.CONNECTED)
    assert world.engine.frozen_since is None
    assert not world.wait(14.9)
    released = {one.agent for one in world.wait(0.1) if isinstance(one, ReleaseOwnership)}
    assert released == {"a06", "a07"}


def test_a_few_agents_vanishing_freeze_nothing() -> None:
    world = crowd(20)
    for i in range(4):
        world.seen(f"a{i:02}", Presence.GONE)
    assert world.engine.frozen_since is None
    assert len(world.wait(15)) == 4


def test_agents_who_vanish_one_after_the_other_freeze_nothing() -> None:
    world = crowd(10)
    for i in range(6):
        world.seen(f"a{i:02}", Presence.GONE)
        world.wait(30)
    assert world.engine.frozen_since is None


def test_freeze_ends_by_itself_at_last() -> None:
    world = crowd(10)
    for i in range(10):
        world.seen(f"a{i:02}", Presence.GONE)
    assert not world.wait(599)
    assert len({one.customer for one in world.wait(6)}) == 10
    assert world.engine.frozen_since is None


def test_end_of_a_shift_is_no_disaster() -> None:
    world = crowd(10)
    for i in range(10):
        world.declare(f"a{i:02}", Availability.OFFLINE)
        world.seen(f"a{i:02}", Presence.GONE)
    assert world.engine.frozen_since is None
