"""A story is read whole, however long it is and wherever it was written, or not at all."""

from dataclasses import replace

import pytest

from tests.scribe import World, absorbed, answered, opened, world
from tests.tellers import TENANT, customer
from toldonce.api.events.v1 import events_pb2
from toldonce.kernel.errors import Rejected
from toldonce.kernel.story.events import Moved
from toldonce.kernel.story.types import FOLD_VERSION
from toldonce.runtime.history import SOURCES_MAX, TooNew, head_of, history_of

pytestmark = pytest.mark.looptime


async def absorb(here: World, who: str, into: str) -> int:
    told = here.scribe.told[TENANT, customer(who)]
    return await here.scribe.tell(into, absorbed(who, told, at=here.clock.now()))


async def sequences(here: World, who: str, upto: int | None = None) -> list[int]:
    read = await history_of(here.log, TENANT, customer(who), upto, page_max=3)
    return [logged.sequence for logged in read]


async def broken(here: World, who: str = "a") -> str:
    with pytest.raises(Rejected) as refused:
        await sequences(here, who)
    assert refused.value.reason == "QUARANTINED"
    return str(refused.value)


@pytest.mark.parametrize("length", [0, 2, 3, 4, 6, 10])
async def test_reader_reads_a_story_of_many_pages_to_its_end(length):
    here = world()
    for number in range(length):
        await here.scribe.tell("a", *([answered("a", number)] if number else [opened("a")]))
    assert await sequences(here, "a") == list(range(1, length + 1))
    assert await sequences(here, "a", upto=4) == list(range(1, min(length, 4) + 1))


async def test_reader_finds_what_absorbed_stories_told_until_then_in_order():
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.tell("b", opened("b"))
    await here.scribe.tell("c", opened("c"))
    await here.scribe.tell("a", answered("a"))
    await absorb(here, "a", into="b")
    await here.scribe.tell("a", answered("a", 2))
    await absorb(here, "b", into="c")
    await here.scribe.tell("b", answered("b"))
    assert await sequences(here, "c") == [1, 2, 3, 4, 5, 7]
    assert await sequences(here, "c", upto=5) == [3]


async def test_reader_ends_where_stories_absorbed_each_other():
    here = world()
    await here.scribe.tell("a", opened("a"))
    await absorb(here, "a", into="b")
    await absorb(here, "b", into="a")
    assert await sequences(here, "a") == [1, 2, 3]


async def test_reader_refuses_a_story_that_absorbed_too_many():
    here = world()
    for number in range(SOURCES_MAX):
        await here.scribe.tell(f"a{number}", Moved(customer("b")))
        await absorb(here, f"a{number}", into="b")
    assert "joined" in await broken(here, "b")


async def test_reader_refuses_a_story_whose_chain_is_broken():
    here = world()
    await here.scribe.tell("a", opened("a"))
    told = here.scribe.told[TENANT, customer("a")]
    here.scribe.told[TENANT, customer("a")] = replace(told, digest=b"x" * 32)
    await here.scribe.tell("a", answered("a"))
    assert "chain" in await broken(here)


@pytest.mark.parametrize(
    "payload",
    [b"\xff\xfe no envelope", events_pb2.Envelope(at_us=2**62).SerializeToString()],
    ids=["no envelope", "no time of this world"],
)
async def test_reader_refuses_a_story_with_a_message_nobody_can_read(payload):
    here = world()
    await here.scribe.tell("a", opened("a"))
    await here.scribe.write((TENANT, customer("a")), payload, 1)
    assert "nobody can read" in await broken(here)


async def test_reader_refuses_a_message_of_another_story():
    here = world()
    await here.scribe.tell("a", opened("a"))
    first = await here.log.get(1)
    assert first is not None
    await here.scribe.write((TENANT, customer("z")), first.payload, 0)
    assert "chain" in await broken(here, "z")


async def test_reader_leaves_a_story_with_a_fact_of_tomorrow_to_a_newer_version():
    here = world()
    await here.scribe.tell("a", opened("a"))
    stored = await here.log.get(1)
    assert stored is not None
    envelope = events_pb2.Envelope.FromString(stored.payload)
    envelope.events.add(schema_version=99, critical=True)
    await here.scribe.write((TENANT, customer("a")), envelope.SerializeToString(), 1)
    with pytest.raises(TooNew):
        await sequences(here, "a")


async def test_reader_leaves_a_head_of_tomorrow_to_a_newer_version():
    here = world()
    await here.scribe.tell("a", opened("a"))
    (logged,) = await history_of(here.log, TENANT, customer("a"))
    assert head_of(logged) == logged.record.head
    newer = replace(logged.record.head, fold_version=FOLD_VERSION + 1)
    with pytest.raises(TooNew):
        head_of(replace(logged, record=replace(logged.record, head=newer)))
