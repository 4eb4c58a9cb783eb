"""Where somebody stands in line, and how long they may wait, as those who ask see it."""

from dataclasses import dataclass

from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2


@dataclass(frozen=True, slots=True)
class WaitSeen:
    """An estimated wait, in seconds of opening hours; eight in ten last from `low` to `high`."""

    estimate_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class PlaceSeen:
    """A place in line: 1 is next, 0 does not wait. `wait` None: not known.

    `text` is what a channel can show the customer, or "".
    """

    position: int
    wait: WaitSeen | None
    text: str


def wait_seen(
    told: routing_pb2.QueueView | types_pb2.LiveAcknowledgement,
) -> WaitSeen | None:
    """Read an estimate; None while there is none."""
    return WaitSeen(told.estimate_s, told.low_s, told.high_s) if told.estimated else None


def place_seen(live: types_pb2.LiveAcknowledgement) -> PlaceSeen | None:
    """Read a place; None while the engine could not be asked."""
    return PlaceSeen(live.position, wait_seen(live), live.text) if live.known else None
