"""The engines of this process, one a tenant: what they hear, what they are asked, how they act.

They follow the log through the feed, AGENTS through its watch, sightings through the bus. Only the
one that holds its tenant's lease decides and answers questions; the others know the same.
"""

from toldonce.routing.consumer.engines import Engines
from toldonce.routing.consumer.seat import MakeLease, Seat

__all__ = ["Engines", "MakeLease", "Seat"]
