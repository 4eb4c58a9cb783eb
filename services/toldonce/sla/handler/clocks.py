"""The clocks of one case, read from its story in the log at this moment."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing, Rejected, Unavailable
from toldonce.kernel.ids import CustomerId, customer_of, own_of
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import FOLD_VERSION, Case, CaseState
from toldonce.runtime import names
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_logged
from toldonce.runtime.log import Log, Stored

MOVES_MAX = 8


@dataclass(frozen=True, slots=True)
class CaseNow:
    """A case as its story stood at log position `sequence`, and what its clocks are read with.

    An ended case is as it was just before its end, and `now` is the instant of that end.
    """

    customer: CustomerId
    case: Case
    sequence: int
    config: Config
    now: datetime
    ended: bool = False


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
            head = _read(stored).record.head
            found = head.case(own)
            if found is not None and found.state is not CaseState.CLOSED:
                return CaseNow(customer, found, stored.sequence, config, self._clock.now())
            if not head.moved_to:
                break
            customer = CustomerId(head.moved_to)
        for where in reversed(passed):
            ended = await self._ended(tenant, where, own)
            if ended is not None:
                case, last = ended
                return CaseNow(where, case, last.sequence, config, last.record.at, ended=True)
        raise Missing("case", "there is no case of this id")

    async def _ended(self, tenant: str, customer: str, own: str) -> tuple[Case, Logged] | None:
        """Find a case as it was just before its end, and the append that ended it."""
        after: Logged | None = None
        for stored in reversed(await self._log.read(names.story(tenant, customer))):
            found = (logged := _read(stored)).record.head.case(own)
            if found is not None and found.state is not CaseState.CLOSED:
                return found, after or logged
            after = logged
        return None


def _read(stored: Stored) -> Logged:
    try:
        logged = decode_logged(stored.payload, stored.sequence)
    except UnknownFact as error:
        raise Unavailable("a newer version wrote to this story; it will answer") from error
    except Garbled as error:
        raise Rejected(
            "QUARANTINED", "this story holds a message nobody can read; tell operations"
        ) from error
    if logged.record.head.fold_version > FOLD_VERSION:
        raise Unavailable("a newer version leads this story; it will answer")
    return logged
