"""Tells ownership what claimed timers ask, and says how each claim ended.

A timer is told only when its story, as this replica has read it, still wants it, and this process's
clock is past its instant too. Told twice is told once.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from toldonce.client.commands import CommandDoor
from toldonce.kernel.clocks import WARN
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Exhausted, Refusal, Rejected, Unavailable
from toldonce.runtime.clock import Clock
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import TIMERS_FIRED, TIMERS_LATE_SECONDS
from toldonce.sla.core import Act
from toldonce.sla.handler import Book, Leased, Settled, Verdict
from toldonce.sla.wire import command, read_reply

BEHIND_S = 0.5
FULL_S = 5.0
REFUSED_S = 60.0
_ENDED = frozenset({"CASE_CLOSED", "CLOCK_STOPPED"})
_EARLY = frozenset({"TOO_EARLY", "POLICY_DIFFERS"})  # what we know of the case is a little old

_log = logger()


class Teller:
    """Speaks to ownership for timers; `answered` is whether it answered when last asked."""

    def __init__(self, *, book: Book, door: CommandDoor, clock: Clock, meter: Meter) -> None:
        """Ask `book` what each timer wants."""
        self.answered = True
        self._book = book
        self._door = door
        self._clock = clock
        self._meter = meter
        for metric in (TIMERS_FIRED, TIMERS_LATE_SECONDS):
            meter.declare(metric)

    async def tell(
        self,
        timers: Sequence[Leased],
        config: Config,
        ahead: timedelta,
        ended: Callable[[Settled], None],
    ) -> None:
        """Do what one story's timers ask, in the order of their instants.

        `ahead`: the store's clock less this process's. Calls `ended` for each claim; raises
        Unavailable when ownership does not answer, and the rest comes again by itself.
        """
        now = self._clock.now()
        found = [(timer, self._book.acts(timer, config, now)) for timer in timers]
        told: set[str] = set()
        for timer, acts in sorted(found, key=lambda pair: _place(pair[1])):
            again_at = await self._one(timer, acts, ahead, told)
            ended(Settled(timer, again_at))

    async def _one(
        self,
        timer: Leased,
        acts: tuple[Act, ...] | Verdict,
        ahead: timedelta,
        told: set[str],
    ) -> datetime | None:
        """Do one timer's acts; returns when it comes again by the store's clock, or None.

        `told` are the timers that ownership has just heard of.
        """
        match acts:
            case Verdict.GONE:
                return None
            case Verdict.BEHIND:
                return self._later(ahead, BEHIND_S)
            case _:
                fires_at = acts[-1].timer.fires_at
        if self._clock.now() < fires_at:
            return fires_at + max(ahead, timedelta())
        warn_again_s: float | None = None
        for act in acts:
            if act.timer.own in told:
                continue
            again_s = await self._ask(timer, act)
            if again_s is None:
                told.add(act.timer.own)
            elif act.timer.moment == WARN:
                warn_again_s = again_s  # a breach must not wait for a warning that is refused
            else:
                return self._later(ahead, again_s)
        return None if warn_again_s is None else self._later(ahead, warn_again_s)

    async def _ask(self, timer: Leased, act: Act) -> float | None:
        """Ask ownership once; returns None when that is settled, or after how many seconds again.

        Raises Unavailable.
        """
        now = self._clock.now()
        data = command(timer.tenant, timer.customer, act, now)
        try:
            repeat = read_reply(await self._door.call(timer.tenant, data))
        except Unavailable:
            raise
        except Refusal as no:
            self.answered = True
            return _refused(timer, no)
        self.answered = True
        if not repeat:
            self._meter.add(TIMERS_FIRED)
            late_s = (now - act.timer.fires_at).total_seconds()
            self._meter.observe(TIMERS_LATE_SECONDS, late_s)
        return None

    def _later(self, ahead: timedelta, seconds: float) -> datetime:
        return self._clock.now() + ahead + timedelta(seconds=seconds)


def _place(acts: tuple[Act, ...] | Verdict) -> tuple[int, datetime | None, int]:
    if isinstance(acts, Verdict):
        return 0, None, 0
    return 1, acts[-1].timer.fires_at, len(acts)


def _refused(timer: Leased, no: Refusal) -> float | None:
    """Say after how many seconds a refused timer is asked again; None: never."""
    reason = no.reason if isinstance(no, Rejected) else type(no).__name__
    if reason in _ENDED:
        return None
    if reason in _EARLY:
        return BEHIND_S
    again_s = FULL_S if isinstance(no, Exhausted) else REFUSED_S
    _log.error(
        "ownership refuses a timer; it is asked again",
        tenant=timer.tenant,
        timer_id=timer.customer + timer.own,
        reason=reason,
        retry_s=again_s,
    )
    return again_s
