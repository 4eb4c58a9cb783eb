"""What the history says about things that are no longer in the head. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Missing, Refusal, Rejected
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    CaseAbandoned,
    CaseClosed,
    ContactReceived,
    Diverted,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, Case, CaseState, Story, WorkState


class ToldBefore(Refusal):
    """A contact came before: by this append, or it went into the fresh story `diverted_to`."""

    def __init__(self, logged: Logged, event: ContactReceived | None, diverted_to: str) -> None:
        """`event` is None when the append only marks where it went."""
        super().__init__("the contact was told before")
        self.logged = logged
        self.event = event
        self.diverted_to = diverted_to


def contact(history: Iterable[Logged], own: Own) -> ToldBefore | None:
    """Find how a contact was taken in."""
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, ContactReceived) and event.contact == own:
                return ToldBefore(logged, event, "")
            if isinstance(event, Diverted) and event.contact == own:
                return ToldBefore(logged, None, event.to)
    return None


def contacts_in(history: Iterable[Logged], case: Own) -> int:
    """Count the contacts that were taken into a case."""
    return sum(
        isinstance(event, ContactReceived) and event.case == case
        for logged in history
        for event in logged.record.events
    )


def case_ended(history: Iterable[Logged], own: Own) -> Case | None:
    """Give a case as it ended (its latest end), or None when it never was or has not ended."""
    last: Case | None = None
    heads: dict[str, Story] = {}
    for logged in history:
        record = logged.record
        last = ended_by(heads.get(record.customer, EMPTY), record, own) or last
        heads[record.customer] = record.head
    return last


def ended_at(history: Iterable[Logged], own: Own) -> datetime | None:
    """Say when a case ended last; None when it never did."""
    last = None
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, CaseClosed | CaseAbandoned) and event.case == own:
                last = logged.record.at
    return last


def ended_by(story: Story, record: Record, own: str) -> Case | None:
    """Give a case as this append ended it, or None when it did not."""
    last: Case | None = None
    for event in record.events:
        present = story.case(own)
        match event:
            case CaseClosed(case, disposition) if case == own and present:
                last = _ended(present, WorkState.COMPLETED, disposition)
            case CaseAbandoned(case, reason) if case == own and present:
                last = _ended(present, WorkState.ABANDONED, reason)
            case _:
                pass
        story = evolve(story, event, record.at)
    return last


def offer_gone(history: Iterable[Logged], own: Own) -> Refusal:
    """Say what became of an offer that is not open any more, or that there never was one."""
    made = False
    for logged in history:
        for event in logged.record.events:
            match event:
                case Offered(offer) if offer == own:
                    made = True
                case OfferAccepted(offer) if offer == own:
                    return Rejected("OFFER_TAKEN", "the offer was accepted already")
                case OfferDeclined(offer) if offer == own:
                    return Rejected("OFFER_DECLINED", "the offer was declined already")
                case OfferExpired(offer) if offer == own:
                    return Rejected("OFFER_EXPIRED", "the offer has run out; the next comes")
                case OfferRevoked(offer, _, _, reason) if offer == own:
                    return Rejected("OFFER_REVOKED", f"the offer was taken back ({reason})")
                case _:
                    pass
    if not made:
        return Missing("offer", "there was never such an offer in this story")
    return Rejected("OFFER_GONE", "there is no such offer open in this story")


def _ended(case: Case, work: WorkState, disposition: str) -> Case:
    return replace(
        case,
        state=CaseState.CLOSED,
        work=work,
        disposition=disposition,
        offers=(),
        handoff=None,
    )
