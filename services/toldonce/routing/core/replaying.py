"""Goes through a journal again: an engine is built from a snapshot and hears the same facts.

What is missing is never guessed: after a gap nothing is said until the next snapshot. Of two
engines that both believed to lead, the one of the higher epoch is followed.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, assert_never

from toldonce.kernel.errors import Invalid
from toldonce.kernel.instants import instant
from toldonce.routing.core.acts import Decision
from toldonce.routing.core.batching import Solver
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.record import (
    Agents,
    Alarms,
    Piece,
    Ready,
    Records,
    Step,
    Steps,
    Stories,
    Waiting,
)
from toldonce.routing.core.restoring import Restorer
from toldonce.routing.core.snapshot import Head, TimerState


class Replayed(NamedTuple):
    """A step, and what the same facts led to this time."""

    step: Step
    decided: tuple[Decision, ...]

    @property
    def same(self) -> bool:
        """Tell whether it was decided alike, to the last bit."""
        return self.decided == self.step.decisions


class Tally:
    """What became of a journal so far; `gaps` are breaks after which a snapshot was awaited.

    `skipped` steps came where none could be gone through. `differing` snapshots did not show what
    the engine gone through again knew by then.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.steps = self.decisions = self.snapshots = 0
        self.gaps = self.skipped = self.differing = 0


class Replayer:
    """Goes through pieces in the order of the journal."""

    def __init__(
        self, solve: Solver | None, before: Callable[[Engine, Step], None] | None = None
    ) -> None:
        """`solve` is that of the engine; `before` is called with the engine ahead of each step."""
        self._solve = solve
        self.engine: Engine | None = None
        self.tally = Tally()
        self._before = before
        self._epoch = self._number = 0
        self._next: Engine | None = None
        self._restorer: Restorer | None = None
        self._pieces = 0
        self._waiting: list[int] = []
        self._timers: list[TimerState] = []

    def take(self, piece: Piece) -> Iterator[Replayed]:
        """Take in a piece; gives each step that could be gone through.

        Raises Invalid of a snapshot that cannot be right.
        """
        if piece.epoch < self._epoch:
            return
        if (piece.epoch, piece.number) == (self._epoch, self._number):
            return  # stored twice: its acknowledgement was lost
        follows = (piece.epoch, piece.number) == (self._epoch, self._number + 1)
        if piece.gap or not follows:
            self.tally.gaps += piece.gap or piece.epoch == self._epoch
            self.engine = self._next = self._restorer = None
        self._epoch, self._number = piece.epoch, piece.number
        match piece.body:
            case Head() as head:
                self._begin(head)
            case Steps(steps):
                for step in steps:
                    if self.engine is None:
                        self.tally.skipped += 1
                    else:
                        yield self._replay(self.engine, step)
            case Agents() | Stories() | Waiting() | Alarms() | Records() | Ready() as body:
                if self._restorer is not None:
                    self._restore(self._restorer, body)
            case _:
                assert_never(piece.body)

    def _replay(self, engine: Engine, step: Step) -> Replayed:
        if self._before is not None:
            self._before(engine, step)
        self.tally.steps += 1
        decided = engine.step_all(step.facts, instant(step.now_us))
        self.tally.decisions += len(decided)
        return Replayed(step, decided)

    def _begin(self, head: Head) -> None:
        self._next = Engine(head.seed, solve=self._solve)
        self._restorer = self._next.restorer(head)
        self._pieces = 1
        self._waiting, self._timers = [], []

    def _restore(
        self,
        restorer: Restorer,
        body: Agents | Stories | Waiting | Alarms | Records | Ready,
    ) -> None:
        self._pieces += 1
        match body:
            case Agents(states):
                restorer.agents(states)
            case Records(known):
                restorer.records(known)
            case Stories(states):
                restorer.stories(states)
            case Waiting(places):
                self._waiting += places
            case Alarms(timers):
                self._timers += timers
            case Ready(pieces):
                if pieces != self._pieces - 1 or self._next is None:
                    raise Invalid("journal", "a snapshot is not whole")
                restorer.finish(self._waiting, self._timers)
                self._compare(self._next)
                self.engine, self._next, self._restorer = self._next, None, None
            case _:
                assert_never(body)

    def _compare(self, restored: Engine) -> None:
        self.tally.snapshots += 1
        if self.engine is not None and self.engine.digest() != restored.digest():
            self.tally.differing += 1
