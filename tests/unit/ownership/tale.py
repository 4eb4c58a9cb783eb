"""A story told by commands alone, without log or words: the core as it is, with a clock by hand."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.tellers import (
    ENGINE,
    GATEWAY,
    RULES,
    START,
    TENANT,
    agent,
    contact,
    customer,
    offer,
    own,
)
from toldonce.kernel.errors import Invalid, Refusal, Rejected
from toldonce.kernel.ids import Own
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Event, HandoffBegun
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import EMPTY, Case, Story, TargetKind
from toldonce.ownership.core import Asked, Command, Rules, decide
from toldonce.ownership.core.commands import AcceptOffer, BeginHandoff, CloseCase
from toldonce.runtime.envelope import decode_record, encode_record

ANNA, BRAM, CARL = agent("anna"), agent("bram"), agent("carl")
SAM = Principal(TENANT, Role.SUPERVISOR, "sam")
HASH = bytes(range(32))


@dataclass
class Tale:
    """One customer's story; `do` appends what a command decides and gives its facts."""

    story: Story = EMPTY
    now: datetime = START
    rules: Rules = RULES
    records: list[Record] = field(default_factory=list)

    def do(self, command: Command, who: Principal = ENGINE) -> tuple[Event, ...]:
        by = Asked(own("operation", len(self.records)), who)
        events = decide(self.story, command, by, self.now, self.rules)
        if events:
            self.add(by, events)
        return events

    def add(self, by: Asked, events: tuple[Event, ...]) -> None:
        record = Record(
            tenant=TENANT,
            customer=customer(),
            operation=by.operation,
            at=self.now,
            actor=by.actor,
            previous_sequence=len(self.records),
            previous_hash=b"",
            engine_epoch=0,
            traceparent="",
            key=None,
            nonce=b"",
            sealed=b"",
            events=events,
            head=self.story,
        )
        record = replace(record, head=apply(self.story, record))
        assert decode_record(encode_record(record)) == record
        self.records.append(record)
        self.story = record.head

    def refused(self, command: Command, who: Principal = ENGINE) -> str:
        """Ask for what must be refused: its reason, or for an input its field and sentence."""
        before = self.story
        try:
            self.do(command, who)
        except Rejected as no:
            assert self.story == before
            return no.reason
        except Invalid as no:
            return str(no)
        except Refusal as no:
            return type(no).__name__
        raise AssertionError("it was not refused")

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # ---- what happens in most of them

    def waiting(self, number: int = 1, *, queue: str = "orders", topic: str = "order") -> Case:
        """Take a contact in, as a case of its own when its topic is."""
        self.do(contact(number, queue=queue, topic=topic), GATEWAY)
        return self.story.cases[-1]

    def owned(self, number: int = 1, by: str = "anna", **where: str) -> Case:
        case = self.waiting(number, **where)
        self.offered(case.own, by)
        self.accept(case.own)
        return self.case(case.own)

    def offered(self, case: Own, to: str) -> Own:
        number = len(self.records)
        made = offer(case, to, now=self.now, number=number, epoch=self.case(case).epoch)
        self.do(made)
        return made.offer

    def accept(self, case: Own, *, digest: bytes = HASH) -> tuple[Event, ...]:
        found = self.case(case)
        held = digest if found.handoff else b""
        live = found.offers[0]
        return self.do(AcceptOffer(live.own, found.epoch, held), agent(live.agent))

    def handing(
        self,
        case: Own,
        to: str = "bram",
        *,
        kind: TargetKind = TargetKind.AGENT,
        warm: bool = False,
        override: str = "",
    ) -> BeginHandoff:
        """Say a handoff by the present owner, who has seen everything."""
        found = self.case(case)
        return BeginHandoff(
            case=case,
            epoch=found.epoch,
            seen=found.last_customer_entry,
            target_kind=kind,
            target=to,
            timeout_s=0,
            warm=warm,
            override=override,
            context_sequence=len(self.records),
            context_hash=HASH,
        )

    def hand(self, case: Own, to: str = "bram", **how: object) -> HandoffBegun:
        """Begin a handoff by the present owner."""
        owner = agent(self.case(case).owner)
        events = self.do(self.handing(case, to, **how), owner)  # type: ignore[arg-type]
        return next(event for event in events if isinstance(event, HandoffBegun))

    def hand_on(self, case: Own, to: str, **how: object) -> None:
        """Hand a case over and let the receiver accept."""
        self.hand(case, to, **how)
        self.offered(case, to)
        self.accept(case)

    def closing(self, case: Own, **how: bool | None) -> CloseCase:
        found = self.case(case)
        return CloseCase(case, found.epoch, "resolved", found.last_customer_entry, **how)

    def close(self, case: Own) -> None:
        self.do(self.closing(case), agent(self.case(case).owner))

    def case(self, own_case: Own) -> Case:
        found = self.story.case(own_case)
        assert found is not None
        return found


def kinds(events: tuple[Event, ...]) -> list[str]:
    """Name what happened."""
    return [type(event).__name__ for event in events]
