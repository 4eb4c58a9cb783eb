"""The words of the engine: facts that go in, decisions that come out, and why.

Numbers of the enumerations are those of the protocol. Instants are aware UTC. `case`, `offer` and
`handoff` are own ids (26 characters); the customer stands beside them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

from toldonce.kernel.config.types import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import Case


class Availability(IntEnum):
    """What an agent declares."""

    AVAILABLE = 1
    AWAY = 2
    DO_NOT_ROUTE = 3
    OFFLINE = 4


class Schedule(IntEnum):
    """What the plan of work says of an agent."""

    ON_SHIFT = 1
    OFF_SHIFT = 2


class Presence(IntEnum):
    """What the sessions see of an agent."""

    UNKNOWN = 0
    CONNECTED = 1
    STALE = 2
    GONE = 3


class Gate(IntEnum):
    """Why an agent is not the one; see `GATE_ORDER` for the order in which they are tried."""

    PRESENCE = 1
    AVAILABILITY = 2
    CAPACITY = 3
    QUEUE = 4
    SKILL = 5
    LANGUAGE = 6
    EXCLUDED = 7
    COOL_DOWN = 8
    OWNER_PREFERRED = 9
    OUTRANKED = 10
    NONE = 11
    CALENDAR = 13
    APART = 15


GATE_ORDER = (
    Gate.PRESENCE,
    Gate.AVAILABILITY,
    Gate.QUEUE,
    Gate.EXCLUDED,
    Gate.SKILL,
    Gate.LANGUAGE,
    Gate.CALENDAR,
    Gate.COOL_DOWN,
    Gate.CAPACITY,
    Gate.OWNER_PREFERRED,
    Gate.APART,
    Gate.OUTRANKED,
    Gate.NONE,
)


class CancelReason(StrEnum):
    """Why the engine ends a handoff."""

    TIMED_OUT = "TIMED_OUT"
    NO_RECEIVER = "NO_RECEIVER"
    DECLINED = "DECLINED"


AGENT_GONE = "AGENT_GONE"
AGENT_OFF_SHIFT = "AGENT_OFF_SHIFT"
AGENT_DRAINED = "AGENT_DRAINED"
LOST_RIGHT = "LOST_RIGHT"
FAILOVER = "FAILOVER"
ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One agent looked at by one decision, or `count` alike ones (then `agent` is "").

    `rank` counts the admitted from 1; 0 is not admitted.
    """

    agent: str
    gate: Gate
    detail: str
    rank: int = 0
    count: int = 1


class DecisionTrace(NamedTuple):
    """Why this agent and why not each other one; `chosen` is "" while the case waits.

    The decision behind an offer has the id of that offer.
    `step` steps of the requirement are in force, `relaxes_at` is the instant of the next.
    `considered` agents were looked at. `reason` is one sentence without words of the customer.
    """

    decision_id: str
    policy_version: str
    revision: int
    engine_epoch: int
    at: datetime
    chosen: str
    step: int
    relaxes_at: datetime | None
    waited_s: float
    considered: int
    candidates: tuple[Candidate, ...]
    reason: str


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
class StoryChanged:
    """All cases of one story as they stand at log position `sequence`, appended at `at`.

    What the head does not say is said beside it: which offers ended untaken by this append, and
    which it made because somebody `forced` them.
    """

    customer: str
    sequence: int
    at: datetime
    cases: tuple[Case, ...]
    declines: tuple[Untaken, ...] = ()
    expiries: tuple[Untaken, ...] = ()
    forced: tuple[str, ...] = ()


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
    | Tick
)


class MakeOffer(NamedTuple):
    """Offer the case to the agent; the units are reserved from this moment.

    `handoff` is the transfer an accept completes, or "". `forced`: somebody wants it so, and it
    takes `overdraft` units that the agent does not have.
    """

    customer: str
    case: Own
    case_epoch: int
    agent: str
    offer: Own
    expires_at: datetime
    handoff: str
    trace: DecisionTrace
    overdraft: int = 0
    forced: bool = False


@dataclass(frozen=True, slots=True)
class ExpireOffer:
    """The offer's time has passed. Said again until the log shows that it is over."""

    customer: str
    case: Own
    offer: Own
    agent: str


@dataclass(frozen=True, slots=True)
class RevokeOffer:
    """Take the offer back. Said again until the log shows it."""

    customer: str
    case: Own
    offer: Own
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class CancelHandoff:
    """The transfer finds nobody in time. Said again until the log shows it."""

    customer: str
    case: Own
    handoff: Own
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class CompleteWrapUp:
    """The wrap-up has lasted as long as it may. Said again until the log shows it."""

    customer: str
    case: Own
    agent: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ReleaseOwnership:
    """The owner cannot see to it for longer than the grace. Said again until the log shows it.

    `reason` is the rule that took it, such as OWNER_GONE_REQUEUE.
    """

    customer: str
    case: Own
    agent: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class LapseOwnership:
    """The owner cannot see to it, and by `rule` somebody may take over within `lapse_s`.

    `backup` is who stands in, or "" for the case's queue. Decided of the story as it stood at log
    position `sequence`. Said again until the log shows it.
    """

    customer: str
    case: Own
    agent: str
    epoch: int
    rule: str
    backup: str
    lapse_s: int
    sequence: int


@dataclass(frozen=True, slots=True)
class ResumeOwnership:
    """The owner is back before anybody took over; the lapse began at `lapsed_at`.

    Said again until the log shows it.
    """

    customer: str
    case: Own
    agent: str
    epoch: int
    lapsed_at: datetime


@dataclass(frozen=True, slots=True)
class Requeue:
    """The case waits in `queue` from now on; `reason` is OVERFLOW_FULL or OVERFLOW_CLOSED.

    Said again until the log shows it, or the reason is gone.
    """

    customer: str
    case: Own
    epoch: int
    from_queue: str
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerAsk:
    """What was asked for is not done, for `reason` (a code) and `sentence`, or ("") stands already.

    An ask that has no such answer ends in a MakeOffer of the same id.
    """

    offer: Own
    customer: str
    case: str
    reason: str
    sentence: str


type Act = (
    MakeOffer
    | ExpireOffer
    | RevokeOffer
    | CancelHandoff
    | CompleteWrapUp
    | ReleaseOwnership
    | LapseOwnership
    | ResumeOwnership
    | Requeue
)
"""What is done in the log."""

type Decision = Act | AnswerAsk


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """How a queue stands: `waiting` counts the offered too; free and available as agents."""

    queue: str
    waiting: int
    offered: int
    oldest_enqueued_at: datetime | None
    agents_free: int
    agents_available: int
