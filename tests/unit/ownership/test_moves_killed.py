"""A link whose process dies anywhere, or that two ask for at once, ends as one story."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from tests.auditor import Auditor
from tests.deeds import SAID, SUPERVISOR
from tests.replicas import Line, Replica, Replicas, Turns, killed, quiet
from tests.tellers import ENGINE, GATEWAY, TENANT, agent, contact, customer, offer, words
from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import CustomerId, Own
from toldonce.kernel.story.events import Absorbed, EntryKind, Moved
from toldonce.kernel.story.types import CASES_MAX, Case, Story
from toldonce.ownership.core import Asked, Command
from toldonce.ownership.core.commands import (
    AbandonCase,
    AcceptOffer,
    AppendEntry,
    Forget,
    MakeCommitment,
)
from toldonce.ownership.handler import Received
from toldonce.runtime.testing.log import Fate

IDS = tuple(sorted(customer("one of many", number) for number in range(12)))
LESS, MORE = IDS[0], IDS[1]
FRESH = customer("fresh")
STEPS_MAX = 40
FATES = (Fate.DELIVER, Fate.LOSE_ANSWER, Fate.LOSE_REQUEST, Fate.DELIVER_LATE)


async def told(world: Replicas, at: Replica, number: int, of: str, topic: str = "") -> Received:
    command = contact(number, topic=topic or f"topic{number}")
    ask = world.ask(of, command, GATEWAY, operation=command.contact, words=words())
    return await at.ownership.receive(ask, FRESH)


def link(world: Replicas, at: Replica, one: str, other: str) -> asyncio.Future[CustomerId]:
    by = Asked(world.operation(), SUPERVISOR)
    return asyncio.ensure_future(at.ownership.link(TENANT, (one, other), by, "same passport"))


async def owned(world: Replicas, at: Replica, of: str, case: Own) -> Case:
    """Give a case an owner, who answers and promises something."""
    made = offer(case, "anna", now=world.clock.now())
    deeds: list[tuple[Command, object]] = [
        (made, ENGINE),
        (AcceptOffer(made.offer, 0, b""), agent("anna")),
        (AppendEntry(case, 1, EntryKind.MESSAGE_OUT), agent("anna")),
        (MakeCommitment(case, 1, world.clock.now().replace(hour=20)), agent("anna")),
    ]
    for command, who in deeds:
        said = SAID if isinstance(command, AppendEntry | MakeCommitment) else None
        done = await at.ownership.do(world.ask(of, command, who, words=said))  # type: ignore[arg-type]
    found = done.placed.story.case(case)
    assert found is not None
    return found


async def two_stories() -> tuple[Replicas, Replica, Case]:
    """One customer with a case, and another whose case is owned, answered and promised on."""
    world = Replicas()
    at = world.open()
    await told(world, at, 1, LESS)
    came = await told(world, at, 2, MORE)
    return world, at, await owned(world, at, MORE, came.event.case)


async def whole_again(world: Replicas, case: Case) -> Story:
    """Check from a process that knows nothing that both are one story, and nothing is lost."""
    await world.deliver_late()
    at = world.open()
    (other, _), (one, placed) = [await at.ownership.find(TENANT, who) for who in (MORE, LESS)]
    assert one == other
    story = placed.story
    auditor = Auditor(world.log)
    await auditor.look()
    facts = Counter(type(event) for one in auditor.records for event in one.record.events)
    assert (facts[Moved], facts[Absorbed]) == (1, 1)
    moved = story.case(case.own)
    assert moved is not None
    assert (moved.owner, moved.epoch) == (case.owner, case.epoch + (one != MORE))
    assert (len(story.cases), story.contacts_total, story.cases_total) == (2, 2, 2)
    assert (len(story.unconfirmed), len(story.commitments)) == (1, 1)
    for number, who in ((1, LESS), (2, MORE)):
        count = world.log.count
        assert (await told(world, at, number, who)).repeated
        assert world.log.count == count
    await world.keys.close()
    return story


async def linked(world: Replicas, at: Replica) -> None:
    await link(world, at, LESS, MORE)


async def met_by_a_contact(world: Replicas, at: Replica) -> None:
    assert (await told(world, at, 2, MORE)).repeated


async def met_by_a_reader(world: Replicas, at: Replica) -> None:
    await at.ownership.find(TENANT, MORE)


async def met_by_nobody(world: Replicas, at: Replica) -> None:
    del world, at


WHO_COMES = (linked, met_by_a_contact, met_by_a_reader, met_by_nobody)


@pytest.mark.parametrize("who_comes", WHO_COMES)
@pytest.mark.parametrize("fate", FATES)
async def test_link_whose_process_dies_at_any_step_is_completed(
    fate: Fate, who_comes: Callable[[Replicas, Replica], Awaitable[None]]
) -> None:
    halves = 0
    for step in range(1, STEPS_MAX):
        world, _, case = await two_stories()
        dying = world.open()
        dying.line.dies_at = step
        dying.line.fates = [fate] * 2
        died = await killed(link(world, dying, LESS, MORE))
        auditor = Auditor(world.log)
        await auditor.look()
        halves += bool(auditor.head(MORE).moved_to and not auditor.head(LESS).absorbed)
        await who_comes(world, world.open())
        await world.deliver_late()
        if not auditor.head(MORE).moved_to:
            await linked(world, world.open())
        await whole_again(world, case)
        if not died:
            break
    assert not died
    assert halves or fate is not Fate.DELIVER


@pytest.mark.parametrize("second", [(LESS, MORE), (MORE, LESS)])
async def test_two_links_at_once_are_one_move_however_their_steps_fall(
    second: tuple[str, str],
) -> None:
    """The other comes in at every step of the first, and the first goes on after 1 to 12 more."""
    first = (LESS, MORE)
    for switch, back in ((a, b) for a in range(STEPS_MAX) for b in (1, 2, 4, 6, 8, 12)):
        world, _, case = await two_stories()
        turns, replicas = Turns(), (world.open(), world.open())
        for number, replica in enumerate(replicas):
            replica.line.gate = turns.of(number)
        tasks = [
            link(world, replica, *pair)
            for replica, pair in zip(replicas, (first, second), strict=True)
        ]
        steps = await turns.play(_switching(switch, switch + back), *tasks)
        assert [await task for task in tasks] == [LESS, LESS]
        await whole_again(world, case)
        if switch > steps:
            return


def _switching(first: int, second: int) -> Callable[[list[int]], int]:
    """Let the first go, then the other, then the first again."""
    place = 0

    def order(waiting: list[int]) -> int:
        nonlocal place
        place += 1
        wanted = int(first < place <= second)
        return wanted if wanted in waiting else waiting[0]

    return order


@pytest.mark.parametrize("empty", [LESS, MORE])
async def test_customer_who_comes_while_their_empty_story_is_linked_is_in_the_one_story(
    empty: str,
) -> None:
    other = MORE if empty == LESS else LESS
    for switch in range(STEPS_MAX):
        world = Replicas()
        await told(world, world.open(), 1, other)
        turns, replicas = Turns(), (world.open(), world.open())
        for number, replica in enumerate(replicas):
            replica.line.gate = turns.of(number)
        tasks: list[asyncio.Future[object]] = [
            asyncio.ensure_future(link(world, replicas[0], LESS, MORE)),
            asyncio.ensure_future(told(world, replicas[1], 2, empty)),
        ]
        steps = await turns.play(_switching(switch, STEPS_MAX), *tasks)
        await asyncio.gather(*tasks)
        at = world.open()
        (two, _), (one, placed) = [await at.ownership.find(TENANT, who) for who in (MORE, LESS)]
        assert one == two
        assert (placed.story.contacts_total, placed.story.cases_total) == (2, 2)
        assert (await told(world, at, 2, empty)).repeated
        await world.keys.close()
        if switch > steps:
            return


async def test_story_that_moved_on_many_times_is_found_by_its_first_id() -> None:
    world = Replicas()
    at = world.open()
    first = await told(world, at, 1, IDS[-1])
    for number, who in enumerate(IDS[:-1]):
        came = await told(world, at, 100 + number, who)
        await at.ownership.do(world.ask(who, AbandonCase(came.event.case, "SPAM"), SUPERVISOR))
    for source, to in pairwise(reversed(IDS)):
        assert await link(world, at, source, to) == to
    who, placed = await world.open().ownership.find(TENANT, IDS[-1])
    assert (who, len(placed.story.absorbed)) == (IDS[0], len(IDS) - 1)
    again = await told(world, world.open(), 1, IDS[-1])
    assert (again.repeated, again.event) == (True, first.event)
    await world.keys.close()


async def test_link_of_more_than_eight_cases_is_refused_and_freezes_nothing() -> None:
    world = Replicas()
    at = world.open()
    for number in range(CASES_MAX):
        await told(world, at, number, LESS)
    await told(world, at, 99, MORE)
    count = world.log.count
    with pytest.raises(Rejected) as refusal:
        await link(world, at, LESS, MORE)
    assert refusal.value.reason == "TOO_MANY_CASES"
    assert world.log.count == count
    await world.keys.close()


async def test_forgetting_a_linked_customer_names_the_keys_of_every_story_that_came() -> None:
    world, at, _ = await two_stories()
    await link(world, at, LESS, MORE)
    keys = {one.record.key for one in await at.stories.history(TENANT, LESS)}
    done = await at.ownership.do(world.ask(MORE, Forget("ASKED"), SUPERVISOR))
    assert done.logged is not None
    event = done.logged.record.events[0]
    assert {*getattr(event, "keys", ())} == keys - {None}
    assert done.placed.story.terminal
    assert (await told(world, at, 2, MORE)).repeated
    await world.keys.close()


async def test_dead_process_says_nothing_more() -> None:
    world = Replicas()
    line: Line = world.open().line
    line.dies_at = 1
    assert await killed(line.info())
    assert await killed(line.info())
    await quiet(world.keys.close())
