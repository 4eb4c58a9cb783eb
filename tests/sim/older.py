"""A process of the version before: it knows one fold version less.

It refuses heads folded by newer rules and commands that came with them, and what it writes lacks
their fields. The numbers it is compared with are those of the shipped code; only how they compare
depends on which process asks.
"""

import contextvars
import dataclasses
from typing import Any

from toldonce.kernel.story.events import (
    CasePaused,
    CaseResumed,
    CommitmentWithdrawn,
    RungClimbed,
)
from toldonce.kernel.story.types import FOLD_VERSION, Story
from toldonce.ownership.core.commands import FireTimer, PauseCase, ResumeCase
from toldonce.runtime.history import TooNew

OLD = FOLD_VERSION - 1
NEW_CASE_FIELDS: dict[str, Any] = {
    "tier": "",
    "widened": False,
    "asked_at": None,
    "replied_at": None,
    "resolve_from_at": None,
    "pauses": (),
    "marks": (),
}
NEW_COMMANDS = (FireTimer, PauseCase, ResumeCase)
NEW_EVENTS = (RungClimbed, CasePaused, CaseResumed, CommitmentWithdrawn)
_IS_OLD: contextvars.ContextVar[bool] = contextvars.ContextVar("is_old", default=False)


class Known(int):
    """The newest fold version this very process knows."""

    def _mine(self) -> int:
        return OLD if _IS_OLD.get() else int.__int__(self)

    def __lt__(self, other: int) -> bool:
        return self._mine() < int.__int__(other)

    def __gt__(self, other: int) -> bool:
        return self._mine() > int.__int__(other)

    def __le__(self, other: int) -> bool:
        return self._mine() <= int.__int__(other)

    def __ge__(self, other: int) -> bool:
        return self._mine() >= int.__int__(other)


def lacking(head: Story) -> Story:
    """Give a head as the version before would have folded it."""
    cases = tuple(dataclasses.replace(case, **NEW_CASE_FIELDS) for case in head.cases)
    promises = tuple(dataclasses.replace(one, warned=False) for one in head.commitments)
    return dataclasses.replace(head, fold_version=OLD, cases=cases, commitments=promises)


def begin() -> None:
    """Be the version before, from now on, in everything this process does."""
    _IS_OLD.set(True)


def make(process: Any) -> None:
    """Have a bound ownership process write as the version before."""
    recorder = process.bound._ownership._writer._recorder  # noqa: SLF001
    record, fence = recorder.record, recorder.fence

    async def older_record(ask: Any, *given: Any) -> Any:
        if isinstance(ask.command, NEW_COMMANDS):
            raise TooNew("it knows no such command: a newer replica will answer")
        made = await record(ask, *given)
        if any(isinstance(event, NEW_EVENTS) for event in made.events):
            raise TooNew("it knows no such command: a newer replica will answer")
        return dataclasses.replace(made, head=lacking(made.head))

    def older_fence(*given: Any) -> Any:
        made = fence(*given)
        return dataclasses.replace(made, head=lacking(made.head))

    recorder.record, recorder.fence = older_record, older_fence
