"""An engine built from a snapshot goes on as the engine that was taken down."""

from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journals import Scribe, follow
from tests.property.test_engine import acts, config, desk, play, rounds
from tests.unit.routing.world import World
from toldonce.kernel.config.types import Config
from toldonce.kernel.config.weighing import MILLI, PLAIN, Weighing, Weights
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.record import Piece, told
from toldonce.routing.core.replaying import Replayer
from toldonce.routing.core.snapshot import (
    AGENT_ELSEWHERE,
    ITEM_ELSEWHERE,
    LIVE_ELSEWHERE,
    AgentState,
    ItemState,
    LiveState,
    Snapshot,
)
from toldonce.routing.core.state import Agent, Item, Live
from toldonce.routing.wire.journal import pieces
from toldonce.runtime.assignment import assign


def test_snapshot_leaves_nothing_out_that_an_engine_holds():
    agent = {field.name for field in fields(Agent)}
    assert agent == (agent & {*AgentState._fields}) | AGENT_ELSEWHERE
    assert {*Item.__slots__} == ({*Item.__slots__} & {*ItemState._fields}) | ITEM_ELSEWHERE
    assert {*Live.__slots__} == ({*Live.__slots__} & {*LiveState._fields}) | LIVE_ELSEWHERE


def restored(snapshot: Snapshot) -> Engine:
    replayer = Replayer(assign)
    for number, body in enumerate(told(snapshot), 1):
        assert (
            list(replayer.take(Piece(1, number, 0, gap=False, first_us=0, last_us=0, body=body)))
            == []
        )
    assert replayer.engine is not None
    return replayer.engine


def check_the_restored_goes_on_alike(world: World, cut: int) -> None:
    engine = Engine("demo")
    cut = cut % len(world.facts)
    follow(engine, world.facts[:cut])
    before = engine.snapshot()
    other = restored(before)
    assert other.digest() == engine.digest()
    assert other.snapshot() == before
    for fact, now in world.facts[cut:]:
        assert other.next_wake_at == engine.next_wake_at
        assert other.step(fact, now) == engine.step(fact, now)
        assert other.digest() == engine.digest()
    assert other.snapshot() == engine.snapshot()
    assert other.queues() == engine.queues()


def check_the_journal_says_what_was_decided(world: World, cut: int) -> None:
    engine, scribe = Engine("demo"), Scribe()
    cut = cut % len(world.facts)
    follow(engine, world.facts[:cut])
    scribe.take_down(engine)
    scribe.go_on(engine, world.facts[cut:])
    scribe.take_down(engine)
    replayer = Replayer(assign)
    for piece in pieces(scribe.messages):
        assert all(replayed.same for replayed in replayer.take(piece))
    assert replayer.tally.steps == len(world.facts) - cut
    assert (replayer.tally.snapshots, replayer.tally.differing) == (2, 0)
    assert replayer.tally.gaps == replayer.tally.skipped == 0


weights = st.one_of(
    st.just(PLAIN),
    st.builds(
        Weights,
        base=st.integers(-30, 30).map(lambda points: points * MILLI),
        wait=st.integers(0, 20).map(lambda points: points * MILLI),
        idle=st.integers(-5, 5).map(lambda points: points * MILLI),
        spare=st.integers(-9, 9).map(lambda points: points * MILLI),
        spare_all=st.integers(-9, 9).map(lambda points: points * MILLI),
        queue=st.integers(-9, 9).map(lambda points: points * MILLI),
        queue_all=st.integers(-9, 9).map(lambda points: points * MILLI),
        serving=st.integers(-9, 9).map(lambda points: points * MILLI),
        fit=st.integers(-9, 9).map(lambda points: points * MILLI),
    ),
)


def weighed(everybody: Weights) -> Config:
    plain = config()
    policies = {
        name: replace(policy, weigh=Weighing(everybody)) for name, policy in plain.policies.items()
    }
    return replace(plain, policies=policies)


@settings(max_examples=60, deadline=None)
@given(weights, st.lists(acts, max_size=40), st.integers(0, 10_000))
def test_restored_engine_decides_as_the_one_that_went_on(everybody, history, cut):
    world = World(weighed(everybody)).open_doors(all_in=False)
    for act in history:
        play(world, act)
    check_the_restored_goes_on_alike(world, cut)
    check_the_journal_says_what_was_decided(world, cut)


@settings(max_examples=40, deadline=None)
@given(st.lists(rounds, max_size=40), st.integers(0, 10_000))
def test_engine_restored_in_the_middle_of_a_round_decides_as_the_one_that_went_on(history, cut):
    world = World(desk()).open_doors(all_in=False)
    for act in history:
        play(world, act)
    check_the_restored_goes_on_alike(world, cut)
    check_the_journal_says_what_was_decided(world, cut)
