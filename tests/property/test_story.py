"""Is there any history of commands that breaks a promise of the story?

Commands are drawn at random, sensible and senseless alike, and the invariants are checked after
each: one owner, epochs only grow, nothing is lost, refusals are refusals, the codec keeps all.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.aims import aimed, fired
from tests.tellers import RULES, START, TENANT, agent, contact, customer, offer, own
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.config.aims import RUNGS_MAX
from toldonce.kernel.errors import Refusal
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    Absorbed,
    CaseAbandoned,
    CaseClosed,
    CaseOpened,
    ContactWords,
    EntryKind,
    Event,
    OfferAccepted,
    WrapUpCompleted,
)
from toldonce.kernel.story.fold import apply, fold
from toldonce.kernel.story.pausing import paused, resumed
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.runs import marked
from toldonce.kernel.story.types import (
    CASES_MAX,
    COMMITMENTS_MAX,
    EMPTY,
    ENVELOPE_BYTES_MAX,
    EVENTS_MAX,
    HEAD_BYTES_MAX,
    PAUSES_MAX,
    TEXT_BYTES_MAX,
    Case,
    Commitment,
    PauseCause,
    SkillNeed,
    Story,
    TargetKind,
)
from toldonce.ownership.core import Asked, Command, decide
from toldonce.ownership.core.commands import (
    AbandonCase,
    Absorb,
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    BeginWrapUp,
    CancelHandoff,
    CloseCase,
    CompleteWrapUp,
    ConfirmDelivery,
    DeclineOffer,
    Ended,
    Escalate,
    ExpireOffer,
    FireTimer,
    MoveOut,
    ReleaseOwnership,
    ReopenCase,
    RevokeOffer,
)
from toldonce.runtime.envelope import (
    decode_head,
    decode_record,
    encode_head,
    encode_record,
    encode_words,
)

NAMES = ("anna", "bram", "carl")
PEOPLE = tuple(agent(name) for name in NAMES)
SERVICE = Principal(TENANT, Role.SERVICE, "engine")
LAW = aimed()


@dataclass
class Teller:
    """A story under test: everything that was appended, and what must stay true of it."""

    story: Story = EMPTY
    records: list[Record] = field(default_factory=list)
    now: datetime = START
    epochs: dict[str, int] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    absorbed: int = 0

    def do(self, command: Command, who: Principal) -> None:
        by = Asked(own("operation", len(self.records)), who)
        try:
            events = decide(self.story, command, by, self.now, LAW)
        except Refusal:
            return
        assert decide(self.story, command, by, self.now, LAW) == events
        if events:
            self.append(by, events)

    def append(self, by: Asked, events: tuple[Event, ...]) -> None:
        assert 1 <= len(events) <= EVENTS_MAX
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
            key=KeyRef(own("block"), 7),
            nonce=b"",
            sealed=b"",
            events=events,
            head=self.story,
        )
        after = apply(self.story, record)
        record = replace(record, head=after)
        self.check(events, after)
        assert decode_record(encode_record(record)) == record
        assert decode_head(encode_head(after)) == after
        self.records.append(record)
        self.story = after

    def check(self, events: tuple[Event, ...], after: Story) -> None:
        for event in events:
            match event:
                case CaseOpened(case):
                    self.opened.add(case)
                case Absorbed():
                    self.opened |= {case.own for case in event.cases}
                    self.absorbed += len(event.cases)
                case CaseClosed(case) | CaseAbandoned(case) | WrapUpCompleted(case):
                    self.ended.add(case)
                case OfferAccepted(_, case, _, epoch):
                    assert epoch > self.epochs.get(case, -1)
                case _:
                    pass
        here = {case.own for case in after.cases}
        if not after.moved_to:
            assert self.opened <= here | self.ended
        assert len(after.cases) <= CASES_MAX + self.absorbed
        for case in after.cases:
            before = self.story.case(case.own)
            assert case.epoch >= self.epochs.get(case.own, 0)
            if before is not None and before.owner != case.owner:
                assert case.epoch > before.epoch
            self.epochs[case.own] = case.epoch
            assert case.owner == "" or case.owner in NAMES
            assert case.handoff is None or case.owner
            assert len(case.offers) <= 1
            assert case.owner not in {live.agent for live in case.offers}


def _case(story: Story, draw: st.DataObject) -> Own:
    known = [case.own for case in story.cases]
    return draw.draw(st.sampled_from([*known, own("nobody")]))


def _step(teller: Teller, draw: st.DataObject) -> None:
    story = teller.story
    own_case = _case(story, draw)
    case = story.case(own_case)
    epoch = case.epoch if case else 0
    live = [one.own for each in story.cases for one in each.offers] or [own("no offer")]
    seen = case.last_customer_entry if case else own("nothing")
    who = draw.draw(st.sampled_from([*PEOPLE, *PEOPLE, SERVICE]))
    if case is not None and case.owner and draw.draw(st.integers(0, 3)):
        who = agent(case.owner)
    offered = draw.draw(st.sampled_from(live))
    to = next((o.agent for e in story.cases for o in e.offers if o.own == offered), "anna")
    number = draw.draw(st.integers(1, 60))
    digest = case.handoff.context_hash if case and case.handoff else b""

    def handoff(kind: TargetKind, to: str) -> BeginHandoff:
        hashed = b"h" * 32
        return BeginHandoff(
            own_case, epoch, seen, kind, to, 0, context_sequence=3, context_hash=hashed
        )

    commands: list[tuple[Command, Principal]] = [
        (contact(number, topic=f"topic{number % 11}"), SERVICE),
        (contact(number, topic=""), SERVICE),
        (offer(own_case, NAMES[number % 3], now=teller.now, number=number, epoch=epoch), SERVICE),
        (AcceptOffer(offered, epoch, digest), agent(to)),
        (AcceptOffer(offered, epoch, b""), who),
        (DeclineOffer(offered, "BUSY"), agent(to)),
        (ExpireOffer(offered), SERVICE),
        (RevokeOffer(offered, "TEST"), SERVICE),
        (AppendEntry(own_case, epoch, EntryKind(1 + number % 4)), who),
        (handoff(TargetKind.AGENT, "bram"), who),
        (handoff(TargetKind.QUEUE, "returns"), who),
        (CancelHandoff(own_case, epoch, Own(""), "CANCELLED"), who),
        (Escalate(own_case, epoch, 0, "", "TEST", 3, b"h" * 32), who),
        (BeginWrapUp(own_case, epoch), who),
        (CompleteWrapUp(own_case, epoch), who),
        (CloseCase(own_case, epoch, "resolved", seen, re_told=False), who),
        (ReopenCase(own_case, "TEST", Ended(case, teller.now) if case else None), who),
        (AbandonCase(own_case, "TEST"), who),
        (ReleaseOwnership(own_case, epoch, "TEST"), who),
        (_breach(case, number, teller.now), SERVICE),
        (ConfirmDelivery(story.unconfirmed[0].entry if story.unconfirmed else own("x")), SERVICE),
    ]
    rare: list[tuple[Command, Principal]] = [
        (
            Absorb(
                customer("other", len(teller.records)), number, START, _other(len(teller.records))
            ),
            SERVICE,
        ),
        (MoveOut(customer(), customer("other"), to_empty=False, arriving=0, stories=1), SERVICE),
    ]
    if draw.draw(st.integers(0, 60)) == 0:
        commands = rare
    command, by = draw.draw(st.sampled_from(commands))
    teller.do(command, by)
    teller.now += timedelta(seconds=draw.draw(st.sampled_from([0, 0, 1, 21, 61])))


def _breach(case: Case | None, number: int, now: datetime) -> FireTimer:
    moment = BREACH if number % 2 else WARN
    if case is None:
        return FireTimer(own("nobody"), own("no timer"), ClockKind.QUEUE_WAIT, moment)
    clock = (ClockKind.QUEUE_WAIT, ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION)[number % 3]
    return fired(case, clock, moment, now if number % 7 == 0 else None)


def _other(number: int) -> Story:
    teller = Teller()
    teller.do(contact(1000 + number), SERVICE)
    return teller.story


@given(st.data())
@settings(max_examples=100, phases=[Phase.explicit, Phase.generate])
def test_no_history_breaks_a_promise(draw: st.DataObject) -> None:
    teller = Teller()
    for _ in range(draw.draw(st.integers(5, 60))):
        _step(teller, draw)
    assert fold(teller.records) == teller.story
    again = fold(decode_record(encode_record(record)) for record in teller.records)
    assert again == teller.story


def _long(number: int) -> str:
    return f"{number:02d}" + "x" * 61


def _full(case: Case) -> Case:
    """Give a case every pause and every mark that it can have."""
    every_clock = sum(clock.bit for clock in ClockKind)
    for number in range(2 * PAUSES_MAX):
        cause = PauseCause(1 + number % 4)
        begins = START + timedelta(seconds=7 * number)
        case = resumed(
            paused(case, cause, begins, begins + timedelta(hours=1), every_clock),
            (cause,),
            begins + timedelta(seconds=1),
        )
    case = replace(case, tier=_long(5), asked_at=START, replied_at=START, resolve_from_at=START)
    every = sum(Moment(rung).bit for rung in range(-1, RUNGS_MAX + 1))
    for kind in (clock for clock in ClockKind if clock is not ClockKind.COMMITMENT):
        case = marked(case, kind, every)
    assert (len(case.pauses), len(case.marks)) == (PAUSES_MAX, 4)
    return case


def test_largest_legal_command_in_the_fullest_head_fits_one_message() -> None:
    teller = Teller()
    long_rules = replace(RULES, agents=frozenset({_long(1)}))
    assert long_rules
    for number in range(CASES_MAX):
        command = replace(
            contact(number, topic=_long(number)),
            gateway=_long(97),
            channel=_long(98),
            queue="orders",
            skills=tuple(SkillNeed(_long(skill), 5) for skill in range(3)),
            preferred_agent=_long(96),
        )
        teller.do(command, SERVICE)
    for case in teller.story.cases:
        teller.do(offer(case.own, _long(99), now=teller.now, epoch=0), SERVICE)
    for number in range(100):
        teller.do(AppendEntry(teller.story.cases[0].own, 0, EntryKind.MESSAGE_OUT), SERVICE)
        teller.do(contact(500 + number, topic=_long(0)), SERVICE)
    assert len(teller.story.cases) == CASES_MAX
    full = tuple(_full(case) for case in teller.story.cases)
    promises = tuple(
        Commitment(own("promise", n), full[n % 8].own, _long(n), START, START + timedelta(n), n > 3)
        for n in range(COMMITMENTS_MAX)
    )
    story = replace(teller.story, cases=full, commitments=promises)
    head = encode_head(story)
    assert decode_head(head) == story
    texts = ContactWords((), "n" * 8_192, "s" * 8_192, "t" * TEXT_BYTES_MAX, "a" * 8_192, ())
    last = teller.records[-1]
    largest = replace(last, head=story, sealed=encode_words({0: texts}) + b"t" * 16)
    assert len(encode_record(largest)) <= ENVELOPE_BYTES_MAX
    assert len(head) <= 2 * HEAD_BYTES_MAX, len(head)
