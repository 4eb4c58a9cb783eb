"""What a replica knows of its stories while plans of them are on their way."""

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from loadtests.rebuild_fill import open_kinds
from loadtests.timers.fill import kind
from tests.tellers import TENANT
from tests.unit.sla.bureau import config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY
from toldonce.runtime.envelope import decode_head, decode_record
from toldonce.runtime.open_rows import OpenStory
from toldonce.sla.core import ACTOR
from toldonce.sla.handler import Book, Leased
from toldonce.sla.handler.book import TOGETHER, TOLD_MAX, Stands

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
RECORD = decode_record(kind(NOW).payloads[-1])
WAITING = decode_head(open_kinds(1)[4].head)
KEY = (TENANT, "a" * 26)


def test_a_story_that_ends_while_its_plan_is_on_its_way_is_known_until_its_timers_are_gone() -> (
    None
):
    book, policy = Book({}), config()
    book.begin([OpenStory(*KEY, WAITING, 1)], 1)
    assert book.take(9) == ([KEY], Stands.MAYBE)
    first = book.plan(KEY, policy)
    book.begin([], 2)
    assert book.take(9) == ([KEY], Stands.MAYBE)
    second = book.plan(KEY, policy)
    assert first is not None
    assert second is not None
    assert first.timers
    assert not second.timers
    book.stands(first)
    assert book.stories == 1
    book.stands(second)
    assert book.stories == 0


def test_what_the_store_has_planned_from_the_same_is_not_planned_again():
    book, policy = Book({}), config()
    book.begin([OpenStory(*KEY, WAITING, 7)], 9)
    assert book.take(9) == ([KEY], Stands.MAYBE)
    assert not book.stood(KEY, None, policy)
    assert not book.stood(KEY, (6, policy.revision), policy)
    assert not book.stood(KEY, (7, policy.revision - 1), policy)
    assert book.plan(KEY, policy) is not None
    assert book.stood(KEY, (7, policy.revision), policy)
    assert book.plan(KEY, policy) is None
    assert book.stood(KEY, (8, 0), policy), "another replica has read further"


def test_nothing_is_kept_of_a_story_that_ended_by_a_timer_of_another_replica():
    book = _reading()
    record = replace(RECORD, tenant=KEY[0], customer=KEY[1], actor=ACTOR, head=EMPTY)
    book.learn([Logged(record, 2, b"")])
    book.ripen()
    book.ripen()
    assert book.take(9) == ([KEY], Stands.BY_OTHERS)
    assert book.stood(KEY, (2, config().revision), config()), "its row may stay without timers"
    assert book.stories == 0


def test_nothing_stands_of_a_story_nobody_knows():
    assert not Book({}).stood(KEY, (7, 1), config())


def test_replicas_plan_everything_in_orders_of_their_own():
    stories = [OpenStory(TENANT, f"{number:026}", WAITING, 1) for number in range(40 * TOGETHER)]
    first, second = _parts(1, stories), _parts(2, stories)
    assert sorted(first) == sorted(second) == sorted(_parts(None, stories))
    at_once = sum(one == other for one, other in zip(first, second, strict=True))
    assert at_once < 5, "one of 40 parts is to be expected"


def test_what_has_changed_comes_before_what_may_stand_and_is_not_asked_for():
    others = [(TENANT, f"{number:026}") for number in range(3)]
    book = Book({})
    book.begin([OpenStory(*key, WAITING, 1) for key in (*others, KEY)], 1)
    book.learn([_told(KEY, 2)])
    assert book.take(2) == ([KEY], Stands.NOT)
    assert book.take(9) == (others, Stands.MAYBE)


def test_what_another_replica_told_is_left_to_it_and_looked_at_later():
    book = _reading()
    book.learn([_told(KEY, 2, by=ACTOR)])
    assert (book.soon, book.theirs) == (0, 1)
    book.ripen()
    assert book.take(9) == ([], Stands.NOT), "the other has had no time yet"
    book.ripen()
    assert (book.soon, book.theirs) == (1, 0)
    assert book.take(9) == ([KEY], Stands.BY_OTHERS)
    assert not book.stood(KEY, (1, 1), config()), "it never came to it"
    plan = book.plan(KEY, config())
    assert plan is not None
    assert plan.sequence == 2


def test_what_this_replica_told_is_planned_by_it_at_once():
    book = _reading()
    book.acts(Leased(*KEY, Own(""), 1, NOW), config(), NOW)
    book.learn([_told(KEY, 2, by=ACTOR), _told(KEY, 3, by=ACTOR, priority=8)])
    assert (book.soon, book.theirs) == (1, 0)
    assert book.take(9) == ([KEY], Stands.NOT)


@pytest.mark.parametrize("ripe", range(3))
def test_what_was_left_to_others_is_planned_once_somebody_else_changes_it(ripe: int):
    book = _reading()
    book.learn([_told(KEY, 2, by=ACTOR)])
    for _ in range(ripe):
        book.ripen()
    book.learn([_told(KEY, 3, priority=8)])
    assert (book.soon, book.theirs) == (1, 0)
    assert book.take(9) == ([KEY], Stands.NOT)


def test_a_story_that_waits_to_be_planned_is_left_to_nobody():
    book = _reading()
    book.learn([_told(KEY, 2), _told(KEY, 3, by=ACTOR, priority=8)])
    assert (book.soon, book.theirs) == (1, 0)


def test_no_more_is_remembered_of_what_was_told_than_there_is_room_for():
    book = _reading()
    book.acts(Leased(*KEY, Own(""), 1, NOW), config(), NOW)
    for number in range(TOLD_MAX):
        book.acts(Leased(TENANT, f"{number:026}", Own(""), 1, NOW), config(), NOW)
    book.learn([_told(KEY, 2, by=ACTOR)])
    assert (book.soon, book.theirs) == (0, 1), "a look in a while is all this costs"


def test_what_was_planned_here_is_planned_again_first():
    keys = [(TENANT, f"{number:026}") for number in range(4)]
    book, policy = Book({}, rng=random.Random(7)), config()  # noqa: S311  an order
    book.begin([OpenStory(*key, WAITING, 1) for key in keys], 1)
    book.take(9)
    for key in keys[2:]:
        assert book.plan(key, policy) is not None
    book.anew()
    assert sorted(book.take(2)[0]) == keys[2:]
    assert sorted(book.take(2)[0]) == keys[:2]


def _parts(seed: int | None, stories: list[OpenStory]) -> list[str]:
    """Give the first of each of the parts in which a replica plans everything."""
    book = Book({}, rng=None if seed is None else random.Random(seed))  # noqa: S311  an order
    book.begin(stories, 1)
    parts = [book.take(TOGETHER) for _ in range(40)]
    assert all(len(keys) == TOGETHER and asks is Stands.MAYBE for keys, asks in parts)
    assert not book.again
    return [keys[0][1] for keys, _ in parts]


def _reading() -> Book:
    """Know one story whose plan is made."""
    book = Book({})
    book.begin([OpenStory(*KEY, WAITING, 1)], 1)
    book.take(9)
    return book


def _told(
    key: tuple[str, str], sequence: int, *, by: str = "gateway:shop", priority: int = 7
) -> Logged:
    """Give an append by which a case of a story waits for another time."""
    case = replace(WAITING.cases[0], priority=priority)
    head = replace(WAITING, cases=(case,))
    record = replace(RECORD, tenant=key[0], customer=key[1], actor=by, head=head)
    return Logged(record, sequence, b"")
