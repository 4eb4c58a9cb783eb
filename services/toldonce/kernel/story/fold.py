"""How facts make a story: `evolve` one event, `apply` one append, `fold` a history.

The facts already happened, so nothing here can refuse. An event about a case that is not open any
more changes nothing: it can only come from a history that was cut, and the scrubber finds those.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from toldonce.kernel.ids import Own, drawn_at
from toldonce.kernel.story.events import (
    Absorbed,
    Carried,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseReopened,
    CaseSplit,
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    ConsultJoined,
    ConsultLeft,
    ContactReceived,
    DeliveryConfirmed,
    Diverted,
    EntryAppended,
    EntryKind,
    Escalated,
    Event,
    Fenced,
    Forgotten,
    HandoffBegun,
    HandoffCancelled,
    IncidentLinked,
    Moved,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
    PriorityRaised,
    SlaBreached,
    SlaWarned,
    WrapUpBegun,
    WrapUpCompleted,
)
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.ring import Seen, added, entries
from toldonce.kernel.story.types import (
    AHEAD_MAX,
    CONTACTS_KEPT_MAX,
    EMPTY,
    FOLD_VERSION,
    FORMER_MAX,
    OPERATIONS_KEPT_MAX,
    TIMERS_KEPT_MAX,
    Adviser,
    Answer,
    Case,
    CaseState,
    Commitment,
    Handoff,
    Lapse,
    Offer,
    Story,
    WorkState,
)


def fold(records: Iterable[Record]) -> Story:
    """Fold a whole history, oldest first, from nothing."""
    story = EMPTY
    for record in records:
        story = apply(story, record)
    return story


def apply(story: Story, record: Record) -> Story:
    """Apply one append: its events, then what every append does (time, key, operation id)."""
    for event in record.events:
        story = evolve(story, event, record.at)
    operations, floor = _keep_operation(story, Seen(record.operation, record.at))
    return replace(
        story,
        fold_version=FOLD_VERSION,
        at=record.at,
        messages=story.messages + 1,
        key=record.key or story.key,
        engine_epoch=max(story.engine_epoch, record.engine_epoch),
        operations=operations,
        operation_floor_at=floor,
    )


def evolve(story: Story, event: Event, at: datetime) -> Story:
    """Apply one fact that happened at `at`. Cannot fail: the fact already happened."""
    match event:
        case CaseOpened():
            opened = _opened(event, at)
            return replace(story, cases=(*story.cases, opened), cases_total=story.cases_total + 1)
        case ContactReceived():
            return _received(story, event)
        case EntryAppended():
            return _entered(story, event, at)
        case DeliveryConfirmed(entry):
            left = tuple(answer for answer in story.unconfirmed if answer.entry != entry)
            return replace(story, unconfirmed=left)
        case CaseReopened(reopened):
            return replace(story, cases=(*story.cases, reopened))
        case CaseMerged(own, into):
            return _merged(story, own, into)
        case CaseSplit(_, made):
            return replace(story, cases=(*story.cases, made), cases_total=story.cases_total + 1)
        case CommitmentMade(own, of, agent, due_at):
            made_now = Commitment(own, of, agent, at, due_at)
            return replace(story, commitments=(*story.commitments, made_now))
        case CommitmentKept(own):
            return _settled(story, own)
        case CommitmentBroken(own):
            broken = _settled(story, own)
            return replace(broken, bad_experiences=broken.bad_experiences + 1)
        case Moved(to):
            return replace(_ended(story), moved_to=to)
        case Forgotten():
            return replace(_ended(story), key=None, forgotten=True)
        case Carried(head=head):
            return head
        case Absorbed():
            return _absorbed(story, event)
        case Diverted(contact, made_at):
            return _keep_contact(story, Seen(contact, made_at))
        case Fenced():
            return story
        case SlaBreached(own, timer):
            changed = _change(story, own, lambda c: _timed(c, timer))
            return replace(changed, bad_experiences=changed.bad_experiences + 1)
        case HandoffBegun():
            changed = _change(story, event.case, lambda c: _transferring(c, event, at))
            return replace(changed, handoffs_total=changed.handoffs_total + 1)
        case WrapUpCompleted(own):
            return _drop(story, own)
        case CaseAbandoned(own):
            return _drop(story, own)
        case CaseClosed(own):
            found = story.case(own)
            if found is not None and found.work is WorkState.WRAPPING:
                return story.with_case(_closed(found, event))
            return _drop(story, own)
        case _:
            return _change(story, event.case, lambda c: evolve_case(c, event, at))


type _CaseEvent = (
    Offered
    | OfferAccepted
    | OfferDeclined
    | OfferExpired
    | OfferRevoked
    | HandoffCancelled
    | Escalated
    | PriorityRaised
    | SlaWarned
    | WrapUpBegun
    | OwnershipReleased
    | OwnershipLapsed
    | OwnershipResumed
    | ConsultJoined
    | ConsultLeft
    | IncidentLinked
)


def evolve_case(case: Case, event: _CaseEvent, at: datetime) -> Case:
    """Apply a fact that concerns one open case and nothing else."""
    match event:
        case Offered(offer, _, agent, expires_at, engine_epoch):
            made = Offer(offer, agent, at, expires_at, engine_epoch)
            work = WorkState.OFFERED if not case.owner else case.work
            return replace(case, offers=(*case.offers, made), work=work)
        case OfferAccepted(_, _, agent, epoch, handoff):
            return _owned(case, agent, epoch, at, handed_over=bool(handoff))
        case OfferDeclined(offer) | OfferExpired(offer) | OfferRevoked(offer):
            return _without_offer(case, offer)
        case HandoffCancelled():
            return replace(case, handoff=None, offers=())
        case Escalated(_, rung, queue):
            if case.owner:
                return replace(case, rung=rung)
            return replace(case, rung=rung, queue=queue, offers=(), work=WorkState.QUEUED)
        case PriorityRaised(_, priority):
            return replace(case, priority=priority)
        case SlaWarned(_, timer):
            return _timed(case, timer)
        case WrapUpBegun(_, _, until_at):
            return replace(case, work=WorkState.WRAPPING, wrap_until=until_at)
        case OwnershipReleased(_, agent, epoch):
            return replace(
                case,
                owner="",
                last_owner=agent,
                epoch=epoch,
                work=WorkState.QUEUED,
                waiting_since=at,
                owned_at=None,
                wrap_until=None,
                offers=(),
                handoff=None,
                lapse=None,
            )
        case OwnershipLapsed(_, _, _, rule, backup, until_at):
            return replace(case, lapse=Lapse(rule, backup, at, until_at))
        case OwnershipResumed():
            return replace(case, lapse=None, offers=())
        case ConsultJoined(_, agent, kind, until_at):
            others = tuple(one for one in case.advisers if one.agent != agent)
            return replace(case, advisers=(*others, Adviser(agent, kind, at, until_at)))
        case ConsultLeft(_, agent):
            left = tuple(one for one in case.advisers if one.agent != agent)
            return replace(case, advisers=left)
        case IncidentLinked(_, incident):
            return replace(case, incident=incident)
        case _:
            assert_never(event)


def _change(story: Story, own: str, change: Callable[[Case], Case]) -> Story:
    found = story.case(own)
    return story if found is None else story.with_case(change(found))


def _drop(story: Story, own: str) -> Story:
    return replace(story, cases=tuple(case for case in story.cases if case.own != own))


def _ended(story: Story) -> Story:
    return replace(story, cases=(), unconfirmed=(), commitments=())


def _settled(story: Story, own: str) -> Story:
    left = tuple(one for one in story.commitments if one.own != own)
    return replace(story, commitments=left)


def _merged(story: Story, own: str, into: str) -> Story:
    """Let one case end in another: the age and weight of both, the owner of the one that stays."""
    ended, stays = story.case(own), story.case(into)
    if ended is None or stays is None:
        return story
    both = replace(
        stays,
        opened_at=min(stays.opened_at, ended.opened_at),
        enqueued_at=min(stays.enqueued_at, ended.enqueued_at),
        priority=max(stays.priority, ended.priority),
        incident=stays.incident or ended.incident,
    )
    commitments = tuple(
        replace(one, case=stays.own) if one.case == own else one for one in story.commitments
    )
    return _drop(replace(story, commitments=commitments).with_case(both), own)


def _opened(event: CaseOpened, at: datetime) -> Case:
    return Case(
        own=event.case,
        epoch=0,
        state=CaseState.OPEN,
        work=WorkState.QUEUED,
        owner="",
        last_owner=event.preferred_agent,
        queue=event.queue,
        channel=event.channel,
        gateway=event.gateway,
        topic=event.topic,
        language=event.language,
        skills=event.skills,
        priority=event.priority,
        opened_at=at,
        enqueued_at=at,
        waiting_since=at,
        owned_at=None,
        first_reply_at=None,
        wrap_until=None,
        last_customer_entry=event.case,
        offers=(),
        handoff=None,
        rung=0,
        hops=0,
        timers=(),
        disposition="",
        former_owners=(),
        former_queues=(),
        advisers=(),
        lapse=None,
        incident="",
    )


def _received(story: Story, event: ContactReceived) -> Story:
    story = _keep_contact(story, Seen(event.contact, event.made_at))
    story = replace(story, contacts_total=story.contacts_total + 1, forgotten=False)
    return _change(
        story,
        event.case,
        lambda case: replace(
            case,
            state=CaseState.OPEN,
            last_customer_entry=event.entry,
            channel=event.channel,
            gateway=event.gateway,
        ),
    )


def _entered(story: Story, event: EntryAppended, at: datetime) -> Story:
    if event.kind is EntryKind.MESSAGE_OUT:
        story = replace(story, unconfirmed=(*story.unconfirmed, Answer(event.entry, at)))
        return _change(
            story,
            event.case,
            lambda case: replace(case, first_reply_at=case.first_reply_at or at),
        )
    if event.kind is EntryKind.MESSAGE_IN:
        return _change(
            story,
            event.case,
            lambda case: replace(case, state=CaseState.OPEN, last_customer_entry=event.entry),
        )
    return story


def _transferring(case: Case, event: HandoffBegun, at: datetime) -> Case:
    handoff = Handoff(
        own=event.handoff,
        from_agent=event.from_agent,
        target_kind=event.target_kind,
        target=event.target,
        begun_at=at,
        expires_at=event.expires_at,
        context_sequence=event.context_sequence,
        context_hash=event.context_hash,
        rung=event.rung,
        warm=event.warm,
    )
    return replace(case, handoff=handoff, offers=(), lapse=None)


def _owned(case: Case, agent: str, epoch: int, at: datetime, *, handed_over: bool) -> Case:
    queue, owners, queues = _queue_after(case), case.former_owners, case.former_queues
    if handed_over and case.owner:
        owners = _former(owners, case.owner)
    if queue != case.queue:
        queues = _former(queues, case.queue)
    return replace(
        case,
        owner=agent,
        last_owner=case.owner or case.last_owner,
        epoch=epoch,
        work=WorkState.ASSIGNED,
        queue=queue,
        owned_at=case.owned_at if case.owner else at,
        offers=(),
        handoff=None,
        lapse=None,
        wrap_until=None,
        hops=case.hops + (1 if handed_over else 0),
        former_owners=owners,
        former_queues=queues,
        advisers=tuple(one for one in case.advisers if one.agent != agent),
    )


def _former(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (*(old for old in names if old != name), name)[-FORMER_MAX:]


def _queue_after(case: Case) -> str:
    if case.handoff is not None and case.handoff.target_kind is not case.handoff.target_kind.AGENT:
        return case.handoff.target
    return case.queue


def _without_offer(case: Case, own: str) -> Case:
    left = tuple(offer for offer in case.offers if offer.own != own)
    work = WorkState.QUEUED if case.work is WorkState.OFFERED and not left else case.work
    return replace(case, offers=left, work=work)


def _closed(case: Case, event: CaseClosed) -> Case:
    return replace(
        case,
        state=CaseState.CLOSED,
        disposition=event.disposition,
        offers=(),
        handoff=None,
        lapse=None,
        advisers=(),
    )


def _timed(case: Case, timer: Own) -> Case:
    return replace(case, timers=(*case.timers, timer)[-TIMERS_KEPT_MAX:])


def _absorbed(story: Story, event: Absorbed) -> Story:
    for contact in entries(event.contacts):
        story = _keep_contact(story, contact)
    return replace(
        story,
        absorbed=(*story.absorbed, event.source, *event.sources),
        contact_floor_at=_later(story.contact_floor_at, event.contact_floor_at),
        operation_floor_at=_later(story.operation_floor_at, event.source_at),
        cases=(*story.cases, *event.cases),
        unconfirmed=(*story.unconfirmed, *event.unconfirmed),
        contacts_total=story.contacts_total + event.contacts_total,
        cases_total=story.cases_total + event.cases_total,
        handoffs_total=story.handoffs_total + event.handoffs_total,
        bad_experiences=story.bad_experiences + event.bad_experiences,
        commitments=(*story.commitments, *event.commitments),
        forgotten=False,
    )


def _keep_contact(story: Story, contact: Seen) -> Story:
    ring, dropped = added(story.contacts, contact, CONTACTS_KEPT_MAX)
    floor = story.contact_floor_at
    for old in dropped:
        floor = _later(floor, old.at)
    return replace(story, contacts=ring, contact_floor_at=floor)


def _keep_operation(story: Story, done: Seen) -> tuple[bytes, datetime | None]:
    ring, dropped = added(story.operations, done, OPERATIONS_KEPT_MAX)
    floor = story.operation_floor_at
    for old in dropped:
        drawn = drawn_at(old.own)
        known = old.at if drawn is None else max(old.at, min(drawn, old.at + AHEAD_MAX))
        floor = _later(floor, known)
    return ring, floor


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)
