"""The words of an append, out of their seal: for every service that may read keys."""

from collections.abc import Mapping

from toldonce.kernel.story.events import Words
from toldonce.kernel.story.record import Record
from toldonce.runtime import names
from toldonce.runtime.cipher import unseal
from toldonce.runtime.envelope import decode_words
from toldonce.runtime.keys import KeyRing


async def words_of(keys: KeyRing, record: Record) -> Mapping[int, Words] | None:
    """Unseal the words of an append, by the index of their event; None when they were forgotten.

    Raises Unavailable, or Unreadable when the bytes were changed.
    """
    if not record.sealed or record.key is None:
        return {}
    key = await keys.find(record.tenant, record.key)
    if key is None:
        return None
    return decode_words(unseal(key, record.nonce, record.sealed, place(record)))


def place(record: Record) -> bytes:
    """Say where words belong, so that moved elsewhere they do not open."""
    return f"{names.story(record.tenant, record.customer)}|{record.operation}".encode()
