"""The words of the engine: what is declared and seen of agents, gates, and why somebody was chosen.

Numbers of the enumerations are those of the protocol. Instants are aware UTC. `case`, `offer` and
`handoff` are own ids (26 characters); the customer stands beside them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple


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
    NOT_YET = 16
    ASKED = 17


GATE_ORDER = (
    Gate.PRESENCE,
    Gate.AVAILABILITY,
    Gate.QUEUE,
    Gate.EXCLUDED,
    Gate.SKILL,
    Gate.LANGUAGE,
    Gate.NOT_YET,
    Gate.CALENDAR,
    Gate.COOL_DOWN,
    Gate.CAPACITY,
    Gate.OWNER_PREFERRED,
    Gate.APART,
    Gate.OUTRANKED,
    Gate.ASKED,
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
NEEDED = "NEEDED"
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
    `asked` agents were asked at once.
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
    asked: int = 1


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """How a queue stands: `waiting` counts the offered too; free and available as agents.

    `scheduled` cases do not wait yet and are in no other count.
    """

    queue: str
    waiting: int
    offered: int
    oldest_enqueued_at: datetime | None
    agents_free: int
    agents_available: int
    scheduled: int = 0


class Arm(IntEnum):
    """How a case was decided: success did not count then, did, was left out, is only told."""

    OFF = 1
    ON = 2
    EXPLORED = 3
    SHADOW = 4


class Draw(NamedTuple):
    """How a case was decided, in the two intervals since `pair_us`; `would` is a shadow's choice.

    `would` is "" where success would have chosen nobody else.
    """

    arm: Arm
    pair_us: int
    would: str = ""


class Done(NamedTuple):
    """A case that counts as resolved unless its customer is back by `until_us`."""

    customer: str
    topic: str
    at_us: int
    until_us: int
    subject: str
    group: str
    agent: str
    policy: str
    drawn: Draw | None
