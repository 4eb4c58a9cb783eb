"""From stories to timers, and from timers to ownership."""

from toldonce.sla.consumer.keeper import POLL_S, Timekeeper

__all__ = ["POLL_S", "Timekeeper"]
