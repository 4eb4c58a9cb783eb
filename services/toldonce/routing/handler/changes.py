"""What one append means to the agents it concerns. Pure.

The head before and the head after say who had and has what; the events only say why.
"""

from collections.abc import Iterator
from dataclasses import replace

from toldonce.kernel.story.events import (
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    Event,
    Forgotten,
    HandoffCancelled,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipReleased,
    WrapUpCompleted,
)
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Case, CaseState, Story, WorkState
from toldonce.routing.handler.words import (
    CaseTold,
    HandoffEnd,
    HandoffOver,
    OfferEnd,
    OfferMade,
    OfferOver,
    Push,
)

type ToAgent = tuple[str, Push]

_REVOKED = {"TAKEN": OfferEnd.TAKEN, "CASE_ENDED": OfferEnd.CASE_ENDED}
_CANCELLED = {
    "DECLINED": HandoffEnd.DECLINED,
    "TIMED_OUT": HandoffEnd.EXPIRED,
    "NO_RECEIVER": HandoffEnd.EXPIRED,
    "REPLACED": HandoffEnd.REPLACED,
}


def pushes(before: Story, logged: Logged) -> Iterator[ToAgent]:
    """Say whom to tell what after an append to a story that stood as `before`."""
    customer, events = logged.record.customer, logged.record.events
    old = {case.own: case for case in before.cases}
    new = {case.own: case for case in logged.record.head.cases}
    for own in {**old, **new}:
        was, now = old.get(own), new.get(own)
        about = tuple(event for event in events if _concerns(event, own))
        yield from _offers(customer, was, now, about, logged.sequence)
        if was is not None and was.handoff is not None:
            yield from _handoff(customer, was, now, about)
        if about or was != now:
            yield from _owners(customer, was, now, about or events, logged.sequence)


def concerned(story: Story) -> frozenset[str]:
    """Name the agents who own something of a story, advise on it or are offered it."""
    found: set[str] = set()
    for case in story.cases:
        if case.owner:
            found.add(case.owner)
        found.update([one.agent for one in case.advisers])
        found.update([offer.agent for offer in case.offers])
    return frozenset(found)


def _concerns(event: Event, own: str) -> bool:
    case = getattr(event, "case", "")
    return getattr(case, "own", case) == own


def _offers(
    customer: str, was: Case | None, now: Case | None, about: tuple[Event, ...], sequence: int
) -> Iterator[ToAgent]:
    held = {} if was is None else {offer.own: offer for offer in was.offers}
    live = {} if now is None else {offer.own: offer for offer in now.offers}
    for own, offer in held.items():
        if own not in live:
            case = was.own if was is not None else ""
            yield offer.agent, OfferOver(customer, case, own, _why_over(own, now, about))
    for own, offer in live.items():
        if own not in held and now is not None:
            traces = [e.trace for e in about if isinstance(e, Offered) and e.offer == own]
            trace = traces[0] if traces else b""
            yield offer.agent, OfferMade(customer, now, offer, sequence, trace)


def _why_over(offer: str, now: Case | None, about: tuple[Event, ...]) -> OfferEnd:
    for event in about:
        match event:
            case OfferAccepted(own):
                return OfferEnd.ACCEPTED if own == offer else OfferEnd.TAKEN
            case OfferDeclined(own) if own == offer:
                return OfferEnd.DECLINED
            case OfferExpired(own) if own == offer:
                return OfferEnd.EXPIRED
            case OfferRevoked(own, _, _, reason) if own == offer:
                return _REVOKED.get(reason, OfferEnd.REVOKED)
            case _:
                pass
    return OfferEnd.CASE_ENDED if now is None else OfferEnd.REVOKED


def _handoff(
    customer: str, was: Case, now: Case | None, about: tuple[Event, ...]
) -> Iterator[ToAgent]:
    handoff = was.handoff
    if handoff is None or not handoff.from_agent:
        return
    if now is not None and now.handoff is not None and now.handoff.own == handoff.own:
        return
    outcome = HandoffEnd.CANCELLED
    for event in about:
        match event:
            case OfferAccepted(handoff=own) if own == handoff.own:
                outcome = HandoffEnd.ACCEPTED
            case HandoffCancelled(own, _, reason) if own == handoff.own:
                outcome = _CANCELLED.get(reason, HandoffEnd.CANCELLED)
            case _:
                pass
    owner, epoch = (was.owner, was.epoch) if now is None else (now.owner, now.epoch)
    yield handoff.from_agent, HandoffOver(customer, was.own, handoff.own, outcome, owner, epoch)


def _owners(
    customer: str, was: Case | None, now: Case | None, about: tuple[Event, ...], sequence: int
) -> Iterator[ToAgent]:
    case = now
    if case is None and was is not None:
        case = _ended(was, about)
    if case is None:
        return
    what = tuple(type(event).__name__ for event in about)
    sides = [one for one in (was, now) if one is not None]
    owners = [one.owner for one in sides if one.owner]
    advisers = [adviser.agent for one in sides for adviser in one.advisers]
    for agent in dict.fromkeys((*owners, *advisers)):
        yield agent, CaseTold(customer, case, sequence, what)


def _ended(was: Case, about: tuple[Event, ...]) -> Case:
    """Show a case that is no longer in the head as this append left it."""
    work = was.work
    disposition, state, owner, epoch = was.disposition, was.state, was.owner, was.epoch
    for event in about:
        match event:
            case CaseClosed(_, named):
                state, disposition, work = CaseState.CLOSED, named, WorkState.COMPLETED
            case CaseAbandoned(_, reason):
                state, disposition, work = CaseState.CLOSED, reason, WorkState.ABANDONED
            case CaseMerged():
                state, disposition, work = CaseState.CLOSED, "merged", WorkState.CANCELLED
            case Forgotten():
                state, disposition, work = CaseState.CLOSED, "forgotten", WorkState.CANCELLED
            case WrapUpCompleted():
                work = WorkState.COMPLETED
            case OwnershipReleased(_, _, raised):
                owner, epoch = "", raised
            case _:
                pass
    return replace(
        was,
        state=state,
        work=work,
        disposition=disposition,
        owner=owner,
        epoch=epoch,
        offers=(),
        handoff=None,
    )
