"""A case as callers see it, the same from every service."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.clocks import Clock
from toldonce.kernel.ids import whole
from toldonce.kernel.story.types import (
    Adviser,
    Case,
    Commitment,
    Handoff,
    Lapse,
    Offer,
    Pause,
    PauseCause,
    TargetKind,
)

_ASKED = (PauseCause.CUSTOMER, PauseCause.HOLD)


def stamp(instant: datetime | None) -> Timestamp | None:
    """Write an instant; None stays unset."""
    if instant is None:
        return None
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def case_view(
    customer: str,
    case: Case,
    sequence: int,
    clocks: Iterable[Clock] = (),
    commitments: Iterable[Commitment] = (),
) -> types_pb2.CaseView:
    """Show a case as the story stood at log sequence `sequence`."""
    pause = _pause(case)
    return types_pb2.CaseView(
        case_id=whole(customer, case.own),
        customer_id=customer,
        state=types_pb2.CaseState.ValueType(case.state),
        work_state=types_pb2.WorkState.ValueType(case.work),
        ownership_state=types_pb2.OwnershipState.ValueType(case.ownership),
        owner=case.owner,
        epoch=case.epoch,
        queue=case.queue,
        channel=case.channel,
        topic=case.topic,
        language=case.language,
        priority=case.priority,
        opened_at=stamp(case.opened_at),
        enqueued_at=stamp(case.enqueued_at),
        owned_at=stamp(case.owned_at),
        last_customer_entry_id=whole(customer, case.last_customer_entry),
        offers=[_offer(customer, case, offer) for offer in case.offers],
        handoff=_handoff(customer, case, case.handoff) if case.handoff else None,
        disposition=case.disposition,
        sequence=sequence,
        clocks=[_clock(clock) for clock in clocks],
        requirement=types_pb2.Requirement(
            queue=case.queue,
            skills=[types_pb2.SkillNeed(skill=need.name, level=need.level) for need in case.skills],
            language=case.language,
            preferred_agents=[case.last_owner] if case.last_owner else [],
        ),
        rung=case.rung,
        hops=case.hops,
        last_owner=case.last_owner,
        advisers=[_adviser(adviser) for adviser in case.advisers],
        lapse=_lapse(case.lapse) if case.lapse else None,
        commitments=[commitment_view(customer, one) for one in commitments],
        incident=case.incident,
        former_owners=case.former_owners,
        callback_at=stamp(case.callback_at),
        not_before_at=stamp(case.not_before_at),
        customer_tier=case.tier,
        widened=case.widened,
        paused_for=types_pb2.PauseCause.ValueType(0 if pause is None else pause.cause),
        paused_until_at=stamp(None if pause is None else pause.until_at),
    )


def _pause(case: Case) -> Pause | None:
    asked = [one for one in case.pauses if one.cause in _ASKED]
    return max(asked, key=lambda one: one.until_at, default=None)


def commitment_view(customer: str, one: Commitment) -> types_pb2.CommitmentView:
    """Show an open promise."""
    return types_pb2.CommitmentView(
        commitment_id=whole(customer, one.own),
        case_id=whole(customer, one.case),
        agent=one.agent,
        made_at=stamp(one.made_at),
        due_at=stamp(one.due_at),
    )


def target(kind: TargetKind, name: str) -> types_pb2.HandoffTarget:
    """Show whom or what a handoff points at."""
    match kind:
        case TargetKind.AGENT:
            return types_pb2.HandoffTarget(agent=name)
        case TargetKind.QUEUE:
            return types_pb2.HandoffTarget(queue=name)
        case TargetKind.TIER:
            return types_pb2.HandoffTarget(tier=name)


def _offer(customer: str, case: Case, offer: Offer) -> types_pb2.OfferView:
    return types_pb2.OfferView(
        offer_id=whole(customer, offer.own),
        agent=offer.agent,
        state=types_pb2.OFFER_STATE_ISSUED,
        epoch=case.epoch,
        issued_at=stamp(offer.issued_at),
        expires_at=stamp(offer.expires_at),
        handoff_id=whole(customer, case.handoff.own) if case.handoff else "",
    )


def _handoff(customer: str, case: Case, handoff: Handoff) -> types_pb2.HandoffView:
    return types_pb2.HandoffView(
        handoff_id=whole(customer, handoff.own),
        from_agent=handoff.from_agent,
        target=target(handoff.target_kind, handoff.target),
        epoch=case.epoch,
        context_sequence=handoff.context_sequence,
        context_hash=handoff.context_hash,
        begun_at=stamp(handoff.begun_at),
        expires_at=stamp(handoff.expires_at),
        rung=handoff.rung,
        warm=handoff.warm,
    )


def _adviser(adviser: Adviser) -> types_pb2.AdviserView:
    return types_pb2.AdviserView(
        agent=adviser.agent,
        kind=types_pb2.AdviserKind.ValueType(adviser.kind),
        since_at=stamp(adviser.since_at),
        until_at=stamp(adviser.until_at),
    )


def _lapse(lapse: Lapse) -> types_pb2.LapseView:
    return types_pb2.LapseView(
        rule=lapse.rule, backup=lapse.backup, at=stamp(lapse.at), until_at=stamp(lapse.until_at)
    )


def _clock(clock: Clock) -> types_pb2.SlaClock:
    return types_pb2.SlaClock(
        kind=types_pb2.ClockKind.ValueType(clock.kind),
        state=types_pb2.ClockState.Value(f"CLOCK_STATE_{clock.state.name}"),
        due_at=stamp(clock.due_at),
        warn_at=stamp(clock.warn_at),
    )
