"""What a replica knows of its stories while plans of them are on their way."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from loadtests.rebuild_fill import open_kinds
from loadtests.timers_fill import kind
from tests.tellers import TENANT
from tests.unit.sla.bureau import config
from toldonce.kernel.story.record import Logged
from toldonce.runtime.envelope import decode_head, decode_record
from toldonce.runtime.open_rows import OpenStory
from toldonce.sla.handler import Book

RECORD = decode_record(kind(datetime(2026, 1, 5, 9, 0, tzinfo=UTC)).payloads[-1])
WAITING = decode_head(open_kinds(1)[4].head)
KEY = (TENANT, "a" * 26)


def test_a_story_that_ends_while_its_plan_is_on_its_way_is_known_until_its_timers_are_gone() -> (
    None
):
    book, policy = Book({}), config()
    book.begin([OpenStory(*KEY, WAITING, 1)], 1)
    assert book.take(9) == ([KEY], True)
    first = book.plan(KEY, policy)
    book.begin([], 2)
    assert book.take(9) == ([KEY], True)
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
    assert book.take(9) == ([KEY], True)
    assert not book.stood(KEY, None, policy)
    assert not book.stood(KEY, (6, policy.revision), policy)
    assert not book.stood(KEY, (7, policy.revision - 1), policy)
    assert book.plan(KEY, policy) is not None
    assert book.stood(KEY, (7, policy.revision), policy)
    assert book.plan(KEY, policy) is None
    assert book.stood(KEY, (8, 0), policy), "another replica has read further"


def test_nothing_stands_of_a_story_nobody_knows():
    assert not Book({}).stood(KEY, (7, 1), config())


@pytest.mark.parametrize(("begins_at", "first"), [(0.0, 0), (0.5, 2), (0.99, 3)])
def test_replicas_begin_to_plan_everything_at_different_places(begins_at: float, first: int):
    keys = [(TENANT, f"{number:026}") for number in range(4)]
    book = Book({}, begins_at=begins_at)
    book.begin([OpenStory(*key, WAITING, 1) for key in keys], 1)
    assert book.soon == 4
    assert book.take(9) == ([*keys[first:], *keys[:first]], True)


def test_what_has_changed_comes_before_what_may_stand_and_is_not_asked_for():
    others = [(TENANT, f"{number:026}") for number in range(3)]
    book = Book({})
    book.begin([OpenStory(*key, WAITING, 1) for key in (*others, KEY)], 1)
    book.learn([_told(KEY, 2)])
    assert book.take(2) == ([KEY], False)
    assert book.take(9) == (others, True)


def _told(key: tuple[str, str], sequence: int) -> Logged:
    """Give an append by which a case of a story waits for another time."""
    case = replace(WAITING.cases[0], priority=7)
    record = replace(RECORD, tenant=key[0], customer=key[1], head=replace(WAITING, cases=(case,)))
    return Logged(record, sequence, b"")
