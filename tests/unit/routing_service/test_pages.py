"""The journal as messages: parts of one piece, tenants beside each other, what cannot be read."""

import random

import pytest

from toldonce.kernel.errors import Invalid, Missing
from toldonce.routing.consumer.journal import Pages
from toldonce.routing.core.facts import Tick
from toldonce.routing.core.record import Piece, Step, Steps, Waiting
from toldonce.routing.wire.journal import (
    PART_BYTES_MAX,
    Reader,
    pieces,
    read_part,
    write_piece,
)
from toldonce.runtime.testing.trail import FakeTrail

TICKS = Steps((Step(5, (Tick(),), ()),))


def piece(number: int, body=TICKS, *, base: int = 1, at_us: int = 0, epoch: int = 1) -> Piece:
    return Piece(epoch, number, base, False, at_us, at_us, body)  # noqa: FBT003


def large() -> Waiting:
    """A body that no compression brings into one message."""
    rng = random.Random(7)  # noqa: S311
    return Waiting(tuple(rng.randrange(1 << 60) for _ in range(40_000)))


def test_piece_too_large_for_one_message_is_told_in_parts_and_put_together():
    wrote = piece(1, large())
    messages = write_piece(wrote)
    assert len(messages) > 3
    assert max(map(len, messages)) < PART_BYTES_MAX + 256
    assert list(pieces(messages)) == [wrote]


def test_piece_with_a_part_missing_is_left_out():
    messages = write_piece(piece(1, large()))
    del messages[1]
    assert list(pieces([*messages, *write_piece(piece(2))])) == [piece(2)]


def test_parts_of_two_engines_between_each_other_are_not_mixed():
    ours, theirs = write_piece(piece(1, large())), write_piece(piece(1, large(), epoch=2))
    mixed = [message for pair in zip(ours, theirs, strict=True) for message in pair]
    assert list(pieces(mixed)) == [piece(1, large()), piece(1, large(), epoch=2)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: b"",
        lambda message: message[:-20],
        lambda message: b"\xc1" + message,
        lambda message: message[:-9] + bytes(9),
        lambda message: message.replace(b"Steps", b"Stepz"),
    ],
)
def test_what_is_no_message_of_a_journal_is_refused_with_a_sentence(spoil):
    (message,) = write_piece(piece(1))
    reader = Reader()
    with pytest.raises(Invalid):
        reader.take(read_part(spoil(message)))


async def test_tenants_have_journals_of_their_own_in_one_trail():
    trail = FakeTrail()
    ours, theirs = Pages("ours", trail, "p"), Pages("theirs", trail, "p")
    assert await ours.keep(piece(1)) == 1
    assert await theirs.keep(piece(1, at_us=9)) == 2
    assert await ours.keep(piece(2)) == 3
    assert [one async for one in ours.pieces(1)] == [piece(1), piece(2)]
    assert [one async for one in theirs.pieces(1)] == [piece(1, at_us=9)]


async def test_place_of_an_instant_is_found_by_epoch_and_time_among_others():
    trail = FakeTrail()
    ours, theirs = Pages("ours", trail, "p"), Pages("theirs", trail, "p")
    bases: dict[int, int] = {}
    for epoch in (1, 2, 3):
        bases[epoch] = await ours.keep(piece(1, large(), base=0, at_us=100 * epoch, epoch=epoch))
        for number in range(2, 30):
            at_us = 100 * epoch + number
            await theirs.keep(piece(number, at_us=at_us, epoch=epoch))
            await ours.keep(piece(number, base=bases[epoch], at_us=at_us, epoch=epoch))
    for epoch in (1, 2, 3):
        for at_us in (102, 115, 129, 199):
            assert await ours.before(epoch, 100 * (epoch - 1) + at_us) == bases[epoch]
    assert await ours.before(4, 500) is None
    assert await ours.before(1, 50) is None
    assert await ours.since(0) == bases[1]
    assert await ours.since(215) == bases[2]
    with pytest.raises(Missing):
        await ours.since(10_000)
    trail.forget(bases[2])
    assert await ours.before(1, 115) is None
    assert await ours.before(3, 315) == bases[3]


async def test_what_a_version_before_wrote_is_passed_over_in_a_search():
    trail = FakeTrail()
    for number in range(5):
        await trail.add("decisions.ours", b"\x01another form", message_id=f"old-{number}")
    pages = Pages("ours", trail, "p")
    base = await pages.keep(piece(1, base=0, at_us=100))
    await pages.keep(piece(2, base=base, at_us=101))
    assert await pages.before(1, 101) == base
    assert await pages.since(101) == base
    assert await pages.since(0) == base


async def test_empty_journal_has_nothing_to_tell():
    pages = Pages("ours", FakeTrail(), "p")
    assert await pages.before(1, 5) is None
    assert [one async for one in pages.pieces(await pages.recent())] == []
    with pytest.raises(Missing):
        await pages.since(0)
