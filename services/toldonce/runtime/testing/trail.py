"""A trail in memory: messages in order, repeats recognised, the oldest dropped on demand."""

import asyncio
from collections.abc import AsyncGenerator

from toldonce.kernel.errors import Unavailable
from toldonce.runtime.log import check_subject
from toldonce.runtime.trail import Kept, check_add

_READ_MAX = 256


class FakeTrail:
    """`runtime.trail.Trail` in memory; set `down` to make it unreachable."""

    def __init__(self) -> None:
        """Start empty."""
        self.down = False
        self._kept: list[tuple[str, Kept]] = []
        self._by_id: dict[str, int] = {}
        self._last = 0

    async def add(self, subject: str, payload: bytes, *, message_id: str) -> int:
        """See `Trail.add`."""
        check_add(subject, payload)
        await self._reachable()
        known = self._by_id.get(message_id)
        if known is not None:
            return known
        self._last += 1
        self._by_id[message_id] = self._last
        self._kept.append((subject, Kept(self._last, payload)))
        return self._last

    async def ends(self) -> tuple[int, int]:
        """See `Trail.ends`."""
        await self._reachable()
        return (self._kept[0][1].sequence if self._kept else self._last + 1), self._last

    async def next(self, subject: str, sequence: int) -> Kept | None:
        """See `Trail.next`."""
        check_subject(subject)
        await self._reachable()
        found = (kept for of, kept in self._kept if of == subject and kept.sequence >= sequence)
        return next(found, None)

    async def read(self, subject: str, *, first: int) -> AsyncGenerator[list[Kept]]:
        """See `Trail.read`."""
        check_subject(subject)
        await self._reachable()
        found = [kept for of, kept in self._kept if of == subject and kept.sequence >= first]
        for start in range(0, len(found), _READ_MAX):
            yield found[start : start + _READ_MAX]

    def peek(self, subject: str) -> list[bytes]:
        """Give what stands under a subject, at once, for whoever looks from outside."""
        return [kept.payload for of, kept in self._kept if of == subject]

    def forget(self, count: int) -> None:
        """Drop the oldest messages, as age and size do."""
        del self._kept[:count]

    async def _reachable(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("The trail does not answer.")
