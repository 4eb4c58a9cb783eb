"""Which timers there are to be: the only place where load tests ask the kernel's function."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.clocks import BREACH, WARN, ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import Case
from toldonce.kernel.timers import timer_id, timers_of


@dataclass(frozen=True, slots=True)
class Due:
    """A timer of a case, and its instant (UTC)."""

    own: Own
    at: datetime


def due_by(case: Case, config: Config, until: datetime) -> list[Due]:
    """Give what is to be recorded of a case by then: warnings and breaches, no escalations."""
    return [
        Due(timer.own, timer.fires_at)
        for timer in timers_of(case, config)
        if timer.moment in {WARN, BREACH} and timer.fires_at <= until
    ]


def warning_of(case: Own, since: datetime) -> Own:
    """Name the warning of a wait for an agent that began at that instant."""
    return timer_id(case, ClockKind.QUEUE_WAIT, WARN, since)
