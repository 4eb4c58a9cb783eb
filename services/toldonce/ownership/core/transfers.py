"""Handoffs and escalations: the owner stays owner until somebody has accepted."""

from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    Escalated,
    Event,
    HandoffBegun,
    HandoffCancelled,
    OwnershipReleased,
)
from toldonce.kernel.story.types import Case, Handoff, Story, TargetKind
from toldonce.ownership.core.commands import (
    Asked,
    BeginHandoff,
    CancelHandoff,
    Escalate,
    ReleaseOwnership,
)
from toldonce.ownership.core.guards import (
    held,
    open_case,
    queue_rules,
    room_for_one_more,
    seen_all,
)
from toldonce.ownership.core.offers import expiry, revoked
from toldonce.ownership.core.rules import Rules

TIERS_MAX = 9
_SAID_BY_US = frozenset(
    {"CASE_ENDED", "DECLINED", "NO_RECEIVER", "REPLACED", "SENDER_RELEASED", "TIMED_OUT"}
)


def begin(
    story: Story, command: BeginHandoff, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Begin a handoff; one pending transfer a case."""
    case = held(open_case(story, command.case), by, command.epoch)
    if not case.owner:
        raise Rejected("NOT_OWNED", "nobody owns the case: there is nothing to hand over")
    seen_all(case, command.seen)
    if case.handoff is not None:
        raise Rejected("HANDOFF_PENDING", _pending(case.handoff))
    if command.warm:
        room_for_one_more(case)
    target = _target(command, case, rules)
    _guard(command, case, target, rules)
    timeout_s = command.timeout_s or rules.handoff_timeout_s
    if not 0 < timeout_s <= rules.handoff_timeout_max_s:
        raise Invalid("timeout_s", f"wanted 1 to {rules.handoff_timeout_max_s} seconds")
    return (
        *revoked(case, "REPLACED"),
        HandoffBegun(
            handoff=Own(derive("handoff", by.operation)),
            case=case.own,
            from_agent=case.owner,
            target_kind=command.target_kind,
            target=target,
            expires_at=expiry(now, timeout_s),
            context_sequence=command.context_sequence,
            context_hash=command.context_hash,
            rung=0,
            warm=command.warm,
            override=command.override,
        ),
    )


def cancel(story: Story, command: CancelHandoff, by: Asked, now: datetime) -> tuple[Event, ...]:
    """End a pending handoff: the sender keeps the case."""
    case = open_case(story, command.case)
    handoff = case.handoff
    if handoff is None or (command.handoff and handoff.own != command.handoff):
        raise Rejected("NO_HANDOFF", "that handoff is not pending any more")
    held(case, by, command.epoch)
    if command.reason in _SAID_BY_US and by.principal.role is not Role.SERVICE:
        raise Invalid("reason", f"{command.reason} is said by the services alone")
    if handoff.rung and by.principal.role is Role.AGENT:
        raise Rejected("ESCALATED", "an escalation is ended by a supervisor, or by its receiver")
    if command.reason == "TIMED_OUT" and now < handoff.expires_at:
        raise Rejected("TOO_EARLY", "the handoff has time left")
    reason = command.reason or "CANCELLED"
    return (*revoked(case, reason), HandoffCancelled(handoff.own, case.own, reason))


def escalate(
    story: Story, command: Escalate, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Climb a rung: hand an owned case over with its story, move a waiting one to its queue.

    A higher rung replaces a pending transfer; a lower one is refused while that lasts. A rung that
    was reached already changes nothing.
    """
    case = open_case(story, command.case)
    held(case, by, command.epoch)
    rung = command.rung or case.rung + 1
    if case.handoff is not None and rung < case.handoff.rung:
        raise Rejected("LOWER_RUNG", f"the case is being handed to rung {case.handoff.rung}")
    if rung <= case.rung:
        return ()
    queue = command.queue or queue_rules(rules, case.queue).escalation
    if not queue or queue not in rules.queues:
        raise Rejected("NO_ESCALATION", f"queue {case.queue} names no escalation queue")
    return climbed(case, replace(command, rung=rung), by, queue, now=now, rules=rules)


def climbed(
    case: Case, command: Escalate, by: Asked, queue: str, *, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Give what a climb to the rung of `command` means: `queue` finds the next owner."""
    up = Escalated(case.own, command.rung, queue, command.reason or "UNSPECIFIED")
    if not case.owner:
        return (*revoked(case, "ESCALATED"), up)
    return (
        *revoked(case, "REPLACED"),
        *_cancelled(case, "REPLACED"),
        up,
        HandoffBegun(
            handoff=Own(derive("handoff", by.operation)),
            case=case.own,
            from_agent=case.owner,
            target_kind=TargetKind.QUEUE,
            target=queue,
            expires_at=expiry(now, rules.handoff_timeout_s),
            context_sequence=command.context_sequence,
            context_hash=command.context_hash,
            rung=command.rung,
        ),
    )


def release(story: Story, command: ReleaseOwnership, by: Asked) -> tuple[Event, ...]:
    """Let go of a case: it waits again at its old age, under a higher epoch."""
    case = held(open_case(story, command.case), by, command.epoch)
    if not case.owner:
        raise Rejected("NOT_OWNED", "nobody owns the case")
    if not command.reason:
        raise Invalid("reason", "say why: a code such as LUNCH")
    if command.messages and story.messages > command.messages:
        raise Rejected("TOO_EARLY", "something has happened in this story since; look again")
    return (
        *revoked(case, "SENDER_RELEASED"),
        *_cancelled(case, "SENDER_RELEASED"),
        OwnershipReleased(case.own, case.owner, case.epoch + 1, command.reason),
    )


def _cancelled(case: Case, reason: str) -> tuple[Event, ...]:
    """End a pending transfer, whoever began it."""
    return () if case.handoff is None else (HandoffCancelled(case.handoff.own, case.own, reason),)


def _pending(handoff: Handoff) -> str:
    if handoff.rung:
        return "an escalation is pending: it finds the next owner"
    return "a handoff is pending already; cancel it first"


def _target(command: BeginHandoff, case: Case, rules: Rules) -> str:
    """Check whom it goes to; tier n is the queue n escalations above the case's own."""
    match command.target_kind:
        case TargetKind.AGENT if command.target not in rules.agents:
            raise Invalid("target.agent", "no agent of this name is configured")
        case TargetKind.AGENT if command.target == case.owner:
            raise Invalid("target.agent", "this agent owns the case already")
        case TargetKind.QUEUE if command.target not in rules.queues:
            raise Invalid("target.queue", "no queue of this name is configured")
        case TargetKind.TIER:
            return _tier(command.target, case, rules)
        case _:
            return command.target


def _tier(target: str, case: Case, rules: Rules) -> str:
    queue, steps = case.queue, int(target) if target.isdecimal() else 0
    if not 0 < steps <= TIERS_MAX:
        raise Invalid("target.tier", f"wanted 1 to {TIERS_MAX}: so many escalations above")
    for _ in range(steps):
        queue = queue_rules(rules, queue).escalation
        if not queue or queue not in rules.queues:
            raise Invalid("target.tier", f"queue {case.queue} has no tier {steps} above it")
    return queue


def _guard(command: BeginHandoff, case: Case, target: str, rules: Rules) -> None:
    """Refuse to send a case back where it came from, or on and on, without a reason."""
    if command.override:
        return
    agent = command.target_kind is TargetKind.AGENT
    if target in (case.former_owners if agent else case.former_queues):
        raise Rejected(
            "PING_PONG", f"the case has been with {target} before; say why it should go back"
        )
    if case.hops >= rules.hops_max:
        raise Rejected(
            "HOP_LIMIT",
            f"the case was handed on {case.hops} times; say why it must go on once more",
        )
