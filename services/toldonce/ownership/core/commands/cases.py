"""Cases: how they wait, their end and their return, and which matters there are."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.ownership.core.commands.contacts import Ended


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Let the case count for more, or less, from now on; `reason` is a code."""

    case: Own
    priority: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeQueue:
    """Let a case that nobody owns wait in another queue, at its old age; `reason` is a code.

    Decided of a case of this `epoch` that waited in `from_queue`; 0 and "" stand for any.
    """

    case: Own
    epoch: int
    from_queue: str
    queue: str
    reason: str


@dataclass(frozen=True, slots=True)
class RequestCallback:
    """Have a customer who waits called back, by appointment or (None) when their turn comes.

    `to_other`: an address is named beside it.
    """

    case: Own
    not_before_at: datetime | None
    to_other: bool


@dataclass(frozen=True, slots=True)
class ScheduleCase:
    """Let a case wait from `not_before_at` on (None: from now), and perhaps have somebody called.

    `to_other` as in a callback; `reason` is a code.
    """

    case: Own
    epoch: int
    not_before_at: datetime | None
    callback: bool
    to_other: bool
    reason: str


@dataclass(frozen=True, slots=True)
class BeginWrapUp:
    """Say that the talk is over and the paperwork begins."""

    case: Own
    epoch: int


@dataclass(frozen=True, slots=True)
class CompleteWrapUp:
    """Say that the paperwork is done."""

    case: Own
    epoch: int


@dataclass(frozen=True, slots=True)
class CloseCase:
    """End the matter with its outcome; `seen` as in a handoff; None: it was not asked."""

    case: Own
    epoch: int
    disposition: str
    seen: Own
    re_told: bool | None = None
    resolved_first_owner: bool | None = None


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """Open a closed case again; `closed` is how the history last shows it."""

    case: Own
    reason: str
    closed: Ended | None = None


@dataclass(frozen=True, slots=True)
class AbandonCase:
    """End the matter because the customer went away or took it back."""

    case: Own
    reason: str


@dataclass(frozen=True, slots=True)
class MergeCases:
    """Let `merged` end in `case`; the `seen`s are the last customer entries shown of each."""

    case: Own
    epoch: int
    merged: Own
    seen: Own
    merged_seen: Own


@dataclass(frozen=True, slots=True)
class SplitCase:
    """Make a case of its own from some contacts of another.

    `others` counts the contacts that stay, `latest` is the last customer entry of those that go;
    both are filled in from the history.
    """

    case: Own
    epoch: int
    contacts: tuple[Own, ...]
    others: int = 0
    latest: Own | None = None


@dataclass(frozen=True, slots=True)
class LinkIncident:
    """Say which incident the case belongs to; empty: none any more."""

    case: Own
    incident: str
