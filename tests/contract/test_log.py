"""The log keeps its word, real and fake alike."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
import pytest_asyncio

from tests.contract.lossy import Lossy
from tests.servers import Cluster, Embedded
from toldonce.kernel.errors import Exhausted, Invalid, Unavailable
from toldonce.runtime.append import Moved
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.log import Committed, Log, Outcome, Refused, Stored, Unknown
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log
from toldonce.runtime.testing.log import FakeLog, Fate

pytestmark = pytest.mark.asyncio(loop_scope="session")

_numbers = itertools.count(1)


def _id() -> str:
    return f"{next(_numbers):064x}"


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=["one node", "three nodes", "fake", "fake of three"],
)
async def log(
    request: pytest.FixtureRequest, pair: Embedded, link: Link, three: Cluster
) -> AsyncIterator[Log]:
    match request.param:
        case "one node":
            urls = [pair.monitor_url]
            async with nats_log(link, epoch=1, clock=SystemClock(), monitor_urls=urls) as real:
                yield real
        case "three nodes":
            urls = three.monitor_urls
            other = await Link.connect(three.nats_urls, name="three")
            async with nats_log(
                other, epoch=1, clock=SystemClock(), monitor_urls=urls, replicas=3
            ) as real:
                yield real
            await other.close()
        case "fake":
            yield FakeLog(clock=SystemClock())
        case _:
            yield FakeLog(clock=SystemClock(), dedupe_first=True)


@pytest.fixture
def subject() -> str:
    return f"story.1.3.acme.{next(_numbers):026d}"


async def _append(
    log: Log, subject: str, payload: bytes, expected: int, message_id: str | None = None
) -> Outcome:
    return await log.append(
        subject, payload, expected=expected, message_id=message_id or _id(), fence=lambda: b"fence"
    )


async def _committed(
    log: Log, subject: str, payload: bytes, expected: int, message_id: str | None = None
) -> int:
    outcome = await _append(log, subject, payload, expected, message_id)
    assert isinstance(outcome, Committed), outcome
    return outcome.sequence


async def test_a_writer_who_knows_the_last_sequence_is_committed(log: Log, subject: str) -> None:
    first = await _append(log, subject, b"one", 0)
    assert isinstance(first, Committed)
    assert not first.duplicate
    second = await _committed(log, subject, b"two", first.sequence)
    assert second > first.sequence


async def test_a_writer_who_is_late_is_refused_and_told_where_the_subject_ends(
    log: Log, subject: str
) -> None:
    first = await _committed(log, subject, b"one", 0)
    assert await _append(log, subject, b"late", 0) == Refused(first)
    assert [stored.payload for stored in await log.read(subject)] == [b"one"]


async def test_a_retry_with_the_same_id_gets_the_same_sequence(log: Log, subject: str) -> None:
    mine = _id()
    first = await _committed(log, subject, b"one", 0, mine)
    assert await _append(log, subject, b"one", 0, mine) == Committed(first, duplicate=True)
    assert len(await log.read(subject)) == 1


async def test_a_retry_is_recognised_after_somebody_else_wrote_on_the_subject(
    log: Log, subject: str
) -> None:
    mine = _id()
    first = await _committed(log, subject, b"mine", 0, mine)
    then = await _committed(log, subject, b"theirs", first)
    await _committed(log, subject, b"theirs again", then)
    assert await _append(log, subject, b"mine", 0, mine) == Committed(first, duplicate=True)


async def test_a_retry_at_the_new_end_of_the_subject_is_recognised_too(
    log: Log, subject: str
) -> None:
    mine = _id()
    first = await _committed(log, subject, b"mine", 0, mine)
    assert await _append(log, subject, b"mine", first, mine) == Committed(first, duplicate=True)
    assert len(await log.read(subject)) == 1


async def test_an_id_used_on_another_subject_is_an_error_and_never_swallowed(
    log: Log, subject: str
) -> None:
    mine = _id()
    await _committed(log, subject, b"one", 0, mine)
    with pytest.raises(Invalid, match="message_id"):
        await _append(log, f"{subject[:-1]}x", b"other", 0, mine)


async def test_two_racing_writers_have_one_winner_in_every_round(log: Log, subject: str) -> None:
    expected = 0
    for round_ in range(500):
        outcomes = await asyncio.gather(
            *(_append(log, subject, f"{round_}.{writer}".encode(), expected) for writer in range(4))
        )
        winners = [outcome for outcome in outcomes if isinstance(outcome, Committed)]
        assert len(winners) == 1, outcomes
        assert all(
            outcome == Refused(winners[0].sequence)
            for outcome in outcomes
            if not isinstance(outcome, Committed)
        )
        expected = winners[0].sequence


@pytest.mark.parametrize("bad", ["", ".", "story.1.*.acme.x", "story.1.>", "story. .x", "story..x"])
async def test_a_subject_with_a_wildcard_a_space_or_an_empty_token_is_refused(
    log: Log, bad: str
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: _append(log, bad, b"x", 0),
        lambda: log.last(bad),
        lambda: log.read(bad),
    ]
    for call in calls:
        with pytest.raises(Invalid, match="subject"):
            await call()  # type: ignore[misc]


@pytest.mark.parametrize("expected", [None, -1, True, ""])
async def test_an_append_without_a_condition_is_refused(
    log: Log, subject: str, expected: object
) -> None:
    with pytest.raises(Invalid, match="expected"):
        await _append(log, subject, b"x", expected)  # type: ignore[arg-type]
    assert await log.last(subject) is None


@pytest.mark.parametrize("bad", ["", " ", "a b", "a\r\nNats-Rollup: all"])
async def test_an_append_without_a_proper_id_is_refused(log: Log, subject: str, bad: str) -> None:
    with pytest.raises(Invalid, match="message_id"):
        await log.append(subject, b"x", expected=0, message_id=bad, fence=lambda: b"fence")


async def test_a_message_over_the_size_is_refused_before_anything_is_written(
    log: Log, subject: str
) -> None:
    before = (await log.info()).last
    with pytest.raises(Exhausted, match="bytes"):
        await _append(log, subject, b"x" * (92 * 1024 + 1), 0)
    assert (await log.info()).last == before
    await _committed(log, subject, b"x" * (92 * 1024), 0)


async def test_history_reads_in_order_and_within_its_bounds(log: Log, subject: str) -> None:
    places, other = [0], 0
    for number in range(5):
        places.append(await _committed(log, subject, b"%d" % number, places[-1]))
        other = await _committed(log, f"{subject[:-1]}y", b"other", other)
    whole = await log.read(subject)
    assert [stored.sequence for stored in whole] == places[1:]
    assert [stored.payload for stored in whole] == [b"0", b"1", b"2", b"3", b"4"]
    assert await log.read(subject, after=places[2], upto=places[4]) == whole[2:4]
    assert await log.read(subject, limit_max=2) == whole[:2]
    assert await log.read(f"{subject[:-1]}z") == []
    assert await log.last(subject) == whole[-1] == await log.get(places[-1])
    assert await log.last(f"{subject[:-1]}z") is None
    assert await log.get(10_000_000) is None


async def test_a_stored_message_keeps_its_id_and_the_servers_time(log: Log, subject: str) -> None:
    mine = _id()
    await _committed(log, subject, b"one", 0, mine)
    stored = await _last(log, subject)
    info = await log.info()
    assert stored.message_id == mine
    assert abs((info.server_now - stored.stored_at).total_seconds()) < 5


async def test_the_log_says_how_it_stands(log: Log, subject: str) -> None:
    last = await _committed(log, subject, b"one", 0)
    info = await log.info()
    assert (info.epoch, info.first, info.last, info.messages, info.deleted) == (1, 1, last, last, 0)
    assert info.created_at <= info.server_now
    assert log.halted is None


async def test_a_tail_sees_everything_in_order_and_what_comes_later(log: Log, subject: str) -> None:
    after = (await log.info()).last
    expected = 0
    for number in range(300):
        expected = await _committed(log, subject, b"%d" % number, expected)
    seen: list[Stored] = []
    async with asyncio.timeout(10), aclosing(log.tail(after=after)) as tail:
        async for batch in tail:
            assert 0 < len(batch) <= 256
            seen.extend(batch)
            if len(seen) == 300:
                expected = await _committed(log, subject, b"300", expected)
            if len(seen) >= 301:
                break
    assert [stored.sequence for stored in seen] == list(range(after + 1, after + 302))
    assert [stored.payload for stored in seen] == [b"%d" % number for number in range(301)]
    assert seen == await log.read(subject)


async def test_a_lost_answer_is_found_again_although_somebody_else_wrote_since(
    log: Log, subject: str
) -> None:
    mine = _id()

    async def somebody_else() -> None:
        last = await log.last(subject)
        await _committed(log, subject, b"theirs", last.sequence if last else 0)

    lossy = Lossy(log, [Fate.LOSE_ANSWER], before_retry=somebody_else)
    outcome = await lossy.append(subject, b"mine", 0, mine)
    first, second = await log.read(subject)
    assert outcome == Committed(first.sequence, duplicate=True)
    assert (first.payload, second.payload) == (b"mine", b"theirs")


async def test_a_lost_request_whose_place_was_taken_is_refused_for_good(
    log: Log, subject: str
) -> None:
    async def somebody_else() -> None:
        await _committed(log, subject, b"theirs", 0)

    lossy = Lossy(log, [Fate.DELIVER_LATE], before_retry=somebody_else)
    outcome = await lossy.append(subject, b"mine", 0, _id())
    await lossy.deliver_late()
    (theirs,) = await log.read(subject)
    assert outcome == Refused(theirs.sequence)


async def test_the_fence_makes_a_zombie_publish_impossible(log: Log, subject: str) -> None:
    mine = _id()
    lossy = Lossy(log, [Fate.DELIVER_LATE] * 3)
    outcome = await lossy.append(subject, b"mine", 0, mine)
    late = await lossy.deliver_late()
    (fence,) = await log.read(subject)
    assert late == [Moved(fence.sequence)] * 3
    assert fence.payload == b"fence"
    assert outcome == Refused(fence.sequence)
    assert await _append(log, subject, b"mine", 0, mine) == Refused(fence.sequence)
    again = await _append(log, subject, b"mine", fence.sequence, mine)
    assert again == Committed(fence.sequence + 1, duplicate=False)


async def test_an_append_all_of_whose_answers_were_lost_is_found_by_its_fence(
    log: Log, subject: str
) -> None:
    outcome = await Lossy(log, [Fate.LOSE_ANSWER] * 3).append(subject, b"mine", 0, _id())
    (mine,) = await log.read(subject)
    assert outcome == Committed(mine.sequence, duplicate=True)


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_ANSWER, Fate.DELIVER_LATE])
async def test_an_append_that_hears_nothing_is_unknown_until_the_same_append_settles_it(
    log: Log, subject: str, fate: Fate
) -> None:
    mine = _id()
    lossy = Lossy(log, [fate] * 3 + [Fate.LOSE_REQUEST] * 2)
    assert await lossy.append(subject, b"mine", 0, mine) == Unknown()
    await lossy.deliver_late()
    outcome = await _append(log, subject, b"mine", 0, mine)
    (stored,) = await log.read(subject)
    assert outcome == Committed(stored.sequence, duplicate=fate is not Fate.LOSE_REQUEST)


async def test_an_old_fence_proves_nothing_about_a_new_place(log: Log, subject: str) -> None:
    mine = _id()
    first = await Lossy(log, [Fate.LOSE_REQUEST] * 3).append(subject, b"mine", 0, mine)
    assert isinstance(first, Refused)
    lossy = Lossy(log, [Fate.DELIVER_LATE] * 3)
    second = await lossy.append(subject, b"mine", first.last_sequence, mine)
    await lossy.deliver_late()
    assert [stored.payload for stored in await log.read(subject)] == [b"fence", b"fence"]
    assert second == Refused(first.last_sequence + 1)


async def test_a_history_of_lost_messages_never_tells_a_lie(log: Log, subject: str) -> None:
    """Whatever is lost or late: committed is in the log once, refused is not and never will be."""
    rng = random.Random(7)  # noqa: S311  repeatable
    fates = [*Fate, Fate.DELIVER]
    expected, told, late = 0, {}, []
    for _ in range(60):
        mine = _id()
        lossy = Lossy(log, rng.choices(fates, k=5))
        told[mine] = await lossy.append(subject, mine.encode(), expected, mine)
        late.append(lossy)
        if rng.random() < 0.3:
            await late.pop(rng.randrange(len(late))).deliver_late()
        last = await log.last(subject)
        expected = last.sequence if last else 0
    for lossy in late:
        await lossy.deliver_late()
    history = await log.read(subject)
    found = {stored.message_id: stored.sequence for stored in history}
    assert len(found) == len(history)
    for mine, outcome in told.items():
        match outcome:
            case Committed(sequence):
                assert found[mine] == sequence
            case Refused():
                assert mine not in found
            case Unknown():
                pass


async def test_an_append_at_a_sequence_the_subject_never_reached_halts_the_log(
    log: Log, subject: str
) -> None:
    """Last in this file: whoever quotes a sequence has seen it, so the log has lost something."""
    with pytest.raises(Unavailable, match="lost messages"):
        await _append(log, subject, b"x", 7)
    assert log.halted is not None
    with pytest.raises(Unavailable, match="lost messages"):
        await _append(log, subject, b"x", 0)


async def _last(log: Log, subject: str) -> Stored:
    stored = await log.last(subject)
    assert stored is not None
    return stored
