"""What the clocks of a case count: since when and until when, and what was recorded of that run.

Facts alone, whatever the policy aims at. A clock that begins anew is another run, of which nothing
was recorded yet.
"""

from datetime import datetime
from typing import NamedTuple

from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.story.types import Case, CaseState, Mark


class Run(NamedTuple):
    """One run of a clock; `vain`: it stopped although what it waited for never came."""

    clock: ClockKind
    started_at: datetime
    stopped_at: datetime | None = None
    vain: bool = False


def runs(case: Case) -> tuple[Run, ...]:
    """Give the present run of each clock, or its last.

    QUEUE_WAIT counts the present wait for an owner, FIRST_RESPONSE from entry into the queue to the
    first answer, whoever gives it (who takes a call does), NEXT_RESPONSE from what the customer
    said first after the last written answer to the next one, RESOLUTION from the opening on. What
    is scheduled for later does not wait: the first two begin anew at that instant. Of a case that
    ended only those are told that can be: the others stopped with it.
    """
    waits_from_at, replied_at = case.waits_from_at, case.first_reply_at
    ended = waits_from_at if case.state is CaseState.CLOSED else None
    found: tuple[Run, ...] = (
        Run(ClockKind.QUEUE_WAIT, waits_from_at, case.owned_at or ended),
        Run(
            ClockKind.FIRST_RESPONSE,
            case.answerable_at,
            replied_at or (case.owned_at if ended else None),
            replied_at is None and ended is not None,
        ),
    )
    if ended:
        return found
    if case.asked_at is not None:
        again_at = case.replied_at
        if again_at is not None and again_at < case.asked_at:
            again_at = None
        found += (Run(ClockKind.NEXT_RESPONSE, case.asked_at, again_at),)
    return (*found, Run(ClockKind.RESOLUTION, case.resolve_from_at or case.opened_at))


def run_of(case: Case, clock: ClockKind) -> Run | None:
    """Find the run of one clock; None: there is none."""
    return next((run for run in runs(case) if run.clock is clock), None)


def done(case: Case, run: Run) -> int:
    """Give the bits of what was recorded of this run."""
    for mark in case.marks:
        if mark.clock is run.clock:
            return mark.moments if mark.since_at == run.started_at else 0
    return 0


def marked(case: Case, clock: ClockKind, bits: int) -> Case:
    """Remember what was recorded of a clock's run; what was of an earlier one is forgotten."""
    run = run_of(case, clock)
    if run is None or not bits:
        return case
    mark = Mark(clock, run.started_at, done(case, run) | bits)
    others = tuple(one for one in case.marks if one.clock is not clock)
    return replace(case, marks=(*others, mark))


def recorded_too(old: Case, new: Case, *clocks: ClockKind) -> Case:
    """Have recorded of the clocks of `new` what was of those of `old`: they count the same wait.

    So what goes on in another case is warned of and late once.
    """
    for clock in clocks:
        run = run_of(old, clock)
        if run is not None:
            new = marked(new, clock, done(old, run))
    return new
