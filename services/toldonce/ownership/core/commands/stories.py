"""Whole stories."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.types import Story


@dataclass(frozen=True, slots=True)
class Forget:
    """Destroy the words: `keys` are all that sealed them, filled in from the history."""

    reason: str
    keys: tuple[KeyRef, ...] = ()


@dataclass(frozen=True, slots=True)
class MoveOut:
    """Freeze this story: it goes on under `to`."""

    source: str
    to: str
    to_empty: bool
    arriving: int
    stories: int


@dataclass(frozen=True, slots=True)
class Absorb:
    """Take in what `source` held when it was frozen at `source_sequence`."""

    source: str
    source_sequence: int
    source_at: datetime
    head: Story
