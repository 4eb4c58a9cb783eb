"""Stories told fact by fact, and what the rules count of them: no log, no loop, no clock."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.tellers import START, TENANT, customer, own
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    CaseClosed,
    CaseOpened,
    ContactReceived,
    EntryAppended,
    EntryKind,
    Event,
    OfferAccepted,
    OwnershipReleased,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import EMPTY, Case, Story
from toldonce.runtime.document import check
from toldonce.runtime.zones import WheelZones
from toldonce.sla.core.counts import Mark
from toldonce.sla.core.known import NOTHING, Known
from toldonce.sla.core.served import observe

WEEKDAYS = "monday: ['09:00-17:00'], tuesday: ['09:00-17:00'], wednesday: ['09:00-17:00'], "
WEEKDAYS += "thursday: ['09:00-17:00'], friday: ['09:00-17:00']"
DOCUMENT = f"""
version: 1
languages: [nl]
skills: [orders]
channels:
  - {{name: chat, kind: chat, cost: 1, reply: true, queue: orders}}
  - {{name: email, kind: email, cost: 1, reply: true, queue: orders}}
  - {{name: voice, kind: voice, cost: 1, reply: false, queue: orders}}
topics: [{{name: order, queue: orders, words: {{nl: [pakket]}}}}]
calendars: [{{name: office, zone: UTC, weekly: {{{WEEKDAYS}}}}}]
queues:
  - {{name: orders, sla: quick, dispositions: [resolved]}}
  - {{name: returns, sla: slow, calendar: office, dispositions: [resolved]}}
  - {{name: aimless, dispositions: [resolved]}}
sla:
  - {{name: quick, targets: {{first_response_s: 60, queue_wait_s: 30}}}}
  - {{name: slow, targets: {{first_response_s: 600, queue_wait_s: 300}}}}
agents:
  - {{name: anna, skills: {{orders: 3}}, languages: {{nl: 5}}, capacity_units: 4}}
  - {{name: bram, skills: {{orders: 3}}, languages: {{nl: 5}}, capacity_units: 4}}
  - {{name: robo, kind: bot, skills: {{orders: 3}}, languages: {{nl: 5}}, capacity_units: 4}}
"""
ANNA, BRAM, ROBO = "agent:anna", "agent:bram", "agent:robo"
SERVICE = "service:test"


def config(text: str = DOCUMENT) -> Config:
    """The policy of these stories."""
    return check(text, WheelZones()).at_revision(1)


def at(seconds: float) -> datetime:
    """An instant so many seconds after START, a Monday at nine."""
    return START + timedelta(seconds=seconds)


@dataclass
class Tale:
    """Stories and what was counted of them."""

    config: Config = field(default_factory=config)
    marks: list[Mark] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    heads: dict[str, Story] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)

    def tell(self, at_s: float, *events: Event, who: str = "joan", by: str = SERVICE) -> None:
        """Let this happen to a customer, at once."""
        story = customer(who)
        record = Record(
            tenant=TENANT,
            customer=story,
            operation=own("operation", len(self.records)),
            at=at(at_s),
            actor=by,
            previous_sequence=0,
            previous_hash=b"",
            engine_epoch=0,
            traceparent="",
            key=None,
            nonce=b"",
            sealed=b"",
            events=events,
            head=EMPTY,
        )
        head = self.heads[story] = apply(self.heads.get(story, EMPTY), record)
        record = replace(record, head=head)
        self.records.append(record)
        self.known[story], marks = observe(
            self.known.get(story, NOTHING),
            record,
            len(self.records),
            self.config,
            lambda source: self.known[source],
        )
        self.marks += marks

    def case(self, name: str = "case", who: str = "joan") -> Case:
        """Give an open case as it stands."""
        found = self.heads[customer(who)].case(own(name))
        assert found is not None
        return found

    def counted(self) -> Mapping[str, Mapping[str, int]]:
        """Add up what was counted, by channel; what is 0 is left out."""
        found: dict[str, Counter[str]] = {}
        for mark in self.marks:
            found.setdefault(mark.channel, Counter()).update(mark.counts)
        return {
            channel: {str(name): number for name, number in counts.items() if number}
            for channel, counts in found.items()
        }


def opened(channel: str = "chat", *, name: str = "case", queue: str = "orders") -> CaseOpened:
    return CaseOpened(own(name), queue, channel, "gate", "order", "nl", (), 0, "")


def taken(agent: str = "anna", *, name: str = "case", epoch: int = 1, hand: str = "") -> Event:
    handoff = own(hand) if hand else Own("")
    return OfferAccepted(own("offer", name), own(name), agent, epoch, handoff)


def let_go(agent: str = "anna", *, name: str = "case", epoch: int = 2) -> Event:
    return OwnershipReleased(own(name), agent, epoch, "BREAK")


def said(*, name: str = "case", kind: EntryKind = EntryKind.MESSAGE_OUT, n: int = 1) -> Event:
    return EntryAppended(own("entry", n), own(name), kind, "gate", "chat")


def closed(
    agent: str = "anna",
    *,
    name: str = "case",
    first: bool | None = None,
    retold: bool | None = None,
) -> Event:
    return CaseClosed(
        own(name),
        "resolved",
        agent,
        re_told=bool(retold),
        re_told_known=retold is not None,
        resolved_first_owner=bool(first),
        resolved_known=first is not None,
    )


def joined(channel: str) -> ContactReceived:
    return ContactReceived(
        own("more"),
        own("case"),
        own("e"),
        "gate",
        channel,
        "nl",
        at(0),
        joined=True,
        promised_at=None,
    )
