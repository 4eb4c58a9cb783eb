"""What the history says about things that are no longer in the head. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Missing, Refusal, Rejected
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import (
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseSplit,
    ContactReceived,
    Diverted,
    Forgotten,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, Case, CaseState, Story, WorkState
from toldonce.ownership.core.commands import Ended
from toldonce.runtime.history import carried_by


class ToldBefore(Refusal):
    """A contact came before: by this append, or it went into the fresh story `diverted_to`."""

    def __init__(self, logged: Logged, event: ContactReceived | None, diverted_to: str) -> None:
        """`event` is None when the append only marks where it went."""
        super().__init__("the contact was told before")
        self.logged = logged
        self.event = event
        self.diverted_to = diverted_to


def contact(history: Iterable[Logged], own: Own) -> ToldBefore | None:
    """Find how a contact was taken in; the story it was sent on to may have come here since."""
    sent_on: ToldBefore | None = None
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, ContactReceived) and event.contact == own:
                return ToldBefore(logged, event, "")
            if isinstance(event, Diverted) and event.contact == own:
                sent_on = ToldBefore(logged, None, event.to)
    return sent_on


def whereabouts(history: Iterable[Logged]) -> dict[Own, Own]:
    """Say in which case each contact is now: where it came in, unless a split or merge moved it."""
    found: dict[Own, Own] = {}
    for logged in history:
        for event in logged.record.events:
            match event:
                case ContactReceived(own, case):
                    found[own] = case
                case CaseSplit(_, made, contacts):
                    found |= dict.fromkeys(contacts, made.own)
                case CaseMerged(case, into):
                    found |= {own: into for own, at in found.items() if at == case}
                case _:
                    pass
    return found


def goes_on(history: Iterable[Logged], case: Own) -> Own:
    """Name the case that a case goes on in: itself, or what it was merged into, to the end."""
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, CaseMerged) and event.case == case:
                case = event.into
    return case


def case_ended(history: Iterable[Logged], own: Own) -> Case | None:
    """Give a case as it ended (its latest end), or None when it never was or has not ended.

    Its epoch is the last it had, also when it moved during its paperwork.
    """
    last: Case | None = None
    heads: dict[str, Story] = {}
    epoch = 0
    for logged in history:
        record = logged.record
        last = ended_by(heads.get(record.customer, EMPTY), record, own) or last
        heads[record.customer] = record.head
        present = record.head.case(own)
        epoch = epoch if present is None else max(epoch, present.epoch)
    return None if last is None else replace(last, epoch=max(last.epoch, epoch))


def ended(history: Iterable[Logged], own: Own) -> Ended | None:
    """Give a case as it ended last, and when.

    None when it never did, when it goes on in another, or was forgotten since.
    """
    at, seen = None, tuple(history)
    for logged in seen:
        for event in logged.record.events:
            match event:
                case CaseClosed(case) | CaseAbandoned(case) if case == own:
                    at = logged.record.at
                case CaseMerged(case) if case == own:
                    at = None
                case Forgotten():
                    at = None
                case _:
                    pass
    found = None if at is None else case_ended(seen, own)
    return None if found is None or at is None else Ended(found, at)


def chosen(
    history: Iterable[Logged], case: Own, contacts: tuple[Own, ...]
) -> tuple[Own | None, int]:
    """Say what the customer last added with these contacts of a case, and how many others stay.

    None when one of them is not in this case (any more).
    """
    seen = tuple(history)
    now = whereabouts(seen)
    came = {
        event.contact: event
        for logged in seen
        for event in logged.record.events
        if isinstance(event, ContactReceived) and now[event.contact] == case
    }
    go = [event for own, event in came.items() if own in contacts]
    if len(go) != len(set(contacts)):
        return None, 0
    return go[-1].entry, len(came) - len(go)


def keys_of(history: Iterable[Logged]) -> tuple[KeyRef, ...]:
    """Name every key that sealed words of a story, and of those that came to it, once each."""
    found: dict[KeyRef, None] = {}
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, Forgotten):
                for key in event.keys:
                    found.pop(key, None)
        if logged.record.key is not None:
            found[logged.record.key] = None
    return tuple(found)


def cut_at(history: Iterable[Logged]) -> datetime | None:
    """Say from when on a history is whole; None when nothing was dropped.

    A story that came here, or this one, may begin with how it was carried.
    """
    firsts: dict[str, Record] = {}
    for logged in history:
        firsts.setdefault(logged.record.customer, logged.record)
    cut = (record.at for record in firsts.values() if carried_by(record) is not None)
    return max(cut, default=None)


def ended_at(history: Iterable[Logged], own: Own) -> datetime | None:
    """Say when a case ended last; None when it never did."""
    last = None
    for logged in history:
        for event in logged.record.events:
            if isinstance(event, CaseClosed | CaseAbandoned | CaseMerged) and event.case == own:
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
            case CaseMerged(case) if case == own and present:
                last = _ended(present, WorkState.CANCELLED, "merged")
            case Forgotten() if present:
                last = _ended(present, WorkState.CANCELLED, "forgotten")
            case _:
                pass
        story = evolve(story, event, record.at)
    return last


def offer_gone(history: Iterable[Logged], own: Own) -> Refusal | None:
    """Say what became of an offer that is not open any more, or that there never was one.

    None when it is open: the history reaches further than the head that did not have it. Whoever
    heard that it is gone would give what it holds to another.
    """
    made = is_open = False
    for logged in history:
        is_open = any(case.offer(own) for case in logged.record.head.cases)
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
                case OfferRevoked(offer, _, _, "TAKEN") if offer == own:
                    return Rejected("OFFER_TAKEN", "somebody else accepted first")
                case OfferRevoked(offer, _, _, reason) if offer == own:
                    return Rejected("OFFER_REVOKED", f"the offer was taken back ({reason})")
                case _:
                    pass
    if is_open:
        return None
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
        lapse=None,
        advisers=(),
    )
