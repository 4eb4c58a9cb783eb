"""The journal of an engine: whole, or with a gap that shows; never in the way of a decision."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.routing.world import World, office, person
from toldonce.kernel.errors import Denied, Unavailable
from toldonce.routing.core.facts import LeadershipChanged, Tick
from toldonce.routing.core.record import Piece, Steps
from toldonce.routing.core.replaying import Replayer
from toldonce.routing.core.snapshot import Head
from toldonce.routing.handler import journal as journalling
from toldonce.routing.handler.journal import Journal
from toldonce.routing.wire.journal import pieces, write_piece
from toldonce.runtime import names
from toldonce.runtime.assignment import assign
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.meter import Meter

from .world import TENANT, world

pytestmark = pytest.mark.looptime


class Shelf:
    """Keeps pieces, and refuses to when told."""

    def __init__(self):
        self.pieces: list[Piece] = []
        self.refusal: Exception | None = None
        self.asked = 0

    async def __call__(self, piece: Piece) -> int:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        self.pieces.append(piece)
        return len(self.pieces)


class Office:
    """A leading engine that is journalled as the shell does it."""

    def __init__(self, shelf: Shelf):
        self.world = World(office(person("anna", units=3), person("bob"))).open_doors()
        self.shelf, self.meter = shelf, Meter()
        self.journal = Journal("demo", shelf, LoopClock(), self.meter)
        self.task = asyncio.create_task(self.journal.run())
        self.number = 0

    def step(self, epoch: int = 1, fact=None) -> None:
        """Step as the shell does; the world's engine is driven by the facts it makes up."""
        engine, facts = self.world.engine, (fact or Tick(),)
        self.journal.begin_step(engine, epoch)
        decisions = engine.step_all(facts, self.world.now)
        self.journal.end_step(epoch, engine, facts, decisions)

    def contact(self) -> None:
        """Have somebody come in, journalled: the office itself stands still meanwhile."""
        self.number += 1
        self.world.now += timedelta(seconds=1)
        engine = self.world.engine
        known = World(self.world.config)
        known.contact(f"c{self.number}")
        told, _ = known.facts[-1]
        assert engine is self.world.engine
        self.step(fact=told)

    async def written(self) -> None:
        await asyncio.sleep(2 * journalling.BATCH_S)


@pytest.fixture
async def desk():
    desk = Office(Shelf())
    yield desk
    desk.task.cancel()


def replayed(shelf: Shelf) -> tuple[Replayer, bool]:
    replayer = Replayer(assign)
    messages = [message for piece in shelf.pieces for message in write_piece(piece)]
    same = [one.same for piece in pieces(messages) for one in replayer.take(piece)]
    return replayer, all(same)


async def test_the_journal_begins_with_a_snapshot_and_is_gone_through_alike(desk):
    for _ in range(5):
        desk.contact()
    await desk.written()
    assert isinstance(desk.shelf.pieces[0].body, Head)
    assert [piece.number for piece in desk.shelf.pieces] == list(
        range(1, len(desk.shelf.pieces) + 1)
    )
    assert {piece.base for piece in desk.shelf.pieces[1:]} == {1}
    replayer, same = replayed(desk.shelf)
    assert same
    assert replayer.tally.steps == 5
    assert replayer.tally.decisions > 0


async def test_a_follower_writes_nothing(desk):
    desk.step(epoch=0)
    await desk.written()
    assert desk.shelf.pieces == []


async def test_what_cannot_be_written_is_counted_and_leaves_a_gap_that_shows(desk):
    desk.contact()
    await desk.written()
    desk.shelf.refusal = Unavailable("no")
    desk.contact()
    await desk.written()
    desk.contact()
    desk.shelf.refusal = None
    assert b'journal_lost_steps_total{tenant="demo"} 2.0' in desk.meter.page()
    await asyncio.sleep(journalling.AGAIN_S)
    desk.contact()
    desk.contact()
    await desk.written()
    heads = [piece for piece in desk.shelf.pieces if isinstance(piece.body, Head)]
    assert [piece.gap for piece in heads] == [False, True]
    replayer, same = replayed(desk.shelf)
    assert same
    assert (replayer.tally.steps, replayer.tally.gaps) == (3, 1)


async def test_a_full_line_loses_steps_and_never_waits(desk, monkeypatch):
    monkeypatch.setattr(journalling, "LINE_MAX", 8)
    for _ in range(10):
        desk.contact()
    await desk.written()
    assert b'journal_lost_steps_total{tenant="demo"}' in desk.meter.page()
    written = sum(len(p.body.steps) for p in desk.shelf.pieces if isinstance(p.body, Steps))
    assert written < 10
    assert replayed(desk.shelf)[1]


async def test_a_process_that_may_not_write_gives_it_up_for_good(desk):
    desk.shelf.refusal = Denied("no")
    desk.contact()
    await desk.written()
    asked = desk.shelf.asked
    desk.contact()
    await desk.written()
    assert desk.shelf.asked == asked == 1


async def test_another_epoch_begins_with_its_own_snapshot(desk):
    desk.contact()
    desk.step(epoch=2, fact=LeadershipChanged(2))
    await desk.written()
    heads = [piece for piece in desk.shelf.pieces if isinstance(piece.body, Head)]
    assert [piece.epoch for piece in heads] == [1, 2]
    replayer, same = replayed(desk.shelf)
    assert same
    assert replayer.tally.gaps == 0
    assert replayer.engine is not None
    assert replayer.engine.epoch == 2


async def test_who_leads_again_under_the_same_epoch_begins_anew_and_says_so(desk):
    desk.contact()
    desk.step(epoch=0)
    desk.contact()
    await desk.written()
    heads = [piece for piece in desk.shelf.pieces if isinstance(piece.body, Head)]
    assert [(piece.epoch, piece.gap) for piece in heads] == [(1, False), (1, True)]
    assert replayed(desk.shelf)[1]


async def test_a_missing_piece_is_a_gap_until_the_next_snapshot(desk):
    for _ in range(3):
        desk.contact()
        await desk.written()
    del desk.shelf.pieces[-2]
    replayer, same = replayed(desk.shelf)
    assert same
    assert (replayer.tally.gaps, replayer.tally.skipped) == (1, 1)


async def test_a_journal_over_a_failover_is_gone_through_alike(tmp_path):
    async with world(tmp_path) as system:
        first = await system.process()
        cases = [await system.contact() for _ in range(4)]
        ann = await system.agent(first, "ann")
        offer = await ann.offer()
        await ann.accept(offer)
        second = await system.process()
        await asyncio.sleep(1)
        await first.kill()
        bob = await system.agent(second, "bob")
        await bob.offer()
        await asyncio.sleep(1)
        trail = system.servers.trail
        messages = [
            kept.payload
            async for batch in trail.read(names.decisions(TENANT), first=1)
            for kept in batch
        ]
    replayer = Replayer(assign)
    same = [one.same for piece in pieces(messages) for one in replayer.take(piece)]
    assert len(cases) == 4
    assert all(same)
    assert replayer.tally.snapshots >= 2
    assert replayer.tally.decisions >= 2
    assert (replayer.tally.gaps, replayer.tally.skipped, replayer.tally.differing) == (0, 0, 0)
