"""What is known of a story beyond its head, as the rules of counting need it (`served`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.story.types import Case, Commitment


@dataclass(frozen=True, slots=True)
class Matter:
    """What the head does not say of an open case.

    `answered`: by a person; `attended`: a person has it since it last began to wait; `breached`:
    one of its clocks was recorded as past due.
    """

    channel: str
    answered: bool = False
    attended: bool = False
    breached: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A case that ended: where and when, and whether its first owner counts as its solver."""

    channel: str
    at: datetime
    first_yes: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A story as the rules need it, after the append at `sequence`: a function of its history.

    `promises` names the channel of each open commitment, `ended` the last cases that ended.
    """

    sequence: int = 0
    cases: tuple[Case, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    matters: Mapping[Own, Matter] = field(default_factory=dict)
    promises: Mapping[Own, str] = field(default_factory=dict)
    ended: Mapping[Own, Ended] = field(default_factory=dict)


NOTHING = Known()


def arrived(case: Case) -> Matter:
    """Guess what is not known of a case from its head: so a history begins that was cut."""
    return Matter(case.channel, case.first_reply_at is not None, bool(case.owner))
