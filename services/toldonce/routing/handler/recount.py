"""Explains a past decision from the journal: the engine is built again as it stood, and asked.

The work is bounded: one recount at a time in a process, from the last snapshot on, for at most
RECOUNT_S. An answer is given only where the same facts lead to the very decision that was made.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from toldonce.kernel.errors import Exhausted, Missing
from toldonce.routing.core.acts import Decision, MakeOffer
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.explain import UNTOLD
from toldonce.routing.core.record import Piece, Step, Steps
from toldonce.routing.core.replaying import Replayed, Replayer
from toldonce.routing.core.types import DecisionTrace
from toldonce.runtime.assignment import assign

RECOUNT_S = 20.0
WAIT_S = 5.0
SLICE_MAX = 16  # steps at a time; then others have their turn


class Book(Protocol):
    """One tenant's journal as it can be read."""

    async def before(self, epoch: int, at_us: int) -> int | None:
        """Say where the snapshot begins from which that instant is reached; None: not kept."""
        ...

    def pieces(self, first: int) -> AsyncIterator[Piece]:
        """Give the pieces from there on, to the end, but for those that cannot be read."""
        ...

    def messages(self, first: int) -> AsyncIterator[bytes]:
        """Give the messages as they are kept, from there on to the end."""
        ...

    async def since(self, at_us: int) -> int:
        """Say where to begin so that this instant and all after it are reached; raises Missing."""
        ...

    async def recent(self) -> int:
        """Say from where on a search of the newest pieces may begin."""
        ...


class Recount:
    """Recounts decisions of any tenant."""

    def __init__(self, book: Callable[[str], Book]) -> None:
        """`book` gives the journal of a tenant."""
        self._book = book
        self._turn = asyncio.Lock()

    async def export(self, tenant: str, at_us: int) -> AsyncIterator[bytes]:
        """Give the journal from an instant on, as it is kept; raises Missing."""
        book = self._book(tenant)
        async for message in book.messages(await book.since(at_us)):
            yield message

    async def traces(
        self, tenant: str, epoch: int, at_us: int, offers: Collection[str]
    ) -> dict[str, DecisionTrace]:
        """Explain the offers (own ids) decided under `epoch` at `at_us` or not long before.

        At least one of them, or Missing with the reason; raises Exhausted when it takes too long.
        """
        async with _bounded(self._turn):
            book = self._book(tenant)
            first = await book.before(epoch, at_us)
            if first is None:
                raise Missing("decision", "the journal does not reach back to it, or has a gap")
            return await _recounted(book, first, epoch, at_us, frozenset(offers))

    async def when(self, tenant: str, offer: str) -> tuple[int, int]:
        """Find the engine epoch and the instant of a decision among the newest; raises Missing."""
        async with _bounded(self._turn):
            book = self._book(tenant)
            async for piece in book.pieces(await book.recent()):
                await asyncio.sleep(0)
                for step in piece.body.steps if isinstance(piece.body, Steps) else ():
                    if _offered(step.decisions, frozenset({offer})):
                        return piece.epoch, step.now_us
        raise Missing("decision", "no decision of this id is kept any more")


@asynccontextmanager
async def _bounded(turn: asyncio.Lock) -> AsyncIterator[None]:
    """One at a time, and not for long."""
    try:
        async with asyncio.timeout(WAIT_S):
            await turn.acquire()
    except TimeoutError:
        raise Exhausted("other decisions are being explained: ask again") from None
    try:
        async with asyncio.timeout(RECOUNT_S):
            yield
    except TimeoutError:
        raise Exhausted(f"it takes more than {RECOUNT_S:g} s to explain this") from None
    finally:
        turn.release()


async def _recounted(
    book: Book, first: int, epoch: int, at_us: int, wanted: frozenset[str]
) -> dict[str, DecisionTrace]:
    def listen(engine: Engine, step: Step) -> None:
        if _offered(step.decisions, wanted):
            engine.trace_all()

    found: dict[str, DecisionTrace] = {}
    replayer = Replayer(assign, listen)
    async for piece in book.pieces(first):
        if piece.epoch > epoch or piece.first_us > at_us:
            break
        for number, replayed in enumerate(replayer.take(piece)):
            found.update(_explained(replayed, wanted))
            if number % SLICE_MAX == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    if not found:
        raise Missing("decision", "the journal has a gap where it was made, or cannot be read")
    return found


def _explained(replayed: Replayed, wanted: frozenset[str]) -> dict[str, DecisionTrace]:
    made = _offered(replayed.step.decisions, wanted)
    if not made:
        return {}
    again = _offered(replayed.decided, wanted)
    if [_bare(one) for one in made] != [_bare(one) for one in again]:
        raise Missing("decision", "this version of the engine decides it otherwise")
    return {one.offer: one.trace for one in again}


def _offered(decisions: tuple[Decision, ...], wanted: frozenset[str]) -> list[MakeOffer]:
    return [one for one in decisions if isinstance(one, MakeOffer) and one.offer in wanted]


def _bare(made: MakeOffer) -> MakeOffer:
    """Leave out what is said of it: the one that was made says less."""
    return made._replace(trace=UNTOLD)
