"""From stories to timers, and from timers to ownership; and who will soon be late."""

from toldonce.sla.consumer.keeper import POLL_S, Timekeeper
from toldonce.sla.consumer.lookout import Lookout

__all__ = ["POLL_S", "Lookout", "Timekeeper"]
