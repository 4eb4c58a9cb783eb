"""Offers: made by the engine alone, ended by exactly one of accept, decline, expiry and revoke."""

from datetime import datetime, timedelta

from toldonce.kernel.errors import Rejected
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    ConsultJoined,
    Event,
    HandoffCancelled,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
)
from toldonce.kernel.story.types import OFFERS_MAX, AdviserKind, Case, Story, TargetKind
from toldonce.ownership.core.commands import (
    AcceptOffer,
    Asked,
    DeclineOffer,
    ExpireOffer,
    MakeOffer,
    RevokeOffer,
)
from toldonce.ownership.core.commitments import answered
from toldonce.ownership.core.guards import live_offer, open_case
from toldonce.ownership.core.rules import ISSUED_AFTER_S, ISSUED_BEFORE_S, Rules


def make(story: Story, command: MakeOffer, now: datetime) -> tuple[Event, ...]:
    """Offer the case, unless the engine that asks is old or what it saw is old."""
    if command.engine_epoch < story.engine_epoch:
        raise Rejected("STALE_ENGINE", "a newer engine has decided about this story")
    age_s = (now - command.issued_at).total_seconds()
    if age_s > ISSUED_BEFORE_S or age_s < -ISSUED_AFTER_S:
        raise Rejected("STALE_DECISION", "the decision is too old or from the future; decide again")
    case = open_case(story, command.case)
    if command.epoch != case.epoch:
        raise Rejected("STALE_EPOCH", "the case has changed hands since the decision")
    if case.owner and case.handoff is None and case.lapse is None:
        raise Rejected("OWNED", "the case has an owner who is there, and no handoff is pending")
    if case.offers and not _joins(command, case):
        raise Rejected("OFFERED", "the case is on offer already")
    if case.scheduled_at(now):
        raise Rejected("NOT_YET", "the case is scheduled for later")
    if command.agent == case.owner:
        raise Rejected("OWNER", "the owner cannot be offered what they own")
    handoff = case.handoff
    if command.handoff not in {None, "" if handoff is None else handoff.own}:
        raise Rejected("STALE_DECISION", "a handoff has begun or ended since the decision")
    if (
        handoff is not None
        and handoff.target_kind is TargetKind.AGENT
        and handoff.target != command.agent
    ):
        raise Rejected("STALE_DECISION", "the case is being handed to another agent")
    if command.expires_at <= now:
        raise Rejected("STALE_DECISION", "the offer would have expired already")
    return (
        Offered(
            offer=command.offer,
            case=case.own,
            agent=command.agent,
            expires_at=command.expires_at,
            engine_epoch=command.engine_epoch,
            policy_version=command.policy_version,
            trace=command.trace,
            forced=command.forced,
        ),
    )


def _joins(command: MakeOffer, case: Case) -> bool:
    """Tell whether an offer is one of the round that is live: all are of one engine."""
    return len(case.offers) < min(command.round, OFFERS_MAX) and all(
        offer.engine_epoch == command.engine_epoch and offer.agent != command.agent
        for offer in case.offers
    )


def accept(
    story: Story, command: AcceptOffer, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Make the agent the owner; every other live offer of the case ends.

    The sender of a warm handoff stays with the case until the receiver lets them go. Where no
    answers go back through the gateway, or the customer is to be called back, whoever takes the
    case answers: that stops the clock of the first answer and keeps what the acknowledgement
    promised.
    """
    case, offer = live_offer(story, command.offer)
    if offer.agent != by.agent:
        raise Rejected("OFFER_NOT_YOURS", "the offer was made to another agent")
    if command.epoch != case.epoch:
        raise Rejected("STALE_EPOCH", f"the case is at epoch {case.epoch}; read the offer again")
    if offer.expires_at <= now:
        raise Rejected("OFFER_EXPIRED", "the offer has run out; the next one comes by itself")
    if case.handoff is not None and command.context_hash != case.handoff.context_hash:
        raise Rejected(
            "CONTEXT_MISMATCH",
            "what you read is not what was handed over; read the context again",
        )
    answers = _spoken(case, rules)
    accepted = OfferAccepted(
        offer=offer.own,
        case=case.own,
        agent=offer.agent,
        epoch=case.epoch + 1,
        handoff=case.handoff.own if case.handoff else Own(""),
        answers=answers,
    )
    kept = answered(story, case.own, offer.agent, now) if answers else ()
    gone = revoked(case, "TAKEN", spare=offer.own)
    return (*gone, *kept, accepted, *_stays(case, now, rules))


def _spoken(case: Case, rules: Rules) -> bool:
    channel = None if rules.config is None else rules.config.channels.get(case.channel)
    return case.callback_at is not None or (channel is not None and not channel.reply)


def decline(story: Story, command: DeclineOffer, by: Asked) -> tuple[Event, ...]:
    """Turn an offer down; a handoff to this very agent goes back to its sender."""
    case, offer = live_offer(story, command.offer)
    if offer.agent != by.agent:
        raise Rejected("OFFER_NOT_YOURS", "the offer was made to another agent")
    declined = OfferDeclined(offer.own, case.own, offer.agent, command.reason or "UNSPECIFIED")
    return (declined, *_returned(case, offer.agent, "DECLINED"))


def expire(story: Story, command: ExpireOffer, now: datetime) -> tuple[Event, ...]:
    """End an offer whose time has passed; one that ended otherwise needs nothing."""
    case, offer = live_offer(story, command.offer)
    if now < offer.expires_at:
        raise Rejected("TOO_EARLY", "the offer has time left")
    expired = OfferExpired(offer.own, case.own, offer.agent)
    return (expired, *_returned(case, offer.agent, "TIMED_OUT"))


def revoke(story: Story, command: RevokeOffer) -> tuple[Event, ...]:
    """Take an offer back."""
    case, offer = live_offer(story, command.offer)
    return (OfferRevoked(offer.own, case.own, offer.agent, command.reason or "UNSPECIFIED"),)


def revoked(case: Case, reason: str, spare: str = "") -> tuple[Event, ...]:
    """End every live offer of a case but `spare`."""
    return tuple(
        OfferRevoked(offer.own, case.own, offer.agent, reason)
        for offer in case.offers
        if offer.own != spare
    )


def _returned(case: Case, agent: str, reason: str) -> tuple[Event, ...]:
    handoff = case.handoff
    if handoff is None or handoff.target_kind is not TargetKind.AGENT or handoff.target != agent:
        return ()
    return (HandoffCancelled(handoff.own, case.own, reason),)


def _stays(case: Case, now: datetime, rules: Rules) -> tuple[Event, ...]:
    if case.handoff is None or not case.handoff.warm:
        return ()
    until_at = expiry(now, rules.warm_max_s)
    return (ConsultJoined(case.own, case.owner, AdviserKind.WARM, until_at),)


def expiry(now: datetime, timeout_s: int) -> datetime:
    """Say when something begun at `now` runs out."""
    return now + timedelta(seconds=timeout_s)
