"""The context of a story: its timeline with the words unsealed, and its hash."""

from collections.abc import Callable, Iterable, Mapping

from toldonce.kernel.context import Item, context_hash, items
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import Words
from toldonce.kernel.story.record import Logged, Record
from toldonce.ownership.handler.stories import Stories
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.words import words_of


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

    async def timeline(
        self, tenant: str, customer: str, upto: int | None = None
    ) -> tuple[Item, ...]:
        """Give the whole timeline up to log sequence `upto`, in order."""
        return await self.items(await self._stories.history(tenant, customer, upto))

    async def hash(self, tenant: str, customer: str, upto: int) -> bytes:
        """Hash the timeline up to log sequence `upto` (32 bytes)."""
        return context_hash(await self.timeline(tenant, customer, upto))

    async def items(self, history: Iterable[Logged]) -> tuple[Item, ...]:
        """Make the timeline of a history."""
        found: list[Item] = []
        for logged in history:
            found += items(logged, await self.words(logged.record))
        return tuple(found)

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
