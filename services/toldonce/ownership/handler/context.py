"""The context of a story: its timeline with the words unsealed, and its hash.

A long story is kept for a moment, for whoever reads it page by page. It is told again from memory
only while the log, asked each time, has nothing newer of it: what was forgotten is not.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from toldonce.kernel.card import Card, Read, card, destroyed
from toldonce.kernel.context import Item, context_hash, items
from toldonce.kernel.errors import Missing
from toldonce.kernel.handoffs import Handed, handoffs
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import Words
from toldonce.kernel.story.fold import fold
from toldonce.kernel.story.record import Logged, Placed, Record
from toldonce.kernel.story.types import FOLD_VERSION, Case, Commitment, Story
from toldonce.ownership.handler import past
from toldonce.ownership.handler.stories import Stories
from toldonce.runtime.history import head_of
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.words import words_of

KEPT_MAX = 8
KEPT_S = 10.0
LONG_CHARS = 64 * 1024
_ITEM_CHARS = 256


@dataclass(frozen=True, slots=True)
class Told:
    """A whole story as it stood at log sequence `upto`, told to somebody who asks about `case`.

    `sequence` is that of its last append by then.
    """

    customer: str
    upto: int
    sequence: int
    case: Case
    commitments: tuple[Commitment, ...]
    items: tuple[Item, ...]
    card: Card
    handoffs: tuple[Handed, ...]


class Context:
    """Reads timelines; words whose key was destroyed are shown as forgotten."""

    def __init__(
        self,
        stories: Stories,
        keys: KeyRing,
        destroyed: Callable[[str, frozenset[str]], None] = lambda _tenant, _blocks: None,
    ) -> None:
        """Read through `stories`, unseal with `keys`.

        `destroyed(tenant, blocks)` is called when keys of these blocks were.
        """
        self._stories = stories
        self._keys = keys
        self._destroyed = destroyed
        self._kept: OrderedDict[tuple[str, str, str, int], tuple[int, Told]] = OrderedDict()

    async def timeline(
        self, tenant: str, customer: str, upto: int | None = None
    ) -> tuple[Item, ...]:
        """Give the whole timeline up to log sequence `upto`, in order."""
        return await self.items(await self._stories.history(tenant, customer, upto))

    async def hash(self, tenant: str, customer: str, upto: int) -> bytes:
        """Hash the timeline up to log sequence `upto` (32 bytes)."""
        return context_hash(await self.timeline(tenant, customer, upto))

    async def items(self, history: Sequence[Logged]) -> tuple[Item, ...]:
        """Make the timeline of a history."""
        return _timeline(await self._read(history))

    async def tell(
        self, tenant: str, customer: str, placed: Placed, case: str, upto: int = 0
    ) -> Told:
        """Tell the story that stands as `placed`, as it stood at `upto` (0: as it stands).

        Raises Missing when the case (its own id) was not in this story by then.
        """
        upto = min(upto or placed.sequence, placed.sequence)
        key = (tenant, customer, case, upto)
        sequence, kept = self._kept.get(key, (0, None))
        if kept is not None and sequence == placed.sequence:
            return kept
        told = await self._tell(tenant, customer, placed, case, upto)
        self._keep(key, placed.sequence, told)
        return told

    async def _tell(self, tenant: str, customer: str, placed: Placed, case: str, upto: int) -> Told:
        history = await self._stories.history(tenant, customer, upto)
        own = [logged for logged in history if logged.record.customer == customer]
        head = _head(own, placed)
        found = head and (head.case(case) or past.case_ended(history, Own(case)))
        if not found or not head:
            raise Missing("case", "this story did not hold the case by then")
        read = await self._read(history, forgotten=placed.story.forgotten)
        return Told(
            customer=customer,
            upto=upto,
            sequence=own[-1].sequence,
            case=found,
            commitments=head.commitments,
            items=_timeline(read),
            card=card(read, head, found),
            handoffs=handoffs(read),
        )

    def _keep(self, key: tuple[str, str, str, int], sequence: int, told: Told) -> None:
        """Remember a long story for KEPT_S seconds, and KEPT_MAX of them at most."""
        if sum(len(item.text) + _ITEM_CHARS for item in told.items) < LONG_CHARS:
            return
        self._kept[key] = (sequence, told)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        asyncio.get_running_loop().call_later(KEPT_S, self._kept.pop, key, None)

    async def words(self, record: Record) -> Mapping[int, Words] | None:
        """Unseal the words of an append; None when their key was destroyed.

        Raises Unavailable, or Unreadable when the bytes were changed.
        """
        return await words_of(self._keys, record)

    async def destroy(self, tenant: str, refs: Iterable[KeyRef]) -> None:
        """Destroy keys, so that the words under them are forgotten; raises Unavailable."""
        gone = tuple(refs)
        await self._keys.forget(tenant, gone)
        self._destroyed(tenant, frozenset(ref.block for ref in gone))

    async def _read(self, history: Sequence[Logged], *, forgotten: bool = False) -> list[Read]:
        """Add the words; those the log says are forgotten (all, if `forgotten`) are, key or not."""
        gone, read = destroyed(history), list[Read]()
        for logged in history:
            key = logged.record.key
            hidden = bool(logged.record.sealed) and key is not None and (forgotten or key in gone)
            read.append((logged, None if hidden else await self.words(logged.record)))
        return read


def _timeline(read: Iterable[Read]) -> tuple[Item, ...]:
    return tuple(item for logged, words in read for item in items(logged, words))


def _head(own: Sequence[Logged], placed: Placed) -> Story | None:
    """Give the head after the last of a story's own appends; None before the first."""
    if not own or own[-1].sequence == placed.sequence:
        return placed.story if own else None
    head = head_of(own[-1])
    return head if head.fold_version == FOLD_VERSION else fold(one.record for one in own)
