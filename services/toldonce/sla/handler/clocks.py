"""The clocks of one case, read from its story in the log at this moment."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing
from toldonce.kernel.explanation import Explanation, explain
from toldonce.kernel.ids import CustomerId, customer_of, own_of
from toldonce.kernel.past import Past, Stood, last_open
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Case, CaseState, Commitment
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.history import head_of, history_of, last_of, logged_of
from toldonce.runtime.log import Log

MOVES_MAX = 8


@dataclass(frozen=True, slots=True)
class CaseNow:
    """A case as its story stood at log position `sequence`, and what its clocks are read with.

    An ended case is as it was just before its end, and `now` is the instant of that end.
    `commitments` are the open ones of its story.
    """

    customer: CustomerId
    case: Case
    sequence: int
    config: Config
    now: datetime
    ended: bool = False
    commitments: tuple[Commitment, ...] = ()


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
            stored = await last_of(self._log, tenant, customer)
            if stored is None:
                break
            passed.append(customer)
            head = head_of(logged_of(stored))
            case = head.case(own)
            if case is not None and case.state is not CaseState.CLOSED:
                return CaseNow(
                    customer,
                    case,
                    stored.sequence,
                    config,
                    self._clock.now(),
                    commitments=head.commitments,
                )
            if not head.moved_to:
                break
            customer = CustomerId(head.moved_to)
        for where in reversed(passed):
            found = await self._past(tenant, where, own)
            if found is not None:
                return CaseNow(
                    CustomerId(found.there.customer),
                    found.case,
                    found.there.sequence,
                    config,
                    found.there.at if found.ended else self._clock.now(),
                    ended=found.ended,
                )
        raise Missing("case", "there is no case of this id")

    async def explained(
        self, tenant: str, case_id: str, kind: ClockKind
    ) -> tuple[CaseNow, Explanation]:
        """Explain one clock of a case; raises Missing also where there is none of this kind."""
        read = await self.of(tenant, case_id)
        return read, explain(read.case, read.config, kind, read.now)

    async def _past(self, tenant: str, customer: str, own: str) -> Past | None:
        """Find a case as it was last open, in this story or in one that it absorbed."""
        history = await history_of(self._log, tenant, customer)
        return last_open(map(_stood, reversed(history)), own)


def _stood(logged: Logged) -> Stood:
    record = logged.record
    return Stood(record.customer, logged.sequence, record.at, head_of(logged))
