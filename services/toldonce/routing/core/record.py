"""The pieces of a journal: a snapshot told in pieces, then the steps that follow from it.

Pieces of one engine epoch are numbered from 1 without a hole. Instants are microseconds since 1970.
"""

from collections.abc import Iterator
from itertools import batched
from typing import NamedTuple

from toldonce.routing.core.acts import Decision
from toldonce.routing.core.facts import Fact
from toldonce.routing.core.snapshot import AgentState, Head, Snapshot, StoryState, TimerState

AGENTS_MAX = 512
STORIES_MAX = 128
PLACES_MAX = 8_192
RECORDS_MAX = 8_192
TIMERS_MAX = 2_048


class Step(NamedTuple):
    """What went in at an instant, and what came out."""

    now_us: int
    facts: tuple[Fact, ...]
    decisions: tuple[Decision, ...]


class Agents(NamedTuple):
    """Some agents of a snapshot."""

    states: tuple[AgentState, ...]


class Stories(NamedTuple):
    """Some stories of a snapshot."""

    states: tuple[StoryState, ...]


class Waiting(NamedTuple):
    """Some of the cases that wait."""

    places: tuple[int, ...]


class Alarms(NamedTuple):
    """Some timers of a snapshot."""

    timers: tuple[TimerState, ...]


class Records(NamedTuple):
    """Some of what was learned of success."""

    known: tuple[tuple[str, str, str, int, int, int], ...]


class Ready(NamedTuple):
    """The snapshot is whole."""

    pieces: int


class Steps(NamedTuple):
    """Steps one after the other."""

    steps: tuple[Step, ...]


type Body = Head | Records | Agents | Stories | Waiting | Alarms | Ready | Steps


class Piece(NamedTuple):
    """One piece: `base` is where in the journal the snapshot begins that it belongs to (0: here).

    `gap`: steps before it were lost. `first_us` and `last_us` are the instants it is about.
    """

    epoch: int
    number: int
    base: int
    gap: bool
    first_us: int
    last_us: int
    body: Body


def told(snapshot: Snapshot) -> Iterator[Body]:
    """Tell a snapshot in pieces, the head first."""
    yield snapshot.head
    count = 1
    for body in _inner(snapshot):
        count += 1
        yield body
    yield Ready(count)


def _inner(snapshot: Snapshot) -> Iterator[Records | Agents | Stories | Waiting | Alarms]:
    for records in batched(snapshot.records, RECORDS_MAX, strict=False):
        yield Records(records)
    for agents in batched(snapshot.agents, AGENTS_MAX, strict=False):
        yield Agents(agents)
    for stories in batched(snapshot.stories, STORIES_MAX, strict=False):
        yield Stories(stories)
    for places in batched(snapshot.waiting, PLACES_MAX, strict=False):
        yield Waiting(places)
    for timers in batched(snapshot.timers, TIMERS_MAX, strict=False):
        yield Alarms(timers)
