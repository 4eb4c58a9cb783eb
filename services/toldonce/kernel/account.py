"""Accounts of clocks: every stretch of time that counted, every one that did not, and why.

An account runs from a clock's start to where it was read, in order and without gaps. It is read off
the calendar and the facts that `kernel.clocks` reads, so what counted in it adds up to `elapsed_s`
exactly. Where a clock is paused that is what is said, whether or not it was open then; of several
pauses at once every cause is named. An account has at most `SPANS_MAX` spans: of a longer one the
beginning and the end are kept, and the middle is one span that says how many it stands for and how
much counted in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from toldonce.kernel.calendar import HORIZON_DAYS_MAX, Calendar, Part, parts
from toldonce.kernel.clocks import ClockFacts
from toldonce.kernel.errors import Rejected
from toldonce.kernel.instants import EPOCH, SECOND, instant, micros

SPANS_MAX = 256
REASON_BYTES_MAX = 256

OPEN = "open"
OPEN_EXCEPTION = "open: hours of this date alone"
CLOSED_HOURS = "closed: outside opening hours"
CLOSED_WEEKDAY = "closed: never open on this weekday"
CLOSED_DATE = "closed: holiday or other exception"
CLOSED_EXCEPTION = "closed: outside the hours of this date alone"
PAUSED = "paused"
CAUSES = {
    "CUSTOMER": "waiting for the customer",
    "HOLD": "on hold",
    "CLOSED": "the case had ended",
    "NOT_OPEN": "it was not there yet",
}
"""What the codes of causes mean; a cause that is no code is told as it is."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch [from_at, to_at) in UTC of which `counted_s` seconds counted: all or none.

    Only where it stands for several (`merged` of them) some may have counted and some not.
    """

    from_at: datetime
    to_at: datetime
    counted_s: float
    reason: str
    merged: int = 1

    @property
    def lasts_s(self) -> float:
        """How long it is."""
        return (micros(self.to_at) - micros(self.from_at)) / SECOND


def account(calendar: Calendar, facts: ClockFacts, now: datetime) -> tuple[Span, ...]:
    """Account for a clock from its start to `now` or its stop, whichever is first.

    Nothing where it has not begun. Raises Rejected for more time than calendars look ahead.
    """
    until = now if facts.stopped_at is None else min(now, facts.stopped_at)
    if until - facts.started_at > timedelta(days=HORIZON_DAYS_MAX):
        raise Rejected("TOO_LONG", f"a clock is accounted for over {HORIZON_DAYS_MAX} days at most")
    return _bounded(list(_joined(_stretches(calendar, facts, until))))


type _Stretch = tuple[int, int, bool, str]  # from and to in microseconds, whether it counted, why


def _stretches(calendar: Calendar, facts: ClockFacts, until: datetime) -> Iterator[_Stretch]:
    start_us, until_us = micros(facts.started_at), micros(until)
    pauses = [
        (micros(one.from_at), until_us if one.to_at is None else micros(one.to_at), one.cause)
        for one in facts.pauses
    ]
    edges = {edge for begins, ends, _ in pauses for edge in (begins, ends)}
    inside = (edge for edge in edges if start_us < edge < until_us)
    for from_us, to_us in pairwise(sorted({start_us, *inside, max(start_us, until_us)})):
        causes = [cause for begins, ends, cause in pauses if begins <= from_us and to_us <= ends]
        if causes:
            yield from_us, to_us, False, _paused(causes)
        elif calendar.always:
            yield from_us, to_us, True, OPEN
        else:
            for part in parts(calendar, from_us, to_us):
                yield part.from_us, part.to_us, part.is_open, _hours(calendar, part)


def _paused(causes: Iterable[str]) -> str:
    named = ", ".join(sorted({CAUSES.get(cause, cause) for cause in causes if cause}))
    said = f"{PAUSED}: {named}" if named else PAUSED
    return said.encode()[:REASON_BYTES_MAX].decode(errors="ignore")


def _hours(calendar: Calendar, part: Part) -> str:
    """Say by which hours a stretch was open or closed."""
    on = (EPOCH + timedelta(days=part.wall_day)).date()
    exception = calendar.exceptions.get(on)
    if part.is_open:
        return OPEN if exception is None else OPEN_EXCEPTION
    if exception is not None and not exception and on in calendar.holidays:
        return f"closed: {calendar.holidays[on]}"
    if exception is not None:
        return CLOSED_EXCEPTION if exception else CLOSED_DATE
    return CLOSED_HOURS if calendar.weekly[on.weekday()] else CLOSED_WEEKDAY


def _joined(stretches: Iterable[_Stretch]) -> Iterator[_Stretch]:
    """Make one of stretches that adjoin and say the same."""
    last: _Stretch | None = None
    for one in stretches:
        if last is not None and last[2:] == one[2:]:
            last = (last[0], *one[1:])
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _bounded(stretches: list[_Stretch]) -> tuple[Span, ...]:
    """Make spans of them, one of all in the middle where they are too many."""
    if len(stretches) <= SPANS_MAX:
        return tuple(map(_span, stretches))
    half = SPANS_MAX // 2
    first, middle, last = stretches[:half], stretches[half : 1 - half], stretches[1 - half :]
    counted_us = sum(to_us - from_us for from_us, to_us, counts, _ in middle if counts)
    merged = Span(
        from_at=instant(middle[0][0]),
        to_at=instant(middle[-1][1]),
        counted_s=counted_us / SECOND,
        reason=f"{len(middle)} stretches, too many to tell apart",
        merged=len(middle),
    )
    return (*map(_span, first), merged, *map(_span, last))


def _span(stretch: _Stretch) -> Span:
    from_us, to_us, counts, reason = stretch
    lasts_s = (to_us - from_us) / SECOND
    return Span(instant(from_us), instant(to_us), lasts_s if counts else 0.0, reason)
