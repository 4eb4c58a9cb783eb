"""Rows of OPEN: the head of a story with something not terminal, and where in the log it stood."""

from dataclasses import dataclass, field

from toldonce.kernel.story.types import Story
from toldonce.runtime.envelope import Garbled, decode_head, encode_head

_PLACE_BYTES = 8

type StoryKey = tuple[str, str]  # tenant, customer


@dataclass(frozen=True, slots=True)
class OpenStory:
    """A story and its head as it stood after log position `sequence`."""

    tenant: str
    customer: str
    head: Story
    sequence: int
    row: bytes = field(default=b"", repr=False, compare=False)  # as OPEN had it, if it came so


def pack_open(sequence: int, head: Story | None) -> bytes:
    """Write a row of OPEN: the log position (8 bytes, big-endian) and the head after it.

    Without a head: what came after `sequence` could not be read by whoever wrote the row.
    """
    return sequence.to_bytes(_PLACE_BYTES, "big") + (b"" if head is None else encode_head(head))


def unpack_open(value: bytes) -> tuple[int, Story | None]:
    """Read a row of OPEN; raises Garbled."""
    if len(value) < _PLACE_BYTES:
        raise Garbled("not a row of OPEN")
    head = value[_PLACE_BYTES:]
    return place_of(value), decode_head(head) if head else None


def place_of(value: bytes) -> int:
    """Read the log position a row of OPEN begins with; 0 when it is cut short."""
    place = value[:_PLACE_BYTES]
    return int.from_bytes(place, "big") if len(place) == _PLACE_BYTES else 0
