"""Was anybody made to wait who need not have been? (P3), from the log alone.

Two questions are asked of every offer. *In turn*: did work of the same kind that is older, and had
waited long enough to be known, go before it? *At once*: since the agent and the case were both
there for each other, did more than TOLERANCE_S go by? Both leave room for a busy machine: what the
engine overlooks waits for another event, and that is longer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from toldonce.cli.company.chronicle import Chronicle, OfferTold
from toldonce.kernel.config import Config
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseAbandoned,
    CaseClosed,
    CaseOpened,
    CaseScheduled,
    ContactReceived,
    Escalated,
    Event,
    HandoffBegun,
    HandoffCancelled,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
    PriorityRaised,
    PrioritySet,
    QueueChanged,
    WrapUpCompleted,
)

TOLERANCE_S = 2.5
KNOWN_S = 2.0


@dataclass(slots=True)
class Wait:
    """A case that waits: since when it was last put in line, what it asks, which offers stand."""

    opened: CaseOpened
    enqueued_at: datetime
    since: datetime
    queue: str
    channel: str
    priority: int
    plain: bool = True
    waiting: bool = True
    owner: str = ""
    last_owner: str = ""
    handing_to: str = ""
    lapsed: bool = False
    cool: dict[str, datetime] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Waiting:
    """What was found."""

    looked_at: int = 0
    overtaken: list[str] = field(default_factory=list)
    late: list[tuple[str, float]] = field(default_factory=list)


def judge_waiting(told: Chronicle, came: Mapping[str, datetime]) -> Waiting:
    """Look at every offer; `came` is when each agent last sat down."""
    found = Waiting()
    waits: dict[str, Wait] = {}
    busy: dict[str, datetime] = dict(came)
    traced = {(one.case_id, one.agent, one.at): one for one in told.offers}
    for at, _, case_id, event in told.changes:
        wait = waits.get(case_id)
        if isinstance(event, CaseOpened):
            waits[case_id] = Wait(event, at, at, event.queue, event.channel, event.priority)
        elif isinstance(event, Offered) and wait is not None:
            offer = traced[(case_id, event.agent, at)]
            found.looked_at += 1
            if _overtakes(waits, wait, offer):
                found.overtaken.append(case_id)
            late_s = _late_s(told.config, wait, offer, busy.get(event.agent, at))
            if late_s > TOLERANCE_S:
                found.late.append((case_id, late_s))
            wait.waiting = False
            wait.asked.add(event.offer)
        elif wait is not None:
            _go_on(told.config, wait, event, at)
            if isinstance(event, CaseClosed | CaseAbandoned):
                del waits[case_id]
        for agent in _touched(event, wait):
            busy[agent] = max(at, busy.get(agent, at))
        if isinstance(event, OfferExpired) and wait is not None:
            # who lets an offer pass is left alone for a while
            busy[event.agent] = at + _cool_down(told.config, wait)
    return found


def _overtakes(waits: Mapping[str, Wait], wait: Wait, offer: OfferTold) -> bool:
    at = offer.trace.at or offer.at
    return wait.plain and any(
        _goes_before(other, wait, offer.agent, at) for other in waits.values()
    )


def _late_s(config: Config, wait: Wait, offer: OfferTold, free_at: datetime) -> float:
    """Say how long the offer could have been made before, in seconds."""
    at = offer.trace.at or offer.at
    cool_at = wait.cool.get(offer.agent, wait.since)
    could_at = max(wait.since, free_at, min(cool_at, at), *_steps(config, wait, at))
    return (offer.at - could_at).total_seconds()


def _goes_before(other: Wait, wait: Wait, agent: str, at: datetime) -> bool:
    if other is wait or not other.waiting or not other.plain:
        return False
    mine, theirs = wait.opened, other.opened
    same = (
        (other.queue, other.channel, other.priority) == (wait.queue, wait.channel, wait.priority)
        and (mine.language, mine.skills, mine.topic)
        == (theirs.language, theirs.skills, theirs.topic)
        and not (theirs.preferred_agent or mine.preferred_agent)
    )
    return (
        same
        and other.enqueued_at < wait.enqueued_at
        and other.since <= at - timedelta(seconds=KNOWN_S)
        and other.cool.get(agent, other.since) <= at - timedelta(seconds=KNOWN_S)
    )


def _steps(config: Config, wait: Wait, until: datetime) -> Iterable[datetime]:
    """Give the instants at which the policy began to admit more agents."""
    policy = config.policy_of(wait.queue)
    for base in (wait.enqueued_at, wait.since):
        for after_s in (policy.prefer_owner_s, *(step.after_s for step in policy.steps)):
            at = base + timedelta(seconds=after_s)
            if at <= until:
                yield at


def _go_on(config: Config, wait: Wait, event: Event, at: datetime) -> None:
    """Note what an event means for how a case waits."""
    match event:
        case (
            OfferDeclined(offer, _, agent)
            | OfferExpired(offer, _, agent)
            | OfferRevoked(offer, _, agent)
        ):
            wait.asked.discard(offer)
            if isinstance(event, OfferDeclined):
                wait.cool[agent] = at + _cool_down(config, wait)
            if wait.asked:
                return  # others of its round are still asked
            sought = not wait.owner or bool(wait.handing_to) or wait.lapsed
            wait.since, wait.waiting = at, sought
        case OfferAccepted(_, _, agent):
            wait.asked.clear()
            wait.waiting, wait.owner, wait.handing_to, wait.plain = False, agent, "", False
            wait.lapsed = False
        case HandoffBegun(target=target):
            wait.since, wait.waiting, wait.plain, wait.handing_to = at, True, False, target
            wait.lapsed = False
        case HandoffCancelled():
            wait.waiting, wait.handing_to = False, ""
        case OwnershipLapsed():
            wait.since, wait.waiting, wait.plain, wait.lapsed = at, True, False, True
        case OwnershipResumed():
            wait.waiting, wait.lapsed = False, False
        case OwnershipReleased(_, agent):
            # it does not go straight back to whom it was taken from
            wait.cool[agent] = at + _cool_down(config, wait)
            wait.since, wait.waiting, wait.plain, wait.owner = at, True, False, ""
            wait.lapsed = False
        case Escalated(queue=queue) | QueueChanged(queue=queue):
            wait.since, wait.plain = at, False
            if not wait.owner:
                wait.queue, wait.waiting = queue, True
        case CallbackRequested(_, from_at) | CaseScheduled(_, from_at):
            # it does not wait before; that it is older then still counts
            wait.since, wait.waiting = max(at, from_at or wait.since), True
        case ContactReceived(channel=channel):
            if channel != wait.channel:  # it asks for other units from now on
                wait.channel, wait.since = channel, at
        case PriorityRaised(_, priority) | PrioritySet(_, priority):
            wait.priority = priority
        case _:
            return


def _cool_down(config: Config, wait: Wait) -> timedelta:
    return timedelta(seconds=config.policy_of(wait.queue).decline_cooldown_s)


def _touched(event: Event, wait: Wait | None) -> Iterable[str]:
    """Say whose free capacity an event changes."""
    match event:
        case (
            Offered(agent=agent)
            | OfferAccepted(agent=agent)
            | OfferDeclined(agent=agent)
            | OfferExpired(agent=agent)
            | OfferRevoked(agent=agent)
            | WrapUpCompleted(agent=agent)
            | CaseClosed(agent=agent)
            | OwnershipReleased(agent=agent)
        ):
            # whoever had it before is free as well
            yield from {agent, wait.last_owner if wait is not None else ""} - {""}
            if wait is not None and isinstance(event, OfferAccepted):
                wait.last_owner = agent
        case ContactReceived() if wait is not None and wait.owner:
            yield wait.owner  # the channel, and so what the case costs, may be another now
        case CaseAbandoned() if wait is not None and wait.owner:
            yield wait.owner
        case _:
            return
