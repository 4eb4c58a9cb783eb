"""The pauses of a case: intervals in which clocks stand still, each with its cause and its clocks.

Every pause has an end from the beginning, so nothing stands still for ever; it ends sooner when the
cause does. Which clocks a cause stops is for the policy to say when a pause begins, and kept: what
becomes of the policy or of the case changes no pause. At most `PAUSES_MAX` are kept: of more, two
of one cause become one that has the clocks of both, those two by which the least time more stands
still. So no pause ever gets shorter, for any clock. (There are fewer causes than pauses kept: two
are always of one.)
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.story.types import PAUSES_MAX, Case, CaseState, Pause, PauseCause

_ENDED = (PauseCause.CLOSED, PauseCause.NOT_OPEN)
_CLOSED_STOPS = ClockKind.NEXT_RESPONSE.bit | ClockKind.RESOLUTION.bit
_NOT_OPEN_STOPS = ClockKind.RESOLUTION.bit


def paused(case: Case, cause: PauseCause, at: datetime, until_at: datetime, clocks: int) -> Case:
    """Begin a pause at `at` in which the clocks of these bits stand still.

    One of the same cause that goes on ends there; of the same clocks, it goes on until `until_at`.
    """
    state = CaseState.PENDING_CUSTOMER if cause is PauseCause.CUSTOMER else case.state
    begun = Pause(at, until_at, cause, clocks)
    return replace(case, state=state, pauses=_kept((*_until(case, (cause,), at), begun)))


def closed_between(case: Case, from_at: datetime, until_at: datetime) -> Case:
    """Let what goes on when a case is opened again stand still for as long as that was closed."""
    return paused(case, PauseCause.CLOSED, from_at, until_at, _CLOSED_STOPS)


def resumed(case: Case, causes: Collection[PauseCause], at: datetime) -> Case:
    """End the pauses of these causes at `at`; those that are over stay as they were."""
    state = case.state
    if state is CaseState.PENDING_CUSTOMER and PauseCause.CUSTOMER in causes:
        state = CaseState.OPEN
    if state is case.state and not case.pauses:
        return case
    return replace(case, state=state, pauses=_until(case, causes, at))


def _until(case: Case, causes: Collection[PauseCause], at: datetime) -> tuple[Pause, ...]:
    cut = (
        replace(one, until_at=at) if one.cause in causes and one.holds(at) else one
        for one in case.pauses
    )
    return tuple(one for one in cut if one.from_at < one.until_at)


def both(one: Case, other: Case) -> tuple[Pause, ...]:
    """Give the pauses of two cases that become one: a clock stood still while neither's went on.

    Before a case was opened, and while it was closed, none of its clocks did.
    """
    return _kept(tuple(_common(one, other)))


def _common(one: Case, other: Case) -> Iterator[Pause]:
    since_at = min(_counts_from(one), _counts_from(other))
    for mine in _still(one, since_at):
        for theirs in _still(other, since_at):
            from_at = max(mine.from_at, theirs.from_at)
            until_at = min(mine.until_at, theirs.until_at)
            # the lesser cause: what a case waits for comes before that there was no case
            less, more = sorted((mine, theirs), key=lambda pause: pause.cause)
            clocks = less.clocks if more.cause in _ENDED else less.clocks & more.clocks
            if from_at < until_at and (clocks or less.cause is more.cause):
                yield Pause(from_at, until_at, less.cause, clocks)


def _still(case: Case, since_at: datetime) -> Iterator[Pause]:
    counts_from_at = _counts_from(case)
    if since_at < counts_from_at:
        yield Pause(since_at, counts_from_at, PauseCause.NOT_OPEN, _NOT_OPEN_STOPS)
    yield from case.pauses


def _counts_from(case: Case) -> datetime:
    return case.resolve_from_at or case.opened_at


def _kept(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
    found = _apart(pauses)
    while len(found) > PAUSES_MAX:
        ordered = sorted(found, key=lambda pause: (pause.cause, pause.from_at))
        alike = [pair for pair in pairwise(ordered) if pair[0].cause is pair[1].cause]
        near, after = min(alike, key=lambda pair: _added(*pair))
        one = _joined(near, after)
        found = tuple(one if pause is near else pause for pause in found if pause is not after)
    return found


def _added(near: Pause, after: Pause) -> timedelta:
    """Say how much more time would stand still, over all clocks, if the two became one."""
    return _stands(_joined(near, after)) - _stands(near) - _stands(after)


def _stands(pause: Pause) -> timedelta:
    return (pause.until_at - pause.from_at) * pause.clocks.bit_count()


def _joined(near: Pause, after: Pause) -> Pause:
    until_at = max(near.until_at, after.until_at)
    return replace(near, until_at=until_at, clocks=near.clocks | after.clocks)


def _apart(pauses: tuple[Pause, ...]) -> tuple[Pause, ...]:
    """Give what is covered as spans of which no two of one cause and the same clocks touch."""
    found: list[Pause] = []
    latest: dict[tuple[PauseCause, int], int] = {}
    for pause in sorted(pauses, key=lambda one: one.from_at):
        if pause.from_at >= pause.until_at:
            continue
        alike = pause.cause, pause.clocks
        place = latest.get(alike)
        if place is None or found[place].until_at < pause.from_at:
            latest[alike] = len(found)
            found.append(pause)
        else:
            found[place] = _joined(found[place], pause)
    return tuple(found)
