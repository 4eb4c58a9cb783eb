"""Finding a case in a story's past: as it was when last open, and when it ended. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.story.types import Case, CaseState, Story


@dataclass(frozen=True, slots=True)
class Stood:
    """How the story of `customer` stood after the append at log `sequence`, made at `at`."""

    customer: str
    sequence: int
    at: datetime
    head: Story


@dataclass(frozen=True, slots=True)
class Past:
    """A case as it was last open, and the append that ended it, or the last if none did."""

    case: Case
    there: Stood
    ended: bool


def last_open(newest_first: Iterable[Stood], own: str) -> Past | None:
    """Find a case as it was last open, in a story or in those that it absorbed."""
    after: dict[str, Stood] = {}
    for stood in newest_first:
        found = stood.head.case(own)
        if found is not None and found.state is not CaseState.CLOSED:
            end = after.get(stood.customer)
            if end is None or end.head.moved_to:  # on its way, or opened again just now
                return Past(found, stood, ended=False)
            return Past(found, end, ended=True)
        after[stood.customer] = stood
    return None
