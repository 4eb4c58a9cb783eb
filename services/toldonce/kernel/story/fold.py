"""How facts make a story: `evolve` one event, `apply` one append, `fold` a history.

The facts already happened, so nothing here can refuse. An event about a case that is not open any
more changes nothing: it can only come from a history that was cut, and the scrubber finds those.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import drawn_at
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
    CommitmentWithdrawn,
    ContactReceived,
    DeliveryConfirmed,
    Diverted,
    EntryAppended,
    EntryKind,
    Event,
    Fenced,
    Forgotten,
    HandoffBegun,
    Moved,
    SlaBreached,
    SlaWarned,
    WrapUpCompleted,
)
from toldonce.kernel.story.fold_case import (
    breached,
    closed,
    evolve_case,
    heard,
    opened,
    replied,
    transferring,
)
from toldonce.kernel.story.pausing import both
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.ring import Seen, added, entries
from toldonce.kernel.story.runs import recorded_too
from toldonce.kernel.story.types import (
    AHEAD_MAX,
    CONTACTS_KEPT_MAX,
    EMPTY,
    FOLD_VERSION,
    OPERATIONS_KEPT_MAX,
    Answer,
    Case,
    CaseState,
    Commitment,
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
            return replace(
                story, cases=(*story.cases, opened(event, at)), cases_total=story.cases_total + 1
            )
        case ContactReceived():
            return _received(story, event, at)
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
        case CommitmentKept(own) | CommitmentWithdrawn(own):
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
        case SlaWarned(commitment=promise) if promise:
            return _warned(story, promise)
        case SlaBreached(own, _, clock):
            bad = story.bad_experiences + 1
            found = story.case(own)
            cases = story.cases if found is None else story.cases_with(breached(found, clock))
            return replace(story, cases=cases, bad_experiences=bad)
        case HandoffBegun():
            changed = _change(story, event.case, lambda c: transferring(c, event, at))
            return replace(changed, handoffs_total=changed.handoffs_total + 1)
        case WrapUpCompleted(own):
            return _drop(story, own)
        case CaseAbandoned(own):
            return _drop(story, own)
        case CaseClosed(own):
            found = story.case(own)
            if found is not None and found.work is WorkState.WRAPPING:
                return story.with_case(closed(found, event))
            return _drop(story, own)
        case _:
            return _change(story, event.case, lambda c: evolve_case(c, event, at))


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


def _warned(story: Story, own: str) -> Story:
    warned = (replace(one, warned=one.warned or one.own == own) for one in story.commitments)
    return replace(story, commitments=tuple(warned))


def _merged(story: Story, own: str, into: str) -> Story:
    """Let one case end in another: the age and weight of both, the owner of the one that stays.

    Whoever was answered first, or had waited too long for it, has been that in both. It waits as
    soon as one of them does, and for the customer only while both do.
    """
    ended, stays = story.case(own), story.case(into)
    if ended is None or stays is None:
        return story
    enqueued_at = min(stays.enqueued_at, ended.enqueued_at)
    from_at = min(stays.answerable_at, ended.answerable_at)
    replies = (stays.first_reply_at, ended.first_reply_at)
    talk = _talk(_asking(stays, ended), _asking(ended, stays))
    one = replace(
        stays,
        state=stays.state if ended.state is stays.state else CaseState.OPEN,
        opened_at=min(stays.opened_at, ended.opened_at),
        enqueued_at=enqueued_at,
        priority=max(stays.priority, ended.priority),
        incident=stays.incident or ended.incident,
        first_reply_at=min(filter(None, replies), default=None),
        callback_at=stays.callback_at or ended.callback_at,
        not_before_at=_sooner(stays, ended),
        answer_from_at=from_at if from_at > enqueued_at else None,
        widened=stays.widened or ended.widened,
        asked_at=talk.asked_at,
        replied_at=talk.replied_at,
        resolve_from_at=_resolving(stays, ended),
        pauses=both(stays, ended),
        marks=(),
    )
    both_count = (ClockKind.FIRST_RESPONSE, ClockKind.RESOLUTION)
    one = recorded_too(stays, one, ClockKind.QUEUE_WAIT, *both_count)
    one = recorded_too(ended, one, *both_count)
    one = recorded_too(talk, one, ClockKind.NEXT_RESPONSE)
    commitments = tuple(
        replace(promise, case=stays.own) if promise.case == own else promise
        for promise in story.commitments
    )
    return _drop(replace(story, commitments=commitments).with_case(one), own)


def _talk(stays: Case, ended: Case) -> Case:
    """Say in which of two cases the customer has waited longer for the next answer, or did last."""
    waits = [case for case in (stays, ended) if _unanswered(case)]
    if waits:
        return min(waits, key=lambda case: case.asked_at or case.opened_at)
    return max((stays, ended), key=lambda case: case.replied_at or case.opened_at)


def _asking(case: Case, other: Case) -> Case:
    """Let a case nobody answered wait for the next answer, if it came after that in the other."""
    answered_at = other.replied_at or other.first_reply_at
    if case.first_reply_at or answered_at is None or case.answerable_at <= answered_at:
        return case
    return replace(case, asked_at=case.answerable_at)


def _unanswered(case: Case) -> bool:
    answered_at = case.replied_at
    return case.asked_at is not None and (answered_at is None or answered_at < case.asked_at)


def _resolving(stays: Case, ended: Case) -> datetime | None:
    """Say since when a case counts to its end in which another ended: since the first of both."""
    if stays.resolve_from_at is None and ended.resolve_from_at is None:
        return None
    return min(case.resolve_from_at or case.opened_at for case in (stays, ended))


def _sooner(stays: Case, ended: Case) -> datetime | None:
    """Say from when on a case waits in which another ended that nobody owned either."""
    if stays.owner or ended.owner or stays.not_before_at is None:
        return stays.not_before_at
    return min(stays.not_before_at, ended.waits_from_at)


def _received(story: Story, event: ContactReceived, at: datetime) -> Story:
    story = _keep_contact(story, Seen(event.contact, event.made_at))
    story = replace(story, contacts_total=story.contacts_total + 1, forgotten=False)
    return _change(
        story,
        event.case,
        lambda case: replace(
            heard(case, at),
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
            lambda case: replied(case, at),
        )
    if event.kind is EntryKind.MESSAGE_IN:
        return _change(
            story,
            event.case,
            lambda case: replace(
                heard(case, at), state=CaseState.OPEN, last_customer_entry=event.entry
            ),
        )
    return story


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
