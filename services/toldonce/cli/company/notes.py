"""What gateways and agents saw for themselves during the demo: the judge's second source."""

from dataclasses import dataclass, field
from datetime import datetime

from toldonce.client.submission import Ack, Submission


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One answer to one sending of a submission."""

    submission: Submission
    ack: Ack


@dataclass(frozen=True, slots=True)
class Owned:
    """An agent was told that they own a case under this epoch; a handoff has a hash of its own."""

    agent: str
    case_id: str
    epoch: int
    handoff_id: str
    context_hash: bytes


@dataclass(slots=True)
class Notes:
    """Everything that was seen."""

    sent: dict[str, Submission] = field(default_factory=dict)
    repeats_sent: int = 0
    acks: list[Acknowledged] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    hung_up: set[str] = field(default_factory=set)
    delivered: dict[str, int] = field(default_factory=dict)
    owned: list[Owned] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)
    vanished: list[str] = field(default_factory=list)
    came: dict[str, datetime] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    wipes: int = 0
    wiped_answers: int = 0
    wiped_wrong: int = 0
