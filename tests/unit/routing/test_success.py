"""What is learned of who resolves what, when it counts, and what it is seen to do."""

from dataclasses import replace

import pytest

from tests.unit.routing.world import World, cid, office, own, person, weighed
from toldonce.kernel.config.success import MILLI, Mode, Success
from toldonce.kernel.config.types import Config
from toldonce.kernel.instants import MINUTE, SECOND, micros
from toldonce.kernel.story.events import (
    CaseClosed,
    CaseReopened,
    OwnershipReleased,
)
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.cycles import draw
from toldonce.routing.core.effects import PAIRS_MAX, Effects
from toldonce.routing.core.preferring import CANDIDATES_MAX
from toldonce.routing.core.success import (
    HALVED_AT,
    NOTHING,
    Estimate,
    Record,
    Successes,
    rate,
)
from toldonce.routing.core.types import Arm, Draw, Gate

ALWAYS = Success(Mode.ACTIVE, explore=0, cycle_minutes=0)
REFUNDS = "topic refunds"


def desk(success: Success = ALWAYS, **more: object) -> World:
    config = office(person("anna"), person("bob"), prefer_owner_s=0, success=success, **more)  # type: ignore[arg-type]
    return World(config).open_doors()


def known(world: World, agent: str, subject: str = REFUNDS) -> tuple[int, int]:
    """How many cases of a subject an agent had first, and how many of them they resolved."""
    for row in world.engine.snapshot().records:
        if row[:3] == (subject, "", agent):
            return row[3], row[4]
    return 0, 0


def taken(world: World, name: str, topic: str = "refunds") -> str:
    """Have a case come and be accepted; say by whom."""
    world.contact(name, topic=topic)
    world.accept(name)
    world.wait(30)
    return world.case(name).owner


def teach(world: World, agent: str, *, resolved: int, of: int, topic: str = "refunds") -> None:
    """Have an agent known for how so many cases ended, in half a minute each."""
    successes = world.engine._ledger.outcomes.successes  # noqa: SLF001 - years of work at once
    for number in range(of):
        ended = number * resolved // of < (number + 1) * resolved // of
        successes.see(f"topic {topic}", "", agent, 30 * SECOND, resolved=ended)


def chosen(world: World, name: str) -> MakeOffer:
    return next(
        one
        for one in reversed(world.said)
        if isinstance(one, MakeOffer) and one.customer == cid(name)
    )


# ---- what counts as resolved


def test_engine_learns_that_a_first_owner_closed_their_case():
    world = desk()
    agent = taken(world, "kim")
    world.close("kim")
    assert known(world, agent) == (1, 1)


@pytest.mark.parametrize(
    ("disposition", "re_told", "first"),
    [("gave-up", None, None), ("done", True, None), ("done", None, False)],
)
def test_engine_learns_that_a_closed_case_was_not_resolved(disposition, re_told, first):
    world = desk(replace(ALWAYS, resolved=("done",)))
    agent = taken(world, "kim")
    closed = CaseClosed(
        own("kim"),
        disposition,
        agent,
        re_told=bool(re_told),
        re_told_known=re_told is not None,
        resolved_first_owner=bool(first),
        resolved_known=first is not None,
    )
    world.happen(cid("kim"), closed)
    assert known(world, agent) == (1, 0)


def test_engine_learns_from_a_handoff_of_the_first_owner_and_nothing_of_the_second():
    world = desk()
    first = taken(world, "kim")
    world.hand_over("kim", TargetKind.QUEUE, "billing")
    world.accept("kim")
    second = world.case("kim").owner
    assert second != first
    assert known(world, first) == (1, 0)
    world.close("kim")
    assert known(world, first) == (1, 0)
    assert known(world, second) == (0, 0)


def test_engine_learns_nothing_of_an_owner_who_lost_the_case_by_absence():
    world = desk()
    agent = taken(world, "kim")
    world.happen(cid("kim"), OwnershipReleased(own("kim"), agent, 2, "OWNER_GONE_REQUEUE"))
    assert known(world, agent) == (0, 0)


def test_engine_takes_a_success_back_when_the_case_is_opened_again():
    world = desk()
    agent = taken(world, "kim")
    closed = world.case("kim")
    world.close("kim")
    again = replace(
        closed, owner="", last_owner=agent, epoch=2, enqueued_at=world.now, owned_at=None
    )
    world.wait(60)
    again = replace(again, enqueued_at=world.now, waiting_since=world.now)
    world.happen(cid("kim"), CaseReopened(again))
    assert known(world, agent) == (1, 0)


@pytest.mark.parametrize(
    ("after_s", "topic", "resolved"),
    [(60, "refunds", 0), (60, "delivery", 1), (3_700, "refunds", 1)],
)
def test_engine_takes_a_success_back_when_the_customer_returns_about_it(after_s, topic, resolved):
    world = desk(replace(ALWAYS, repeat_s=3_600))
    agent = taken(world, "kim")
    world.close("kim")
    world.wait(after_s)
    world.contact("kim/again", topic=topic)
    assert known(world, agent) == (1, resolved)


def test_engine_learns_nothing_where_the_policy_does_not():
    world = desk(Success())
    taken(world, "kim")
    world.close("kim")
    assert world.engine.snapshot().records == ()
    assert world.engine.lifts() == ()


def test_a_story_told_twice_is_learned_once():
    world = desk()
    agent = taken(world, "kim")
    world.close("kim")
    world.engine.step(world.facts[-1][0], world.now)
    assert known(world, agent) == (1, 1)


def test_subjects_are_told_apart_by_the_attributes_of_the_policy():
    world = desk(replace(ALWAYS, by=("topic", "channel")))
    agent = taken(world, "kim", topic="")
    world.close("kim")
    assert known(world, agent, "topic unknown, channel chat") == (1, 1)


# ---- estimates


def test_a_record_of_few_cases_is_drawn_towards_many():
    prior = Estimate(800, 60 * SECOND, 500)
    assert Record(0, 0, 0).drawn(prior)[:2] == (800, 60 * SECOND)
    assert Record(20, 0, 20 * 120 * SECOND).drawn(prior) == (400, 90 * SECOND, 20)
    assert Record(980, 980, 980 * SECOND).drawn(prior).resolved == 996


def test_old_cases_count_for_half():
    record = Record()
    for _ in range(HALVED_AT):
        record.see(SECOND, resolved=True)
    for _ in range(HALVED_AT // 2):
        record.see(SECOND, resolved=False)
    assert (record.cases, record.resolved) == (HALVED_AT, HALVED_AT // 2)


def test_the_record_not_heard_of_for_longest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr("toldonce.routing.core.success.RECORDS_MAX", 4)
    successes = Successes("demo")
    for agent in ("anna", "bob", "anna", "cleo"):
        successes.see(REFUNDS, "", agent, SECOND, resolved=True)
    assert [row[2] for row in successes.known()] == ["anna", "cleo", "", ""]


def test_quicker_is_worth_as_much_more_as_it_resolves_in_the_same_time():
    average = Estimate(800, 60 * SECOND, 0)
    assert rate(Estimate(800, 60 * SECOND, 9), average) == 800
    assert rate(Estimate(800, 48 * SECOND, 9), average) == 1_000
    assert rate(Estimate(800, 9 * SECOND, 9), average) == 1_600
    assert rate(Estimate(800, 9_000 * SECOND, 9), average) == 400


# ---- who is chosen


def test_engine_offers_a_case_to_the_one_who_resolves_most():
    world = desk()
    teach(world, "anna", resolved=50, of=100)
    teach(world, "bob", resolved=90, of=100)
    for name in ("kim", "lee", "max"):
        assert taken(world, name) == "bob"
        world.close(name)


def test_success_on_one_subject_says_nothing_of_another():
    taught, plain = desk(), desk()
    first = taken(plain, "kim", topic="delivery")
    teach(taught, first, resolved=1, of=100)
    assert taken(taught, "kim", topic="delivery") == first


@pytest.mark.parametrize(("weight", "agent"), [(10, "anna"), (30, "bob")])
def test_success_is_worth_its_points_beside_everything_else(weight, agent):
    """Bob resolves about .4 more; anna is of a group that is worth 5 points more."""
    config = office(
        person("anna", group="team"),
        person("bob"),
        weigh=weighed(10, team=5),
        success=replace(ALWAYS, weight=weight * MILLI),
    )
    world = World(config).open_doors()
    teach(world, "anna", resolved=50, of=100)
    teach(world, "bob", resolved=95, of=100)
    world.contact("kim", topic="refunds")
    assert chosen(world, "kim").agent == agent


def test_whoever_has_no_work_comes_before_those_who_resolve_more():
    config = office(
        person("anna", units=2), person("bob", units=2), prefer_owner_s=0, success=ALWAYS
    )
    world = World(config).open_doors()
    teach(world, "bob", resolved=99, of=100)
    teach(world, "anna", resolved=1, of=100)
    world.contact("kim", topic="refunds")
    world.accept("kim")
    assert world.case("kim").owner == "bob"
    world.contact("lee", topic="refunds")
    assert chosen(world, "lee").agent == "anna"


def test_success_ranks_only_the_first_of_a_kind_again():
    people = [person(f"p{number:03}") for number in range(CANDIDATES_MAX + 8)]
    world = World(office(*people, prefer_owner_s=0, success=ALWAYS)).open_doors(all_in=False)
    for one in people:
        world.log_on(one.name)
        world.wait(1)
    teach(world, people[-1].name, resolved=100, of=100)
    teach(world, people[CANDIDATES_MAX - 1].name, resolved=90, of=100)
    world.contact("kim", topic="refunds")
    assert chosen(world, "kim").agent == people[CANDIDATES_MAX - 1].name


def test_success_never_leaves_a_case_without_somebody():
    world = desk()
    for name in ("anna", "bob"):
        teach(world, name, resolved=0, of=100)
    world.contact("kim", topic="refunds")
    world.contact("lee", topic="refunds")
    assert {chosen(world, "kim").agent, chosen(world, "lee").agent} == {"anna", "bob"}


def test_a_case_barred_from_the_best_goes_to_the_next_best():
    world = World(
        office(person("anna"), person("bob"), person("cleo"), prefer_owner_s=0, success=ALWAYS)
    ).open_doors()
    for name, resolved in (("anna", 40), ("bob", 90), ("cleo", 70)):
        teach(world, name, resolved=resolved, of=100)
    world.contact("kim", topic="refunds")
    world.decline("kim")
    assert chosen(world, "kim").agent == "cleo"
    world.contact("lee", topic="refunds")
    assert chosen(world, "lee").agent == "bob"


# ---- when it counts


def switched(world: World, *, on: bool) -> None:
    """Wait until success counts, or does not."""
    rule = world.config.policies["plain"].success
    for _ in range(8):
        arm = draw(rule, "demo", a_case(world, "probe"), micros(world.now)).arm
        if (arm is Arm.ON) is on:
            return
        world.wait(60 * rule.cycle_minutes)
    raise AssertionError("no interval of that sort in eight")


def a_case(world: World, name: str):
    other = World(world.config).open_doors(all_in=False)
    other.contact(name)
    return other.case(name)


def test_success_counts_in_one_of_every_two_intervals():
    rule = replace(ALWAYS, cycle_minutes=30)
    case = a_case(desk(), "kim")
    arms = [draw(rule, "demo", case, number * 30 * MINUTE).arm is Arm.ON for number in range(2_000)]
    assert all(sum(arms[at : at + 2]) == 1 for at in range(0, 2_000, 2))
    firsts = sum(arms[::2])
    assert 420 < firsts < 580  # which of the two is drawn


def test_a_share_of_the_cases_leaves_success_out():
    rule = replace(ALWAYS, explore=50)
    world = World(office(person("anna"), success=rule)).open_doors(all_in=False)
    cases = 2_000
    for number in range(cases):
        world.contact(f"c{number}")
    left_out = sum(
        draw(rule, "demo", case, 0).arm is Arm.EXPLORED
        for story in world.stories.values()
        for case in story.cases
    )
    assert abs(left_out - cases * 0.05) < 40


def test_off_and_on_are_seen_in_who_is_chosen():
    world = desk(replace(ALWAYS, cycle_minutes=30))
    switched(world, on=False)
    teach(world, "anna", resolved=10, of=100)
    teach(world, "bob", resolved=90, of=100)
    owners = []
    for number in range(4):
        owners.append(taken(world, f"off{number}"))
        world.close(f"off{number}")
    assert sorted(owners) == ["anna", "anna", "bob", "bob"]
    switched(world, on=True)
    for number in range(4):
        assert taken(world, f"on{number}") == "bob"
        world.close(f"on{number}")


def test_a_shadow_says_whom_it_would_choose_and_chooses_nobody():
    world = desk(Success(Mode.SHADOW))
    first = taken(world, "kim")
    world.close("kim")
    other = "anna" if first == "bob" else "bob"
    teach(world, first, resolved=90, of=100)
    teach(world, other, resolved=10, of=100)
    world.wait(1)
    world.contact("lee", topic="refunds")
    made = chosen(world, "lee")
    assert made.agent == other
    assert f"success would choose {first}" in made.trace.reason
    (lift,) = world.engine.lifts()
    assert (lift.mode, lift.asked, lift.otherwise, lift.lift) == (Mode.SHADOW, 2, 1, None)


def test_a_decision_says_what_success_was_worth():
    world = desk()
    teach(world, "anna", resolved=60, of=100)
    teach(world, "bob", resolved=90, of=100)
    world.contact("kim", topic="refunds")
    trace = chosen(world, "kim").trace
    assert trace.reason == "bob is first in line of 2 who can take it now (success counts)"
    first, second = trace.candidates
    assert (first.agent, first.gate) == ("bob", Gate.NONE)
    assert first.detail == "idle 0 s; resolves 0.88 at 1.06 pace (100 seen); worth 9.3: success 9.3"
    assert second.detail.startswith("idle 0 s; resolves 0.62 ")


# ---- what it is seen to do


def test_cases_count_for_the_interval_they_were_decided_in():
    world = desk(replace(ALWAYS, cycle_minutes=30))
    switched(world, on=True)
    taken(world, "kim")
    switched(world, on=False)
    world.close("kim")
    (lift,) = world.engine.lifts()
    assert (lift.on.cases, lift.on.resolved, lift.off.cases) == (1, 1, 0)


def test_a_case_picked_by_somebody_is_learned_from_but_measures_nothing():
    world = desk()
    world.contact("kim", topic="refunds")
    item = world.engine._ledger.item(cid("kim"), own("kim"))  # noqa: SLF001
    assert item is not None
    item.drawn = None  # as it is after a pick, or where another engine decided
    world.accept("kim")
    owner = world.case("kim").owner
    world.close("kim")
    assert known(world, owner) == (1, 1)
    assert world.engine.lifts()[0].on.cases == 0


def test_a_leader_counts_cases_by_cycle_and_outcome():
    world = desk()
    taken(world, "kim")
    world.close("kim")
    assert world.engine.counted == {("plain", "on", "yes"): (1, 30 * SECOND)}
    world.contact("kim/again", topic="refunds")
    assert world.engine.counted["plain", "on", "repeated"] == (1, 0)


def test_lift_is_the_difference_of_shares_with_pairs_as_observations():
    effects = Effects()
    for pair in range(10):
        for number in range(10):
            on, off = Draw(Arm.ON, pair), Draw(Arm.OFF, pair)
            effects.see("plain", on, SECOND, resolved=number < 8 + pair % 2)
            effects.see("plain", off, SECOND, resolved=number < 7)
            effects.see("plain", Draw(Arm.EXPLORED, pair), SECOND, resolved=False)
    (lift,) = effects.lifts({"plain": Mode.ACTIVE})
    assert (lift.on.cases, lift.on.resolved, lift.on.took_s) == (100, 85, 100)
    assert lift.lift == pytest.approx(0.15)
    # by hand: the pairs differ by .1 and .2 in turn, and Student's t of 9 is 2.262
    assert lift.half_width == pytest.approx(2.262 * 0.05 * (10 / 9 / 10) ** 0.5, rel=1e-3)


def test_lift_is_not_told_before_enough_is_known():
    effects = Effects()
    for pair in range(4):
        for arm in (Arm.ON, Arm.OFF):
            effects.see("plain", Draw(arm, pair), SECOND, resolved=True)
    assert effects.lifts({"plain": Mode.ACTIVE})[0].half_width is None


def test_only_the_latest_pairs_are_remembered():
    effects = Effects()
    for pair in range(PAIRS_MAX + 10):
        effects.see("plain", Draw(Arm.ON, pair), SECOND, resolved=True)
    assert effects.lifts({"plain": Mode.ACTIVE})[0].on.cases == PAIRS_MAX


def test_what_is_learned_outlives_another_configuration():
    world = desk()
    agent = taken(world, "kim")
    world.close("kim")
    changed: Config = replace(world.config, revision=2)
    world.configure(changed)
    assert known(world, agent) == (1, 1)


def test_what_was_learned_before_comes_under_what_is_known():
    before, after = desk(), desk()
    for world, name in ((before, "kim"), (after, "lee")):
        taken(world, name)
        world.close(name)
    past = before.engine.learned()
    after.tell(past)
    found = {row[:3]: row[3:5] for row in after.engine.learned().records}
    agents = {row[2] for one in (before, after) for row in one.engine.learned().records}
    assert found["", "", ""] == found[REFUNDS, "", ""] == (2, 2)
    assert {agent for _, _, agent in found} == agents
    assert after.engine.lifts()[0].on.cases == 2
    assert [one.customer for one in after.engine.learned().done] == [cid("kim"), cid("lee")]


def test_records_put_together_stay_within_their_bound():
    whole = Record(HALVED_AT, HALVED_AT, 60 * HALVED_AT).plus(Record(HALVED_AT, 0, 0))
    assert (whole.cases, whole.resolved, whole.took_us) == (1_000, 500, 30 * HALVED_AT)
    one = Record(HALVED_AT - 1, 500, 0).plus(Record(1, 1, 0))
    assert (one.cases, one.resolved) == (HALVED_AT, 501)


def test_nothing_is_known_of_nobody():
    assert Successes("demo").of_group(REFUNDS, "team") == NOTHING
