"""What the engine is told, one fact after the other.

Instants are aware UTC. `case` and `offer` are own ids (26 characters); the customer stands beside
them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from toldonce.kernel.config.types import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import Case
from toldonce.routing.core.types import Availability, Done, Gate, Presence, Schedule


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """Another configuration is in force from now on."""

    config: Config


@dataclass(frozen=True, slots=True)
class Untaken:
    """An offer of `case` that `agent` declined, or let expire, at `at`."""

    case: str
    agent: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """`case` was closed with a recorded outcome.

    `re_told`: the customer had to tell it again; `resolved`: the first owner could resolve it; None
    where nobody was asked.
    """

    case: str
    disposition: str
    re_told: bool | None = None
    resolved: bool | None = None


class StoryChanged(NamedTuple):
    """All cases of one story as they stand at log position `sequence`, appended at `at`.

    What the head does not say is said beside it: which offers ended untaken by this append, which
    it made because somebody `forced` them, and which cases it closed.
    """

    customer: str
    sequence: int
    at: datetime
    cases: tuple[Case, ...]
    declines: tuple[Untaken, ...] = ()
    expiries: tuple[Untaken, ...] = ()
    forced: tuple[str, ...] = ()
    closings: tuple[Closing, ...] = ()


@dataclass(frozen=True, slots=True)
class StoriesLoaded:
    """These customers, whose stories have been told, were all with open cases at `position`.

    What the engine knew of others by that log sequence is over.
    """

    customers: frozenset[str]
    position: int


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """An agent declared `availability`, which holds since `since_at`.

    `schedule` is what the plan says, since `schedule_at` (None: since always). Drained since
    `drained_at` they get nothing new; `hands_back`: nor keep what they own.
    """

    agent: str
    availability: Availability
    reason: str
    since_at: datetime
    schedule: Schedule = Schedule.ON_SHIFT
    schedule_at: datetime | None = None
    drained_at: datetime | None = None
    hands_back: bool = False


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """The sessions see an agent so; for an absence `at` is the last sign of life."""

    agent: str
    presence: Presence
    at: datetime


@dataclass(frozen=True, slots=True)
class LeadershipChanged:
    """The engine leads under `engine_epoch`, or follows without deciding anything (0)."""

    engine_epoch: int


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """Ownership refused a decided offer, knows none, or ended it: it stands in the log no more."""

    customer: str
    case: str
    offer: str
    reason: str


@dataclass(frozen=True, slots=True)
class OfferAsked:
    """Somebody, `by`, asks that `agent` be offered a certain case now.

    `offer` is the id that the offer gets: it follows from the operation, so the same ask makes the
    same offer. `forced` is the reason code of one who overrides the policy, "" for a pick; gates of
    `override` do not count then, and what takes more units than the agent has left is an overdraft.
    """

    offer: Own
    agent: str
    by: str
    customer: str
    case: str
    forced: str = ""
    override: frozenset[Gate] = frozenset()


@dataclass(frozen=True, slots=True)
class SuccessLearned:
    """What an engine before this one had learned of success; it comes on top of what is known.

    The fields are those of a snapshot: `records` and, of its head, the others.
    """

    records: tuple[tuple[str, str, str, int, int, int], ...]
    done: tuple[Done, ...]
    effects: tuple[tuple[str, int, int, int, int, int, int, int], ...]
    shadows: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


type Fact = (
    ConfigChanged
    | StoryChanged
    | StoriesLoaded
    | AgentChanged
    | PresenceChanged
    | LeadershipChanged
    | OfferFailed
    | OfferAsked
    | SuccessLearned
    | Tick
)
