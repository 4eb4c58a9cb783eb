"""Handoffs of every kind in any order: is a case ever without its sender, or its story?

The model keeps per case where it came from, who advises, and what is pending; the receiver hashes
what it read itself. For long runs: `--hypothesis-profile explore --timeout 0`.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tests.aims import LADDER, aimed, aims
from tests.deeds import DEEDS, NAMES, QUEUES, SAID, SUPERVISOR, Scene, forward
from tests.machines import WHO, StoryMachine
from tests.replicas import Answered, answered, runs
from tests.tellers import ENGINE, ENVELOPE, RULES, TENANT, agent, offer
from toldonce.kernel.story.bounds import Waiting, bounds, stuck
from toldonce.kernel.story.events import (
    CaseClosed,
    CaseOpened,
    CaseReopened,
    CaseSplit,
    ConsultJoined,
    ConsultLeft,
    EntryKind,
    Escalated,
    Event,
    HandoffBegun,
    HandoffCancelled,
    OfferAccepted,
    OwnershipReleased,
    QueueChanged,
)
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import (
    ADVISERS_MAX,
    FORMER_MAX,
    AdviserKind,
    Case,
    CaseState,
    TargetKind,
)
from toldonce.ownership.core import Command
from toldonce.ownership.core.commands import AcceptOffer, AppendEntry, BeginHandoff, ChangeQueue
from toldonce.ownership.core.reconciling import operation_of, remedy

HOPS_MAX = 3
OF_KEEPERS = {Waiting.QUEUE, Waiting.ANSWER}
PASSES_S = (1, 1, 2, 5, 10, 21, 31, 61, 1_900, 3_700)
LONG_S = 86_400 * 400
ENDINGS_MAX = 200
ABOUT_HANDOFFS = sorted(
    DEEDS.keys() - {"warn", "breach", "incident", "keep", "break", "confirm", "promise"}
)
where = st.integers(0, 1)
about_handoffs = st.lists(st.sampled_from(ABOUT_HANDOFFS), min_size=1, max_size=6)


@dataclass(slots=True)
class Trail:
    """Where a case came from, by the facts alone."""

    queue: str
    owner: str = ""
    owners: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    hops: int = 0
    pending: HandoffBegun | None = None
    advisers: dict[str, tuple[AdviserKind, datetime]] = field(default_factory=dict)
    stays: tuple[str, datetime] | None = None

    def accept(self, event: OfferAccepted, at: datetime) -> None:
        """Follow an accept: only a handoff leaves a trail."""
        begun, sender = self.pending, self.owner
        self.advisers.pop(event.agent, None)
        if event.handoff:
            assert begun is not None
            assert begun.from_agent == sender
            self.owners = _latest(self.owners, sender)
            self.hops += 1
            if begun.target_kind is not TargetKind.AGENT and begun.target != self.queue:
                self.queues = _latest(self.queues, self.queue)
                self.queue = begun.target
            self.stays = (sender, at) if begun.warm else None
        self.owner, self.pending = event.agent, None


def _latest(names: list[str], name: str) -> list[str]:
    return [*(old for old in names if old != name), name][-FORMER_MAX:]


class HandoffMachine(StoryMachine):
    """One customer, a few cases, everybody hands on; the queue has a limit of three hops."""

    law = replace(aimed(aims(more=LADDER)), hops_max=HOPS_MAX, agents=frozenset(NAMES))

    def __init__(self) -> None:
        super().__init__()
        self.trails: dict[str, Trail] = {}
        self.walked = 0
        self.ends: dict[str, int] = defaultdict(int)

    @initialize()
    def customer_tells_it(self) -> None:
        self.tell(1, "order", 0)

    @rule(number=st.integers(1, 9), topic=st.sampled_from(("order", "invoice", "")), at=where)
    def customer_writes(self, number: int, topic: str, at: int) -> None:
        self.tell(number, topic, at)

    @rule(data=st.data(), at=where, deeds=about_handoffs)
    def somebody_does_something(self, data: st.DataObject, at: int, deeds: list[str]) -> None:
        for deed in deeds:
            seen = self._scene(data, at)
            self.do(deed, seen, at)
            self.trail_is_true()

    @rule(at=where)
    def cases_are_taken_on(self, at: int) -> None:
        self.take_on(at)

    @rule(data=st.data(), at=where)
    def somebody_goes_on(self, data: st.DataObject, at: int) -> None:
        seen = self._scene(data, at)
        self.do(forward(seen), seen, at)

    @rule(
        data=st.data(),
        at=where,
        kind=st.sampled_from(TargetKind),
        warm=st.booleans(),
        override=st.sampled_from(("", "SPECIALIST")),
    )
    def case_is_handed_over(
        self, data: st.DataObject, at: int, kind: TargetKind, *, warm: bool, override: str
    ) -> None:
        """From an owner who is there to one who answers: it goes through, or the guard says no."""
        case = self._owned(data, at)
        if case is None:
            return
        sender = case.owner
        to = data.draw(st.sampled_from([name for name in NAMES if name != sender]), "to")
        queue = data.draw(st.sampled_from(QUEUES), "queue")
        target = {TargetKind.AGENT: to, TargetKind.QUEUE: queue, TargetKind.TIER: "1"}[kind]
        seen = case.last_customer_entry
        begin = BeginHandoff(case.own, case.epoch, seen, kind, target, 0, warm, override)
        begun = self._ask(begin, sender, at)
        if begun.done is None:
            full = warm and len(case.advisers) >= ADVISERS_MAX
            reason = self._guarded(case, kind, target, override)
            assert begun.reason == ("TOO_MANY_ADVISERS" if full else reason)
            return
        made = offer(case.own, to, now=self.now, number=self.number, epoch=case.epoch)
        self._ask(made, "", 1 - at)
        assert self.case(case.own).owner == sender
        wrong = self._ask(AcceptOffer(made.offer, case.epoch, b"not what I read"), to, 1 - at)
        assert wrong.reason == "CONTEXT_MISMATCH"
        assert self.case(case.own).owner == sender
        read = self._read(self.case(case.own), 1 - at)
        accepted = self._ask(AcceptOffer(made.offer, case.epoch, read), to, 1 - at)
        assert accepted.done is not None, accepted.reason
        after = self.case(case.own)
        assert (after.owner, after.epoch, after.handoff) == (to, case.epoch + 1, None)

    @rule(data=st.data(), at=where, to=st.sampled_from(QUEUES), by=st.sampled_from(("", "sue")))
    def waiting_case_goes_elsewhere_and_back(
        self, data: st.DataObject, at: int, to: str, by: str
    ) -> None:
        """By overflow it never goes back where it was; a supervisor sends it anywhere."""
        cases = [one for one in self.head().cases if _is_open(one) and not one.owner]
        if not cases:
            return
        self.number += 1
        case = data.draw(st.sampled_from(cases), "case")
        for left, queue in ((case.queue, to), (to, case.queue)):
            been = left != queue and queue in self.trails[case.own].queues
            change = ChangeQueue(case.own, case.epoch, left, queue, "TEST")
            changed = self._ask(change, by, at)
            assert changed.reason == ("PING_PONG" if been and not by else "")
            if changed.reason:
                break
            assert self.case(case.own).queue == queue
        assert self.case(case.own).enqueued_at == case.enqueued_at

    @rule(data=st.data(), at=where)
    def adviser_writes(self, data: st.DataObject, at: int) -> None:
        """Advisers add notes without an epoch, and never speak to the customer."""
        cases = [one for one in self.head().cases if one.advisers and _is_open(one)]
        if not cases:
            return
        case = data.draw(st.sampled_from(cases), "case")
        found = data.draw(st.sampled_from(case.advisers), "adviser")
        adviser, in_time = found.agent, self.now < found.until_at
        note = self._ask(AppendEntry(case.own, 0, EntryKind.NOTE), adviser, at)
        assert (note.done is not None) == in_time, note.reason
        said = self._ask(AppendEntry(case.own, case.epoch, EntryKind.MESSAGE_OUT), adviser, at)
        assert said.reason in {"NOT_OWNER", "NOT_OWNED"}

    @rule(seconds=st.sampled_from(PASSES_S))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def trail_is_true(self) -> None:
        self.check()
        for logged in self.auditor.records[self.walked :]:
            self._walk(logged)
        self.walked = self.auditor.count
        for case in self.auditor.head(WHO).cases:
            trail = self.trails[case.own]
            assert (case.queue, case.hops) == (trail.queue, trail.hops)
            assert list(case.former_owners) == trail.owners
            assert list(case.former_queues) == trail.queues
            if _is_open(case):
                advisers = {one.agent: (one.kind, one.until_at) for one in case.advisers}
                assert advisers == trail.advisers
            assert len(case.advisers) <= ADVISERS_MAX

    def finish(self) -> None:
        """End all that waits by the command its bound asks for: each handoff has had one end."""
        for _ in range(ENDINGS_MAX):
            self.world.clock.advance(LONG_S)
            head = self.head()
            late = [one for one in stuck(head, self.now) if one.kind not in OF_KEEPERS]
            if not late:
                break
            command = remedy(late[0], head)
            assert command is not None, late[0]
            operation = operation_of(late[0])
            ask = self.world.ask(WHO, command, ENGINE, operation=operation)
            ended = self.loop.run(answered(self.replicas[0], ask))
            assert ended.done is not None, (late[0], ended.reason)
        self.trail_is_true()
        left = bounds(self.head())
        assert {one.kind for one in left} <= OF_KEEPERS
        assert all(len(ends) == 1 for ends in self.auditor.handoffs.values())

    def _scene(self, data: st.DataObject, at: int) -> Scene:
        if not self.head().cases:
            self.tell(1000 + self.number, "order", at)
        return self.scene(data)

    def _owned(self, data: st.DataObject, at: int) -> Case | None:
        """Give a case with an owner and nothing pending; make it so where need be."""
        cases = [
            one
            for one in self.head().cases
            if _is_open(one) and not one.offers and one.scheduled_at(self.now) is None
        ]
        if not cases:
            return None
        self.number += 1
        case = data.draw(st.sampled_from(cases), "case")
        if not case.owner:
            name = data.draw(st.sampled_from(NAMES), "first owner")
            made = offer(case.own, name, now=self.now, number=self.number, epoch=case.epoch)
            self._ask(made, "", at)
            accepted = self._ask(AcceptOffer(made.offer, case.epoch, b""), name, at)
            assert accepted.done is not None, accepted.reason
            case = self.case(case.own)
        self.number += 1
        return None if case.handoff or case.lapse else case

    def _guarded(self, case: Case, kind: TargetKind, target: str, override: str) -> str:
        """Say for which reason the handoff must have been refused; empty: for none."""
        trail = self.trails[case.own]
        if kind is TargetKind.TIER:
            target = RULES.queues[case.queue].escalation
            if not target:
                return "Invalid"
        if override:
            return ""
        if target in (trail.owners if kind is TargetKind.AGENT else trail.queues):
            return "PING_PONG"
        return "HOP_LIMIT" if trail.hops >= HOPS_MAX else ""

    def _ask(self, command: Command, name: str, at: int) -> Answered:
        said = ENVELOPE if isinstance(command, BeginHandoff) else None
        said = SAID if isinstance(command, AppendEntry) else said
        who = {"": ENGINE, SUPERVISOR.subject: SUPERVISOR}.get(name) or agent(name)
        ask = self.world.ask(WHO, command, who, words=said)
        ended = self.loop.run(answered(self.replicas[at], ask))
        self.ledger.note(ended)
        self.trail_is_true()
        return ended

    def _read(self, case: Case, at: int) -> bytes:
        """Read the context as the receiver does, and hash what was read."""
        assert case.handoff is not None
        upto = case.handoff.context_sequence
        return self.loop.run(self.replicas[at].context.hash(TENANT, WHO, upto))

    def _walk(self, logged: Logged) -> None:
        at = logged.record.at
        for event in logged.record.events:
            match event:
                case CaseOpened():
                    self.trails[event.case] = Trail(event.queue)
                case CaseSplit(_, made):
                    self.trails[made.own] = Trail(made.queue)
                case CaseReopened(case):
                    self.trails[case.own] = Trail(self.trails[case.own].queue)
                case HandoffBegun():
                    self._begun(event, logged)
                case HandoffCancelled():
                    self.trails[event.case].pending = None
                case _:
                    self._change(event, at)
        assert not any(trail.stays for trail in self.trails.values()), "a warm sender was let go"

    def _change(self, event: Event, at: datetime) -> None:
        match event:
            case OfferAccepted():
                self.trails[event.case].accept(event, at)
            case OwnershipReleased():
                self.trails[event.case].owner = ""
            case Escalated(case, _, queue):
                trail = self.trails[case]
                trail.queue = trail.queue if trail.owner else queue
            case QueueChanged(case, left, queue):
                trail = self.trails[case]
                assert (trail.queue, trail.owner) == (left, "")
                trail.queue, trail.queues = queue, _latest(trail.queues, left)
            case ConsultJoined():
                trail = self.trails[event.case]
                if event.kind is AdviserKind.WARM:
                    until_at = at + timedelta(seconds=RULES.warm_max_s)
                    assert (event.agent, at, event.until_at) == (*trail.stays, until_at)
                    trail.stays = None
                assert event.agent != trail.owner
                trail.advisers[event.agent] = (event.kind, event.until_at)
            case ConsultLeft():
                del self.trails[event.case].advisers[event.agent]
            case CaseClosed():
                self.trails[event.case].pending = None
            case _:
                pass

    def _begun(self, event: HandoffBegun, logged: Logged) -> None:
        """Check the guard and the hash: by what another process reads of the log."""
        trail = self.trails[event.case]
        assert trail.pending is None
        if not event.rung and not event.override:
            to_agent = event.target_kind is TargetKind.AGENT
            assert event.target not in (trail.owners if to_agent else trail.queues)
            assert trail.hops < HOPS_MAX
        assert event.context_sequence == logged.record.previous_sequence
        reader = self.world.open()
        read = self.loop.run(reader.context.hash(TENANT, WHO, event.context_sequence))
        assert read == event.context_hash
        trail.pending = event


def _is_open(case: Case) -> bool:
    return case.state is not CaseState.CLOSED


TestHandoff = HandoffMachine.TestCase
TestHandoff.settings = runs(examples=45, steps=25)
