"""The context of a story: its timeline with the words unsealed, and its hash."""

from collections.abc import Iterable, Mapping

from toldonce.kernel.context import Item, context_hash, items
from toldonce.kernel.story.events import Words
from toldonce.kernel.story.record import Logged, Record
from toldonce.ownership.handler.stories import Stories
from toldonce.runtime import names
from toldonce.runtime.cipher import unseal
from toldonce.runtime.envelope import decode_words
from toldonce.runtime.keys import KeyRing


class Context:
    """Reads timelines; words whose key was destroyed are shown as forgotten."""

    def __init__(self, stories: Stories, keys: KeyRing) -> None:
        """Read through `stories`, unseal with `keys`."""
        self._stories = stories
        self._keys = keys

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
        if not record.sealed or record.key is None:
            return {}
        key = await self._keys.find(record.tenant, record.key)
        if key is None:
            return None
        return decode_words(unseal(key, record.nonce, record.sealed, place(record)))


def place(record: Record) -> bytes:
    """Say where words belong, so that moved elsewhere they do not open."""
    return f"{names.story(record.tenant, record.customer)}|{record.operation}".encode()
