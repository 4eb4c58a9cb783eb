"""The pauses of a case: intervals in which a clock may stand still, each with its cause.

Every pause has an end from the beginning, so nothing stands still for ever; it ends sooner when the
cause does. Which clocks a cause stops is for the policy to say. At most `PAUSES_MAX` are kept: of
more, the two of one cause that lie nearest to each other become one, so that no pause for any cause
ever gets shorter. (There are fewer causes than pauses kept: two are always of one.)
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import pairwise

from toldonce.kernel.changing import replace
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
    return _kept(tuple(_common(one, other)))


def _common(one: Case, other: Case) -> Iterator[Pause]:
    since_at = min(_counts_from(one), _counts_from(other))
    for mine in _still(one, since_at):
        for theirs in _still(other, since_at):
            from_at = max(mine.from_at, theirs.from_at)
            until_at = min(mine.until_at, theirs.until_at)
            if from_at < until_at:
                # the lesser cause: what a policy may let count comes before what never counts
                yield Pause(from_at, until_at, min(mine.cause, theirs.cause))


def _still(case: Case, since_at: datetime) -> Iterator[Pause]:
    counts_from_at = _counts_from(case)
    if since_at < counts_from_at:
        yield Pause(since_at, counts_from_at, PauseCause.NOT_OPEN)
    yield from case.pauses


def _counts_from(case: Case) -> datetime:
    return case.resolve_from_at or case.opened_at


def _kept(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
    found = _apart(pauses)
    while len(found) > PAUSES_MAX:
        ordered = sorted(found, key=lambda pause: (pause.cause, pause.from_at))
        alike = [pair for pair in pairwise(ordered) if pair[0].cause is pair[1].cause]
        near, after = min(alike, key=lambda pair: pair[1].from_at - pair[0].until_at)
        one = replace(near, until_at=max(near.until_at, after.until_at))
        found = tuple(one if pause is near else pause for pause in found if pause is not after)
    return found


def _apart(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
    """Give what is covered as spans of which no two of one cause touch."""
    found: list[Pause] = []
    latest: dict[PauseCause, int] = {}
    for pause in sorted(pauses, key=lambda one: one.from_at):
        if pause.from_at >= pause.until_at:
            continue
        place = latest.get(pause.cause)
        if place is None or found[place].until_at < pause.from_at:
            latest[pause.cause] = len(found)
            found.append(pause)
        else:
            until_at = max(found[place].until_at, pause.until_at)
            found[place] = replace(found[place], until_at=until_at)
    return tuple(found)
