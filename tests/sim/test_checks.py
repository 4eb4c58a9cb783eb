"""The checks themselves, on histories written by hand: they see what they are there to see."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.sim import checks_capacity, checks_story
from tests.sim.book import Book
from tests.sim.house import CAPACITY, document
from tests.tellers import START, TENANT, customer, own
from toldonce.kernel.config import Config
from toldonce.kernel.story.events import (
    Absorbed,
    CallbackRequested,
    CaseAbandoned,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseScheduled,
    CaseSplit,
    Event,
    Offered,
    OfferRevoked,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.fold_case import opened
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, Case, Story
from toldonce.runtime.document import check
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.zones import WheelZones

OLD, NEW = 3, 4
LATER_S = 60.0


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
        logged = Logged(replace(record, head=head), count + 1, b"")
        self.book.all.append(logged)
        self.book.stories.setdefault((TENANT, story), []).append(logged)

    def offer(self, who: str, at_s: float, epoch: int, agent: str) -> None:
        """Open a case and offer it in one append."""
        self.tell(who, at_s, epoch, new_case(who), offered(who, at_s, epoch, agent))

    def found(self) -> list[str]:
        """Check it."""
        return [said for _, said in checks_capacity.check(self.book, Counter())]

    def appointments(self, config: Config) -> list[tuple[str, str]]:
        """Check each story, and give what is said of appointments: invariant, rest of sentence."""
        return [
            (invariant, said[said.index(sentence) :])
            for key, story in self.book.stories.items()
            for invariant, said in checks_story.check(key, story, config, Counter())
            for sentence in ("was offered before its time", "was to be called back")
            if sentence in said
        ]


def new_case(who: str) -> CaseOpened:
    """Say that a case begins to wait, named after its customer."""
    return CaseOpened(own(who), "orders", "chat", "gate", "", "en", (), 0, "")


def offered(who: str, at_s: float, epoch: int, agent: str) -> Offered:
    """Say that this case is offered for 20 s."""
    until = START + timedelta(seconds=at_s + 20)
    return Offered(own("offer", who, f"{at_s}"), own(who), agent, until, epoch, "1-a", b"")


def taken_back(who: str, at_s: float, agent: str) -> OfferRevoked:
    """Say that the offer made at `at_s` was taken back."""
    return OfferRevoked(own("offer", who, f"{at_s}"), own(who), agent, "FAILOVER")


def later(at_s: float = LATER_S) -> datetime:
    """Give an instant of the history."""
    return START + timedelta(seconds=at_s)


def absorbed(*cases: Case) -> Absorbed:
    """Say that the cases of another story came to this one."""
    return Absorbed(
        customer("else"), 1, START, (), cases, b"", None, (), len(cases), len(cases), 0, 0
    )


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
    late.tell("late", 3, 0, taken_back("late", 1, "anna"))
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


EARLY = [("I8", "was offered before its time")]
ENDED = [("I1", "was to be called back, and has ended")]
ASKED_FOR = {
    "a callback": CallbackRequested(own("joan"), later(), ""),
    "a case put off": CaseScheduled(own("joan"), later(), "NO_ANSWER"),
}


@pytest.fixture(scope="module")
def config() -> Config:
    """The configuration of the simulated house."""
    return check(document(), WheelZones())


@pytest.mark.parametrize("asked", ASKED_FOR.values(), ids=ASKED_FOR)
@pytest.mark.parametrize(("at_s", "found"), [(59.0, EARLY), (60.0, [])])
def test_offer_before_an_appointment_is_seen(
    asked: Event, at_s: float, found: list[tuple[str, str]], config: Config
) -> None:
    history = History()
    history.tell("joan", 0, NEW, new_case("joan"), asked)
    history.tell("joan", at_s, NEW, offered("joan", at_s, NEW, "anna"))
    assert history.appointments(config) == found


def test_newest_appointment_is_the_one_that_counts(config: Config) -> None:
    history = History()
    history.tell("joan", 0, NEW, new_case("joan"), ASKED_FOR["a callback"])
    history.tell("joan", 1, NEW, CaseScheduled(own("joan"), later(5), "PUT_OFF"))
    history.tell("joan", 6, NEW, offered("joan", 6, NEW, "anna"))
    assert history.appointments(config) == []
    history.tell("joan", 7, NEW, taken_back("joan", 6, "anna"))
    history.tell("joan", 8, NEW, CallbackRequested(own("joan"), later(90), ""))
    history.tell("joan", 70, NEW, offered("joan", 70, NEW, "anna"))
    assert history.appointments(config) == EARLY


def test_callback_in_turn_may_be_offered_at_once(config: Config) -> None:
    history = History()
    history.tell("joan", 0, NEW, new_case("joan"), CallbackRequested(own("joan"), None, ""))
    history.tell("joan", 0, NEW, offered("joan", 0, NEW, "anna"))
    assert history.appointments(config) == []


@pytest.mark.parametrize(
    ("reason", "found"), [("ABANDONED", ENDED), ("CANCELLED", [])], ids=["hung up", "taken back"]
)
def test_hanging_up_while_a_call_is_owed_is_seen(
    reason: str, found: list[tuple[str, str]], config: Config
) -> None:
    history = History()
    history.tell("joan", 0, NEW, new_case("joan"), CallbackRequested(own("joan"), None, ""))
    history.tell("joan", 5, NEW, CaseAbandoned(own("joan"), reason))
    assert history.appointments(config) == found


def test_who_was_only_put_off_may_go_away(config: Config) -> None:
    history = History()
    history.tell("joan", 0, NEW, new_case("joan"), ASKED_FOR["a case put off"])
    history.tell("joan", 5, NEW, CaseAbandoned(own("joan"), "ABANDONED"))
    assert history.appointments(config) == []


def test_appointment_moves_with_its_story(config: Config) -> None:
    history, came = History(), opened(new_case("joan"), START)
    put_off = replace(came, callback_at=START, not_before_at=later())
    history.tell("joan", 1, NEW, absorbed(put_off))
    history.tell("joan", 2, NEW, offered("joan", 2, NEW, "anna"))
    history.tell("joan", 3, NEW, CaseAbandoned(own("joan"), "ABANDONED"))
    assert history.appointments(config) == EARLY + ENDED


def test_matter_split_off_keeps_the_appointment(config: Config) -> None:
    history, came = History(), opened(new_case("joan"), START)
    made = replace(came, own=own("made"), not_before_at=later())
    split = CaseSplit(own("joan"), made, (own("contact"),))
    history.tell("joan", 0, NEW, new_case("joan"), split)
    history.tell("joan", 2, NEW, replace(offered("joan", 2, NEW, "anna"), case=own("made")))
    assert history.appointments(config) == EARLY


def test_reopened_case_owes_no_call_and_waits_for_no_appointment(config: Config) -> None:
    history, again = History(), opened(new_case("joan"), START)
    history.tell("joan", 0, NEW, new_case("joan"), ASKED_FOR["a callback"])
    history.tell("joan", 1, NEW, CaseAbandoned(own("joan"), "CANCELLED"))
    history.tell("joan", 2, NEW, CaseReopened(replace(again, epoch=1)))
    history.tell("joan", 3, NEW, offered("joan", 3, NEW, "anna"))
    history.tell("joan", 4, NEW, CaseAbandoned(own("joan"), "ABANDONED"))
    assert history.appointments(config) == []


def test_case_that_took_another_in_may_be_offered_with_it(config: Config) -> None:
    history = History()
    history.tell("joan", 0, NEW, new_case("joan"), ASKED_FOR["a callback"])
    other = replace(new_case("joan"), case=own("other"))
    history.tell("joan", 1, NEW, other, CaseMerged(own("other"), own("joan")))
    history.tell("joan", 2, NEW, offered("joan", 2, NEW, "anna"))
    assert history.appointments(config) == []
