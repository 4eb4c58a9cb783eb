"""By when each thing that waits in a head must have ended by itself: from the head alone.

Whoever is meant to end it (the engine, the clocks, a person, a gateway) may be late, doubled or
dead. What is past its bound and a grace is stuck: the reconciler finds it and puts it back. Of a
move and a forgetting the head tells only the first half: whoever asks knows whether the second,
elsewhere, was done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from toldonce.kernel.story.types import Case, CaseState, Story

GRACE_S = 10.0


class Waiting(StrEnum):
    """What kind of thing waits; the word is also the label of the metric."""

    OFFER = "offer"
    HANDOFF = "handoff"
    QUEUE = "queue"
    OWNER = "owner"
    WRAP_UP = "wrap_up"
    LAPSE = "lapse"
    ADVISER = "adviser"
    COMMITMENT = "commitment"
    ANSWER = "answer"
    MOVE = "move"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long what has no end of its own may last.

    `queue_s`: a case without an owner, counted from its present wait (four days: over a long
    weekend), or from when it is scheduled. `owner_s`: an owned case in whose story nothing at all
    happens. `answer_s`: an answer its gateway has not confirmed. `half_s`: a move or a forgetting
    of which only half is done.
    `freeze_s`: a lapse beyond its own time, for so long releases can be frozen after a mass outage.
    """

    queue_s: int = 4 * 86_400
    owner_s: int = 30 * 86_400
    answer_s: int = 300
    half_s: int = 5
    freeze_s: int = 600


LIMITS = Limits()


class Bound(NamedTuple):
    """One thing that waits, and until when it may.

    `own` names it: the offer, handoff, case, commitment or entry; of an adviser the agent, of a
    move where it goes. `case` is the case it belongs to, or empty.
    """

    kind: Waiting
    own: str
    case: str
    at: datetime


def bounds(head: Story, limits: Limits = LIMITS) -> tuple[Bound, ...]:
    """Give each thing in a head that is not at its end exactly one bound."""
    return tuple(_of_story(head, limits))


def stuck(
    head: Story, now: datetime, *, grace_s: float = GRACE_S, limits: Limits = LIMITS
) -> tuple[Bound, ...]:
    """Give what should have ended more than `grace_s` seconds before `now`."""
    latest = now - timedelta(seconds=grace_s)
    return tuple(bound for bound in bounds(head, limits) if bound.at < latest)


def _of_story(head: Story, limits: Limits) -> Iterator[Bound]:
    if head.at is None:
        return
    if head.moved_to or head.forgotten:
        half_at = head.at + timedelta(seconds=limits.half_s)
        if head.moved_to:
            yield Bound(Waiting.MOVE, head.moved_to, "", half_at)
        if head.forgotten:
            yield Bound(Waiting.FORGET, "", "", half_at)
    for case in head.cases:
        yield from _of_case(case, head.at, limits)
    for promise in head.commitments:
        yield Bound(Waiting.COMMITMENT, promise.own, promise.case, promise.due_at)
    for answer in head.unconfirmed:
        at = answer.at + timedelta(seconds=limits.answer_s)
        yield Bound(Waiting.ANSWER, answer.entry, "", at)


def _of_case(case: Case, last_at: datetime, limits: Limits) -> Iterator[Bound]:
    yield _of_wait(case, last_at, limits)
    for offer in case.offers:
        yield Bound(Waiting.OFFER, offer.own, case.own, offer.expires_at)
    if case.handoff is not None:
        yield Bound(Waiting.HANDOFF, case.handoff.own, case.own, case.handoff.expires_at)
    if case.lapse is not None:
        until_at = case.lapse.until_at + timedelta(seconds=limits.freeze_s)
        yield Bound(Waiting.LAPSE, case.own, case.own, until_at)
    for adviser in case.advisers:
        yield Bound(Waiting.ADVISER, adviser.agent, case.own, adviser.until_at)


def _of_wait(case: Case, last_at: datetime, limits: Limits) -> Bound:
    """Say what the case itself waits for: its paperwork, its owner, or somebody to own it.

    The paperwork of an open case has no end of its own: its owner closes the case.
    """
    if case.state is CaseState.CLOSED:
        return Bound(Waiting.WRAP_UP, case.own, case.own, case.wrap_until or last_at)
    if case.owner:
        at = last_at + timedelta(seconds=limits.owner_s)
        return Bound(Waiting.OWNER, case.own, case.own, at)
    at = case.waits_from_at + timedelta(seconds=limits.queue_s)
    return Bound(Waiting.QUEUE, case.own, case.own, at)
