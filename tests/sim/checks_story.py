"""One story, message by message: chain, fold, owners and epochs, timers, versions."""

from collections import Counter
from datetime import datetime

from tests.sim.older import OLD, lacking
from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.sla import clocks_of
from toldonce.kernel.story.events import (
    Absorbed,
    CallbackRequested,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseScheduled,
    CaseSplit,
    CommitmentBroken,
    EntryAppended,
    EntryKind,
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
    RungClimbed,
    SlaBreached,
    SlaWarned,
    WrapUpCompleted,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.runs import done, run_of
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION, Case, CaseState, Story
from toldonce.kernel.timers import Timer, story_timers, timer_id

Found = list[tuple[str, str]]
CLOCKS_S = 0.25


class _Owners:
    """Who owns each case of a story by the events alone, whatever the heads say."""

    def __init__(self) -> None:
        self.owner: dict[str, str] = {}
        self.epoch: dict[str, int] = {}
        self.handoff: dict[str, tuple[str, str]] = {}
        self.offers: dict[str, tuple[str, str]] = {}
        self.lapsed: set[str] = set()
        self.timers: dict[str, Timer] = {}
        self.recorded: set[str] = set()
        self.not_before: dict[str, datetime] = {}
        self.callbacks: set[str] = set()

    def put_off(self, *cases: Case) -> None:
        """Know of cases that came as they stood what was agreed about them before."""
        for case in cases:
            if case.callback_at is not None:
                self.callbacks.add(case.own)
            if case.not_before_at is not None:
                self.not_before[case.own] = case.not_before_at


def check(
    key: tuple[str, str], story: list[Logged], config: Config, checked: Counter[str]
) -> Found:
    """Check one story."""
    found: Found = []
    tenant, customer = key
    name = f"{customer} of {tenant}"
    head, sequence, digest = EMPTY, 0, b""
    version, operations = 0, Counter[str]()
    owners = _Owners()
    frozen = False
    for logged in story:
        record = logged.record
        where = f"{name} at {logged.sequence}"
        if (record.tenant, record.customer) != key:
            found.append(
                ("I12", f"{where} holds a message of {record.customer} of {record.tenant}")
            )
        if (record.previous_sequence, record.previous_hash) != (sequence, digest):
            found.append(("I4", f"{where} follows {record.previous_sequence}, not {sequence}"))
        if head.at is not None and record.at < head.at:
            found.append(("I4", f"{where} was before its predecessor"))
        if frozen and any(not isinstance(event, Fenced) for event in record.events):
            what = ", ".join(type(event).__name__ for event in record.events)
            found.append(("I5", f"{where}: {what} was added to a story that has moved"))
        if record.head.fold_version < version:
            found.append(("I10", f"{where} was written by older rules over newer ones"))
        version = max(version, record.head.fold_version)
        operations[record.operation] += 1
        before, head = head, apply(head, record)
        found += _head(where, head, record)
        found += _facts(where, before, record, owners)
        found += _appointments(where, record, owners)
        found += _ended_late(where, before, head, record, config)
        owners.timers.update((timer.own, timer) for timer in story_timers(head, config))
        for case in head.cases:
            asked = [offer.agent for offer in case.offers]
            if len(asked) > 1:
                checked["in a round"] += 1
            if len(asked) != len({*asked}) or len(asked) > config.policy_of("orders").round:
                found.append(("I5", f"{where}: {case.own} is on offer to {', '.join(asked)}"))
            if owners.owner.get(case.own, "") != case.owner:
                found.append(("I5", f"{where}: {case.own} is {case.owner}'s, not by its events"))
        frozen = frozen or any(isinstance(event, Moved) for event in record.events)
        sequence, digest = logged.sequence, logged.digest
    found += [
        ("I3", f"operation {operation} stands {count} times in {name}")
        for operation, count in operations.items()
        if count > 1
    ]
    checked["stories"] += 1
    return found


def _head(where: str, head: Story, record: Record) -> Found:
    """I10: the head a message carries is the fold of what happened, by the rules it names."""
    said = record.head
    if said.fold_version == FOLD_VERSION and said != head:
        return [("I10", f"{where} carries a head that is not its history")]
    if said.fold_version == OLD and said != lacking(head):
        return [("I10", f"{where} carries an older head that is not its history")]
    return []


def _facts(where: str, before: Story, record: Record, owners: _Owners) -> Found:  # noqa: PLR0915
    found: Found = []
    said = record.actor.partition(":")
    agent = said[2] if said[0] == "agent" else ""
    for event in record.events:
        match event:
            case CaseOpened(own):
                owners.owner[own], owners.epoch[own] = "", 0
            case CaseReopened(case):
                found += _rises(where, owners, case.own, case.epoch)
                owners.owner[case.own] = case.owner
            case Absorbed(cases=cases):
                for case in cases:
                    owners.owner[case.own], owners.epoch[case.own] = case.owner, case.epoch
            case CaseSplit(made=case):
                owners.owner[case.own], owners.epoch[case.own] = case.owner, case.epoch
            case CaseMerged(own):
                owners.handoff.pop(own, None)
            case OwnershipLapsed(own):
                owners.lapsed.add(own)
            case OwnershipResumed(own):
                owners.lapsed.discard(own)
            case Offered(offer, own, to):
                owners.offers[offer] = (own, to)
                if event.engine_epoch < 1 or event.engine_epoch < before.engine_epoch:
                    found.append(("I5", f"{where}: an offer of engine epoch {event.engine_epoch}"))
                if owners.owner.get(own) and own not in owners.handoff and own not in owners.lapsed:
                    found.append(("I5", f"{where}: {own} was offered while it has an owner"))
            case OfferAccepted(offer, own, who, epoch, handoff):
                if owners.offers.pop(offer, None) != (own, who):
                    found.append(("I5", f"{where}: {who} took an offer that was not theirs"))
                pending = owners.handoff.pop(own, ("", ""))
                if pending[0] != handoff:
                    found.append(("I5", f"{where}: an accept ends another handoff"))
                if own not in owners.lapsed and owners.owner.get(own, "") != pending[1]:
                    found.append(("I5", f"{where}: {own} had an owner who did not hand it over"))
                if any(case == own for case, _ in owners.offers.values()):
                    found.append(("I5", f"{where}: {own} was taken and is on offer still"))
                found += _rises(where, owners, own, epoch)
                owners.owner[own] = who
                owners.lapsed.discard(own)
            case OfferDeclined(offer) | OfferExpired(offer) | OfferRevoked(offer):
                owners.offers.pop(offer, None)
            case HandoffBegun(handoff, own, sender):
                if owners.owner.get(own) != sender:
                    found.append(("I5", f"{where}: {sender} handed over what is not theirs"))
                owners.handoff[own] = (handoff, sender)
            case HandoffCancelled(_, own):
                owners.handoff.pop(own, None)
            case OwnershipReleased(own, who, epoch):
                if own in owners.handoff:
                    found.append(("I5", f"{where}: {who} was dropped before anybody accepted"))
                if owners.owner.get(own) != who:
                    found.append(("I5", f"{where}: {who} let go of what is not theirs"))
                found += _rises(where, owners, own, epoch)
                owners.owner[own] = ""
                owners.lapsed.discard(own)
            case CaseClosed(own) | CaseAbandoned(own):
                owners.handoff.pop(own, None)
            case WrapUpCompleted(own):
                owners.owner[own] = owners.owner.get(own, "")
            case EntryAppended(kind=EntryKind.MESSAGE_OUT, case=own) if agent:
                if owners.owner.get(own) != agent:
                    found.append(("I5", f"{where}: {agent} wrote in a case that is not theirs"))
            case SlaWarned(timer=timer) | SlaBreached(timer=timer) | RungClimbed(timer=timer):
                found += _timer(where, record, timer, owners)
            case CommitmentBroken(commitment=promise):
                standing = before.commitment(promise)
                if standing is None:
                    found.append(("I8", f"{where}: a promise that does not stand was broken"))
                else:
                    named = (ClockKind.COMMITMENT, BREACH, standing.made_at)
                    found += _timer(where, record, timer_id(promise, *named), owners)
            case _:
                pass
    return found


def _appointments(where: str, record: Record, owners: _Owners) -> Found:
    """I8: nobody is asked before the time. I1: who is to be called back may hang up."""
    found: Found = []
    for event in record.events:
        match event:
            case CallbackRequested(own, at):
                owners.callbacks.add(own)
                if at is not None:
                    owners.not_before[own] = at
            case CaseScheduled(own, at):
                owners.not_before[own] = at
            case CaseReopened(case):
                owners.callbacks.discard(case.own)
                owners.not_before.pop(case.own, None)
            case CaseMerged(own, into):
                owners.not_before.pop(own, None)
                owners.not_before.pop(into, None)
            case Absorbed(cases=cases):
                owners.put_off(*cases)
            case CaseSplit(made=made):
                owners.put_off(made)
            case Offered(case=own) if record.at < owners.not_before.get(own, record.at):
                found.append(("I8", f"{where}: {own} was offered before its time"))
            case CaseAbandoned(own, "ABANDONED") if own in owners.callbacks:
                found.append(("I1", f"{where}: {own} was to be called back, and has ended"))
            case _:
                pass
    return found


def _rises(where: str, owners: _Owners, own: str, epoch: int) -> Found:
    """I5: every change of owner has a higher epoch."""
    last = owners.epoch.get(own, -1)
    owners.epoch[own] = max(last, epoch)
    if epoch > last:
        return []
    return [("I5", f"{where}: {own} changes hands under epoch {epoch} after {last}")]


def _timer(where: str, record: Record, timer: str, owners: _Owners) -> Found:
    """I8: a recorded timer is one the policy names, it is due, and it is the first of its name."""
    if timer in owners.recorded:
        return [("I8", f"{where}: timer {timer} a second time")]
    owners.recorded.add(timer)
    due = owners.timers.get(timer)
    if due is None:
        return [("I8", f"{where}: timer {timer} is none of the policy's")]
    if record.at < due.fires_at:
        return [("I8", f"{where}: timer {timer} is early")]
    return []


def _ended_late(where: str, before: Story, head: Story, record: Record, config: Config) -> Found:
    """I8: a clock that ends past its due time has its breach in the log."""
    if any(isinstance(event, Moved | Forgotten) for event in record.events):
        return []  # it goes on elsewhere, or nobody is to know
    said = {(e.case, e.clock) for e in record.events if isinstance(e, SlaBreached)}
    found: Found = []
    for case in before.cases:
        after = head.case(case.own)
        for read in clocks_of(case, config, record.at):
            run = run_of(case, read.kind)
            if run is None or read.ended or read.due_at is None or record.at < read.due_at:
                continue
            on = None if after is None else run_of(after, read.kind)
            goes_on = on is not None and on.started_at == run.started_at and not on.stopped_at
            if goes_on or done(case, run) & BREACH.bit or (case.own, read.kind) in said:
                continue
            if case.state is not CaseState.CLOSED:
                found.append(("I8", f"{where}: {read.kind.name} ended late and nobody says so"))
    return found


def early_s(logged: Logged, stored_at: datetime) -> float:
    """Say how many seconds before its time a breach was recorded, by the server's clock."""
    ahead = [
        (event.due_at - stored_at).total_seconds()
        for event in logged.record.events
        if isinstance(event, SlaBreached)
    ]
    return max(ahead, default=0.0)
