"""In which class an agent is: absent, unavailable, cooling down, or with so many units left.

The units for work that interrupts are in the upper bits, those for work that may be interrupted in
the lower, and between them whether they have work already: so the first of a class is the longest
idle of all in it.
"""

from typing import Final

from toldonce.routing.core.kinds import WorkKind
from toldonce.routing.core.state import Agent, Item

ABSENT: Final = -3
UNAVAILABLE: Final = -2
COOLING: Final = -1
UNKNOWN: Final = -9
HARD_BITS: Final = 16
_BUSY: Final = 1 << (HARD_BITS - 1)
SOFT_MASK: Final = _BUSY - 1


def fits(klass: int, work: WorkKind) -> bool:
    """Tell whether somebody of a class has the units that this work takes."""
    return (klass >> HARD_BITS if work.hard else klass & SOFT_MASK) >= work.cost


def room_of(klass: int, item: Item) -> int:
    """Say how many units somebody of a class has left for a case."""
    return klass & SOFT_MASK if item.soft else klass >> HARD_BITS


def klass_of(agent: Agent, now_us: int) -> int:
    """Say in which class somebody is by the facts of this moment."""
    if agent.absent_us is not None:
        return ABSENT
    if not agent.routable:
        return UNAVAILABLE
    if agent.cool_us > now_us:
        return COOLING
    free, soft = agent.free, agent.soft
    if free + soft <= 0:
        return 0
    busy = _BUSY if agent.used else 0
    return free + soft << HARD_BITS | busy | max(free, 0)
