"""The lookout: reads when stories are due, and asks once a second how the lines stand they wait in.

Two loops a process. The first reads what changed, a few stories at a time, so that nothing waits
for all of them; while timers are behind, or nobody watches, it takes little of the time. The second
asks the engine only where somebody watches; an answer counts for OUTLOOK_KEPT_S, and without one
nothing is predicted.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

from toldonce.kernel.config import Config
from toldonce.kernel.errors import Missing, Refusal, Unavailable
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import SLA_AT_RISK
from toldonce.sla.core import Outlook
from toldonce.sla.handler import AsksLines, Risk

LOOK_S = 1.0
READ_MAX = 64
PAUSES_S = {  # between two readings: while somebody watches, while timers are behind
    (True, False): 0.0,
    (True, True): 0.025,
    (False, False): 0.25,
    (False, True): 1.0,
}
PAUSE_MIN_S = 0.1
CONFIG_S = 5.0
OUTLOOK_KEPT_S = 5.0
COUNT_S = 5.0
SOON_S = 900
QUEUES_MAX = 250
OTHER = "other"


class Lookout:
    """Keeps a `Risk` up to date."""

    def __init__(
        self,
        *,
        risk: Risk,
        lines: AsksLines,
        config: ConfigCache,
        clock: Clock,
        meter: Meter,
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """Ask `lines` how those stand in which cases wait.

        `behind` tells whether timers need the time more.
        """
        self._behind = behind
        self._risk = risk
        self._lines = lines
        self._config = config
        self._clock = clock
        self._meter = meter
        self._outlooks: dict[str, tuple[float, Mapping[str, Outlook]]] = {}
        self._counted: dict[str, None] = {}
        self._count_at_s = 0.0
        meter.declare(SLA_AT_RISK)

    async def run(self) -> None:
        """Look out for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="what is due")
            group.create_task(self._look(), name="how lines stand")

    async def _follow(self) -> None:
        again_at_s = self._clock.monotonic() + CONFIG_S
        while True:
            keys = self._risk.take(READ_MAX)
            policies = {
                tenant: await self._config_of(tenant) for tenant in {key[0] for key in keys}
            }
            for key in keys:
                config = policies[key[0]]
                if config is None:
                    self._risk.put_off(key)
                else:
                    self._risk.read(key, config)
            self._risk.settle()
            if self._clock.monotonic() >= again_at_s:
                await self._take_up()
                again_at_s = self._clock.monotonic() + CONFIG_S
            if keys:
                await asyncio.sleep(self._pause_s)
            else:
                await self._risk.wait(CONFIG_S)

    @property
    def _pause_s(self) -> float:
        return PAUSES_S[self._risk.wanted, self._behind()]

    async def _take_up(self) -> None:
        """Read what was put off because no policy could be had, where there is one now."""
        for tenant in self._risk.put_off_tenants:
            config = await self._config_of(tenant)
            while config is not None and (keys := self._risk.take_up(tenant, READ_MAX)):
                for key in keys:
                    self._risk.read(key, config)
                await asyncio.sleep(0)

    async def _look(self) -> None:
        while True:
            began_s = self._clock.monotonic()
            wanted = self._risk.watched_lines()
            await asyncio.gather(*(self._foresee(tenant, wanted[tenant]) for tenant in wanted))
            for tenant in self._outlooks.keys() - wanted.keys():
                del self._outlooks[tenant]
            if began_s >= self._count_at_s:
                self._count_at_s = began_s + COUNT_S
                self._count()
            await asyncio.sleep(max(began_s + LOOK_S - self._clock.monotonic(), PAUSE_MIN_S))

    async def _foresee(self, tenant: str, lines: Collection[str]) -> None:
        config = await self._config_of(tenant)
        if config is None:
            return
        outlooks = await self._asked(tenant) if lines else {}
        known = {line: outlooks[line] for line in lines if line in outlooks}
        self._risk.foresee(tenant, known, config, self._clock.now())

    async def _asked(self, tenant: str) -> Mapping[str, Outlook]:
        """Ask how the lines of a tenant stand; the last answer counts a little longer."""
        try:
            said = await self._lines.outlooks(tenant)
        except Refusal:
            at_s, last = self._outlooks.get(tenant, (0.0, dict[str, Outlook]()))
            return last if self._clock.monotonic() - at_s < OUTLOOK_KEPT_S else {}
        self._outlooks[tenant] = (self._clock.monotonic(), said)
        return said

    def _count(self) -> None:
        """Say in the metrics how many are at risk, queue by queue; those of too many as `other`."""
        sums = dict.fromkeys((*self._counted, OTHER), (0, 0))
        for queue, counted in self._risk.counts(self._clock.now(), SOON_S).items():
            named = queue if queue in sums or len(self._counted) < QUEUES_MAX else OTHER
            if not queue:
                named = OTHER  # a promise whose case has ended
            if named != OTHER:
                self._counted[named] = None
            before = sums.get(named, (0, 0))
            sums[named] = (before[0] + counted[0], before[1] + counted[1])
        for queue, (overdue, soon) in sums.items():
            self._meter.set(SLA_AT_RISK, overdue, queue, "overdue")
            self._meter.set(SLA_AT_RISK, soon, queue, "soon")

    async def _config_of(self, tenant: str) -> Config | None:
        try:
            return await self._config.of(tenant)
        except (Missing, Unavailable):
            return None  # the timekeeper says so
