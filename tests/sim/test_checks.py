"""The check of capacity itself, on histories written by hand: it sees what it is there to see."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.sim import checks_capacity
from tests.sim.book import Book
from tests.sim.house import CAPACITY
from tests.tellers import START, TENANT, customer, own
from toldonce.kernel.story.events import CaseOpened, Event, Offered, OfferRevoked
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, Story
from toldonce.runtime.testing.log import FakeLog

OLD, NEW = 3, 4


class History:
    """A log written line by line."""

    def __init__(self) -> None:
        self.book = Book(FakeLog())
        self.heads: dict[str, Story] = {}

    def tell(self, who: str, at_s: float, epoch: int, *events: Event) -> None:
        """Write one record."""
        count, story = len(self.book.all), customer(who)
        record = Record(
            tenant=TENANT,
            customer=story,
            operation=own("operation", count),
            at=START + timedelta(seconds=at_s),
            actor="service:test",
            previous_sequence=0,
            previous_hash=b"",
            engine_epoch=epoch,
            traceparent="",
            key=None,
            nonce=b"",
            sealed=b"",
            events=events,
            head=EMPTY,
        )
        head = self.heads[story] = apply(self.heads.get(story, EMPTY), record)
        self.book.all.append(Logged(replace(record, head=head), count + 1, b""))

    def offer(self, who: str, at_s: float, epoch: int, agent: str) -> None:
        """Open a case and offer it in one append."""
        opened = CaseOpened(own(who), "billing", "chat", "gate", "", "en", (), 0, "")
        until = START + timedelta(seconds=at_s + 20)
        offered = Offered(own("offer", who), own(who), agent, until, epoch, "1-a", b"")
        self.tell(who, at_s, epoch, opened, offered)

    def found(self) -> list[str]:
        """Check it."""
        return [said for _, said in checks_capacity.check(self.book, Counter())]


@pytest.fixture
def late() -> History:
    """The new engine has filled anna when an offer of the old one arrives at second 1."""
    history = History()
    for number in range(CAPACITY["anna"]):
        history.offer(f"customer {number}", 0, NEW, "anna")
    history.offer("late", 1, OLD, "anna")
    return history


def test_one_engine_may_not_offer_more_than_an_agent_can_hold() -> None:
    history = History()
    for number in range(CAPACITY["anna"] + 1):
        history.offer(f"customer {number}", 0, NEW, "anna")
    assert history.found() == [f"anna of {TENANT} is offered unit 5 of 4 at 5"]


def test_late_offer_that_is_taken_back_in_time_is_no_fault(late: History) -> None:
    late.tell("late", 3, 0, OfferRevoked(own("offer", "late"), own("late"), "anna", "FAILOVER"))
    late.offer("other", 60, NEW, "bram")
    assert late.found() == []


def test_late_offer_that_the_newer_engine_leaves_is_seen(late: History) -> None:
    late.offer("other", 5, NEW, "bram")
    assert late.found() == []
    late.offer("another", 7, NEW, "bram")
    assert late.found() == [f"anna of {TENANT} is still offered too much since 5, at 7"]


def test_engine_that_takes_over_meanwhile_has_time_to_see_it(late: History) -> None:
    late.offer("other", 7, NEW + 1, "bram")
    late.offer("another", 11, NEW + 1, "bram")
    assert late.found() == []
    late.offer("one more", 13, NEW + 1, "bram")
    assert len(late.found()) == 1
