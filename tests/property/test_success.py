"""Whatever was learned, estimates lie between what they are drawn from, and nobody idles."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_engine import (
    acts,
    check_no_agent_is_over_capacity_but_by_a_forced_overdraft,
    config,
    play,
)
from tests.property.test_snapshot import (
    check_the_journal_says_what_was_decided,
    check_the_restored_goes_on_alike,
)
from tests.property.test_weights import acts as plain_acts
from tests.property.test_weights import (
    check_nobody_admitted_idles,
    weighed_office,
)
from tests.property.test_weights import play as play_plainly
from tests.unit.routing.world import World, office, person
from toldonce.kernel.config.success import Mode, Success
from toldonce.kernel.config.types import Config
from toldonce.kernel.config.weighing import Weighing
from toldonce.kernel.instants import MINUTE, SECOND
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.cycles import draw
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.success import MILLI, Estimate, Record, Successes, rate
from toldonce.routing.core.types import Arm

CASES = st.integers(0, 1_000)
estimates = st.builds(
    Estimate, st.integers(0, MILLI), st.integers(SECOND, 3_600 * SECOND), st.just(0)
)
records = CASES.flatmap(
    lambda cases: st.builds(
        Record, st.just(cases), st.integers(0, cases), st.integers(0, cases * 3_600 * SECOND)
    )
)
rules = st.builds(
    Success,
    mode=st.sampled_from((Mode.ACTIVE, Mode.ACTIVE, Mode.SHADOW)),
    weight=st.integers(0, 50 * MILLI),
    explore=st.integers(0, 500),
    cycle_minutes=st.sampled_from((0, 1, 30)),
    by=st.sampled_from((("topic",), ("channel", "language"))),
    repeat_s=st.sampled_from((0, 60)),
)


def learning(plain: Config, rule: Success) -> Config:
    policy = replace(plain.policies["plain"], success=rule)
    return replace(plain, policies={"plain": policy})


@given(records, estimates)
def test_an_estimate_lies_between_its_own_mean_and_that_of_the_group(record, prior):
    found = record.drawn(prior)
    own = MILLI * record.resolved / record.cases if record.cases else prior.resolved
    took_us = record.took_us / record.cases if record.cases else prior.took_us
    assert min(own, prior.resolved) - 1 <= found.resolved <= max(own, prior.resolved) + 1
    assert min(took_us, prior.took_us) - 1 <= found.took_us <= max(took_us, prior.took_us, SECOND)


@given(records, estimates)
def test_one_success_more_never_lowers_an_estimate_and_one_failure_never_raises_it(record, prior):
    now = record.drawn(prior).resolved
    took_us = prior.took_us
    better = Record(record.cases + 1, record.resolved + 1, record.took_us + took_us)
    worse = Record(record.cases + 1, record.resolved, record.took_us + took_us)
    assert worse.drawn(prior).resolved <= now <= better.drawn(prior).resolved


@given(estimates, estimates, st.integers(0, MILLI), st.integers(0, 600 * SECOND))
def test_resolving_more_in_less_time_never_rates_lower(one, average, more, less):
    better = Estimate(min(one.resolved + more, MILLI), max(one.took_us - less, SECOND), one.cases)
    assert rate(one, average) <= rate(better, average)


@given(rules, st.integers(0, 10**6), st.text(max_size=9))
def test_one_interval_of_every_two_counts(rule, number, seed):
    world = World(config()).open_doors(all_in=False)
    world.contact("kim")
    case, length_us = world.case("kim"), rule.cycle_minutes * MINUTE
    at_us = 2 * number * length_us
    first, second = (
        draw(replace(rule, explore=0, mode=Mode.ACTIVE), seed, case, at_us + after)
        for after in (0, length_us)
    )
    if rule.cycle_minutes:
        assert {first.arm, second.arm} == {Arm.ON, Arm.OFF}
    assert first.pair_us == second.pair_us


@settings(max_examples=80, deadline=None)
@given(rules, st.lists(plain_acts, min_size=10, max_size=50))
def test_success_leaves_no_admitted_agent_idle_and_overloads_none(rule, history):
    world = World(learning(weighed_office(Weighing()), rule)).open_doors()
    for act in history:
        play_plainly(world, act)
        check_nobody_admitted_idles(world)
        check_no_agent_is_over_capacity_but_by_a_forced_overdraft(world)
    world.wait(5)
    assert world.engine.eligible_idle_s == 0


@settings(max_examples=60, deadline=None)
@given(rules, st.lists(acts, max_size=40), st.integers(0, 10_000))
def test_an_engine_that_learned_goes_on_alike_from_a_snapshot_and_in_replay(rule, history, cut):
    world = World(learning(config(), rule)).open_doors(all_in=False)
    for act in history:
        play(world, act)
    again = Engine("demo")
    assert [again.step(fact, at) for fact, at in world.facts] == world.outcomes
    assert again.snapshot() == world.engine.snapshot()
    check_the_restored_goes_on_alike(world, cut)
    check_the_journal_says_what_was_decided(world, cut)


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(("anna", "bob", "cleo", "dora")),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40),
)
def test_names_of_agents_say_nothing_of_who_resolves_most(names, ends):
    """Who has distinct successes is chosen by them, whatever they are called."""
    seen: list[str] = []
    for order in (("anna", "bob", "cleo", "dora"), names):
        successes = Successes("demo")
        for place, resolved in ends:
            successes.see("topic x", "", order[place], SECOND, resolved=resolved)
        prior = successes.of_group("topic x", "")
        seen.append(str([successes.of("topic x", name, prior) for name in order]))
    assert seen[0] == seen[1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 9))
def test_where_all_resolve_alike_success_changes_no_choice(contacts, cases):
    """Same record, same pace: then the longest idle comes first, as ever."""
    names = ("anna", "bob", "cleo", "dora")
    offers: list[list[str]] = []
    for one in (Success(Mode.ACTIVE, explore=0, cycle_minutes=0), Success()):
        desk = office(*[person(name, units=2) for name in names], success=one)
        world = World(desk).open_doors()
        successes = world.engine._ledger.outcomes.successes  # noqa: SLF001
        for agent in names:
            for _ in range(cases):
                successes.see("topic unknown", "", agent, SECOND, resolved=True)
        for number in range(contacts):
            world.contact(f"c{number}")
            world.wait(1)
        offers.append([made.agent for made in world.said if isinstance(made, MakeOffer)])
    assert offers[0] == offers[1]
