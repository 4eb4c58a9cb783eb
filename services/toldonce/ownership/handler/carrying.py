"""Carrying a story into a new epoch: its head becomes the first event there, once.

The old epoch is sealed, so the head it ends with is final. Whoever meets a story first brings it: a
reader, a writer, or the loop that brings them all.
"""

from dataclasses import replace

from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.story.events import Carried
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Placed, Record
from toldonce.kernel.story.types import EMPTY
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.envelope import encode_record
from toldonce.runtime.log import Log, Stored, Unknown, message_id

ACTOR = "service:ownership"


class Carrying:
    """Carries stories; one per process."""

    def __init__(self, log: Log, clock: Clock) -> None:
        """Append to `log`; the time of events is `clock`'s."""
        self._log = log
        self._clock = clock

    async def carry(self, tenant: str, customer: str, before: Placed, epoch: int) -> Stored | None:
        """Append how the story stood at its end in an old epoch; give its last message here.

        Raises Unavailable.
        """
        subject = names.story(tenant, customer, epoch)
        record = self._record(tenant, customer, before)
        outcome = await self._log.append(
            subject,
            encode_record(record),
            expected=0,
            message_id=message_id(subject, record.operation),
            fence=lambda: encode_record(self._record(tenant, customer, before, "fence")),
        )
        if isinstance(outcome, Unknown):
            raise Unavailable("the story is being brought into a new epoch; ask again")
        return await self._log.last(subject)

    def _record(self, tenant: str, customer: str, before: Placed, kind: str = "carry") -> Record:
        now = self._clock.now()
        record = Record(
            tenant=tenant,
            customer=customer,
            operation=Own(derive(kind, customer, before.epoch, before.sequence)),
            at=max(now, before.story.at or now),
            actor=ACTOR,
            previous_sequence=0,
            previous_hash=b"",
            engine_epoch=0,
            traceparent="",
            key=before.story.key,
            nonce=b"",
            sealed=b"",
            events=(Carried(before.epoch, before.sequence, before.digest, before.story),),
            head=EMPTY,
        )
        return replace(record, head=apply(EMPTY, record))
