"""Tells what a clock does in a manager's words: what happens, how the clock stands, its account."""

from dataclasses import replace
from datetime import datetime

from toldonce.cli.accounts import length, moments, span_lines
from toldonce.kernel.account import account
from toldonce.kernel.calendar import Calendar
from toldonce.kernel.clocks import ClockFacts, Pause, Target, clock
from toldonce.kernel.instants import EPOCH


class Watch:
    """One clock; times are given as the wall in its calendar's zone shows them."""

    def __init__(self, calendar: Calendar, target: Target, hours: str) -> None:
        self._calendar = calendar
        self._target = target
        self._facts = ClockFacts(EPOCH)
        aim, warn = length(target.target_s), length(target.warn_s)
        self._lines = [
            f"Hours in {calendar.zone_name}: {hours}",
            f"Aim: an answer within {aim} of working time, with a warning after {warn}",
            "",
        ]

    @property
    def text(self) -> str:
        return "\n".join([*self._lines, ""])

    def begins(self, at: str, what: str) -> "Watch":
        self._facts = ClockFacts(self._instant(at))
        return self._say(at, what)

    def pauses(self, at: str, cause: str) -> "Watch":
        made = (*self._facts.pauses, Pause(self._instant(at), None, cause))
        self._facts = replace(self._facts, pauses=made)
        return self._say(at, f"the clock is paused: {cause}")

    def goes_on(self, at: str, what: str) -> "Watch":
        *before, last = self._facts.pauses
        made = (*before, replace(last, to_at=self._instant(at)))
        self._facts = replace(self._facts, pauses=made)
        return self._say(at, what)

    def stops(self, at: str, what: str) -> "Watch":
        self._facts = replace(self._facts, stopped_at=self._instant(at))
        return self._say(at, what)

    def looks(self, at: str) -> "Watch":
        return self._say(at, "a manager looks")

    def accounts(self, at: str) -> "Watch":
        spans = account(self._calendar, self._facts, self._instant(at))
        zone = self._calendar.zone
        self._lines += ["", "Where the time went:", *span_lines(spans, zone)]
        return self

    def _say(self, at: str, what: str) -> "Watch":
        now = self._instant(at)
        read = clock(self._target, self._calendar, self._facts, now)
        edges = (now, read.due_at, read.warn_at)
        when, due, warn = moments(self._calendar.zone, edges)
        left = f"{length(read.remaining_s)} left" if read.remaining_s > 0 else "nothing left"
        left = f"{length(-read.remaining_s)} too much" if read.remaining_s < 0 else left
        then = "due is not known yet"
        if read.due_at is not None and read.warn_at is not None:
            warns = "warned" if read.warn_at <= now else "warns"
            was = "was due" if read.due_at <= now else "due"
            then = f"{warns} {warn}, {was} {due}"
        stands = f"{read.state}: {length(read.elapsed_s)} counted, {left}; {then}"
        self._lines += [f"{when}  {what}", f"    {stands}"]
        return self

    def _instant(self, at: str) -> datetime:
        """Read a wall time; one with an offset is for days on which the wall shows it twice."""
        read = datetime.fromisoformat(at)
        return read if read.tzinfo else read.replace(tzinfo=self._calendar.zone)
