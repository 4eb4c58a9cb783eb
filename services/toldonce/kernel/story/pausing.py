"""The pauses of a case: intervals in which a clock may stand still, each with its cause.

Every pause has an end from the beginning, so nothing stands still for ever; it ends sooner when the
cause does. Which clocks a cause stops is for the policy to say. At most `PAUSES_MAX` are kept: of
more, the two that lie nearest to each other become one, so that no pause ever gets shorter.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from toldonce.kernel.story.types import PAUSES_MAX, Case, CaseState, Pause, PauseCause


def paused(case: Case, cause: PauseCause, at: datetime, until_at: datetime) -> Case:
    """Begin a pause at `at`; one of the same cause that goes on lasts until `until_at` instead."""
    going_on = next((one for one in case.pauses if one.cause is cause and one.holds(at)), None)
    begins_at = at if going_on is None else going_on.from_at
    others = tuple(one for one in case.pauses if one is not going_on)
    state = CaseState.PENDING_CUSTOMER if cause is PauseCause.CUSTOMER else case.state
    return replace(case, state=state, pauses=_kept((*others, Pause(begins_at, until_at, cause))))


def resumed(case: Case, causes: Collection[PauseCause], at: datetime) -> Case:
    """End the pauses of these causes at `at`; those that are over stay as they were."""
    state = case.state
    if state is CaseState.PENDING_CUSTOMER and PauseCause.CUSTOMER in causes:
        state = CaseState.OPEN
    if state is case.state and not case.pauses:
        return case
    cut = (
        replace(one, until_at=at) if one.cause in causes and one.holds(at) else one
        for one in case.pauses
    )
    return replace(
        case, state=state, pauses=tuple(one for one in cut if one.from_at < one.until_at)
    )


def both(one: Case, other: Case) -> tuple[Pause, ...]:
    """Give the pauses of two cases that become one: it stood still while neither went on.

    Before a case was opened it did not go on either.
    """
    return _kept(tuple(sorted(_common(one, other), key=lambda pause: pause.from_at)))


def _common(one: Case, other: Case) -> Iterator[Pause]:
    opened_at = min(one.opened_at, other.opened_at)
    for mine in _still(one, opened_at):
        for theirs in _still(other, opened_at):
            from_at = max(mine.from_at, theirs.from_at)
            until_at = min(mine.until_at, theirs.until_at)
            if from_at < until_at:
                named = theirs if mine.cause is PauseCause.NOT_OPEN else mine
                yield Pause(from_at, until_at, named.cause)


def _still(case: Case, since_at: datetime) -> Iterator[Pause]:
    if since_at < case.opened_at:
        yield Pause(since_at, case.opened_at, PauseCause.NOT_OPEN)
    yield from case.pauses


def _kept(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
    while len(pauses) > PAUSES_MAX:
        ordered = sorted(pauses, key=lambda pause: pause.from_at)
        near, after = min(pairwise(ordered), key=lambda pair: pair[1].from_at - pair[0].until_at)
        one = replace(near, until_at=max(near.until_at, after.until_at))
        pauses = tuple(one if pause is near else pause for pause in ordered if pause is not after)
    return pauses
