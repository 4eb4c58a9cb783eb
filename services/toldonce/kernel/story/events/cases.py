"""Cases: how they begin and end, and what their clocks recorded."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import NO_OWN, Own
from toldonce.kernel.story.types import Case, PauseCause, SkillNeed


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """A new matter began to wait for a person."""

    case: Own
    queue: str
    channel: str
    gateway: str
    topic: str
    language: str
    skills: tuple[SkillNeed, ...]
    priority: int
    preferred_agent: str
    tier: str = ""


@dataclass(frozen=True, slots=True)
class PriorityRaised:
    """The case counts for more from now on (higher first)."""

    case: Own
    priority: int
    reason: str


@dataclass(frozen=True, slots=True)
class PrioritySet:
    """Somebody, for the named reason, had the case count for so much from now on."""

    case: Own
    priority: int
    reason: str


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """The case, which nobody owns, waits in `queue` from now on, for the named reason.

    It keeps its age, remembers where it was, and asks what the new queue asks of everybody: what it
    asked by itself was made of the first queue's requirement and its topic's place there.
    """

    case: Own
    from_queue: str
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class SlaWarned:
    """A clock came near its due time; of a commitment, `commitment` says which."""

    case: Own
    timer: Own
    clock: ClockKind
    due_at: datetime
    commitment: Own = NO_OWN


@dataclass(frozen=True, slots=True)
class SlaBreached:
    """A clock passed its due time."""

    case: Own
    timer: Own
    clock: ClockKind
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RungClimbed:
    """A rung of the escalation ladder was reached for a clock that is, or was, due at `due_at`.

    What it does besides is in events of their own: the priority, the handing over. `widened`: the
    case asks no more from now on than when it had waited through all steps. `notified` and `paged`:
    those who are to know are told by this.
    """

    case: Own
    timer: Own
    clock: ClockKind
    rung: int
    due_at: datetime
    policy: str
    widened: bool
    notified: bool
    paged: bool


@dataclass(frozen=True, slots=True)
class CasePaused:
    """The case waits for something outside, at most until `until_at`; `reason` is a code.

    `clocks` has the bits of those that stand still meanwhile, by the policy in force.
    """

    case: Own
    cause: PauseCause
    until_at: datetime
    reason: str
    clocks: int


@dataclass(frozen=True, slots=True)
class CaseResumed:
    """The case does not wait for that any more."""

    case: Own
    cause: PauseCause
    reason: str


@dataclass(frozen=True, slots=True)
class WrapUpBegun:
    """The talk is over and the owner finishes the paperwork, at most until `until_at`."""

    case: Own
    agent: str
    until_at: datetime


@dataclass(frozen=True, slots=True)
class WrapUpCompleted:
    """The owner's capacity is free again."""

    case: Own
    agent: str


@dataclass(frozen=True, slots=True)
class CaseClosed:
    """The matter ended with a recorded outcome.

    `re_told`: the customer had to tell it again; `resolved_first_owner`: the first owner could
    resolve it. Each says something only if it was asked (`..._known`).
    """

    case: Own
    disposition: str
    agent: str
    re_told: bool
    re_told_known: bool = False
    resolved_first_owner: bool = False
    resolved_known: bool = False


@dataclass(frozen=True, slots=True)
class CaseReopened:
    """A closed case is open again, as `case` describes it."""

    case: Case
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CaseAbandoned:
    """The customer went away or took the contact back."""

    case: Own
    reason: str


@dataclass(frozen=True, slots=True)
class CaseMerged:
    """The case ended in another of the same story, `into`, which keeps its owner."""

    case: Own
    into: Own


@dataclass(frozen=True, slots=True)
class CaseSplit:
    """Some contacts of the case are a matter of their own now, `made`."""

    case: Own
    made: Case
    contacts: tuple[Own, ...]


@dataclass(frozen=True, slots=True)
class CallbackRequested:
    """The customer is to be called back, at the address in its words (none: where they came from).

    The case keeps its place. `not_before_at`: by appointment, not before then; None: when its turn
    comes. `reason` is a code where somebody of the company said so.
    """

    case: Own
    not_before_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class CaseScheduled:
    """Nobody is asked to take the waiting case before `not_before_at`, for the named reason."""

    case: Own
    not_before_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentLinked:
    """The case shares its cause with others; an empty `incident` takes that back."""

    case: Own
    incident: str
