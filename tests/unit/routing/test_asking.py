"""Picks and forced offers: the same gates, one ledger, and an answer why not."""

import pytest

from tests.unit.routing.world import World, cid, office, own, person
from toldonce.kernel.errors import Missing, Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.acts import AnswerAsk, Decision, MakeOffer, RevokeOffer
from toldonce.routing.core.facts import AgentChanged, LeadershipChanged, OfferAsked, PresenceChanged
from toldonce.routing.core.types import Availability, Gate, Presence


def ask(
    agent: str,
    name: str,
    *,
    forced: str = "",
    override: tuple[Gate, ...] = (),
    operation: str = "one",
    by: str = "",
) -> OfferAsked:
    return OfferAsked(
        offer=Own(derive("asked-offer", operation)),
        agent=agent,
        by=by or ("sam" if forced else agent),
        customer=cid(name),
        case=own(name),
        forced=forced,
        override=frozenset(override),
    )


def said(decisions: tuple[Decision, ...]) -> str:
    """The one answer why not."""
    (answer,) = [one for one in decisions if isinstance(one, AnswerAsk)]
    return f"{answer.reason} {answer.sentence}"


def busy_desk() -> World:
    """Anna has all she can take and Bob speaks another language; two cases wait."""
    world = World(office(person("anna"), person("bob", "de"))).open_doors()
    world.contact("first")
    world.accept("first")
    world.contact("old")
    world.wait(5)
    world.contact("new")
    return world


def test_pick_hears_which_gate_is_in_the_way() -> None:
    world = busy_desk()
    assert said(world.tell(ask("anna", "new"))) == "BARRED CAPACITY: needs 1, free 0 of 1"
    world.declare("anna", Availability.AWAY)
    assert said(world.tell(ask("anna", "new", operation="two"))) == "BARRED AVAILABILITY: away"
    assert world.asked("new") == ""


def test_agent_who_comes_picks_before_they_are_fed_in_the_same_step() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("old")
    world.wait(5)
    world.contact("new")
    world.tell(PresenceChanged("anna", Presence.CONNECTED, world.now))
    here = AgentChanged("anna", Availability.AVAILABLE, "", world.now)
    (made,) = world.engine.step_all((here, ask("anna", "new")), world.now)
    assert isinstance(made, MakeOffer)
    assert (made.customer, made.trace.reason) == (cid("new"), "anna asked for it")


def test_pick_takes_no_offer_away_and_a_supervisor_who_picks_ends_no_cool_down() -> None:
    world = World(office(person("anna", units=2), person("bob"))).open_doors()
    world.contact("bobs")
    taker = world.asked("bobs")
    other = "bob" if taker == "anna" else "anna"
    assert said(world.tell(ask(other, "bobs"))).startswith(f"OFFERED it is on offer to {taker}")
    world.decline("bobs")
    assert world.asked("bobs") == other
    world.decline("bobs")
    for_them = ask(other, "bobs", operation="two", by="sam")
    assert said(world.tell(for_them)).startswith("BARRED COOL_DOWN: declined it")


def test_who_picks_for_themselves_takes_back_their_own_word() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.decline("kim")
    world.declare("anna", Availability.DO_NOT_ROUTE)
    for_her = ask("anna", "kim", operation="two", by="sam")
    no = said(world.tell(for_her))
    assert no == "BARRED AVAILABILITY: takes nothing new"
    (made,) = world.tell(ask("anna", "kim"))
    assert isinstance(made, MakeOffer)
    assert made.trace.reason.startswith(
        "anna asked for it, although AVAILABILITY: takes nothing new; COOL_DOWN: declined it"
    )
    world.accept("kim")
    world.contact("lee")
    assert said(world.tell(ask("anna", "lee", operation="three"))).startswith("BARRED CAPACITY")


def test_drained_agent_cannot_pick() -> None:
    world = World(office(person("anna"))).open_doors()
    world.drain("anna")
    world.contact("kim")
    assert said(world.tell(ask("anna", "kim"))).startswith("BARRED AVAILABILITY: drained since")


def next_of(world: World, queue: str, agent: str, by: str = "") -> str:
    """The customer whose case is next, or why none is."""
    try:
        customer, _ = world.engine.next_of(queue, agent, by or agent, world.now)
    except Rejected as no:
        return f"{no.reason} {no}"
    return world.names[customer]


def test_next_of_a_queue_is_the_first_that_passes_the_gates_or_it_is_said_what_bars() -> None:
    world = World(office(person("anna", "de", billing=1), person("eve"))).open_doors(all_in=False)
    world.contact("english")
    world.wait(1)
    world.contact("hard", language="de", billing=4)
    world.wait(1)
    assert next_of(world, "billing", "anna").startswith("BARRED of the oldest, PRESENCE: ")
    world.log_on("anna", Availability.DO_NOT_ROUTE)
    assert next_of(world, "experts", "anna") == "NOT_WAITING nothing waits in experts"
    assert next_of(world, "billing", "anna") == "BARRED of the oldest, LANGUAGE: language en"
    world.contact("easy", language="de")
    world.wait(1)
    world.contact("later", language="de")
    assert next_of(world, "billing", "anna") == "easy"
    assert next_of(world, "billing", "anna", "sam").startswith("BARRED of the oldest, AVAIL")
    with pytest.raises(Missing):
        world.engine.next_of("billing", "nobody", "sam", world.now)


def test_forced_offer_passes_over_cool_downs_and_says_who_wanted_it() -> None:
    world = World(office(person("anna"), person("bob", "de"))).open_doors()
    world.contact("kim")
    world.decline("kim")
    (made,) = world.tell(ask("anna", "kim", forced="VIP"))
    assert isinstance(made, MakeOffer)
    assert (made.agent, made.offer, made.overdraft) == ("anna", derive("asked-offer", "one"), 0)
    assert made.trace.reason.startswith("forced by sam (VIP), although COOL_DOWN: declined it")
    world.accept("kim")
    assert world.case("kim").owner == "anna"


def test_forced_offer_overdraws_only_where_capacity_is_named() -> None:
    world = busy_desk()
    no = said(world.tell(ask("anna", "new", forced="VIP")))
    assert no == "BARRED CAPACITY: needs 1, free 0 of 1"
    (made,) = world.tell(ask("anna", "new", forced="VIP", override=(Gate.CAPACITY,)))
    assert isinstance(made, MakeOffer)
    assert made.overdraft == 1
    assert "CAPACITY: needs 1, free 0 of 1" in made.trace.reason
    world.accept("new")
    world.close("first")
    assert world.asked("old") == "", "what was overdrawn is paid back first"
    world.close("new")
    assert world.asked("old") == "anna"


def test_forced_offer_names_each_further_gate_that_is_in_the_way() -> None:
    config = office(person("anna"), person("bob", "de", queues=("technical",), billing=1))
    world = World(config).open_doors(all_in=False)
    world.contact("kim", billing=3)
    gates: list[Gate] = []
    told: list[str] = []
    for gate in (Gate.PRESENCE, Gate.AVAILABILITY, Gate.QUEUE, Gate.SKILL, Gate.LANGUAGE):
        told.append(said(world.tell(ask("bob", "kim", forced="VIP", override=tuple(gates)))))
        gates.append(gate)
    assert told == [
        "BARRED PRESENCE: not seen yet",
        "BARRED AVAILABILITY: offline",
        "BARRED QUEUE: not on queue billing",
        "BARRED SKILL: skill billing 1 < 3",
        "BARRED LANGUAGE: language en",
    ]
    (made,) = world.tell(ask("bob", "kim", forced="VIP", override=tuple(gates)))
    assert isinstance(made, MakeOffer)
    assert world.asked("kim") == "bob"


def test_forced_offer_to_somebody_who_is_away_rings_until_its_own_end() -> None:
    world = World(office(person("anna"))).open_doors()
    world.seen("anna", Presence.GONE)
    world.wait(30)
    world.contact("kim")
    world.tell(ask("anna", "kim", forced="VIP", override=(Gate.PRESENCE,)))
    assert world.asked("kim") == "anna"
    assert not [one for one in world.wait(10) if isinstance(one, RevokeOffer)]
    world.wait(60)
    assert world.asked("kim") == ""


def test_forced_offer_takes_back_the_one_to_somebody_else_first() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim")
    other = "bob" if world.asked("kim") == "anna" else "anna"
    taken, *_ = world.tell(ask(other, "kim", forced="VIP"))
    assert isinstance(taken, RevokeOffer)
    assert taken.reason == "FORCED"
    assert world.asked("kim") == other


def test_offer_that_cannot_be_taken_back_in_time_is_said_to_stand() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim")
    taker = world.asked("kim")
    other = "bob" if taker == "anna" else "anna"
    world.obeys = False
    world.tell(ask(other, "kim", forced="VIP"))
    world.wait(2)
    assert world.asked("kim") == taker
    world.wait(2)
    (no,) = [one for one in world.said if isinstance(one, AnswerAsk)]
    assert no.reason == "OFFERED"


def test_same_ask_again_makes_no_second_offer() -> None:
    world = World(office(person("anna", units=5))).open_doors()
    world.contact("kim")
    world.decline("kim")
    once = ask("anna", "kim", forced="VIP")
    world.tell(once)
    (again,) = world.tell(once)
    assert again == AnswerAsk(once.offer, cid("kim"), own("kim"), "", "")


def test_next_engine_knows_an_ask_that_was_granted() -> None:
    world = World(office(person("anna", units=5))).open_doors()
    world.contact("kim")
    world.decline("kim")
    once = ask("anna", "kim", forced="VIP")
    world.tell(once)
    world.tell(LeadershipChanged(0))
    assert said(world.tell(once)).startswith("NOT_LEADING")
    world.tell(LeadershipChanged(2))
    (again,) = world.tell(once)
    assert isinstance(again, AnswerAsk)
    assert again.reason == ""


def test_owned_handed_over_and_unknown_cases_are_refused_with_their_reason() -> None:
    world = World(office(person("anna", units=5), person("bob", units=5))).open_doors()
    assert said(world.tell(ask("anna", "kim"))) == "NOT_WAITING no case of this id is open here"
    assert said(world.tell(ask("nobody", "kim"))).startswith("MISSING")
    world.contact("kim")
    owner = world.asked("kim")
    other = "bob" if owner == "anna" else "anna"
    world.accept("kim")
    no = said(world.tell(ask(other, "kim", forced="VIP")))
    assert no == f"NOT_WAITING {owner} owns it, and hands it to nobody"
    world.declare(other, Availability.AWAY)
    world.hand_over("kim", TargetKind.AGENT, other)
    gates = (Gate.CAPACITY, Gate.SKILL, Gate.PRESENCE, Gate.AVAILABILITY)
    no = said(world.tell(ask(owner, "kim", forced="VIP", override=gates)))
    assert no == f"BARRED EXCLUDED: handed to {other}"
    world.tell(ask(other, "kim", forced="VIP", override=gates, operation="two"))
    assert world.asked("kim") == other
