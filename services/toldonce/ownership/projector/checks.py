"""What the log itself says, counted as metrics: promises looked at from outside, how cases end."""

from collections.abc import Sequence

from toldonce.kernel.story.events import ContactReceived
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.ring import times
from toldonce.ownership.projector.outcomes import Outcomes
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import DUPLICATES


class Checks:
    """A subscriber of the feed that counts contacts taken in twice, and what became of cases."""

    def __init__(self, meter: Meter) -> None:
        """Export the metric from the start: it is promised to stay 0."""
        self._meter = meter
        self._outcomes = Outcomes(meter)
        meter.declare(DUPLICATES)

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`: heads were checked when they were written."""
        await self._outcomes.snapshot(stories, position)

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""
        await self._outcomes.records(batch)
        for logged in batch:
            ring = logged.record.head.contacts
            for event in logged.record.events:
                if isinstance(event, ContactReceived) and times(ring, event.contact) > 1:
                    self._meter.add(DUPLICATES)
