"""Promises looked at from outside: what the log itself says, counted as a metric."""

from collections.abc import Sequence

from toldonce.kernel.story.events import ContactReceived
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.ring import times
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.telemetry import DUPLICATES, Meter


class Checks:
    """A subscriber of the feed that counts contacts taken in twice."""

    def __init__(self, meter: Meter) -> None:
        """Export the metric from the start: it is promised to stay 0."""
        self._meter = meter
        meter.declare(DUPLICATES)

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`: heads were checked when they were written."""

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""
        for logged in batch:
            ring = logged.record.head.contacts
            for event in logged.record.events:
                if isinstance(event, ContactReceived) and times(ring, event.contact) > 1:
                    self._meter.add(DUPLICATES)
