"""Offers, handoffs and wrap-ups end in time; refusals and repeats do no harm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.routing.world import START, World, cid, office, own, person
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.story.events import (
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseSplit,
    Offered,
    OwnershipReleased,
    WrapUpBegun,
)
from toldonce.kernel.story.types import TargetKind, WorkState
from toldonce.routing.core.acts import (
    CancelHandoff,
    CompleteWrapUp,
    ExpireOffer,
    MakeOffer,
    RevokeOffer,
)
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import (
    ConfigChanged,
    LeadershipChanged,
    OfferFailed,
    StoriesLoaded,
    StoryChanged,
    Tick,
)
from toldonce.routing.core.types import FAILOVER, Availability, CancelReason


def test_offer_that_nobody_answers_is_expired_on_time_and_offered_on() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim")
    first = world.asked("kim")
    assert not world.wait(19.999)
    world.wait(0.001)
    assert isinstance(world.said[1], ExpireOffer)
    assert world.asked("kim") == ({"anna", "bob"} - {first}).pop()


def ends_asked(world: World, seconds: float) -> list[float]:
    """When expiries are asked for while so much time goes by: seconds after the offer's end."""
    facts = len(world.facts)
    world.wait(seconds)
    told = zip(world.facts[facts:], world.outcomes[facts:], strict=True)
    due = world.case("kim").offers[0].expires_at
    return [
        round((at - due).total_seconds(), 6)
        for (_, at), said in told
        if any(isinstance(one, ExpireOffer) for one in said)
    ]


def test_expiry_is_said_again_until_the_log_shows_it() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.obeys = False
    world.wait(20)
    assert ends_asked(world, 0.25) == []
    assert ends_asked(world, 20) == [0.3, 1.3, 2.3, 3.3, 4.3, 9.3, 14.3, 19.3]
    world.obeys = True
    world.wait(5)
    assert world.gates("kim")["anna"].startswith("COOL_DOWN")


def test_refused_offer_frees_its_units_and_is_tried_again_a_little_later() -> None:
    world = World(office(person("anna"))).open_doors()
    world.obeys = False
    world.contact("kim")
    made = world.said[0]
    assert isinstance(made, MakeOffer)
    world.tell(OfferFailed(made.customer, made.case, made.offer, "NOT_LEADER"))
    assert world.gates("kim") == {
        "anna": "COOL_DOWN: offer refused (NOT_LEADER), again at 10:00:00"
    }
    assert len(world.said) == 1
    again = world.wait(0.25)
    assert isinstance(again[0], MakeOffer)
    assert again[0].offer != made.offer


def test_refusal_that_comes_after_the_log_has_shown_the_offer_is_ignored() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    offer = world.case("kim").offers[0].own
    world.tell(OfferFailed(cid("kim"), own("kim"), offer, "LATE"))
    world.contact("lee")
    assert world.asked("lee") == ""


def test_reservation_holds_while_the_log_shows_other_things_of_the_story() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.obeys = False
    world.contact("kim")
    world.raise_priority("kim", 7)
    world.contact("lee")
    world.contact("moe")
    made = [one for one in world.said if isinstance(one, MakeOffer)]
    assert [one.customer for one in made] == [cid("kim"), cid("lee")]


def test_offer_the_engine_did_not_make_counts_all_the_same() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    successor = Engine("demo")
    facts = [fact for fact, _ in world.facts if not isinstance(fact, LeadershipChanged)]
    successor.step_all(facts, world.now)
    successor.step(LeadershipChanged(2), world.now)
    world.engine = successor
    world.contact("lee")
    assert world.asked("lee") == ""
    world.accept("kim")
    world.close("kim")
    assert world.asked("lee") == "anna"
    made = [one for one in world.said if isinstance(one, MakeOffer)][-1]
    assert made.trace.engine_epoch == 2


def test_follower_knows_as_much_as_the_leader_and_says_nothing() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.contact("lee")
    world.decline("lee")
    world.contact("moe")
    world.wait(5)
    follower = Engine("demo")
    for fact, at in world.facts:
        if not isinstance(fact, LeadershipChanged):
            assert follower.step(fact, at) == ()
    assert follower.next_wake_at is None
    assert follower.digest() == world.engine.digest()


def test_leader_who_pauses_and_goes_on_gives_no_offer_id_twice() -> None:
    world = World(office(person("anna", units=2))).open_doors()
    world.contact("kim")
    world.tell(LeadershipChanged(0))
    world.contact("lee")
    assert world.asked("lee") == ""
    world.tell(LeadershipChanged(1))
    assert world.asked("lee") == "anna"
    made = [one.offer for one in world.said if isinstance(one, MakeOffer)]
    assert len(set(made)) == len(made) == 2


def test_new_leader_offers_what_waited_as_soon_as_it_leads() -> None:
    world = World(office(person("anna")))
    world.tell(ConfigChanged(world.config))
    world.log_on("anna")
    world.contact("kim")
    assert world.said == []
    world.tell(LeadershipChanged(1))
    assert world.asked("kim") == "anna"


def test_older_story_than_the_known_one_changes_nothing() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    digest = world.engine.digest()
    world.tell(StoryChanged(cid("kim"), 1, START, ()))
    assert world.engine.digest() == digest


def test_story_that_is_missing_from_a_fresh_start_is_over() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.contact("lee")
    world.tell(StoriesLoaded(frozenset({cid("lee")}), world.sequence))
    assert world.asked("lee") == "anna"
    assert world.engine.explain(cid("kim"), own("kim"), world.now) is None


def test_story_that_is_newer_than_a_fresh_start_is_not_over() -> None:
    world = World(office(person("anna"))).open_doors()
    behind = world.sequence
    world.contact("kim")
    world.accept("kim")
    world.contact("lee")
    world.tell(StoriesLoaded(frozenset(), behind))
    assert not world.asked("lee"), "anna has no units left: what she owns came after"
    assert world.engine.explain(cid("kim"), own("kim"), world.now) is not None


def test_offer_of_another_engine_beyond_what_the_agent_can_hold_is_taken_back() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    assert world.asked("kim") == "anna"
    before = len(world.said)
    opened = CaseOpened(own("lee"), "billing", "chat", "gate", "", "en", (), 0, "")
    late = Own(derive("late"))
    until = world.now + timedelta(seconds=20)
    world.tell(LeadershipChanged(world.engine.epoch + 1))
    old = world.engine.epoch - 1
    world.happen(cid("lee"), opened, Offered(late, own("lee"), "anna", until, old, "1-a", b""))
    (revoked,) = [one for one in world.said[before:] if isinstance(one, RevokeOffer)]
    assert (revoked.offer, revoked.reason) == (late, FAILOVER)
    assert world.asked("kim") == "anna"
    assert not world.asked("lee")


def test_handoff_that_finds_nobody_in_time_goes_back_to_the_sender() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.accept("kim")
    world.hand_over("kim", TargetKind.AGENT, "bob", timeout_s=60)
    assert not world.wait(59)
    (cancelled,) = world.wait(1)
    assert isinstance(cancelled, CancelHandoff)
    assert cancelled.reason is CancelReason.TIMED_OUT
    assert (world.case("kim").owner, world.case("kim").handoff) == ("anna", None)


def test_offer_of_a_handoff_ends_with_the_handoff_at_the_latest() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim", before="anna")
    world.accept("kim")
    world.hand_over("kim", TargetKind.AGENT, "bob", timeout_s=7)
    assert (world.case("kim").offers[0].expires_at - world.now).total_seconds() == 7


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (TargetKind.AGENT, "nobody"),
        (TargetKind.AGENT, "anna"),
        (TargetKind.QUEUE, "technical"),
    ],
)
def test_handoff_that_no_one_could_ever_take_is_given_back_at_once(
    kind: TargetKind, target: str
) -> None:
    asked = {"technical": (("technical", 4),)}
    config = office(person("anna", technical=5), person("bob", technical=1), queue_skills=asked)
    world = World(config).open_doors()
    world.contact("kim", before="anna")
    world.accept("kim")
    world.hand_over("kim", kind, target)
    cancelled = world.said[-1]
    assert isinstance(cancelled, CancelHandoff)
    assert cancelled.reason is CancelReason.NO_RECEIVER
    assert world.case("kim").handoff is None


def test_handoff_that_its_receiver_declines_is_given_back() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim", before="anna")
    world.accept("kim")
    world.hand_over("kim", TargetKind.AGENT, "bob")
    world.decline("kim")
    cancelled = world.said[-1]
    assert isinstance(cancelled, CancelHandoff)
    assert cancelled.reason is CancelReason.DECLINED


def test_wrap_up_that_lasts_too_long_is_completed() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.wrap_up("kim", seconds=30)
    (completed,) = world.wait(30)
    assert isinstance(completed, CompleteWrapUp)
    assert world.engine.next_wake_at is None


def test_paperwork_of_an_open_case_is_left_to_its_owner() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    until = world.now + timedelta(seconds=30)
    world.happen(cid("kim"), WrapUpBegun(own("kim"), "anna", until))
    assert world.wait(3_600) == []
    world.close("kim")
    assert isinstance(world.said[-1], CompleteWrapUp)


def test_released_case_waits_again_at_its_old_age() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.accept("kim")
    world.wait(60)
    world.contact("lee")
    world.declare("anna", Availability.AWAY)
    world.happen(cid("kim"), OwnershipReleased(own("kim"), "anna", 2, "ASKED"))
    world.log_on("bob")
    assert (world.asked("kim"), world.asked("lee")) == ("bob", "")


def test_released_case_does_not_go_straight_back_to_the_one_it_was_taken_from() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.wait(60)
    world.contact("lee")
    world.happen(cid("kim"), OwnershipReleased(own("kim"), "anna", 2, "ASKED"))
    assert (world.asked("kim"), world.asked("lee")) == ("", "anna")
    assert world.gates("kim") == {"anna": "COOL_DOWN: had it before, asked again from 10:01:30"}
    world.accept("lee")
    world.close("lee")
    assert world.asked("kim") == ""
    world.wait(30)
    assert world.asked("kim") == "anna"


def test_released_case_is_not_kept_for_the_one_it_was_taken_from() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("lee", before="bob")
    world.accept("lee")
    world.contact("kim", before="anna")
    world.accept("kim")
    world.close("lee")
    world.wait(60)
    world.happen(cid("kim"), OwnershipReleased(own("kim"), "anna", 2, "SUPERVISOR"))
    assert world.asked("kim") == "bob"


def test_case_another_was_merged_into_is_not_kept_from_whom_it_asked_for() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    asked_for = CaseOpened(own("kim/2"), "billing", "chat", "gate", "", "en", (), 0, "anna")
    world.contact("kim")
    world.wait(10)
    world.happen(cid("kim"), asked_for)
    world.wait(1)
    world.happen(cid("kim"), CaseMerged(own("kim"), own("kim/2")))
    world.log_on("anna")
    assert world.asked("kim/2") == "anna"


def test_case_split_off_another_is_not_kept_from_its_owner() -> None:
    world = World(office(person("anna", units=2))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.wait(60)
    made = replace(
        world.case("kim"),
        own=own("kim/2"),
        epoch=0,
        work=WorkState.QUEUED,
        owner="",
        last_owner="anna",
        waiting_since=world.now,
    )
    world.happen(cid("kim"), CaseSplit(own("kim"), made, ()))
    assert world.asked("kim/2") == "anna"


def test_reopened_case_is_kept_for_the_one_who_closed_it_though_it_was_released_before() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim", before="anna")
    world.accept("kim")
    world.wait(60)
    world.happen(cid("kim"), OwnershipReleased(own("kim"), "anna", 2, "SUPERVISOR"))
    world.accept("kim")
    closed, by = world.case("kim"), world.case("kim").owner
    world.wait(60)
    world.close("kim")
    again = replace(
        closed, epoch=4, owner="", last_owner=by, waiting_since=world.now, enqueued_at=world.now
    )
    world.happen(cid("kim"), CaseReopened(replace(again, work=WorkState.QUEUED, owned_at=None)))
    assert world.asked("kim") == by


def test_dearer_channel_moves_the_ledger_without_a_new_offer() -> None:
    world = World(office(person("anna", units=3))).open_doors()
    world.contact("kim")
    world.accept("kim")
    story = world.stories[cid("kim")]
    dearer = replace(story, cases=(replace(story.cases[0], channel="voice"),))
    world.stories[cid("kim")] = dearer
    world.sequence += 1
    world.tell(StoryChanged(cid("kim"), world.sequence, world.now, dearer.cases))
    world.contact("lee")
    assert world.gates("lee") == {"anna": "CAPACITY: needs 1, free 0 of 3"}


def test_queues_and_places_are_told() -> None:
    world = World(office(person("anna"))).open_doors()
    for name in ("kim", "lee", "moe"):
        world.contact(name)
        world.wait(1)
    places = [world.engine.position(cid(name), own(name)) for name in ("kim", "lee", "moe")]
    assert places == [0, 1, 2]
    billing = world.engine.queues()[0]
    assert (billing.queue, billing.waiting, billing.offered) == ("billing", 3, 1)
    assert (billing.agents_free, billing.agents_available) == (0, 1)
    assert billing.oldest_enqueued_at == START


def test_engine_without_a_configuration_waits_for_one() -> None:
    world = World(office(person("anna")))
    world.tell(LeadershipChanged(1))
    world.log_on("anna")
    world.contact("kim")
    world.tell(Tick())
    assert world.said == []
    world.tell(ConfigChanged(world.config))
    assert world.asked("kim") == "anna"
