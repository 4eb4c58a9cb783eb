"""The journal in the trail of decisions: each piece of a tenant as one message or more."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from toldonce.kernel.errors import Invalid, Missing
from toldonce.routing.core.record import Piece
from toldonce.routing.wire.journal import Part, Reader, read_part, write_piece
from toldonce.runtime import names
from toldonce.runtime.trail import Kept, Trail

RECENT_MAX = 2_048  # messages, of all tenants
_FOREVER = 1 << 62


class Pages:
    """One tenant's journal in the trail; `run` names this process, unlike any other."""

    def __init__(self, tenant: str, trail: Trail, run: str) -> None:
        """Write and read `trail`."""
        self._tenant = tenant
        self._subject = names.decisions(tenant)
        self._trail = trail
        self._run = run

    async def keep(self, piece: Piece) -> int:
        """Write a piece, and say where it begins; see `handler.journal.Keep`."""
        first = 0
        for place, message in enumerate(write_piece(piece)):
            name = f"{self._tenant}-{self._run}-{piece.epoch}-{piece.number}-{place}"
            where = await self._trail.add(self._subject, message, message_id=name)
            first = first or where
        return first

    async def before(self, epoch: int, at_us: int) -> int | None:
        """See `handler.recount.Book.before`.

        The trail is in order of time but for what an old leader still writes, and of that nothing
        is asked: so the last message of the epoch that is not later is found by halving.
        """
        found = await self._last(epoch, at_us)
        if found is None or found[1].epoch != epoch or not found[1].base:
            return None
        base = found[1].base
        first = await self._trail.next(self._subject, base)
        return base if first is not None and first.sequence == base else None

    async def newest(self, before: int | None = None) -> int | None:
        """See `handler.recalling.Past.newest`."""
        found = await self._last(_FOREVER, _FOREVER, before)
        return None if found is None else found[1].base or found[0]

    async def _last(
        self, epoch: int, at_us: int, before: int | None = None
    ) -> tuple[int, Part] | None:
        """Find the last message that is not later than an instant of an epoch."""
        low, high = await self._trail.ends()
        high = high if before is None else min(high, before - 1)
        found: tuple[int, Part] | None = None
        while low <= high:
            middle = (low + high) // 2
            kept = await self._trail.next(self._subject, middle)
            if kept is None or kept.sequence > high:
                high = middle - 1
                continue
            part = _part(kept)
            if part is None:
                low = kept.sequence + 1
            elif (part.epoch, part.first_us) <= (epoch, at_us):
                low, found = kept.sequence + 1, (kept.sequence, part)
            else:
                high = middle - 1
        return found

    async def pieces(self, first: int) -> AsyncIterator[Piece]:
        """See `handler.recount.Book.pieces`."""
        reader = Reader()
        async for message in self.messages(first):
            try:
                piece = reader.take(read_part(message))
            except Invalid:
                continue  # another version wrote it: the numbers show the hole
            if piece is not None:
                yield piece

    async def messages(self, first: int) -> AsyncIterator[bytes]:
        """See `handler.recount.Book.messages`."""
        if first > (await self._trail.ends())[1]:
            return
        async with aclosing(self._trail.read(self._subject, first=first)) as batches:
            async for batch in batches:
                for kept in batch:
                    yield kept.payload

    async def recent(self) -> int:
        """See `handler.recount.Book.recent`."""
        first, last = await self._trail.ends()
        return max(first, last - RECENT_MAX + 1)

    async def since(self, at_us: int) -> int:
        """See `handler.recount.Book.since`."""
        low, last = await self._trail.ends()
        high = last + 1
        while low < high:
            middle = (low + high) // 2
            kept = await self._trail.next(self._subject, middle)
            part = None if kept is None else _part(kept)
            if kept is None or (part is not None and part.last_us >= at_us):
                high = middle
            else:
                low = kept.sequence + 1
        first = await self._trail.next(self._subject, low)
        if first is None:
            raise Missing("journal", "nothing is kept of what was decided from then on")
        part = _part(first)
        return first.sequence if part is None else part.base or first.sequence


def _part(kept: Kept) -> Part | None:
    """Read a message; None for what a version before this wrote: it is older than all others."""
    try:
        return read_part(kept.payload)
    except Invalid:
        return None
