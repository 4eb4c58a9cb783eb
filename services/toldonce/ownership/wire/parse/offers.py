"""Offers, and owners who let go or are away."""

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.kernel.ids import Own, parse_name, parse_own
from toldonce.ownership.core.commands import (
    AcceptOffer,
    DeclineOffer,
    ExpireOffer,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.ownership.wire.parse.words import Parsed, Parsers, case_of, reason_of
from toldonce.runtime.mapping import at_us


def _offer(body: internal_pb2.Offer) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    command = MakeOffer(
        case=case,
        epoch=body.case_epoch,
        offer=Own(parse_own("own_offer_id", body.own_offer_id)),
        agent=parse_name("agent", body.agent),
        issued_at=at_us(body.issued_at_us),
        expires_at=at_us(body.expires_at_us),
        engine_epoch=body.engine_epoch,
        policy_version=body.trace.policy_version,
        trace=body.trace.SerializeToString(deterministic=True),
        handoff=case_of("handoff_id", body.handoff_id)[1] if body.handoff_id else Own(""),
        forced=body.forced,
        round=body.asked or 1,
    )
    return customer, command, None


def _offer_id(offer_id: str) -> tuple[str, Own]:
    return case_of("offer_id", offer_id)


def _expire(body: internal_pb2.ExpireOffer) -> Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, ExpireOffer(offer), None


def _revoke(body: internal_pb2.RevokeOffer) -> Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, RevokeOffer(offer, reason_of(body.reason)), None


def _accept(body: ownership_pb2.AcceptOfferRequest) -> Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, AcceptOffer(offer, body.epoch, body.context_hash), None


def _decline(body: ownership_pb2.DeclineOfferRequest) -> Parsed:
    customer, offer = _offer_id(body.offer_id)
    return customer, DeclineOffer(offer, reason_of(body.reason)), None


def _release(body: ownership_pb2.ReleaseOwnershipRequest) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    return customer, ReleaseOwnership(case, body.epoch, reason_of(body.reason)), None


def _lapse(body: internal_pb2.LapseOwnership) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    backup = parse_name("backup", body.backup) if body.backup else ""
    rule = reason_of(body.rule, "rule")
    return customer, LapseOwnership(case, body.epoch, rule, backup, body.lapse_s), None


def _resume(body: internal_pb2.ResumeOwnership) -> Parsed:
    customer, case = case_of("case_id", body.case_id)
    return customer, ResumeOwnership(case, body.epoch), None


PARSERS: Parsers = {
    "offer": _offer,
    "expire_offer": _expire,
    "revoke_offer": _revoke,
    "accept_offer": _accept,
    "decline_offer": _decline,
    "release_ownership": _release,
    "lapse_ownership": _lapse,
    "resume_ownership": _resume,
}
