"""What the log says happened, worked out from its events alone; the services are not asked.

Ownership is followed here once more, by its own small rules, so that a mistake in the fold cannot
hide itself; the fold of `kernel.story` is compared with the head of every message beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from toldonce.cli.company.timers import TimerBook
from toldonce.client.seen import TraceSeen, read_trace
from toldonce.kernel.config import Config
from toldonce.kernel.ids import whole
from toldonce.kernel.story.events import (
    CaseAbandoned,
    CaseClosed,
    CaseOpened,
    CasePaused,
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    CommitmentWithdrawn,
    ContactReceived,
    DeliveryConfirmed,
    EntryAppended,
    EntryKind,
    Escalated,
    Event,
    HandoffBegun,
    HandoffCancelled,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
    QueueChanged,
    RungClimbed,
    SlaBreached,
    SlaWarned,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY, Story


@dataclass(frozen=True, slots=True)
class OfferTold:
    """An offer as the log has it; `at` is when it was written."""

    case_id: str
    agent: str
    at: datetime
    policy_version: str
    trace: TraceSeen


@dataclass(frozen=True, slots=True)
class HandoffTold:
    """A completed handoff: who took over, and the hash of what the sender had."""

    handoff_id: str
    case_id: str
    sender: str
    receiver: str
    context_hash: bytes


@dataclass(slots=True)
class CaseTold:
    """One case from beginning to end."""

    case_id: str
    channel: str
    queue: str
    opened_at: datetime
    owner: str = ""
    epoch: int = 0
    first_owned_at: datetime | None = None
    ended: str = ""
    two_owners: bool = False
    handoffs: int = 0
    pending: HandoffBegun | None = None
    lapsed: bool = False


@dataclass(slots=True)
class Chronicle:
    """Everything a judge asks of the log."""

    config: Config
    cases: dict[str, CaseTold] = field(default_factory=dict)
    contacts: dict[str, list[ContactReceived]] = field(default_factory=dict)
    case_of: dict[str, str] = field(default_factory=dict)
    offers: list[OfferTold] = field(default_factory=list)
    handoffs: list[HandoffTold] = field(default_factory=list)
    handoffs_begun: int = 0
    sender_lost: int = 0
    owner_changes: int = 0
    epochs_back: int = 0
    declines: int = 0
    expiries: int = 0
    escalations: int = 0
    released_gone: int = 0
    warnings: int = 0
    breaches: int = 0
    rungs: int = 0
    pauses: int = 0
    promised: int = 0
    kept: int = 0
    broken: int = 0
    withdrawn: int = 0
    heads_differ: int = 0
    answers: dict[str, bool] = field(default_factory=dict)
    records: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    changes: list[tuple[datetime, str, str, Event]] = field(default_factory=list)
    timers: TimerBook = field(init=False)
    _stories: dict[str, Story] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin the book of timers."""
        self.timers = TimerBook(self.config)

    def take(self, logged: Logged) -> None:
        """Take the next message of the log."""
        record = logged.record
        self.records += 1
        self.first_at = self.first_at or record.at
        self.last_at = record.at
        before = self._stories.get(record.customer, EMPTY)
        after = apply(before, record)
        self.heads_differ += after != record.head
        self._stories[record.customer] = after
        for event in record.events:
            own = getattr(event, "case", "")
            case_id = whole(record.customer, own) if isinstance(own, str) and own else ""
            self._event(record.customer, case_id, event, record.at)
            self.changes.append((record.at, record.customer, case_id, event))
        self.timers.take(before, record, after)

    @property
    def open_stories(self) -> int:
        """How many stories still wait for something."""
        return sum(not story.terminal for story in self._stories.values())

    def open_cases(self) -> Iterator[CaseTold]:
        """Give the cases that have not ended."""
        return (case for case in self.cases.values() if not case.ended)

    def _event(self, customer: str, case_id: str, event: Event, at: datetime) -> None:
        count = _COUNTED.get(type(event))
        if count is not None:
            setattr(self, count, getattr(self, count) + 1)
        match event:
            case CaseOpened():
                self.cases[case_id] = CaseTold(case_id, event.channel, event.queue, at)
            case ContactReceived():
                contact_id = whole(customer, event.contact)
                self.contacts.setdefault(contact_id, []).append(event)
                self.case_of[contact_id] = case_id
            case EntryAppended(entry, _, kind):
                if kind is EntryKind.MESSAGE_OUT:
                    self.answers[whole(customer, entry)] = False
            case DeliveryConfirmed(entry):
                self.answers[whole(customer, entry)] = True
            case Offered():
                self.offers.append(
                    OfferTold(
                        case_id, event.agent, at, event.policy_version, read_trace(event.trace)
                    )
                )
            case _:
                found = self.cases.get(case_id)
                if found is not None:
                    self._case_event(customer, found, event, at)

    def _case_event(self, customer: str, case: CaseTold, event: Event, at: datetime) -> None:
        match event:
            case OfferAccepted(_, _, agent, epoch, handoff):
                self._accepted(customer, case, agent, epoch, handoff)
                case.first_owned_at = case.first_owned_at or at
            case OwnershipReleased(_, agent, epoch, reason):
                self._epoch(case, epoch)
                self.sender_lost += case.owner != agent
                self.released_gone += reason.startswith("OWNER_GONE")
                case.owner, case.pending, case.lapsed = "", None, False
            case OwnershipLapsed(_, agent):
                self.sender_lost += case.owner != agent
                case.lapsed = True
            case OwnershipResumed(_, agent):
                self.sender_lost += case.owner != agent
                case.lapsed = False
            case HandoffBegun():
                self.sender_lost += case.owner != event.from_agent
                case.pending, case.lapsed = event, False
            case HandoffCancelled():
                case.pending = None
            case Escalated(queue=queue) | QueueChanged(queue=queue):
                if not case.owner:
                    case.queue = queue
            case CaseClosed(_, disposition):
                case.ended, case.owner = disposition, ""
            case CaseAbandoned():
                case.ended, case.owner = "ABANDONED", ""
            case _:
                return

    def _accepted(
        self, customer: str, case: CaseTold, agent: str, epoch: int, handoff: str
    ) -> None:
        self._epoch(case, epoch)
        begun = case.pending
        handed = bool(handoff) and begun is not None and begun.handoff == handoff
        if case.owner and not handed and not case.lapsed:
            case.two_owners = True
        if handoff and begun is not None:
            self.handoffs.append(
                HandoffTold(
                    whole(customer, handoff), case.case_id, case.owner, agent, begun.context_hash
                )
            )
            case.handoffs += 1
        case.owner, case.pending, case.lapsed = agent, None, False

    def _epoch(self, case: CaseTold, epoch: int) -> None:
        self.owner_changes += 1
        self.epochs_back += epoch <= case.epoch
        case.epoch = max(case.epoch, epoch)


_COUNTED: dict[type, str] = {
    OfferDeclined: "declines",
    OfferExpired: "expiries",
    Escalated: "escalations",
    SlaWarned: "warnings",
    SlaBreached: "breaches",
    RungClimbed: "rungs",
    CasePaused: "pauses",
    CommitmentMade: "promised",
    CommitmentKept: "kept",
    CommitmentBroken: "broken",
    CommitmentWithdrawn: "withdrawn",
    HandoffBegun: "handoffs_begun",
}
