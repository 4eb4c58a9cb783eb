"""A block of wrapped data keys as bytes: one message of KEYS.

Version (1), length of the key-encryption key's id, that id, a bitmap of 32 bytes of the entries
that are there, and 60 bytes (`cipher.wrap`) for each of those in order. An entry that is not there
was forgotten, or was never to be used.
"""

from collections.abc import Mapping

from toldonce.kernel.keyref import KEYS_A_BLOCK
from toldonce.runtime.cipher import WRAPPED_BYTES, Unreadable

_VERSION = 1
_BITMAP_BYTES = KEYS_A_BLOCK // 8


def pack(kek_id: str, wrapped: Mapping[int, bytes]) -> bytes:
    """Write a block: entries by index, each 60 bytes; absent ones are forgotten."""
    bitmap = sum(1 << index for index in wrapped)
    name = kek_id.encode()
    head = bytes([_VERSION, len(name)]) + name + bitmap.to_bytes(_BITMAP_BYTES, "little")
    return head + b"".join(wrapped[index] for index in sorted(wrapped))


def unpack(block: bytes) -> tuple[str, dict[int, bytes]]:
    """Read a block back; raises Unreadable when it is none."""
    if len(block) < 2 or block[0] != _VERSION:  # noqa: PLR2004 - version and length
        raise Unreadable("this is not a block of keys this version knows")
    start = 2 + block[1]
    bitmap = int.from_bytes(block[start : start + _BITMAP_BYTES], "little")
    entries = block[start + _BITMAP_BYTES :]
    if len(block) < start + _BITMAP_BYTES or len(entries) != WRAPPED_BYTES * bitmap.bit_count():
        raise Unreadable("a block of keys is cut short")
    there = (index for index in range(KEYS_A_BLOCK) if bitmap >> index & 1)
    wrapped = {
        index: entries[at * WRAPPED_BYTES : (at + 1) * WRAPPED_BYTES]
        for at, index in enumerate(there)
    }
    return block[2:start].decode("ascii", "replace"), wrapped


def place(tenant: str, block: str, index: int) -> bytes:
    """Say where a wrapped key belongs, so that moved elsewhere it does not open."""
    return f"{tenant}.{block}.{index}".encode()
