"""The card says what the next person should not have to ask, from the history alone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tests.tellers import START, customer, own
from toldonce.kernel.card import ALIASES_MAX, EARLIER_MAX, Card, Read, card, destroyed
from toldonce.kernel.handoffs import Handed, handoffs
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import (
    Absorbed,
    Alias,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    ContactReceived,
    ContactWords,
    EntryWords,
    EnvelopeWords,
    Event,
    Forgotten,
    HandoffBegun,
    HandoffCancelled,
    IncidentLinked,
    Moved,
    OfferAccepted,
    Words,
    WrapUpBegun,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, Case, Story, TargetKind

KEY = KeyRef(own("block"), 3)
ONE, TWO = own("case", 1), own("case", 2)


class Book:
    """A log by hand: `add` appends events with their words to a customer's story."""

    def __init__(self) -> None:
        self.heads: dict[str, Story] = {}
        self.read: list[Read] = []

    def add(
        self, *events: Event, words: Mapping[int, Words] | None = None, of: str = ""
    ) -> datetime:
        who, number = of or customer(), len(self.read) + 1
        at = START + timedelta(minutes=number)
        before = self.heads.get(who, EMPTY)
        record = Record(
            tenant="demo",
            customer=who,
            operation=own("operation", number),
            at=at,
            actor="agent:anna",
            previous_sequence=0,
            previous_hash=b"",
            engine_epoch=0,
            traceparent="",
            key=KEY if words else None,
            nonce=b"",
            sealed=b"sealed" if words else b"",
            events=events,
            head=before,
        )
        head = apply(before, record)
        self.heads[who] = head
        self.read.append((Logged(replace(record, head=head), number, b""), words or {}))
        return at

    def tell(
        self, number: int, case: Own = ONE, *aliases: Alias, of: str = "", **more: str
    ) -> Case:
        """Let the customer say something, in a new case or one that is open."""
        said = ContactWords(aliases, more.get("name", ""), "", "Waar?", "", ())
        channel, language = more.get("channel", "chat"), more.get("language", "nl")
        events: list[Event] = []
        if self.head(of).case(case) is None:
            agent = more.get("agent", "")
            events.append(
                CaseOpened(case, "orders", channel, "web", "parcel", "nl", (), 100, agent)
            )
        contact = own("contact", number)
        events.append(
            ContactReceived(
                contact, case, contact, "web", channel, language, START, bool(events), None
            )
        )
        self.add(*events, words={len(events) - 1: said}, of=of)
        found = self.head(of).case(case)
        assert found is not None
        return found

    def head(self, of: str = "") -> Story:
        return self.heads.get(of or customer(), EMPTY)

    def card(self, case: Case) -> Card:
        return card(self.read, self.head(), case)


_BEGUN = HandoffBegun(
    handoff=own("handoff"),
    case=ONE,
    from_agent="anna",
    target_kind=TargetKind.QUEUE,
    target="returns",
    expires_at=START + timedelta(hours=1),
    context_sequence=1,
    context_hash=b"h",
    rung=0,
)


def mail(name: str) -> Alias:
    return Alias("EMAIL", f"{name}@example.org")


def accepted(case: Own, agent: str, epoch: int = 1, handoff: str = "") -> OfferAccepted:
    return OfferAccepted(own("offer", case, epoch), case, agent, epoch, Own(handoff))


def begun(number: int, case: Own = ONE, *, warm: bool = False) -> HandoffBegun:
    handoff = own("handoff", number)
    return replace(_BEGUN, handoff=handoff, case=case, warm=warm)


def test_most_used_address_comes_first_and_of_two_the_latest() -> None:
    book = Book()
    book.tell(1, ONE, mail("old"), mail("often"))
    book.tell(2, ONE, mail("often"))
    case = book.tell(3, ONE, mail("new"))
    assert book.card(case).aliases == (mail("often"), mail("new"), mail("old"))


def test_card_is_bounded_however_often_the_customer_comes_back() -> None:
    book = Book()
    for number in range(40):
        case = own("case", number)
        book.tell(number, case, mail(f"{number}"))
        book.add(CaseClosed(case, "resolved", "anna", re_told=False))
    shown = book.card(book.tell(99, TWO))
    assert len(shown.aliases) == ALIASES_MAX
    assert [one.case for one in shown.earlier] == [
        own("case", 39 - number) for number in range(EARLIER_MAX)
    ]
    assert shown.contacts_total == 41


def test_name_and_language_are_those_last_given() -> None:
    book = Book()
    book.tell(1, name="Jo", language="nl")
    book.tell(2, name="Joan", language="fr")
    shown = book.card(book.tell(3, name="", language=""))
    assert (shown.name, shown.language) == ("Joan", "fr")


def test_preferences_are_the_most_used_channel_and_whom_they_asked_for() -> None:
    book = Book()
    book.tell(1, channel="mail")
    book.tell(2, channel="chat")
    case = book.tell(3, channel="mail")
    assert book.card(case).preferred_agent == ""
    book.add(accepted(ONE, "anna"))
    assert book.card(case).preferred_agent == "anna"
    book.add(CaseClosed(ONE, "resolved", "anna", re_told=False))
    case = book.tell(4, TWO, agent="carl", channel="mail")
    book.add(accepted(TWO, "bram"))
    shown = book.card(case)
    assert (shown.preferred_channel, shown.preferred_agent) == ("mail", "carl")


def test_earlier_cases_say_how_each_of_them_ended() -> None:
    book = Book()
    names = ["closed", "left", "merged", "forgotten"]
    cases = {name: own("case", name) for name in names}
    for number, name in enumerate(names):
        book.tell(number, cases[name])
    asked = book.tell(9, TWO)
    book.add(accepted(cases["closed"], "anna"))
    book.add(CaseClosed(cases["closed"], "refunded", "anna", re_told=False))
    book.add(CaseAbandoned(cases["left"], "HUNG_UP"))
    book.add(CaseMerged(cases["merged"], TWO))
    at = book.add(Forgotten((KEY,), "ASKED_TO"))
    shown = book.card(asked)
    assert [(one.case, one.disposition, one.agent) for one in shown.earlier] == [
        (cases["forgotten"], "forgotten", ""),
        (cases["merged"], "merged", ""),
        (cases["left"], "HUNG_UP", ""),
        (cases["closed"], "refunded", "anna"),
    ]
    assert shown.earlier[0].ended_at == at
    assert shown.forgotten


def test_case_that_is_open_again_or_asked_about_is_not_an_earlier_one() -> None:
    book = Book()
    first = book.tell(1)
    book.add(CaseClosed(ONE, "resolved", "anna", re_told=False))
    other = book.tell(2, TWO)
    assert [one.case for one in book.card(other).earlier] == [ONE]
    assert book.card(first).earlier == ()
    book.add(CaseReopened(first, "CAME_BACK"))
    assert book.card(other).earlier == ()
    book.add(CaseClosed(ONE, "refunded", "bram", re_told=False))
    assert [one.disposition for one in book.card(other).earlier] == ["refunded"]


def test_case_whose_paperwork_goes_on_has_ended_once() -> None:
    book = Book()
    book.tell(1)
    book.add(accepted(ONE, "anna"))
    book.add(
        WrapUpBegun(ONE, "anna", START + timedelta(hours=2)),
        CaseClosed(ONE, "resolved", "anna", re_told=False),
    )
    other = book.tell(2, TWO)
    assert [one.disposition for one in book.card(other).earlier] == ["resolved"]
    book.add(Forgotten((KEY,), "ASKED_TO"))
    assert [one.disposition for one in book.card(other).earlier] == ["resolved"]


def test_open_promises_stand_with_their_words_until_they_are_kept_or_broken() -> None:
    book = Book()
    case = book.tell(1)
    due = START + timedelta(days=1)
    for number in range(3):
        said = EntryWords(f"belofte {number}", ())
        book.add(CommitmentMade(own("promise", number), ONE, "anna", due), words={0: said})
    book.add(CommitmentKept(own("promise", 0), ONE, "bram"))
    book.add(CommitmentBroken(own("promise", 2), ONE, due))
    shown = book.card(case)
    assert [(one.commitment.own, one.text) for one in shown.promises] == [
        (own("promise", 1), "belofte 1")
    ]
    assert shown.bad_experiences == 1


def test_incident_of_the_case_is_shown() -> None:
    book = Book()
    book.tell(1)
    book.add(IncidentLinked(ONE, "parcels-lost"))
    case = book.head().cases[0]
    assert book.card(case).incident == "parcels-lost"


def test_words_that_cannot_be_read_are_left_out_and_the_facts_stay() -> None:
    book = Book()
    case = book.tell(1, ONE, mail("joan"), name="Joan")
    book.read = [(logged, None) for logged, _ in book.read]
    shown = book.card(case)
    assert (shown.aliases, shown.name, shown.language) == ((), "", "nl")
    assert (shown.contacts_total, shown.forgotten) == (1, False)


def test_log_says_which_keys_are_destroyed() -> None:
    book = Book()
    book.tell(1)
    assert destroyed(logged for logged, _ in book.read) == frozenset()
    book.add(Forgotten((KEY,), "ASKED_TO"))
    assert destroyed(logged for logged, _ in book.read) == {KEY}


def ends(book: Book) -> list[tuple[str, bool]]:
    return [(one.outcome, one.ended_at is not None) for one in handoffs(book.read)]


def test_each_handoff_has_one_end() -> None:
    book = Book()
    book.tell(1)
    book.add(accepted(ONE, "anna"))
    for number, reason in enumerate(["DECLINED", "TIMED_OUT", "CANCELLED", "SENDER_RELEASED"]):
        book.add(begun(number), words={0: EnvelopeWords("why", "what", "", "", "")})
        book.add(HandoffCancelled(own("handoff", number), ONE, reason))
    book.add(begun(8, warm=True))
    book.add(accepted(ONE, "bram", 2, own("handoff", 8)))
    book.add(begun(9))
    told = handoffs(book.read)
    assert [one.outcome for one in told] == [
        "DECLINED",
        "TIMED_OUT",
        "CANCELLED",
        "SENDER_RELEASED",
        "ACCEPTED",
        "",
    ]
    assert (told[4].begun.warm, told[5].ended_at) == (True, None)
    first: Handed = told[0]
    assert first.envelope == EnvelopeWords("why", "what", "", "", "")
    assert told[4].envelope is None


def test_handoff_of_a_story_that_moves_or_is_forgotten_ends_with_it() -> None:
    for last, outcome in ((Moved("x" * 26), "MOVED"), (Forgotten((KEY,), "ASKED_TO"), "FORGOTTEN")):
        book = Book()
        book.tell(1)
        book.tell(2, TWO, of=customer("other"))
        book.add(begun(1))
        book.add(begun(2, TWO), of=customer("other"))
        book.add(last)
        both = outcome == "FORGOTTEN"
        assert ends(book) == [(outcome, True), (outcome if both else "", both)]


def test_cases_of_a_linked_story_are_earlier_cases_too() -> None:
    book, other = Book(), customer("other")
    book.tell(1, TWO, mail("work"), of=other)
    book.add(CaseClosed(TWO, "resolved", "bram", re_told=False), of=other)
    gone = book.head(other)
    book.add(Moved(customer()), of=other)
    case = book.tell(2, ONE, mail("home"))
    book.add(
        Absorbed(
            source=other,
            source_sequence=3,
            source_at=START,
            sources=(),
            cases=gone.cases,
            contacts=gone.contacts,
            contact_floor_at=None,
            unconfirmed=(),
            contacts_total=gone.contacts_total,
            cases_total=gone.cases_total,
            handoffs_total=gone.handoffs_total,
            bad_experiences=gone.bad_experiences,
        )
    )
    shown = book.card(case)
    assert [one.case for one in shown.earlier] == [TWO]
    assert (set(shown.aliases), shown.contacts_total) == ({mail("work"), mail("home")}, 2)
