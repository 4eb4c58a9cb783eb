"""From the log to the engine's words."""

from toldonce.kernel.story.events import (
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
)
from toldonce.kernel.story.record import Logged
from toldonce.routing.core.facts import StoryChanged, Untaken
from toldonce.runtime.feed import OpenStory


def story_changed(logged: Logged) -> StoryChanged:
    """Say how a story stands after an append, and which offers ended untaken by it."""
    record = logged.record
    declines, expiries, forced = [], [], []
    for event in record.events:
        match event:
            case OfferDeclined(_, case, agent):
                declines.append(Untaken(case, agent, record.at))
            case OfferExpired(_, case, agent):
                expiries.append(Untaken(case, agent, record.at))
            case Offered(own, forced=True):
                forced.append(own)
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
