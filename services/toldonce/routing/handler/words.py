"""What leases, engines and sessions tell each other, and what they need of the world.

Instants are aware UTC; names that end in `_s` are seconds. Moments for judging are seconds of the
process's own monotonic clock, because no other clock may end a lease.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from toldonce.routing.core.types import Availability, Decision


@dataclass(frozen=True, slots=True)
class Timing:
    """How a lease is kept.

    A holder counts `lease_s` from before it sent its last renewal, a challenger from when it saw
    it. `quiet_s` later at the latest nothing decided by the old holder is taken any more.
    """

    lease_s: float = 4.0
    renew_s: float = 1.0
    look_s: float = 0.5
    quiet_s: float = 2.5
    lag_max_s: float = 2.0
    loop_delay_max_s: float = 0.5


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A lease as the table has it; `holder` is "" once it was given back."""

    holder: str
    epoch: int
    counter: int
    renewed_at: datetime


class Leadership(Protocol):
    """Whether this process leads a tenant."""

    @property
    def epoch(self) -> int:
        """The epoch under which it may decide at this very instant, or 0."""
        ...

    @property
    def decides_at_s(self) -> float | None:
        """When (monotonic) a holder that must still keep quiet may begin to decide, or None."""
        ...


class Phase(IntEnum):
    """What a session holder saw of an agent; the numbers of the protocol."""

    CONNECTED = 1
    HEARTBEAT = 2
    GONE = 3


@dataclass(frozen=True, slots=True)
class Sighting:
    """One sighting of an agent: by which holder, in which session, when by the holder's clock."""

    tenant: str
    agent: str
    session: str
    holder: str
    phase: Phase
    at: datetime


@dataclass(frozen=True, slots=True)
class CoolDown:
    """A case (52 characters) not to be offered to an agent before `until_at`."""

    case_id: str
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Declared:
    """An agent's own facts, as AGENTS has them; `declared_by` is the subject who said it."""

    tenant: str
    agent: str
    availability: Availability
    reason: str
    since_at: datetime
    session: str
    declared_by: str
    cool_downs: tuple[CoolDown, ...] = ()


type Send = Callable[[Decision, int, datetime], Awaitable[None]]
"""Send a decision made under an epoch and stamped at an instant; raises a Refusal."""

type Health = Callable[[], str | None]
"""Say in a sentence why this process should not lead now, or None."""
