"""What time asks, and what makes clocks stand still."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.clocks import ClockKind, Moment
from toldonce.kernel.ids import NO_OWN, Own
from toldonce.kernel.story.types import PauseCause


@dataclass(frozen=True, slots=True)
class FireTimer:
    """Say that a moment of a clock has come, once per `timer`; the policy says what it does.

    `commitment`: of the clock COMMITMENT, which promise. The context is filled in for a rung that
    may hand the case over.
    """

    case: Own
    timer: Own
    clock: ClockKind
    moment: Moment
    commitment: Own = NO_OWN
    context_sequence: int = 0
    context_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class PauseCase:
    """Let the clocks of a case stand still, at most until `until_at` (None: as long as usual)."""

    case: Own
    epoch: int
    cause: PauseCause
    until_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class ResumeCase:
    """Let them go on; `reason` is a code."""

    case: Own
    epoch: int
    cause: PauseCause
    reason: str
