"""A trail keeps its word, real and fake alike."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.runtime import names
from toldonce.runtime.log import PAYLOAD_BYTES_MAX
from toldonce.runtime.nats_link import Link
from toldonce.runtime.streams import look
from toldonce.runtime.testing.trail import FakeTrail
from toldonce.runtime.trail import Kept, NatsTrail, Trail, open_trail, wants

pytestmark = pytest.mark.asyncio(loop_scope="session")

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["nats", "fake"])
async def trail(request: pytest.FixtureRequest, link: Link) -> AsyncIterator[Trail]:
    yield await open_trail(link) if request.param == "nats" else FakeTrail()


@pytest.fixture
def subject() -> str:
    return names.decisions(f"t{next(_numbers)}")


async def all_of(trail: Trail, subject: str, first: int) -> list[Kept]:
    return [kept async for batch in trail.read(subject, first=first) for kept in batch]


async def test_a_message_is_read_where_it_was_written(trail: Trail, subject: str) -> None:
    other = names.decisions(f"t{next(_numbers)}")
    one = await trail.add(subject, b"one", message_id=f"{subject}-1")
    await trail.add(other, b"other", message_id=f"{other}-1")
    two = await trail.add(subject, b"two", message_id=f"{subject}-2")
    assert await trail.next(subject, one) == Kept(one, b"one")
    assert await trail.next(subject, one + 1) == Kept(two, b"two")
    assert await trail.next(subject, two + 1) is None
    assert await all_of(trail, subject, one) == [Kept(one, b"one"), Kept(two, b"two")]
    assert await all_of(trail, subject, one + 1) == [Kept(two, b"two")]
    assert (await trail.ends())[1] == two


async def test_a_repeat_of_a_message_is_written_once(trail: Trail, subject: str) -> None:
    first = await trail.add(subject, b"one", message_id=f"{subject}-1")
    assert await trail.add(subject, b"one", message_id=f"{subject}-1") == first
    assert len(await all_of(trail, subject, first)) == 1


async def test_a_subject_without_messages_is_read_to_its_end_at_once(
    trail: Trail, subject: str
) -> None:
    assert await all_of(trail, subject, 1) == []
    assert await trail.next(subject, 1) is None


async def test_many_messages_are_read_in_order(trail: Trail, subject: str) -> None:
    for number in range(600):
        await trail.add(subject, b"%d" % number, message_id=f"{subject}-{number}")
    first = await trail.next(subject, 1)
    assert first is not None
    found = await all_of(trail, subject, first.sequence)
    assert [kept.payload for kept in found] == [b"%d" % number for number in range(600)]


async def test_a_message_too_large_for_the_stream_is_refused(trail: Trail, subject: str) -> None:
    with pytest.raises(Invalid):
        await trail.add(subject, bytes(PAYLOAD_BYTES_MAX + 1), message_id="large")


async def test_the_stream_forgets_the_oldest_and_lets_nobody_delete(link: Link) -> None:
    await open_trail(link)
    config = (await look(link, names.DECISIONS)).config
    assert (config["discard"], config["max_age"]) == ("old", 7 * 24 * 3_600 * 10**9)
    assert config["max_bytes"] == 2 * 1024**3
    assert config["deny_delete"]
    assert config["deny_purge"]
    assert not config.get("allow_rollup_hdrs")


async def test_a_stream_with_another_limit_is_refused_with_its_name(link: Link) -> None:
    trail = await open_trail(link)
    assert isinstance(trail, NatsTrail)
    with pytest.raises(Unavailable, match=f"{names.DECISIONS} is not as it must be: num_replicas"):
        await open_trail(link, replicas=3)
    assert wants(1).config()["max_msg_size"] > PAYLOAD_BYTES_MAX
