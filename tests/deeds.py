"""What people and services might do next with a story: sensible things, and everything else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

from tests.aims import fired
from tests.tellers import ENGINE, ENVELOPE, GATEWAY, TENANT, agent, offer, own
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.ids import Own
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import Alias, CallbackWords, EntryKind, EntryWords, Words
from toldonce.kernel.story.types import Case, CaseState, PauseCause, Story, TargetKind
from toldonce.kernel.timers import timer_id
from toldonce.ownership.core import Command
from toldonce.ownership.core.commands import (
    AbandonCase,
    AcceptOffer,
    AppendEntry,
    BeginHandoff,
    BeginWrapUp,
    BreakCommitment,
    CancelHandoff,
    ChangeQueue,
    CloseCase,
    CompleteWrapUp,
    ConfirmDelivery,
    DeclineOffer,
    Escalate,
    ExpireOffer,
    FireTimer,
    JoinConsult,
    KeepCommitment,
    LapseOwnership,
    LeaveConsult,
    LinkIncident,
    MakeCommitment,
    MergeCases,
    PauseCase,
    ReleaseOwnership,
    ReopenCase,
    RequestCallback,
    ResumeCase,
    ResumeOwnership,
    RevokeOffer,
    ScheduleCase,
    SetPriority,
    SplitCase,
)

NAMES = ("anna", "bram", "carl", "dora", "emil", "fenna")
QUEUES = ("orders", "returns", "escalations")
SUPERVISOR = Principal(TENANT, Role.SUPERVISOR, "sue")
SAID = EntryWords("Morgen bij u.", ())
type Deed = tuple[Command, Principal, Words | None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What somebody has before them: a story, one case of it (or none such), and the time.

    `epoch` and `seen` are what they believe; `number` is never the same twice.
    """

    story: Story
    case: Case | None
    own: Own
    other: Own
    epoch: int
    seen: Own
    who: Principal
    offered: Own
    contact: Own
    now: datetime
    number: int

    @property
    def name(self) -> str:
        """Name some agent."""
        return NAMES[self.number % len(NAMES)]

    @property
    def digest(self) -> bytes:
        """Give the hash a pending handoff asks for."""
        handoff = self.case.handoff if self.case else None
        return handoff.context_hash if handoff else b""

    @property
    def promise(self) -> Own:
        """Name a commitment."""
        found = self.story.commitments
        return found[self.number % len(found)].own if found else own("no promise")

    @property
    def answer(self) -> Own:
        """Name an answer."""
        found = self.story.unconfirmed
        return found[self.number % len(found)].entry if found else own("no answer")


CLOCKS = (
    ClockKind.QUEUE_WAIT,
    ClockKind.FIRST_RESPONSE,
    ClockKind.NEXT_RESPONSE,
    ClockKind.RESOLUTION,
)


def _fire(s: Scene, moment: Moment) -> Deed:
    """Fire a timer of a clock of the case, mostly of its present run."""
    clock = CLOCKS[s.number % 4]
    if s.case is None:
        return FireTimer(s.own, own("no timer"), clock, moment), ENGINE, ENVELOPE
    since = s.now if s.number % 11 == 0 else None
    return fired(s.case, clock, moment, since), ENGINE, ENVELOPE if moment.rung > 0 else None


def _promised(s: Scene, moment: Moment) -> Deed:
    found = s.story.commitment(s.promise)
    since = s.now if found is None else found.made_at
    timer = timer_id(s.promise, ClockKind.COMMITMENT, moment, since)
    command = FireTimer(s.own, timer, ClockKind.COMMITMENT, moment, s.promise)
    return command, ENGINE, None


def _cause(s: Scene) -> PauseCause:
    return PauseCause.HOLD if s.number % 2 else PauseCause.CUSTOMER


def _handoff(s: Scene, kind: TargetKind, target: str) -> Deed:
    override = "SPECIALIST" if s.number % 4 == 0 else ""
    warm = bool(s.number % 2)
    command = BeginHandoff(s.own, s.epoch, s.seen, kind, target, 30, warm, override)
    return command, s.who, ENVELOPE


def _offer(s: Scene) -> Deed:
    """Offer it to one, or now and then as one of a round of so many."""
    several = (1, 1, 3, 5, 2)[s.number % 5]
    made = offer(s.own, s.name, now=s.now, number=s.number, epoch=s.epoch, round_of=several)
    return made, ENGINE, None


def _callback(s: Scene) -> Deed:
    words = CallbackWords(Alias("PHONE", "+31201234567")) if s.number % 3 == 0 else None
    command = RequestCallback(s.own, _later(s), to_other=words is not None)
    return command, GATEWAY, words


def _schedule(s: Scene) -> Deed:
    callback = bool(s.number % 2)
    asked = ScheduleCase(s.own, s.epoch, _later(s), callback, to_other=False, reason="TEST")
    return asked, s.who, None


def _later(s: Scene) -> datetime | None:
    seconds = (0, 5, 40, -20)[s.number % 4]
    return s.now + timedelta(seconds=seconds) if seconds else None


def _to(s: Scene) -> Principal:
    live = [one for case in s.story.cases for one in case.offers if one.own == s.offered]
    return agent(live[0].agent if live else s.name)


DEEDS: dict[str, Callable[[Scene], Deed]] = {
    "offer": _offer,
    "accept": lambda s: (AcceptOffer(s.offered, s.epoch, s.digest), _to(s), None),
    "accept blindly": lambda s: (AcceptOffer(s.offered, s.epoch, b""), s.who, None),
    "decline": lambda s: (DeclineOffer(s.offered, "BUSY"), _to(s), None),
    "expire": lambda s: (ExpireOffer(s.offered), ENGINE, None),
    "revoke": lambda s: (RevokeOffer(s.offered, "TEST"), ENGINE, None),
    "customer writes": lambda s: (AppendEntry(s.own, 0, EntryKind.MESSAGE_IN), GATEWAY, SAID),
    "answer": lambda s: (AppendEntry(s.own, s.epoch, EntryKind.MESSAGE_OUT), s.who, SAID),
    "note": lambda s: (AppendEntry(s.own, s.epoch, EntryKind.NOTE), s.who, SAID),
    "confirm": lambda s: (ConfirmDelivery(s.answer), GATEWAY, None),
    "hand to agent": lambda s: _handoff(s, TargetKind.AGENT, s.name),
    "hand to queue": lambda s: _handoff(s, TargetKind.QUEUE, QUEUES[s.number % 3]),
    "hand to tier": lambda s: _handoff(s, TargetKind.TIER, "1"),
    "cancel": lambda s: (CancelHandoff(s.own, s.epoch, Own(""), "CANCELLED"), s.who, None),
    "time out": lambda s: (CancelHandoff(s.own, 0, Own(""), "TIMED_OUT"), ENGINE, None),
    "escalate": lambda s: (Escalate(s.own, s.epoch, 0, "", "TEST"), s.who, ENVELOPE),
    "warn": lambda s: _fire(s, WARN),
    "breach": lambda s: _fire(s, BREACH),
    "climb": lambda s: _fire(s, Moment(1 + s.number % 3)),
    "warn of a promise": lambda s: _promised(s, WARN),
    "pause": lambda s: (PauseCase(s.own, s.epoch, _cause(s), _later(s), "TEST"), s.who, None),
    "go on": lambda s: (ResumeCase(s.own, s.epoch, _cause(s), ""), s.who, None),
    "ask back": lambda s: (
        AppendEntry(s.own, s.epoch, EntryKind.MESSAGE_OUT, awaits_customer=True),
        s.who,
        SAID,
    ),
    "begin wrap-up": lambda s: (BeginWrapUp(s.own, s.epoch), s.who, None),
    "complete wrap-up": lambda s: (CompleteWrapUp(s.own, s.epoch), s.who, None),
    "close": lambda s: (CloseCase(s.own, s.epoch, "resolved", s.seen, re_told=False), s.who, None),
    "reopen": lambda s: (ReopenCase(s.own, "CAME_BACK"), SUPERVISOR, None),
    "abandon": lambda s: (AbandonCase(s.own, "HUNG_UP"), GATEWAY, None),
    "give up": lambda s: (AbandonCase(s.own, "TEST"), SUPERVISOR, None),
    "release": lambda s: (ReleaseOwnership(s.own, s.epoch, "LUNCH"), s.who, None),
    "lapse": lambda s: (LapseOwnership(s.own, 0, "AGENT_GONE", "", 60), ENGINE, None),
    "lapse to backup": lambda s: (
        LapseOwnership(s.own, s.epoch, "OFF_SHIFT", s.name, 60),
        ENGINE,
        None,
    ),
    "resume": lambda s: (ResumeOwnership(s.own, s.epoch), s.who, None),
    "overflow": lambda s: (
        ChangeQueue(
            s.own,
            s.epoch,
            s.case.queue if s.case else QUEUES[0],
            QUEUES[s.number % 3],
            "OVERFLOW_FULL",
        ),
        ENGINE,
        None,
    ),
    "consult": lambda s: (JoinConsult(s.own, s.name), s.who, None),
    "leave": lambda s: (LeaveConsult(s.own, s.name, ""), s.who, None),
    "promise": lambda s: (
        MakeCommitment(s.own, s.epoch, s.now + timedelta(seconds=60)),
        s.who,
        SAID,
    ),
    "keep": lambda s: (KeepCommitment(s.promise, s.epoch), s.who, None),
    "break": lambda s: (BreakCommitment(s.promise), ENGINE, None),
    "merge": lambda s: (
        MergeCases(s.own, s.epoch, s.other, s.seen, _seen(s.story.case(s.other))),
        s.who,
        None,
    ),
    "split": lambda s: (SplitCase(s.own, s.epoch, (s.contact,)), s.who, None),
    "set priority": lambda s: (SetPriority(s.own, s.number % 7 * 100, "TEST"), SUPERVISOR, None),
    "change queue": lambda s: (
        ChangeQueue(s.own, 0, "", QUEUES[s.number % 3], "TEST"),
        s.who,
        None,
    ),
    "call back": _callback,
    "schedule": _schedule,
    "hang up": lambda s: (AbandonCase(s.own, "ABANDONED"), GATEWAY, None),
    "incident": lambda s: (LinkIncident(s.own, ("", "storm")[s.number % 2]), ENGINE, None),
}


def scene(
    data: st.DataObject,
    story: Story,
    *,
    ended: list[Own],
    contacts: list[Own],
    now: datetime,
    number: int,
) -> Scene:
    """Draw what somebody has before them, now and then out of date."""
    here = [case.own for case in story.cases]
    usual = [*here, *here, *here, *ended[-2:]] or [own("nobody")]
    chosen = data.draw(st.sampled_from([*usual, *usual, own("nobody")]), "case")
    case = story.case(chosen)
    live = [one.own for each in story.cases for one in each.offers] or [own("no offer")]
    if case is not None and case.offers:
        live = [case.offers[0].own, *live]
    who: Principal = data.draw(st.sampled_from([*map(agent, NAMES), SUPERVISOR, ENGINE]), "who")
    if case is not None and case.owner and data.draw(st.integers(0, 4), "other person"):
        who = agent(case.owner)
    epoch = case.epoch if case else 0
    stale = data.draw(st.integers(0, 9), "stale") == 9
    return Scene(
        story=story,
        case=case,
        own=chosen,
        other=data.draw(st.sampled_from([*here, own("nobody")]), "other case"),
        epoch=max(epoch - 1, 0) if stale else epoch,
        seen=own("old") if stale else _seen(case),
        who=who,
        offered=data.draw(st.sampled_from(live), "offer"),
        contact=contacts[number % len(contacts)] if contacts else own("no contact"),
        now=now,
        number=number,
    )


def forward(scene: Scene) -> str:
    """Name the deed that brings a case on."""
    case = scene.case
    if case is None or case.state is CaseState.CLOSED:
        return "reopen"
    if case.offers:
        late = case.offers[0].expires_at <= scene.now
        return "expire" if late else "accept"
    if not case.owner or case.handoff or case.lapse:
        return "offer"
    return ("answer", "hand to agent", "hand to queue", "promise")[scene.number % 4]


def _seen(case: Case | None) -> Own:
    return case.last_customer_entry if case else own("nothing")
