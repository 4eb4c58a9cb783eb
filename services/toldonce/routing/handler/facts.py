"""From the log to the engine's words."""

from toldonce.kernel.story.events import (
    CaseClosed,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
)
from toldonce.kernel.story.record import Logged
from toldonce.routing.core.facts import Closing, StoryChanged, Untaken
from toldonce.runtime.feed import OpenStory


def story_changed(logged: Logged) -> StoryChanged:
    """Say how a story stands after an append, and how offers and cases ended by it."""
    record = logged.record
    declines, expiries, forced, closings = [], [], [], []
    for event in record.events:
        match event:
            case OfferDeclined(_, case, agent):
                declines.append(Untaken(case, agent, record.at))
            case OfferExpired(_, case, agent):
                expiries.append(Untaken(case, agent, record.at))
            case Offered(own, forced=True):
                forced.append(own)
            case CaseClosed():
                closings.append(closing(event))
            case _:
                pass
    return StoryChanged(
        customer=record.customer,
        sequence=logged.sequence,
        at=record.at,
        cases=record.head.cases,
        declines=tuple(declines),
        expiries=tuple(expiries),
        forced=tuple(forced),
        closings=tuple(closings),
    )


def closing(event: CaseClosed) -> Closing:
    """Say how a case was closed; what nobody was asked is None."""
    return Closing(
        event.case,
        event.disposition,
        event.re_told if event.re_told_known else None,
        event.resolved_first_owner if event.resolved_known else None,
    )


def story_standing(story: OpenStory) -> StoryChanged | None:
    """Say how a story stands by its head; None for one that nothing was ever appended to."""
    if story.head.at is None:
        return None
    return StoryChanged(story.customer, story.sequence, story.head.at, story.head.cases)


def outcomes(logged: Logged) -> tuple[str, ...]:
    """Say how offers ended by this append, for `toldonce_offers_total`."""
    return tuple(
        _OUTCOMES[type(event)] for event in logged.record.events if type(event) in _OUTCOMES
    )


_OUTCOMES: dict[type, str] = {
    OfferAccepted: "accepted",
    OfferDeclined: "declined",
    OfferExpired: "expired",
    OfferRevoked: "revoked",
}
