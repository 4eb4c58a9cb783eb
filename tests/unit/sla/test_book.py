"""What a replica knows of its stories while plans of them are on their way."""

from loadtests.rebuild_fill import open_kinds
from tests.tellers import TENANT
from tests.unit.sla.bureau import config
from toldonce.runtime.envelope import decode_head
from toldonce.runtime.open_rows import OpenStory
from toldonce.sla.handler import Book

WAITING = decode_head(open_kinds(1)[4].head)
KEY = (TENANT, "a" * 26)


def test_a_story_that_ends_while_its_plan_is_on_its_way_is_known_until_its_timers_are_gone() -> (
    None
):
    book, policy = Book({}), config()
    book.begin([OpenStory(*KEY, WAITING, 1)], 1)
    assert book.take(9) == [KEY]
    first = book.plan(KEY, policy)
    book.begin([], 2)
    assert book.take(9) == [KEY]
    second = book.plan(KEY, policy)
    assert first is not None
    assert second is not None
    assert first.timers
    assert not second.timers
    book.stands(first)
    assert book.stories == 1
    book.stands(second)
    assert book.stories == 0
