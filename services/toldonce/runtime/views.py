"""The views of open cases as readers see them: by owner, by queue, by customer, and queue depths.

They live in the store, which may be wiped at any moment. An answer is given only from a whole
generation that holds the log up to the position asked for and is complete up to at most `fresh_s`
ago; until then a reader waits, and after its deadline hears Unavailable. Nothing here writes:
`ownership.projector` keeps the views.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import OWN_CHARS
from toldonce.kernel.story.types import PRIORITY_MAX, Case, Story
from toldonce.runtime.clock import Clock
from toldonce.runtime.open_rows import OpenStory, unpack_open
from toldonce.runtime.store import Script, Store, Value
from toldonce.runtime.view_keys import ViewKeys, from_ms, ms, waits_in
from toldonce.runtime.view_queries import PAGE, QUEUE, STORY

FRESH_S = 2.0
WITHIN_S = 2.0
PAGE_MAX = 200
_POLL_S = 0.02
_MOVED_MAX = 3


@dataclass(frozen=True, slots=True)
class CaseRow:
    """An open case, whose story it is in, and the log sequence of that story's head."""

    customer: str
    case: Case
    sequence: int


@dataclass(frozen=True, slots=True)
class Page:
    """Cases in order; `after` asks for the next page (empty: there is none)."""

    rows: tuple[CaseRow, ...]
    position: int
    after: str


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How a queue stands: waiting cases (offered ones included), by priority, and the oldest.

    A list does not know what time it is: cases scheduled for later are in it.
    """

    waiting: int
    offered: int
    by_priority: tuple[tuple[int, int], ...]
    oldest_enqueued_at: datetime | None
    position: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting case stands: `ahead` of it wait that many of `waiting`."""

    queue: str
    ahead: int
    waiting: int
    position: int


class Views:
    """Reads views; any process may have one."""

    def __init__(self, store: Store, clock: Clock, *, fresh_s: float = FRESH_S) -> None:
        """Answer only from views that were complete at most `fresh_s` ago."""
        self._store = store
        self._clock = clock
        self._fresh_s = fresh_s
        self._generations: dict[str, int] = {}

    async def cases(
        self,
        tenant: str,
        *,
        owner: str = "",
        queue: str = "",
        after: str = "",
        limit_max: int = PAGE_MAX,
        min_sequence: int = 0,
        within_s: float = WITHIN_S,
    ) -> Page:
        """List open cases: an owner's, or those waiting in a queue, or all; raises Unavailable.

        A queue comes in its own order (priority, then age), the others oldest first. With both
        `owner` and `queue`, the owner's whose queue it is: then a page may hold fewer.
        """
        member, _, score = after.partition(":")

        def keys(of: ViewKeys) -> list[str]:
            if owner:
                return [*of.head, of.owner(owner)]
            return [*of.head, of.waiting(queue) if queue else of.every]

        args = (member, score or "0", limit_max)
        position, found = await self._read(
            tenant, PAGE, keys, args, min_sequence=min_sequence, within_s=within_s
        )
        rows = []
        for name, value in zip(found[::3], found[2::3], strict=True):
            row = _row(name.decode(), value)
            if row is not None and (not owner or queue in {"", row.case.queue}):
                rows.append(row)
        more = len(found) // 3 == limit_max
        token = f"{found[-3].decode()}:{found[-2].decode()}" if more else ""
        return Page(tuple(rows), position, token)

    async def story(
        self, tenant: str, customer: str, *, min_sequence: int = 0, within_s: float = WITHIN_S
    ) -> tuple[OpenStory | None, int]:
        """Give a customer's open story (None: nothing open) and the position; Unavailable."""
        position, found = await self._read(
            tenant,
            STORY,
            lambda of: of.head,
            (customer,),
            min_sequence=min_sequence,
            within_s=within_s,
        )
        if not found[0]:
            return None, position
        story = _story(found[0])
        if story is None:
            raise Unavailable("This story cannot be read at present; the log has it.", retry_s=5.0)
        return OpenStory(tenant, customer, story[1], story[0]), position

    async def queue(
        self, tenant: str, queue: str, *, min_sequence: int = 0, within_s: float = WITHIN_S
    ) -> QueueStats:
        """Say how a queue stands; one nobody waits in is empty. Raises Unavailable."""
        return (await self._queue(tenant, queue, "", min_sequence, within_s))[0]

    async def place(
        self,
        tenant: str,
        customer: str,
        case: str,
        *,
        min_sequence: int = 0,
        within_s: float = WITHIN_S,
    ) -> Place | None:
        """Say where a case (own id) waits; None when it does not wait. Raises Unavailable."""
        story, position = await self.story(
            tenant, customer, min_sequence=min_sequence, within_s=within_s
        )
        found = story.head.case(case) if story is not None else None
        queue = waits_in(found) if found is not None else ""
        if not queue:
            return None
        stats, rank = await self._queue(tenant, queue, customer + case, position, within_s)
        return Place(queue, rank, stats.waiting, stats.position) if rank >= 0 else None

    async def _queue(
        self, tenant: str, queue: str, member: str, min_sequence: int, within_s: float
    ) -> tuple[QueueStats, int]:
        position, found = await self._read(
            tenant,
            QUEUE,
            lambda of: [*of.head, of.waiting(queue), of.offered(queue)],
            (member,),
            min_sequence=min_sequence,
            within_s=within_s,
        )
        rank, offered, *bands = (int(number) for number in found)
        oldest = min(bands[2::3], default=None)
        stats = QueueStats(
            waiting=sum(bands[1::3]),
            offered=offered,
            by_priority=tuple(
                (PRIORITY_MAX - band, count)
                for band, count in zip(bands[::3], bands[1::3], strict=True)
            ),
            oldest_enqueued_at=None if oldest is None else from_ms(oldest),
            position=position,
        )
        return stats, rank

    async def _read(
        self,
        tenant: str,
        script: Script,
        keys: Callable[[ViewKeys], Sequence[str]],
        args: Sequence[Value],
        *,
        min_sequence: int,
        within_s: float,
    ) -> tuple[int, list[Any]]:
        """Run a reading script until its answer may be given; its position and what it found."""
        deadline = self._clock.monotonic() + within_s
        moved = 0
        while True:
            of = ViewKeys(tenant, self._generations.get(tenant, 0))
            answer = await self._store.run(script, keys(of), (of.generation, *args))
            status, position, at = answer[:3]
            if status == b"moved" and position and moved < _MOVED_MAX:
                self._generations[tenant] = int(position)
                moved += 1
                continue
            if status == b"torn":
                why = "The views are being brought up to date."
            elif status != b"ok":
                why = "The views are being rebuilt."
            elif int(position) < min_sequence:
                why = f"The views stand at {int(position)}, before {min_sequence}."
            elif ms(self._clock.now()) - int(at) > self._fresh_s * 1000:
                why = "The views have not been kept up for a while."
            else:
                return int(position), answer[3:]
            if self._clock.monotonic() >= deadline:
                raise Unavailable(why, retry_s=0.5)
            moved = 0
            await asyncio.sleep(_POLL_S)


def _row(member: str, value: bytes) -> CaseRow | None:
    found = _story(value)
    customer, own = member[:OWN_CHARS], member[OWN_CHARS:]
    case = found[1].case(own) if found is not None else None
    return None if found is None or case is None else CaseRow(customer, case, found[0])


def _story(value: bytes) -> tuple[int, Story] | None:
    sequence, head = unpack_open(value)
    return None if head is None else (sequence, head)
