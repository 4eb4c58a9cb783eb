"""Holds what stands in a log against the promises, from the facts alone.

The model is tiny and its own: who owns each case under which epoch, which handoff and which offers
are open. It follows the facts in log order; the heads in the log must say the same.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.replicas import Answered
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    Absorbed,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseSplit,
    Event,
    Fenced,
    Forgotten,
    HandoffBegun,
    HandoffCancelled,
    Moved,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import (
    EMPTY,
    ENVELOPE_BYTES_MAX,
    EVENTS_MAX,
    HEAD_BYTES_ABSORBED_MAX,
    HEAD_BYTES_MAX,
    OFFERS_MAX,
    Case,
    Story,
)
from toldonce.ownership.handler import Ask
from toldonce.runtime.envelope import decode_logged, decode_record, encode_head, encode_record
from toldonce.runtime.testing.log import FakeLog


@dataclass(slots=True)
class Title:
    """What the facts say of one case."""

    owner: str = ""
    epoch: int = 0
    handoff: str = ""
    offers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Auditor:
    """Reads a log once, in order."""

    log: FakeLog
    records: list[Logged] = field(default_factory=list)
    heads: dict[str, Story] = field(default_factory=dict)
    titles: dict[str, Title] = field(default_factory=dict)
    handoffs: dict[str, list[str]] = field(default_factory=dict)
    _ends: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _operations: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _absorbed: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many messages were read."""
        return len(self.records)

    def head(self, customer: str) -> Story:
        """Give a story as it stands."""
        return self.heads.get(customer, EMPTY)

    async def look(self) -> list[Logged]:
        """Read and check what is new."""
        fresh = []
        while (stored := await self.log.get(self.count + 1)) is not None:
            logged = decode_logged(stored.payload, stored.sequence)
            assert len(stored.payload) <= ENVELOPE_BYTES_MAX
            self._check(logged)
            self.records.append(logged)
            fresh.append(logged)
        return fresh

    def _check(self, logged: Logged) -> None:
        record = logged.record
        who, before = record.customer, self.head(record.customer)
        assert (record.previous_sequence, record.previous_hash) == self._ends.get(who, (0, b""))
        assert record.operation not in self._operations[who], "done twice"
        assert 1 <= len(record.events) <= EVENTS_MAX
        assert before.at is None or record.at >= before.at
        assert not before.moved_to, "something was added to a frozen story"
        assert decode_record(encode_record(record)) == record
        for event in record.events:
            self._follow(event, before)
        assert record.head == apply(before, record)
        self._ends[who] = (logged.sequence, logged.digest)
        self._operations[who].add(record.operation)
        self.heads[who] = record.head
        self._agree(record)

    def _agree(self, record: Record) -> None:
        head = record.head
        if head.absorbed:
            self._absorbed.add(record.customer)
        full = record.customer in self._absorbed
        most = HEAD_BYTES_ABSORBED_MAX if full else HEAD_BYTES_MAX
        assert len(encode_head(head)) <= most
        for case in head.cases:
            title = self.titles[case.own]
            assert (case.owner, case.epoch) == (title.owner, title.epoch)
            assert (case.handoff.own if case.handoff else "") == title.handoff
            assert {offer.own for offer in case.offers} == title.offers
            assert len({one.agent for one in case.offers}) == len(case.offers) <= OFFERS_MAX
            assert len({one.engine_epoch for one in case.offers}) <= 1
            sought = not case.owner or case.handoff is not None or case.lapse is not None
            assert sought or not case.offers
            assert case.owner or case.handoff is None
            assert case.owner or case.lapse is None
            assert case.owner not in {offer.agent for offer in case.offers}
            assert case.owner not in {one.agent for one in case.advisers}

    def _follow(self, event: Event, before: Story) -> None:
        match event:
            case CaseOpened(case):
                assert case not in self.titles
                self.titles[case] = Title()
            case CaseSplit(_, made):
                assert made.own not in self.titles
                self._put(made, rises=False)
            case CaseReopened(case):
                self._put(case, rises=True)
            case Absorbed(cases=cases):
                for case in cases:
                    assert case.owner == self.titles[case.own].owner
                    self._put(case, rises=True)
            case OfferAccepted(offer, case, agent, epoch, handoff):
                title = self.titles[case]
                assert epoch > title.epoch
                assert agent != title.owner
                assert handoff == title.handoff
                self._end_offer(title, offer)
                if handoff:
                    self._end_handoff(title, handoff, "ACCEPTED")
                title.owner, title.epoch = agent, epoch
            case OwnershipReleased(case, agent, epoch):
                title = self.titles[case]
                assert epoch > title.epoch
                assert agent == title.owner
                title.owner, title.epoch = "", epoch
            case OwnershipLapsed(case, agent, epoch) | OwnershipResumed(case, agent, epoch):
                title = self.titles[case]
                assert (agent, epoch) == (title.owner, title.epoch)
            case Offered(offer, case):
                assert not any(offer in title.offers for title in self.titles.values())
                self.titles[case].offers.add(offer)
            case OfferDeclined(offer, case) | OfferExpired(offer, case) | OfferRevoked(offer, case):
                self._end_offer(self.titles[case], offer)
            case HandoffBegun(handoff, case, sender):
                title = self.titles[case]
                assert (title.handoff, sender) == ("", title.owner)
                assert sender
                assert handoff not in self.handoffs
                title.handoff, self.handoffs[handoff] = handoff, []
            case HandoffCancelled(handoff, case, reason):
                self._end_handoff(self.titles[case], handoff, reason)
            case CaseClosed(case) | CaseAbandoned(case) | CaseMerged(case):
                assert (self.titles[case].handoff, self.titles[case].offers) == ("", set())
            case Moved() | Forgotten():
                for case in before.cases:
                    self._freeze(self.titles[case.own])
            case _:
                pass

    def _put(self, case: Case, *, rises: bool) -> None:
        title = self.titles.get(case.own)
        assert not rises or (title is not None and case.epoch > title.epoch)
        self.titles[case.own] = Title(case.owner, case.epoch)
        assert (case.handoff, case.offers) == (None, ())

    def _end_offer(self, title: Title, offer: str) -> None:
        assert offer in title.offers, "an offer ended twice"
        title.offers.remove(offer)

    def _end_handoff(self, title: Title, handoff: str, reason: str) -> None:
        assert title.handoff == handoff, "a handoff ended twice"
        self.handoffs[handoff].append(reason)
        title.handoff = ""

    def _freeze(self, title: Title) -> None:
        title.offers.clear()
        if title.handoff:
            self._end_handoff(title, title.handoff, "FROZEN")


@dataclass(slots=True)
class Ledger:
    """What the clients were told, kept outside the system."""

    done: dict[Own, tuple[Ask, Logged]] = field(default_factory=dict)
    refused: dict[Own, Ask] = field(default_factory=dict)
    unknown: dict[Own, Ask] = field(default_factory=dict)

    def note(self, answered: Answered) -> None:
        """Remember how a command ended."""
        operation = answered.ask.by.operation
        self.refused.pop(operation, None)
        self.unknown.pop(operation, None)
        if answered.unknown:
            self.unknown[operation] = answered.ask
        elif answered.done is None:
            self.refused[operation] = answered.ask
        elif answered.done.logged is not None:
            first = self.done.setdefault(operation, (answered.ask, answered.done.logged))
            assert first[1].sequence == answered.done.logged.sequence

    def check(self, auditor: Auditor) -> None:
        """Check that what was told is what stands: nothing lost, nothing out of nothing."""
        stands = {logged.record.operation: logged for logged in auditor.records}
        for operation, (_, logged) in self.done.items():
            assert auditor.records[logged.sequence - 1] == logged
            assert logged.record.operation == operation
        assert not stands.keys() & self.refused.keys(), "refused, and yet it happened"


def only_fences(records: list[Logged]) -> bool:
    """Tell whether nothing but fences was written."""
    return all(isinstance(event, Fenced) for one in records for event in one.record.events)
