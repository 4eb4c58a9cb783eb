"""Who is drained gets nothing new; what they own stays, or goes a case a second, by its channel."""

from tests.unit.routing.world import World, cid, office, own, person
from toldonce.kernel.config.owning import AbsentPolicy, OwnerAbsent
from toldonce.routing.core.acts import LapseOwnership, ReleaseOwnership, RevokeOffer
from toldonce.routing.core.facts import LeadershipChanged
from toldonce.routing.core.types import Availability


def test_drained_agent_gets_nothing_new_until_it_ends() -> None:
    world = World(office(person("anna", units=5))).open_doors()
    world.contact("mine")
    world.accept("mine")
    world.drain("anna")
    world.contact("kim")
    assert world.asked("kim") == ""
    assert world.gates("kim") == {"anna": "AVAILABILITY: drained since 10:00:00"}
    world.wait(600)
    assert world.case("mine").owner == "anna", "what they own they keep"
    world.declare("anna", Availability.AVAILABLE)
    assert world.asked("kim") == "anna"


def test_offer_to_somebody_who_is_drained_is_taken_back_at_once() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim")
    taker = world.asked("kim")
    other = "bob" if taker == "anna" else "anna"
    world.drain(taker)
    (taken,) = [one for one in world.said if isinstance(one, RevokeOffer)]
    assert taken.reason == "AGENT_DRAINED"
    assert world.asked("kim") == other


def test_drained_agent_hands_back_one_case_a_second_by_the_rule_of_its_channel() -> None:
    rule = {"chat": OwnerAbsent(AbsentPolicy.REQUEUE, grace_s=20)}
    world = World(office(person("anna", units=9), absent=rule)).open_doors()
    names = [f"k{number}" for number in range(4)]
    for name in names:
        world.contact(name)
        world.accept(name)
    world.drain("anna", hands_back=True)
    assert not [one for one in world.wait(19) if isinstance(one, ReleaseOwnership)]
    for count in (1, 2, 3, 4):
        world.wait(1)
        done = [one for one in world.said if isinstance(one, ReleaseOwnership)]
        assert len(done) == count
        assert done[-1].reason == "DRAINED_REQUEUE"
    assert [world.case(name).owner for name in names] == [""] * 4


def test_lapse_of_a_drain_that_ends_gives_the_case_back_to_its_owner() -> None:
    rule = {"chat": OwnerAbsent(AbsentPolicy.BACKUP, grace_s=5, backup_s=60)}
    config = office(person("anna", units=2, substitute="bob"), person("bob"), absent=rule)
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.accept("kim")
    world.drain("anna", hands_back=True)
    (lapse,) = [one for one in world.wait(6) if isinstance(one, LapseOwnership)]
    assert lapse.rule == "DRAINED_BACKUP"
    assert world.case("kim").lapse is not None
    world.declare("anna", Availability.AVAILABLE)
    assert world.case("kim").lapse is None
    assert world.case("kim").owner == "anna"


def test_next_engine_knows_who_is_drained() -> None:
    world = World(office(person("anna"))).open_doors()
    world.drain("anna")
    world.tell(LeadershipChanged(0))
    world.tell(LeadershipChanged(2))
    world.contact("kim")
    trace = world.engine.explain(cid("kim"), own("kim"), world.now)
    assert trace is not None
    assert trace.candidates[0].detail.startswith("drained since")
