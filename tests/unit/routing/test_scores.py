"""Where weights decide, an explanation says what each pair was worth, and of which parts."""

from dataclasses import replace

from tests.unit.routing.world import World, cid, office, person
from toldonce.kernel.config.weighing import MILLI, Weighing, Weights
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.types import Gate


def weighed(weights: Weights) -> World:
    plain = office(person("anna", billing=1), person("bob", billing=4), person("cleo"))
    policy = replace(plain.policies["plain"], weigh=Weighing(weights))
    return World(replace(plain, policies={"plain": policy})).open_doors(all_in=False)


def test_parts_of_each_pair_are_told_and_rank_the_candidates():
    world = weighed(Weights(base=2 * MILLI, fit=MILLI))
    world.contact("kim", billing=1)
    world.wait(60)
    world.log_on("anna")  # who comes first gets it; bob is worth more, and comes too late
    (offer,) = [one for one in world.said if isinstance(one, MakeOffer)]
    first, *_ = offer.trace.candidates
    assert (first.agent, first.gate, first.rank) == ("anna", Gate.NONE, 1)
    assert first.detail == "idle 0 s; worth 17.0: base 2.0, fit 5.0, wait 10.0"


def test_who_is_worth_more_is_chosen_and_the_other_is_told_what_they_were_worth():
    world = weighed(Weights(fit=MILLI))
    for name in ("anna", "bob"):
        world.log_on(name)
        world.wait(5)
    world.contact("kim", billing=1)
    (offer,) = [one for one in world.said if isinstance(one, MakeOffer)]
    first, second, *_ = offer.trace.candidates
    assert (first.agent, first.rank, first.detail) == ("bob", 1, "idle 5 s; worth 8.0: fit 8.0")
    assert (second.agent, second.rank) == ("anna", 2)
    assert second.detail == "idle 10 s; worth 5.0: fit 5.0"
    assert second.gate is Gate.OUTRANKED


def test_nothing_is_said_of_worth_where_all_are_worth_the_same():
    world = weighed(Weights())
    world.log_on("anna")
    world.contact("kim", priority=7)
    (offer,) = [one for one in world.said if isinstance(one, MakeOffer)]
    assert offer.customer == cid("kim")
    assert offer.trace.candidates[0].detail == "idle 0 s"
