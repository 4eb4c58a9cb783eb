"""What leases, engines and sessions tell each other, and what they need of the world.

Instants are aware UTC; names that end in `_s` are seconds. Moments for judging are seconds of the
process's own monotonic clock, because no other clock may end a lease.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from toldonce.kernel.story.types import Case, Offer
from toldonce.routing.core.acts import Act
from toldonce.routing.core.types import Availability, Schedule


@dataclass(frozen=True, slots=True)
class Timing:
    """How a lease is kept.

    A holder counts `lease_s` from before it sent its last renewal, a challenger from when it saw
    it. `quiet_s` later at the latest ownership refuses whatever the old holder decided; what is in
    the log by then is read before anything is decided. Only an append that hangs on its way to the
    log may come later still.
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
    def held(self) -> int:
        """The epoch of the lease held at this very instant, deciding or not; 0 for none."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch under which it may decide at this very instant, or 0."""
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
class Drain:
    """An agent gets nothing new since `at`: said by `by`, for `reason` (a code).

    `hands_back`: nor keeps what they own, by the rule of each channel for an absent owner.
    """

    at: datetime
    by: str
    reason: str
    hands_back: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """An agent's own facts, as AGENTS has them; `declared_by` is the subject who said it.

    `schedule` is what the plan of work says, since `schedule_at` (None: since always). `drain` is
    why they get nothing new, or None; `operations` are the latest that began or ended that. `picks`
    say which case (52 characters) the latest operations chose as the next of a queue.
    """

    tenant: str
    agent: str
    availability: Availability
    reason: str
    since_at: datetime
    session: str
    declared_by: str
    cool_downs: tuple[CoolDown, ...] = ()
    schedule: Schedule = Schedule.ON_SHIFT
    schedule_at: datetime | None = None
    drain: Drain | None = None
    operations: tuple[str, ...] = ()
    picks: tuple[tuple[str, str], ...] = ()


type Send = Callable[[Act, int, datetime], Awaitable[None]]
"""Send a decision made under an epoch and stamped at an instant; raises a Refusal."""

type Health = Callable[[], str | None]
"""Say in a sentence why this process should not lead now, or None."""


# ---- what an agent says in a session


@dataclass(frozen=True, slots=True)
class Held:
    """A case (52 characters) that a desktop shows as its agent's own, under `epoch`."""

    case_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Hello:
    """Who I am; `availability` None: as declared last. `resume` is a session id, or "".

    `held` are the cases I believe to be mine.
    """

    agent: str
    availability: Availability | None
    reason: str
    resume: str
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class SetAvailability:
    """What I declare."""

    availability: Availability
    reason: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """I am still here."""


@dataclass(frozen=True, slots=True)
class Accept:
    """I take this offer (52 characters); the hash is of the context at a handoff, else empty."""

    offer_id: str
    epoch: int
    context_hash: bytes


@dataclass(frozen=True, slots=True)
class Decline:
    """I do not take this offer (52 characters)."""

    offer_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WrapUp:
    """The talk about this case (52 characters) is over, or (`complete`) the paperwork too."""

    case_id: str
    epoch: int
    complete: bool


type Said = Hello | SetAvailability | Heartbeat | Accept | Decline | WrapUp


# ---- what a session tells an agent


class OfferEnd(IntEnum):
    """Why an offer is over; the numbers of the protocol."""

    REVOKED = 1
    EXPIRED = 2
    TAKEN = 3
    ACCEPTED = 4
    DECLINED = 5
    CASE_ENDED = 6


class HandoffEnd(IntEnum):
    """How a handoff ended; the numbers of the protocol."""

    ACCEPTED = 1
    DECLINED = 2
    EXPIRED = 3
    CANCELLED = 4
    REPLACED = 5


@dataclass(frozen=True, slots=True)
class OfferMade:
    """An offer stands in the log; `trace` is the encoded DecisionTrace, empty when not at hand."""

    customer: str
    case: Case
    offer: Offer
    sequence: int
    trace: bytes


@dataclass(frozen=True, slots=True)
class OfferOver:
    """An offer is over."""

    customer: str
    case: str
    offer: str
    reason: OfferEnd


@dataclass(frozen=True, slots=True)
class CaseTold:
    """Something happened to a case that is, or was until now, the agent's own."""

    customer: str
    case: Case
    sequence: int
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A case (52 characters) that an agent held and that is not theirs any more.

    `owner` has it now, "" for nobody yet; `epoch` 0 says that it is not open any more, or not here.
    """

    case_id: str
    owner: str
    epoch: int
    queue: str


@dataclass(frozen=True, slots=True)
class HandoffOver:
    """A handoff the agent began is over."""

    customer: str
    case: str
    handoff: str
    outcome: HandoffEnd
    owner: str
    epoch: int


type Push = OfferMade | OfferOver | CaseTold | HandoffOver
