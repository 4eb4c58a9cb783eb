"""What a client is shown, as plain values: cases, decisions and offers without protobuf.

Enum values become their words (`OWNED`, `QUEUED`); one that this version does not know becomes
`OTHER`. Instants are aware UTC, None where nothing was said.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """A clock of a case."""

    kind: str
    state: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class HandoffSeen:
    """A pending handoff: who, to whom (`queue vip`), and how far its context runs."""

    handoff_id: str
    from_agent: str
    to: str
    context_sequence: int
    expires_at: datetime | None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class AdviserSeen:
    """Who is with a case without owning it: asked for advice (CONSULT), or its sender (WARM)."""

    agent: str
    kind: str
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class CommitmentSeen:
    """An open promise of the story; its words stand in the context.

    Without an agent the acknowledgement promised an answer: the first one keeps it.
    """

    commitment_id: str
    case_id: str
    agent: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseSeen:
    """A case as it stood at log position `sequence`; quote `epoch` and `seen_entry` in writes."""

    case_id: str
    customer_id: str
    state: str
    work: str
    ownership: str
    owner: str
    last_owner: str
    epoch: int
    queue: str
    channel: str
    topic: str
    language: str
    priority: int
    opened_at: datetime | None
    enqueued_at: datetime | None
    owned_at: datetime | None
    seen_entry: str
    disposition: str
    sequence: int
    hops: int
    rung: int
    clocks: tuple[ClockSeen, ...]
    handoff: HandoffSeen | None
    advisers: tuple[AdviserSeen, ...] = ()
    commitments: tuple[CommitmentSeen, ...] = ()
    incident: str = ""
    callback_at: datetime | None = None
    not_before_at: datetime | None = None
    tier: str = ""
    paused_for: str = ""
    paused_until_at: datetime | None = None

    @property
    def closed(self) -> bool:
        """Tell whether the matter has ended (its paperwork may go on)."""
        return self.state == "CLOSED"


@dataclass(frozen=True, slots=True)
class CandidateSeen:
    """An agent looked at by a decision, the first gate they failed (`NONE`: chosen) and why."""

    agent: str
    gate: str
    detail: str
    rank: int


@dataclass(frozen=True, slots=True)
class TraceSeen:
    """Why this agent, and why not each other one."""

    decision_id: str
    policy_version: str
    engine_epoch: int
    at: datetime | None
    chosen: str
    step: int
    waited_s: float
    considered: int
    candidates: tuple[CandidateSeen, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class OfferedHandoff:
    """The handoff an offer is part of: read the context up to `context_sequence` first."""

    handoff_id: str
    from_agent: str
    context_sequence: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Work for an agent; quote `epoch` when accepting.

    `callback_at`: since when the customer wants to be called back, by appointment at
    `not_before_at`; where to stands in the context.
    `asked` are asked at once, this agent among them: the first to accept has it.
    """

    offer_id: str
    case_id: str
    customer_id: str
    epoch: int
    channel: str
    queue: str
    topic: str
    language: str
    priority: int
    enqueued_at: datetime | None
    expires_at: datetime | None
    sequence: int
    handoff: OfferedHandoff | None
    trace: TraceSeen
    callback_at: datetime | None = None
    not_before_at: datetime | None = None
    asked: int = 1


def instant(stamp: Timestamp) -> datetime | None:
    """Read an instant; None when it was not set."""
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds or stamp.nanos else None


def stamp(at: datetime) -> Timestamp:
    """Write an instant."""
    made = Timestamp()
    made.FromDatetime(at)
    return made


def word(message: Message, field: str) -> str:
    """Name the value of an enum field without the name of its enum."""
    described = message.DESCRIPTOR.fields_by_name[field]
    enum: Any = described.enum_type
    value = enum.values_by_number.get(getattr(message, field))
    if value is None:
        return "OTHER"
    zero = str(enum.values_by_number[0].name)
    prefix = zero.removesuffix("UNSPECIFIED") if zero.endswith("UNSPECIFIED") else ""
    return str(value.name).removeprefix(prefix)


def case_seen(view: types_pb2.CaseView) -> CaseSeen:
    """Read a case."""
    return CaseSeen(
        case_id=view.case_id,
        customer_id=view.customer_id,
        state=word(view, "state"),
        work=word(view, "work_state"),
        ownership=word(view, "ownership_state"),
        owner=view.owner,
        last_owner=view.last_owner,
        epoch=view.epoch,
        queue=view.queue,
        channel=view.channel,
        topic=view.topic,
        language=view.language,
        priority=view.priority,
        opened_at=instant(view.opened_at),
        enqueued_at=instant(view.enqueued_at),
        owned_at=instant(view.owned_at),
        seen_entry=view.last_customer_entry_id,
        disposition=view.disposition,
        sequence=view.sequence,
        hops=view.hops,
        rung=view.rung,
        clocks=tuple(
            ClockSeen(word(clock, "kind"), word(clock, "state"), instant(clock.due_at))
            for clock in view.clocks
        ),
        handoff=_handoff(view.handoff) if view.HasField("handoff") else None,
        advisers=tuple(
            AdviserSeen(one.agent, word(one, "kind"), instant(one.until_at))
            for one in view.advisers
        ),
        commitments=tuple(
            CommitmentSeen(one.commitment_id, one.case_id, one.agent, instant(one.due_at))
            for one in view.commitments
        ),
        incident=view.incident,
        callback_at=instant(view.callback_at),
        not_before_at=instant(view.not_before_at),
        tier=view.customer_tier,
        paused_for=word(view, "paused_for") if view.paused_for else "",
        paused_until_at=instant(view.paused_until_at),
    )


def target_of(target: types_pb2.HandoffTarget) -> str:
    """Say whom a handoff goes to: `agent anna`, `queue vip`."""
    kind = target.WhichOneof("to")
    return f"{kind} {getattr(target, kind)}" if kind else ""


def trace_seen(trace: types_pb2.DecisionTrace) -> TraceSeen:
    """Read a decision's trace."""
    return TraceSeen(
        decision_id=trace.decision_id,
        policy_version=trace.policy_version,
        engine_epoch=trace.engine_epoch,
        at=instant(trace.at),
        chosen=trace.chosen_agent,
        step=trace.step,
        waited_s=trace.waited_s,
        considered=trace.considered,
        candidates=tuple(
            CandidateSeen(one.agent, word(one, "first_failing_gate"), one.detail, one.rank)
            for one in trace.candidates
        ),
        reason=trace.reason,
    )


def read_trace(raw: bytes) -> TraceSeen:
    """Read the trace that an offer in the log carries; raises DecodeError."""
    return trace_seen(types_pb2.DecisionTrace.FromString(raw))


def offer_seen(offer: routing_pb2.OfferIssued) -> Offer:
    """Read an offer."""
    handoff = offer.handoff
    return Offer(
        offer_id=offer.offer_id,
        case_id=offer.case_id,
        customer_id=offer.customer_id,
        epoch=offer.epoch,
        channel=offer.channel,
        queue=offer.queue,
        topic=offer.topic,
        language=offer.language,
        priority=offer.priority,
        enqueued_at=instant(offer.enqueued_at),
        expires_at=instant(offer.expires_at),
        sequence=offer.sequence,
        handoff=OfferedHandoff(handoff.handoff_id, handoff.from_agent, handoff.context_sequence)
        if offer.HasField("handoff")
        else None,
        trace=trace_seen(offer.trace),
        callback_at=instant(offer.callback_at),
        not_before_at=instant(offer.not_before_at),
        asked=max(1, offer.asked),
    )


def _handoff(view: types_pb2.HandoffView) -> HandoffSeen:
    return HandoffSeen(
        handoff_id=view.handoff_id,
        from_agent=view.from_agent,
        to=target_of(view.target),
        context_sequence=view.context_sequence,
        expires_at=instant(view.expires_at),
        warm=view.warm,
    )
