"""Several are asked for one case at once: never at the cost of another who waits."""

from dataclasses import replace

from tests.unit.routing.world import World, cid, office, own, person, weighed
from toldonce.kernel.config.types import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.acts import ExpireOffer, MakeOffer, RevokeOffer
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import LeadershipChanged, OfferAsked, OfferFailed
from toldonce.routing.core.types import NEEDED, Gate


def desk(*names: str, units: int = 1) -> Config:
    return office(*[person(name, units=units) for name in names], rounds={"billing": 3})


def everybody() -> World:
    """Four who are free, each a second longer than the next."""
    world = World(desk("anna", "bob", "cleo", "dora")).open_doors(all_in=False)
    for name in world.config.agents:
        world.log_on(name)
        world.wait(1)
    return world


def made(world: World) -> list[MakeOffer]:
    return [one for one in world.said if isinstance(one, MakeOffer)]


def revokes(world: World) -> list[tuple[str, str]]:
    return [(one.agent, one.reason) for one in world.said if isinstance(one, RevokeOffer)]


def test_as_many_as_the_policy_says_are_asked_at_once_the_longest_idle_first() -> None:
    world = everybody()
    world.contact("kim")
    assert world.all_asked("kim") == ["anna", "bob", "cleo"]
    assert [one.round for one in made(world)] == [3, 3, 3]
    assert len({one.expires_at for one in made(world)}) == 1


def test_a_queue_whose_policy_does_not_say_so_asks_one() -> None:
    world = everybody()
    world.contact("kim", "technical")
    assert world.all_asked("kim") == ["anna"]
    assert [one.round for one in made(world)] == [1]


def test_nobody_is_asked_twice_for_the_same_case() -> None:
    world = World(desk("anna", "bob", units=4)).open_doors()
    world.contact("kim")
    assert sorted(world.all_asked("kim")) == ["anna", "bob"]


def test_every_offer_of_a_round_holds_its_units_until_the_log_says_that_it_is_over() -> None:
    world = everybody()
    world.contact("kim")
    world.obeys = False
    for name in ("joe", "lou"):
        world.contact(name, "technical")
    assert [one.agent for one in made(world)] == ["anna", "bob", "cleo", "dora"]
    assert world.gates("lou")["bob"].startswith("CAPACITY")
    world.accept("kim", by="bob")
    assert [one.agent for one in made(world)[4:]] == ["anna"]


def test_who_accepts_first_has_it_and_the_others_are_free_without_blame() -> None:
    world = everybody()
    world.contact("kim")
    world.accept("kim", by="cleo")
    assert world.case("kim").owner == "cleo"
    world.contact("joe", "technical")
    assert world.all_asked("joe") == ["anna"]  # no cool-down, and still the longest idle
    world.contact("lou", "technical")
    assert world.all_asked("lou") == ["bob"]


def test_a_decline_and_an_expiry_leave_the_others_standing() -> None:
    world = everybody()
    world.contact("kim")
    world.decline("kim", by="anna")
    assert world.all_asked("kim") == ["bob", "cleo"]
    world.wait(10)
    assert world.all_asked("kim") == ["bob", "cleo"]  # and nobody is asked in place of them
    assert len(made(world)) == 3


def test_the_case_is_sought_anew_when_its_round_is_over() -> None:
    world = everybody()
    world.contact("kim")
    for name in ("anna", "bob", "cleo"):
        world.decline("kim", by=name)
    assert world.all_asked("kim") == ["dora"]
    world.decline("kim")
    assert world.all_asked("kim") == []
    world.wait(30)
    assert world.all_asked("kim") == ["anna", "bob", "cleo"]


def test_all_offers_of_a_round_run_out_each_told_of() -> None:
    world = everybody()
    world.contact("kim")
    world.wait(20)
    ended = [one.agent for one in world.said if isinstance(one, ExpireOffer)]
    assert ended == ["anna", "bob", "cleo"]
    assert world.all_asked("kim") == ["dora"]


def test_a_round_takes_nobody_whom_another_waiting_case_could_have() -> None:
    world = World(desk("anna", "bob", "cleo")).open_doors(all_in=False)
    world.contact("kim")
    world.contact("joe")
    world.contact("lou")
    world.log_on("anna")
    world.log_on("bob")
    assert [world.all_asked(name) for name in ("kim", "joe", "lou")] == [["anna"], ["bob"], []]


def test_who_is_asked_beside_others_is_called_back_for_a_case_that_comes() -> None:
    world = everybody()
    world.contact("kim")
    world.contact("joe")
    assert world.all_asked("joe") == ["dora"]
    world.contact("lou")
    assert revokes(world) == [("bob", NEEDED)]
    assert world.all_asked("lou") == ["bob"]
    assert world.all_asked("kim") == ["anna", "cleo"]
    world.contact("may")
    assert world.all_asked("may") == ["cleo"]
    assert world.all_asked("kim") == ["anna"]  # the first stays asked: it is their turn
    world.contact("ned")
    assert world.all_asked("ned") == []


def test_one_is_called_back_for_each_case_and_asked_to_once() -> None:
    world = everybody()
    world.contact("kim")
    world.contact("joe")
    world.obeys = False
    world.contact("lou")
    world.wait(1)
    assert revokes(world) == [("bob", NEEDED)]
    world.contact("may")
    assert revokes(world) == [("bob", NEEDED), ("cleo", NEEDED)]


def test_calling_back_is_said_again_until_the_log_shows_it() -> None:
    world = everybody()
    world.contact("kim")
    world.contact("joe")
    world.obeys = False
    world.contact("lou")
    world.wait(5)
    assert revokes(world) == [("bob", NEEDED), ("bob", NEEDED)]


def test_only_as_many_offers_are_taken_back_as_the_case_needs() -> None:
    world = World(desk("anna", "bob", units=4)).open_doors(all_in=False)
    world.log_on("anna")
    world.wait(1)
    world.log_on("bob")
    for name in ("kim", "joe", "lou"):
        world.contact(name)
        assert world.all_asked(name) == ["anna", "bob"]
    world.contact("may", "technical", channel="voice")  # three units, and each has one
    assert revokes(world) == [("bob", NEEDED), ("bob", NEEDED)]
    assert world.all_asked("may") == ["bob"]


def test_who_is_left_of_a_round_is_not_called_back_as_its_case_would_wait_instead() -> None:
    world = everybody()
    world.contact("kim")
    world.decline("kim", by="anna")
    world.decline("kim", by="cleo")
    for name in ("joe", "lou", "may"):
        world.contact(name, "technical")
    assert world.all_asked("kim") == ["bob"]
    assert not revokes(world)


def test_a_preferred_owner_is_asked_alone_while_the_case_is_kept_for_them() -> None:
    world = everybody()
    world.contact("kim", before="cleo")
    assert world.all_asked("kim") == ["cleo"]


def test_a_handoff_to_somebody_by_name_and_an_ask_are_offers_to_one() -> None:
    world = everybody()
    world.contact("kim")
    world.accept("kim", by="anna")
    world.hand_over("kim", TargetKind.AGENT, "dora")
    assert world.all_asked("kim") == ["dora"]
    world.contact("joe", "technical")
    (first,) = world.all_asked("joe")
    world.tell(OfferAsked(Own("f" * 26), "cleo", "sue", cid("joe"), own("joe"), "VIP"))
    assert first != "cleo"
    assert world.all_asked("joe") == ["cleo"]


def test_a_handoff_to_a_queue_asks_several() -> None:
    world = everybody()
    world.contact("kim", "technical")
    world.accept("kim")
    world.hand_over("kim", TargetKind.QUEUE, "billing")
    assert world.all_asked("kim") == ["bob", "cleo", "dora"]


def test_who_forces_a_case_in_a_round_has_every_offer_taken_back_first() -> None:
    world = everybody()
    world.contact("kim")
    world.tell(OfferAsked(Own("f" * 26), "dora", "sue", cid("kim"), own("kim"), "VIP"))
    assert [name for name, why in revokes(world) if why == "FORCED"] == ["anna", "bob", "cleo"]
    assert world.all_asked("kim") == ["dora"]


def test_each_offer_of_a_round_says_who_else_was_asked() -> None:
    world = everybody()
    world.contact("kim")
    first, second, third = [one.trace for one in made(world)]
    assert first.reason == (
        "anna is first in line of 4 who can take it now; first of 3 asked at once"
    )
    assert second.reason == "bob is asked beside anna; second of 3 asked at once"
    assert (first.asked, second.asked, third.asked) == (3, 3, 3)
    for told in (first, second, third):
        gates = {line.agent: line.gate for line in told.candidates}
        others = {"anna", "bob", "cleo"} - {told.chosen}
        assert gates == {
            told.chosen: Gate.NONE,
            "dora": Gate.OUTRANKED,
            **dict.fromkeys(others, Gate.ASKED),
        }


def test_a_new_leader_sees_the_round_and_lets_it_stand() -> None:
    world = everybody()
    world.contact("kim")
    world.engine = Engine("demo")
    for fact, at in world.facts:
        if not isinstance(fact, LeadershipChanged):
            world.engine.step(fact, at)
    world.tell(LeadershipChanged(2))
    assert world.all_asked("kim") == ["anna", "bob", "cleo"]
    world.contact("joe")
    world.contact("lou")
    assert world.all_asked("joe") == ["dora"]
    assert world.all_asked("lou") == ["bob"]
    world.accept("kim", by="cleo")
    assert world.case("kim").owner == "cleo"


def test_a_refused_first_offer_leaves_the_others_of_its_round() -> None:
    world = everybody()
    world.obeys = False
    world.contact("kim")
    first, second, third = made(world)
    world.obey(second)
    world.obey(third)
    world.tell(OfferFailed(first.customer, first.case, first.offer, "STALE_DECISION"))
    assert world.all_asked("kim") == ["bob", "cleo"]
    world.obeys = True
    for name in ("joe", "lou"):
        world.contact(name, "technical")
    assert not revokes(world)
    world.contact("may", "technical")
    assert revokes(world) == [("cleo", NEEDED)]  # bob is the first of the round now


def test_who_is_asked_beside_others_is_called_back_when_work_is_not_apart_any_more() -> None:
    people = [person("anna"), person("bob", group="seniors")]
    config = office(*people, rounds={"billing": 2}, weigh=weighed(60, seniors=-5))
    several = replace(config.policies["2 at once"], weigh=weighed())
    world = World(replace(config, policies={**config.policies, several.name: several}))
    world.open_doors(all_in=False)
    world.log_on("anna")
    world.wait(1)
    world.log_on("bob")
    world.contact("kim")
    assert world.all_asked("kim") == ["anna", "bob"]
    world.contact("joe", "technical")
    assert world.all_asked("joe") == []
    world.wait(4.9)
    assert not revokes(world)
    world.wait(0.1)
    assert revokes(world) == [("bob", NEEDED)]
    assert world.all_asked("joe") == ["bob"]
