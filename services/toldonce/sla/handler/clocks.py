"""The clocks of one case, read from its story in the log at this moment."""

from dataclasses import dataclass, replace
from datetime import datetime

from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing, Rejected, Unavailable
from toldonce.kernel.ids import CustomerId, customer_of, own_of
from toldonce.kernel.story.record import Record
from toldonce.kernel.story.types import FOLD_VERSION, Case, CaseState
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_record
from toldonce.runtime.log import Log, Stored

MOVES_MAX = 8


@dataclass(frozen=True, slots=True)
class CaseNow:
    """A case as its story stood at log position `sequence`, and what its clocks are read with."""

    customer: CustomerId
    case: Case
    sequence: int
    config: Config
    now: datetime


class Clocks:
    """Reads cases."""

    def __init__(self, log: Log, config: ConfigCache, clock: Clock) -> None:
        """Read `log` through its leader."""
        self._log = log
        self._config = config
        self._clock = clock

    async def of(self, tenant: str, case_id: str) -> CaseNow:
        """Read a case, open or ended; raises Missing, Unavailable or Rejected QUARANTINED."""
        own = own_of(case_id)
        config = await self._config.of(tenant)
        customer, passed = customer_of(case_id), []
        for _ in range(MOVES_MAX):
            stored = await self._log.last(names.story(tenant, customer))
            if stored is None:
                break
            passed.append(customer)
            head = _read(stored).head
            found = head.case(own)
            if found is not None:
                return CaseNow(customer, found, stored.sequence, config, self._clock.now())
            if not head.moved_to:
                break
            customer = CustomerId(head.moved_to)
        for where in reversed(passed):
            ended = await self._ended(tenant, where, own)
            if ended is not None:
                case, sequence = ended
                return CaseNow(where, case, sequence, config, self._clock.now())
        raise Missing("case", "there is no case of this id")

    async def _ended(self, tenant: str, customer: str, own: str) -> tuple[Case, int] | None:
        """Find a case as it was just before its end, closed, and where in the log it ended."""
        ended_at = 0
        for stored in reversed(await self._log.read(names.story(tenant, customer))):
            found = _read(stored).head.case(own)
            if found is not None:
                return replace(found, state=CaseState.CLOSED), ended_at or stored.sequence
            ended_at = stored.sequence
        return None


def _read(stored: Stored) -> Record:
    try:
        record = decode_record(stored.payload)
    except UnknownFact as error:
        raise Unavailable("a newer version wrote to this story; it will answer") from error
    except Garbled as error:
        raise Rejected(
            "QUARANTINED", "this story holds a message nobody can read; tell operations"
        ) from error
    if record.head.fold_version > FOLD_VERSION:
        raise Unavailable("a newer version leads this story; it will answer")
    return record
