"""The clocks of one case, read from its story in the log at this moment."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing
from toldonce.kernel.explanation import NO_PROMISE, Explanation, explain, explain_promise
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

    An ended case is as it was just before its end at `ended_at`. `promises` are those made in it
    that are open, whether it has ended or not, the first to be due first.
    """

    customer: CustomerId
    case: Case
    sequence: int
    config: Config
    now: datetime
    ended_at: datetime | None = None
    promises: tuple[Commitment, ...] = ()

    @property
    def until(self) -> datetime:
        """Up to when its own clocks count."""
        return self.ended_at or self.now


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
        promises: tuple[Commitment, ...] = ()
        for _ in range(MOVES_MAX):
            stored = await last_of(self._log, tenant, customer)
            if stored is None:
                break
            passed.append(customer)
            head = head_of(logged_of(stored))
            case = head.case(own)
            promises = tuple(sorted((one for one in head.commitments if one.case == own), key=_due))
            if case is not None and case.state is not CaseState.CLOSED:
                return CaseNow(
                    customer,
                    case,
                    stored.sequence,
                    config,
                    self._clock.now(),
                    promises=promises,
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
                    self._clock.now(),
                    ended_at=found.there.at if found.ended else None,
                    promises=promises,
                )
        raise Missing("case", "there is no case of this id")

    async def explained(
        self, tenant: str, case_id: str, kind: ClockKind, commitment: str = ""
    ) -> tuple[CaseNow, Explanation]:
        """Explain one clock of a case; raises Missing also where there is none of this kind.

        Of several promises that of the id `commitment`, or the first to be due.
        """
        read = await self.of(tenant, case_id)
        if kind is not ClockKind.COMMITMENT:
            return read, explain(read.case, read.config, kind, read.until)
        wanted = [one for one in read.promises if commitment in {"", one.own}]
        if not wanted:
            gone = "this promise is not open: it was kept, broken or withdrawn, or never made"
            raise Missing("clock", gone if commitment else NO_PROMISE)
        case = None if read.ended_at else read.case
        return read, explain_promise(wanted[0], case, read.config, read.now)

    async def _past(self, tenant: str, customer: str, own: str) -> Past | None:
        """Find a case as it was last open, in this story or in one that it absorbed."""
        history = await history_of(self._log, tenant, customer)
        return last_open(map(_stood, reversed(history)), own)


def _due(promise: Commitment) -> tuple[datetime, str]:
    return promise.due_at, promise.own


def _stood(logged: Logged) -> Stood:
    record = logged.record
    return Stood(record.customer, logged.sequence, record.at, head_of(logged))
