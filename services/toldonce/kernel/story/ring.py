"""Rings: the latest ids of a story, each with an instant, oldest first, packed into bytes.

Every message of a story carries its rings, and almost nobody looks into them, so they are not taken
apart: 24 bytes an entry, 16 of the own id and 8 of microseconds since 1970 (big-endian).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own, decode, encode
from toldonce.kernel.instants import instant, micros

ENTRY_BYTES = 24
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """An id that was seen, and the instant kept with it."""

    own: Own
    at: datetime


def entries(ring: bytes) -> Iterator[Seen]:
    """Take a ring apart, oldest first."""
    for start in range(0, len(ring), ENTRY_BYTES):
        middle, end = start + _ID_BYTES, start + ENTRY_BYTES
        count = int.from_bytes(ring[middle:end], "big")
        yield Seen(Own(encode(ring[start:middle])), instant(count))


def times(ring: bytes, own: str) -> int:
    """Count how often an id stands in a ring."""
    wanted, found, start = decode(own), 0, ring.find(decode(own))
    while start >= 0:
        found += start % ENTRY_BYTES == 0
        start = ring.find(wanted, start + 1)
    return found


def added(ring: bytes, seen: Seen, kept_max: int) -> tuple[bytes, tuple[Seen, ...]]:
    """Add an entry; returns the ring of at most `kept_max` and what fell out of it."""
    count = micros(seen.at)
    ring += decode(seen.own) + count.to_bytes(8, "big")
    kept = kept_max * ENTRY_BYTES
    return ring[-kept:], tuple(entries(ring[:-kept]))
