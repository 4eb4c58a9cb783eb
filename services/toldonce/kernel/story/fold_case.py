"""How facts make one case: each change that concerns a case and nothing else of its story."""

from datetime import datetime, timedelta
from typing import Final, assert_never

from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseClosed,
    CaseOpened,
    CasePaused,
    CaseResumed,
    CaseScheduled,
    ConsultJoined,
    ConsultLeft,
    Escalated,
    HandoffBegun,
    HandoffCancelled,
    IncidentLinked,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
    PriorityRaised,
    PrioritySet,
    QueueChanged,
    RungClimbed,
    SlaWarned,
    WrapUpBegun,
)
from toldonce.kernel.story.pausing import paused, resumed
from toldonce.kernel.story.runs import marked
from toldonce.kernel.story.types import (
    FORMER_MAX,
    Adviser,
    Case,
    CaseState,
    Handoff,
    Lapse,
    Offer,
    PauseCause,
    WorkState,
)

_TICK: Final = timedelta(microseconds=1)
"""Two events can have one instant: what is said after an answer is later all the same."""

type _CaseEvent = (
    Offered
    | OfferAccepted
    | OfferDeclined
    | OfferExpired
    | OfferRevoked
    | HandoffCancelled
    | Escalated
    | PriorityRaised
    | PrioritySet
    | QueueChanged
    | SlaWarned
    | WrapUpBegun
    | OwnershipReleased
    | OwnershipLapsed
    | OwnershipResumed
    | ConsultJoined
    | ConsultLeft
    | IncidentLinked
    | CallbackRequested
    | CaseScheduled
    | CasePaused
    | CaseResumed
    | RungClimbed
)


def evolve_case(case: Case, event: _CaseEvent, at: datetime) -> Case:
    """Apply a fact that concerns one open case and nothing else."""
    match event:
        case Offered(offer, _, agent, expires_at, engine_epoch):
            made = Offer(offer, agent, at, expires_at, engine_epoch)
            work = WorkState.OFFERED if not case.owner else case.work
            return replace(case, offers=(*case.offers, made), work=work)
        case OfferAccepted(_, _, agent, epoch, handoff, answers):
            first_at = case.first_reply_at or (at if answers else None)
            taken = _owned(case, agent, epoch, at, handed_over=bool(handoff))
            return replace(taken, first_reply_at=first_at)
        case OfferDeclined(offer) | OfferExpired(offer) | OfferRevoked(offer):
            return _without_offer(case, offer)
        case HandoffCancelled():
            return replace(case, handoff=None, offers=())
        case Escalated(_, rung, queue):
            if case.owner:
                return replace(case, rung=rung)
            former = case.former_queues
            if queue != case.queue:
                former = _former(former, case.queue)
            moved = replace(case, rung=rung, queue=queue, former_queues=former)
            return replace(moved, offers=(), work=WorkState.QUEUED)
        case PriorityRaised(_, priority) | PrioritySet(_, priority):
            return replace(case, priority=priority)
        case QueueChanged(_, before, queue):
            return replace(
                case,
                queue=queue,
                skills=(),
                offers=(),
                work=WorkState.QUEUED,
                former_queues=_former(case.former_queues, before),
            )
        case SlaWarned(_, _, clock):
            return marked(case, clock, WARN.bit)
        case RungClimbed(_, _, clock, rung, _, _, widened):
            climbed = marked(case, clock, Moment(rung).bit)
            return replace(climbed, widened=case.widened or widened)
        case CasePaused(_, cause, until_at, _, clocks):
            return paused(case, cause, at, until_at, clocks)
        case CaseResumed(_, cause):
            return resumed(case, (cause,), at)
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
        case CallbackRequested(_, not_before_at):
            wanted = replace(case, callback_at=case.callback_at or at)
            return wanted if not_before_at is None else _put_off(wanted, not_before_at)
        case CaseScheduled(_, not_before_at):
            return _put_off(case, not_before_at)
        case _:
            assert_never(event)


def transferring(case: Case, event: HandoffBegun, at: datetime) -> Case:
    """Begin a transfer: whatever was on offer has ended."""
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


def _put_off(case: Case, not_before_at: datetime) -> Case:
    answer_from_at = case.answer_from_at if case.first_reply_at else not_before_at
    return replace(case, not_before_at=not_before_at, answer_from_at=answer_from_at)


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


def closed(case: Case, event: CaseClosed) -> Case:
    """End the matter while its paperwork goes on."""
    return replace(
        case,
        state=CaseState.CLOSED,
        disposition=event.disposition,
        offers=(),
        handoff=None,
        lapse=None,
        advisers=(),
    )


def breached(case: Case, clock: ClockKind) -> Case:
    """Remember that a clock ran out."""
    return marked(case, clock, BREACH.bit)


def heard(case: Case, at: datetime) -> Case:
    """Take in that the customer spoke: they are waited for no more, and wait for an answer."""
    case = resumed(case, (PauseCause.CUSTOMER,), at)
    answered_at = case.replied_at  # only what is written to them can be followed by the next
    if answered_at is None or (case.asked_at is not None and case.asked_at > answered_at):
        return case
    return replace(case, asked_at=max(at, answered_at + _TICK))


def replied(case: Case, at: datetime) -> Case:
    """Take in that the customer was answered; what is added to an answer does not answer again."""
    asked_at, replied_at = case.asked_at, case.replied_at
    if asked_at is None:
        replied_at = at
    elif replied_at is None or replied_at < asked_at:
        replied_at = max(at, asked_at)
    return replace(case, first_reply_at=case.first_reply_at or at, replied_at=replied_at)


def opened(event: CaseOpened, at: datetime) -> Case:
    """Make the case that began to wait."""
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
        disposition="",
        former_owners=(),
        former_queues=(),
        advisers=(),
        lapse=None,
        incident="",
        tier=event.tier,
    )
