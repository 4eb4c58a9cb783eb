"""What was learned of success outlives every process: it is in the journal, and is read from there.

An engine that begins goes through the journal again from its last snapshot, up to where it follows
the log itself. That takes RECALL_S at most: what could not be gone through by then is forgotten.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from toldonce.kernel.errors import Invalid, Refusal
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import StoryChanged, SuccessLearned
from toldonce.routing.core.record import Piece, Step, Steps
from toldonce.routing.core.replaying import Replayer
from toldonce.runtime.assignment import assign
from toldonce.runtime.logs import logger

RECALL_S = 8.0
SLICE_MAX = 64  # steps at a time; then others have their turn

_log = logger()


class Past(Protocol):
    """One tenant's journal as it can be read."""

    async def newest(self, before: int | None = None) -> int | None:
        """Say where the newest snapshot begins (before a place); None where there is none."""
        ...

    def pieces(self, first: int) -> AsyncIterator[Piece]:
        """Give the pieces from there on, to the end, but for those that cannot be read."""
        ...


async def recalled(past: Past, position: int) -> SuccessLearned | None:
    """Give what an engine had learned by that log position, as far as the journal tells."""
    found: Engine | None = None
    try:
        async with asyncio.timeout(RECALL_S):
            first = await past.newest()
            while found is None and first is not None:  # a snapshot may not be whole
                replayer = Replayer(assign)
                async for piece in past.pieces(first):
                    for number, _ in enumerate(replayer.take(_until(piece, position))):
                        if number % SLICE_MAX == 0:
                            await asyncio.sleep(0)
                    found = replayer.engine or found
                    await asyncio.sleep(0)
                first = await past.newest(first)
    except (TimeoutError, Refusal, Invalid) as fault:
        _log.warning("what was learned is recalled in part", error=type(fault).__name__)
    return None if found is None else found.learned()


def _until(piece: Piece, position: int) -> Piece:
    """Leave out the steps that heard of something after a log position: it is heard again."""
    if not isinstance(piece.body, Steps):
        return piece
    return piece._replace(body=Steps(tuple(_heard_by(piece.body.steps, position))))


def _heard_by(steps: Iterable[Step], position: int) -> Iterable[Step]:
    for step in steps:
        told = [fact for fact in step.facts if isinstance(fact, StoryChanged)]
        if not told or max(fact.sequence for fact in told) <= position:
            yield step
