"""An owner who cannot see to a case: by the channel's policy it is kept, lapses, or is requeued."""

from dataclasses import replace

import pytest

from tests.unit.routing.world import START, World, cid, office, own, person
from toldonce.kernel.config.owning import AbsentPolicy, OwnerAbsent
from toldonce.kernel.config.types import Config
from toldonce.kernel.story.events import OwnershipLapsed, OwnershipReleased
from toldonce.kernel.story.types import OwnershipState, TargetKind, WorkState
from toldonce.routing.core.acts import (
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.core.facts import LeadershipChanged, StoryChanged
from toldonce.routing.core.types import Availability, Presence, Schedule

KEEP = OwnerAbsent(AbsentPolicy.KEEP, grace_s=20, keep_max_s=100)
BACKUP = OwnerAbsent(AbsentPolicy.BACKUP, grace_s=20, backup_s=40)
REQUEUE = OwnerAbsent(AbsentPolicy.REQUEUE, grace_s=20)


def ward(rule: OwnerAbsent, **changes: str) -> Config:
    """Anna, for whom bob stands in, for whom cleo does; dora is everybody's colleague."""
    substitute = {"anna": "bob", "bob": "cleo"} | changes
    return office(
        *(
            person(name, units=2, substitute=substitute.get(name, ""), billing=3)
            for name in ("anna", "bob", "cleo", "dora")
        ),
        queue_skills={"billing": (("billing", 2),)},
        absent={"chat": rule},
    )


def of_anna(config: Config) -> World:
    """Kim's case is anna's; everybody else is there."""
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.accept("kim")
    for name in ("bob", "cleo", "dora"):
        world.log_on(name)
    return world


def only[T](said: list[object], kind: type[T]) -> T:
    (found,) = [one for one in said if isinstance(one, kind)]
    return found


# ---- the three policies


def test_case_of_an_absent_owner_is_requeued_after_the_grace_of_its_channel() -> None:
    world = of_anna(ward(REQUEUE))
    world.seen("anna", Presence.STALE)
    assert not world.wait(19.9)
    released = only(world.wait(0.1), ReleaseOwnership)
    assert (released.reason, released.epoch) == ("OWNER_GONE_REQUEUE", 1)
    assert world.asked("kim") == "bob"
    assert world.case("kim").enqueued_at == START


def test_case_that_its_channel_keeps_waits_for_its_owner_and_is_shown() -> None:
    world = of_anna(ward(KEEP))
    world.seen("anna", Presence.STALE)
    assert not world.wait(119.9)
    assert world.engine.kept == 1
    assert only(world.wait(0.1), ReleaseOwnership).reason == "OWNER_GONE_KEEP"
    assert world.engine.kept == 0


def test_kept_case_is_its_owners_again_the_moment_they_are_back() -> None:
    world = of_anna(ward(KEEP))
    world.seen("anna", Presence.GONE)
    world.wait(60)
    world.seen("anna", Presence.CONNECTED)
    assert world.engine.kept == 0
    assert not world.wait(3_600)
    assert (world.case("kim").owner, world.case("kim").epoch) == ("anna", 1)


def test_case_with_a_backup_lapses_and_is_offered_to_who_stands_in() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.STALE)
    assert not world.wait(19.9)
    said = world.wait(0.1)
    lapsed = only(said, LapseOwnership)
    assert (lapsed.rule, lapsed.backup, lapsed.lapse_s) == ("OWNER_GONE_BACKUP", "bob", 40)
    assert world.case("kim").ownership is OwnershipState.LAPSED
    assert (world.case("kim").owner, world.asked("kim")) == ("anna", "bob")
    assert only(said, MakeOffer).trace.reason == "bob stands in for anna"
    world.accept("kim")
    assert (world.case("kim").owner, world.case("kim").epoch) == ("bob", 2)
    assert not world.wait(3_600)


@pytest.mark.parametrize(
    "away",
    [
        lambda world: world.seen("bob", Presence.STALE),
        lambda world: world.plan("bob", Schedule.OFF_SHIFT),
        lambda world: world.declare("bob", Availability.AWAY),
    ],
)
def test_substitute_who_is_not_there_is_passed_over_for_theirs(away) -> None:  # type: ignore[no-untyped-def]
    world = of_anna(ward(BACKUP))
    away(world)
    world.seen("anna", Presence.GONE)
    assert only(world.wait(20), LapseOwnership).backup == "cleo"
    assert world.asked("kim") == "cleo"


def test_case_of_an_owner_without_a_substitute_is_offered_to_its_queue() -> None:
    world = of_anna(ward(BACKUP, anna=""))
    world.declare("bob", Availability.AWAY)
    world.seen("anna", Presence.GONE)
    assert only(world.wait(20), LapseOwnership).backup == ""
    assert world.asked("kim") == "dora"


def test_lapse_that_nobody_ends_releases_the_case_by_its_rule() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    offered = only(world.said, LapseOwnership)
    assert world.case("kim").lapse is not None
    assert [one for one in world.wait(39.9) if isinstance(one, ReleaseOwnership)] == []
    released = only(world.wait(0.1), ReleaseOwnership)
    assert released.reason == offered.rule
    assert world.case("kim").epoch == 2


def test_offer_of_a_lapsed_case_does_not_outlast_the_lapse() -> None:
    brief = OwnerAbsent(AbsentPolicy.BACKUP, grace_s=20, backup_s=5)
    world = of_anna(ward(brief))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    lapse = world.case("kim").lapse
    assert lapse is not None
    assert world.case("kim").offers[0].expires_at == lapse.until_at


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("leaves", ["vanishes", "goes home", "is removed"])
def test_who_stands_in_and_leaves_is_not_waited_for(leaves: str, asked: bool) -> None:  # noqa: FBT001
    patient = OwnerAbsent(AbsentPolicy.BACKUP, grace_s=20, backup_s=3_600)
    world = of_anna(ward(patient))
    if not asked:  # everybody is busy, and then cleo is not
        names = [str(number) for number in range(6)]
        for name in names:
            world.contact(name)
            world.accept(name)
        for name in names:
            if world.case(name).owner == "cleo":
                world.close(name)
    world.seen("anna", Presence.GONE)
    world.wait(20)
    assert world.asked("kim") == ("bob" if asked else "")
    before = len(world.said)
    match leaves:
        case "vanishes":
            world.seen("bob", Presence.GONE)
        case "goes home":
            world.plan("bob", Schedule.OFF_SHIFT)
        case _:
            staying = {name: one for name, one in world.config.agents.items() if name != "bob"}
            world.configure(replace(world.config, agents=staying, revision=2))
    world.wait(25)
    said = [one for one in world.said[before:] if one.customer == cid("kim")]
    assert only(said, ReleaseOwnership).reason == "OWNER_GONE_BACKUP"
    assert next(one.agent for one in said if isinstance(one, MakeOffer)) in {"cleo", "dora"}
    assert world.case("kim").enqueued_at == START


def test_who_stands_in_is_asked_though_they_declined_the_case_when_it_came() -> None:
    brief = OwnerAbsent(AbsentPolicy.BACKUP, grace_s=5, backup_s=10)
    world = World(ward(brief)).open_doors(all_in=False)
    world.log_on("bob")
    world.contact("kim")
    world.decline("kim")
    world.log_on("anna")
    world.accept("kim")
    world.seen("anna", Presence.GONE)
    assert only(world.wait(5), LapseOwnership).backup == "bob"
    assert world.asked("kim") == "bob"


def test_who_stands_in_and_declines_leaves_the_case_to_the_queue() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    world.decline("kim")
    assert only(world.said, ReleaseOwnership).reason == "OWNER_GONE_BACKUP"
    assert world.asked("kim") == "dora"


def test_owner_nobody_ever_saw_has_the_whole_grace_from_when_they_are_heard_of() -> None:
    world = World(ward(REQUEUE)).open_doors(all_in=False)
    agents = {**world.config.agents, "emil": person("emil", billing=3)}
    world.configure(replace(world.config, agents=agents, revision=2))
    world.contact("kim")
    story = world.stories[cid("kim")]
    case = replace(story.cases[0], owner="emil", epoch=1, work=WorkState.ASSIGNED)
    world.stories[cid("kim")] = replace(story, cases=(case,))
    world.sequence += 1
    world.tell(StoryChanged(cid("kim"), world.sequence, world.now, (case,)))
    assert not world.wait(19.9)
    assert only(world.wait(0.1), ReleaseOwnership).reason == "OWNER_GONE_REQUEUE"


# ---- the owner comes back


def test_owner_who_is_back_before_anybody_took_over_goes_on_under_the_same_epoch() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    assert world.asked("kim") == "bob"
    world.seen("anna", Presence.CONNECTED)
    assert only(world.said, ResumeOwnership).epoch == 1
    assert (world.case("kim").ownership, world.asked("kim")) == (OwnershipState.OWNED, "")
    assert not world.wait(3_600)
    world.seen("anna", Presence.GONE)
    world.wait(20)
    assert world.case("kim").ownership is OwnershipState.LAPSED


def test_return_is_said_again_until_the_log_shows_it() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    world.obeys = False
    world.seen("anna", Presence.CONNECTED)
    assert len([one for one in world.wait(11) if isinstance(one, ResumeOwnership)]) == 2


def test_lapsed_owner_holds_their_units_until_the_log_says_otherwise() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    for name in ("bob", "cleo", "dora"):
        world.declare(name, Availability.AWAY)
    world.contact("lee", channel="voice")
    assert world.gates("lee")["anna"] == "PRESENCE: gone"
    world.obeys = False
    world.seen("anna", Presence.CONNECTED)
    assert world.gates("lee")["anna"] == "CAPACITY: needs 3, free 1 of 2"


def test_lapse_by_a_rule_that_is_not_ours_is_left_to_its_own_end() -> None:
    world = of_anna(ward(BACKUP))
    until = replace(world.case("kim")).opened_at.replace(minute=5)
    world.happen(cid("kim"), OwnershipLapsed(own("kim"), "anna", 1, "BY_HAND", "dora", until))
    assert world.asked("kim") == "dora"
    world.seen("anna", Presence.STALE)
    world.seen("anna", Presence.CONNECTED)
    assert world.case("kim").lapse is not None
    assert only(world.wait(300), ReleaseOwnership).reason == "BY_HAND"


# ---- shifts


def test_owner_whose_shift_is_over_loses_the_case_by_a_rule_that_says_so() -> None:
    world = of_anna(ward(REQUEUE))
    world.plan("anna", Schedule.OFF_SHIFT)
    assert not world.wait(19.9)
    assert only(world.wait(0.1), ReleaseOwnership).reason == "OWNER_OFF_SHIFT_REQUEUE"


def test_agent_off_shift_is_offered_nothing() -> None:
    world = World(ward(REQUEUE)).open_doors(all_in=False)
    world.log_on("anna")
    world.plan("anna", Schedule.OFF_SHIFT)
    world.contact("kim")
    assert world.asked("kim") == ""
    assert world.gates("kim")["anna"] == "AVAILABILITY: off shift"
    world.plan("anna", Schedule.ON_SHIFT)
    assert world.asked("kim") == "anna"


def test_owner_back_on_shift_goes_on_with_a_lapsed_case() -> None:
    world = of_anna(ward(BACKUP))
    world.plan("anna", Schedule.OFF_SHIFT)
    assert only(world.wait(20), LapseOwnership).rule == "OWNER_OFF_SHIFT_BACKUP"
    world.plan("anna", Schedule.ON_SHIFT)
    assert world.case("kim").ownership is OwnershipState.OWNED


# ---- rights


def without(config: Config, name: str, **changes: object) -> Config:
    """The next configuration, in which somebody is different, or (no changes) not there."""
    agents = dict(config.agents)
    old = agents.pop(name)
    if changes:
        agents[name] = replace(old, **changes)
    return replace(config, agents=agents, revision=config.revision + 1)


@pytest.mark.parametrize(
    "changes", [{"skills": {"billing": 1}}, {"queues": frozenset({"technical"})}, {}]
)
def test_owner_who_loses_the_right_loses_the_case_after_the_grace(
    changes: dict[str, object],
) -> None:
    world = of_anna(ward(KEEP))
    world.configure(without(world.config, "anna", **changes))
    assert not world.wait(19.9)
    assert only(world.wait(0.1), ReleaseOwnership).reason == "LOST_RIGHT_REQUEUE"
    assert world.asked("kim") == "bob"


def test_case_kept_for_an_owner_is_not_kept_for_one_who_then_leaves_the_configuration() -> None:
    week = OwnerAbsent(AbsentPolicy.KEEP, grace_s=20)
    world = of_anna(ward(week))
    world.plan("anna", Schedule.OFF_SHIFT)
    world.wait(60)
    assert world.engine.kept == 1
    staying = {name: one for name, one in world.config.agents.items() if name != "anna"}
    world.configure(replace(world.config, agents=staying, revision=2))
    assert only(world.wait(20), ReleaseOwnership).reason == "LOST_RIGHT_REQUEUE"
    assert world.asked("kim") == "bob"


def test_freeze_does_not_hold_the_case_of_an_owner_whose_shift_was_over() -> None:
    config = ward(REQUEUE)
    crowd = {name: person(name) for name in (f"agent-{number}" for number in range(20))}
    world = of_anna(replace(config, agents={**config.agents, **crowd}))
    for name in crowd:
        world.log_on(name)
    world.seen("anna", Presence.GONE)
    world.plan("anna", Schedule.OFF_SHIFT)
    for name in crowd:
        world.seen(name, Presence.GONE)
    assert world.engine.frozen_since is not None
    assert only(world.wait(20), ReleaseOwnership).reason == "OWNER_OFF_SHIFT_REQUEUE"


def test_right_given_back_within_the_grace_changes_nothing() -> None:
    world = of_anna(ward(REQUEUE))
    before = world.config
    world.configure(without(before, "anna", skills={"billing": 1}))
    world.wait(19)
    world.configure(replace(before, revision=3))
    assert not world.wait(3_600)


def test_case_lapsed_for_a_lost_right_is_not_resumed_by_its_owner_being_there() -> None:
    world = of_anna(ward(BACKUP))
    before = world.config
    world.configure(without(before, "anna", skills={}))
    assert only(world.wait(20), LapseOwnership).rule == "LOST_RIGHT_BACKUP"
    world.seen("anna", Presence.STALE)
    world.seen("anna", Presence.CONNECTED)
    assert world.asked("kim") == "bob"
    world.configure(replace(before, revision=3))
    assert world.case("kim").ownership is OwnershipState.OWNED


def test_offer_to_somebody_who_loses_the_right_is_taken_back_at_once() -> None:
    world = World(ward(REQUEUE)).open_doors()
    world.contact("kim", before="anna")
    assert world.asked("kim") == "anna"
    world.configure(without(world.config, "anna", skills={}))
    assert only(world.said, RevokeOffer).reason == "LOST_RIGHT"
    assert world.asked("kim") == "bob"


def test_case_handed_to_somebody_by_name_is_not_lost_for_a_skill_they_never_had() -> None:
    config = ward(REQUEUE)
    config = without(config, "dora", skills={}, languages={"en": 5})
    world = of_anna(config)
    world.hand_over("kim", TargetKind.AGENT, "dora")
    world.accept("kim")
    world.configure(without(config, "dora", skills={}, languages={"en": 4}))
    assert not world.wait(3_600)
    assert world.case("kim").owner == "dora"


def test_new_queue_skill_takes_no_case_from_an_owner_who_did_not_change() -> None:
    world = of_anna(ward(REQUEUE))
    queues = dict(world.config.queues)
    queues["billing"] = replace(queues["billing"], skills=(("billing", 4),))
    world.configure(replace(world.config, queues=queues, revision=2))
    assert not world.wait(3_600)


# ---- many at once, and who watches


def test_two_hundred_agents_who_drop_and_come_back_lose_nothing() -> None:
    people = [person(f"a{i:03}") for i in range(200)]
    world = World(office(*people, absent={"chat": REQUEUE})).open_doors()
    for i in range(200):
        world.contact(f"c{i}")
        world.accept(f"c{i}")
    owners = {i: world.case(f"c{i}").owner for i in range(200)}
    assert len(set(owners.values())) == 200
    before = len(world.said)
    for one in people:
        world.seen(one.name, Presence.STALE)
    for number, one in enumerate(people):
        if number % 10 == 0:
            world.wait(2)
        world.seen(one.name, Presence.CONNECTED)
    world.wait(300)
    assert world.said[before:] == []
    assert {i: world.case(f"c{i}").owner for i in range(200)} == owners


def test_backup_does_not_take_over_while_a_freeze_holds_lapses_open() -> None:
    people = [person(f"a{i:02}", substitute="spare", units=1) for i in range(10)]
    world = World(office(*people, person("spare"), absent={"chat": BACKUP})).open_doors()
    world.declare("spare", Availability.AWAY)
    for i in range(10):
        world.contact(f"c{i}")
        world.accept(f"c{i}")
    world.seen("a00", Presence.GONE)
    world.wait(30)
    assert len([one for one in world.said if isinstance(one, LapseOwnership)]) == 1
    for i in range(1, 10):
        world.seen(f"a{i:02}", Presence.GONE)
    before = len(world.said)
    world.wait(120)
    assert world.engine.frozen_since is not None
    assert world.said[before:] == []


def test_new_leader_gives_the_absent_owner_the_whole_grace_again_and_keeps_the_lapse() -> None:
    world = of_anna(ward(BACKUP))
    world.contact("lee", before="anna", channel="email")
    world.accept("lee")
    world.seen("anna", Presence.GONE)
    world.wait(14)
    world.tell(LeadershipChanged(0))
    world.tell(LeadershipChanged(2))
    assert not world.wait(14.9)
    assert only(world.wait(0.1), ReleaseOwnership).customer == cid("lee")
    world.wait(5)
    assert world.case("kim").lapse is not None
    world.tell(LeadershipChanged(3))
    assert world.case("kim").lapse is not None


def test_owner_with_a_handoff_under_way_keeps_the_case_until_that_has_ended() -> None:
    world = of_anna(ward(REQUEUE))
    world.hand_over("kim", TargetKind.QUEUE, "technical", timeout_s=300)
    for name in ("bob", "cleo", "dora"):
        world.declare(name, Availability.AWAY)
    world.seen("anna", Presence.GONE)
    said = world.wait(60)
    assert not any(isinstance(one, ReleaseOwnership) for one in said)
    said = world.wait(300)
    assert only(said, ReleaseOwnership).reason == "OWNER_GONE_REQUEUE"


def test_released_case_of_an_absent_owner_is_not_theirs_the_moment_they_are_back() -> None:
    world = of_anna(ward(REQUEUE))
    for name in ("bob", "cleo", "dora"):
        world.declare(name, Availability.AWAY)
    world.seen("anna", Presence.GONE)
    world.wait(20)
    released = only(world.said, ReleaseOwnership)
    world.seen("anna", Presence.CONNECTED)
    assert world.asked("kim") == ""
    world.wait(30)
    assert (world.asked("kim"), world.case("kim").epoch) == ("anna", released.epoch + 1)


def test_supervisor_takes_a_lapsed_case_and_nothing_of_the_lapse_is_left() -> None:
    world = of_anna(ward(BACKUP))
    world.seen("anna", Presence.GONE)
    world.wait(20)
    world.happen(cid("kim"), OwnershipReleased(own("kim"), "anna", 2, "ASKED"))
    assert world.case("kim").lapse is None
    assert not [one for one in world.wait(60) if isinstance(one, ReleaseOwnership)]
