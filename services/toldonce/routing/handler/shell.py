"""Around one tenant's engine: facts in one bounded line, time as one timer, decisions out.

A standby takes in the same facts and decides nothing. Whatever is waiting is taken in together and
decided upon once; whether this process leads is asked before every step.
"""

import asyncio
from collections import OrderedDict, deque
from datetime import timedelta

from toldonce.kernel.config.types import Config
from toldonce.kernel.config.types import Presence as Patience
from toldonce.kernel.instants import SECOND
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import (
    AgentChanged,
    ConfigChanged,
    Fact,
    LeadershipChanged,
    OfferAsked,
    OfferFailed,
    StoriesLoaded,
    Tick,
)
from toldonce.routing.core.types import DecisionTrace
from toldonce.routing.handler.asking import Asking
from toldonce.routing.handler.executor import Executor
from toldonce.routing.handler.journal import Journal, Keep
from toldonce.routing.handler.presence import Directory
from toldonce.routing.handler.words import Leadership, Send, Sighting
from toldonce.runtime.assignment import assign
from toldonce.runtime.clock import Clock
from toldonce.runtime.meter import Meter
from toldonce.runtime.telemetry import (
    DECISION_SECONDS,
    ELIGIBLE_IDLE,
    KEPT_FOR_ABSENT,
    QUEUED,
    SUCCESS_CASES,
    SUCCESS_SECONDS,
    WAIT_BOUND_BROKEN,
)

INPUTS_MAX = 8_192
STEP_MAX = 256
IDLE_S = 1.0
TRACES_MAX = 1_024
_SHORTEST_S = 0.001


class Shell:
    """One tenant's engine in this process."""

    def __init__(
        self,
        tenant: str,
        leadership: Leadership,
        send: Send,
        clock: Clock,
        *,
        meter: Meter,
        keep: Keep,
    ) -> None:
        """Run an engine that decides while `leadership` says so and acts through `send`.

        What it hears and decides while it leads is journalled through `keep`.
        """
        self.tenant = tenant
        self.engine = Engine(tenant, solve=assign)
        self.executor = Executor(send, leadership, clock, self._failed)
        self.journal = Journal(tenant, keep, clock, meter)
        self._asking = Asking(tenant, meter)
        self.traces: OrderedDict[str, DecisionTrace] = OrderedDict()
        self._leadership = leadership
        self._clock = clock
        self._meter = meter
        self._inputs: deque[tuple[float, Fact]] = deque()
        self._room = asyncio.Event()
        self._woken = asyncio.Event()
        self._directory = Directory()
        self._patience = Patience()
        self._configured = self._loaded = False
        self._idle_s = 0.0
        self._overlong = 0
        self._counted: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._told_s = 0.0
        self.put_in = self.taken_in = 0  # how many facts, ever

    # ---- facts in

    async def put(self, fact: Fact) -> None:
        """Put a fact in line; waits while the line is full."""
        while len(self._inputs) >= INPUTS_MAX:
            self._room.clear()
            await self._room.wait()
        self._add(fact)

    def configure(self, config: Config) -> None:
        """Take over a configuration."""
        self._patience = config.presence
        self._configured = True
        if any(policy.weigh.batch for policy in config.policies.values()):
            assign([[1]])  # what it needs is imported now, and not when the first batch waits
        self._add(ConfigChanged(config))

    def load(self, fact: StoriesLoaded) -> None:
        """Begin (again) with these stories."""
        self._add(fact)

    def declare(self, fact: AgentChanged) -> None:
        """Take over what an agent declared."""
        self._add(fact)

    async def ask(self, ask: OfferAsked, within_s: float) -> str:
        """Have somebody be offered a case, and wait until the log shows it; gives the case.

        Raises a Refusal; Unavailable says nothing of what became of it.
        """
        self._add(ask)
        return await self._asking.wait(ask, within_s)

    def hear(self, sighting: Sighting) -> None:
        """Take in a sighting of an agent."""
        if self._directory.hear(sighting, self._clock.monotonic()):
            self._woken.set()

    def wake(self) -> None:
        """Look at once: leadership may have changed."""
        self._woken.set()

    def _add(self, fact: Fact) -> None:
        self._inputs.append((self._clock.monotonic(), fact))
        self.put_in += 1
        self._woken.set()

    def _failed(self, fact: OfferFailed) -> None:
        self._add(fact)

    # ---- how it is

    def unwell(self, lag_max_s: float) -> str | None:
        """Say why this engine should not lead now, or None."""
        if not self._configured:
            return "there is no configuration yet"
        if not self._loaded:
            return "the open stories are not loaded yet"
        late_s = self._clock.monotonic() - self._inputs[0][0] if self._inputs else 0.0
        return f"the engine is {late_s:.1f} s late" if late_s > lag_max_s else None

    # ---- the loop

    async def run(self) -> None:
        """Take in, decide, act, for ever."""
        try:
            while True:
                await self._wait()
                self._step()
                await asyncio.sleep(0)
        finally:
            await self.executor.close()

    async def _wait(self) -> None:
        if self._inputs:
            return
        try:
            async with asyncio.timeout(self._pause_s()):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def _pause_s(self) -> float:
        now_s = self._clock.monotonic()
        at_s = [now_s + IDLE_S]
        if (wake_at := self.engine.next_wake_at) is not None:
            at_s.append(now_s + (wake_at - self._clock.now()) / timedelta(seconds=1))
        if (sights_s := self._directory.next_s()) is not None:
            at_s.append(sights_s)
        return max(_SHORTEST_S, min(at_s) - now_s)

    def _step(self) -> None:
        """Take in up to STEP_MAX facts at once and decide."""
        taken = [self._inputs.popleft() for _ in range(min(STEP_MAX, len(self._inputs)))]
        self._room.set()
        now_s, now = self._clock.monotonic(), self._clock.now()
        epoch = self._leadership.epoch
        facts: list[Fact] = [] if epoch == self.engine.epoch else [LeadershipChanged(epoch)]
        facts += [fact for _, fact in taken]
        facts += self._directory.changes(self._patience, now_s, now)
        self._asking.heard(facts)
        wake_at, unsettled = self.engine.next_wake_at, self.engine.unsettled
        self.journal.begin_step(self.engine, epoch)
        decided = self.engine.step_all(facts or (Tick(),), now)
        if facts or decided or unsettled or (wake_at is not None and wake_at <= self.engine.now):
            self.journal.end_step(epoch, self.engine, facts or (Tick(),), decided)
        decisions = self._asking.decided(decided)
        self.taken_in += len(taken)
        if any(isinstance(fact, StoriesLoaded) for _, fact in taken):
            self._loaded = True
        done_s = self._clock.monotonic()
        if taken:
            self._meter.observe(DECISION_SECONDS, done_s - taken[0][0])
        for decision in decisions:
            if isinstance(decision, MakeOffer):
                self._keep(decision.trace)
        if decisions:
            self.executor.take(decisions, epoch)
        self._tell(done_s)

    def _keep(self, trace: DecisionTrace) -> None:
        self.traces[trace.decision_id] = trace
        if len(self.traces) > TRACES_MAX:
            self.traces.popitem(last=False)

    def _tell(self, now_s: float) -> None:
        """Export what is only exported by the engine that leads, about once a second."""
        if not self.engine.epoch or now_s < self._told_s + IDLE_S:
            return
        self._told_s = now_s
        idle_s = self.engine.eligible_idle_s
        self._meter.add(ELIGIBLE_IDLE, self.tenant, by=idle_s - self._idle_s)
        self._idle_s = idle_s
        overlong = self.engine.overlong
        self._meter.add(WAIT_BOUND_BROKEN, self.tenant, by=overlong - self._overlong)
        self._overlong = overlong
        self._tell_success()
        self._meter.set(KEPT_FOR_ABSENT, self.engine.kept, self.tenant)
        for queue, count in self.engine.queued().items():
            self._meter.set(QUEUED, count, queue)

    def _tell_success(self) -> None:
        """Export how cases ended where success is learned, as far as that was not yet."""
        for labels, (cases, took_us) in self.engine.counted.items():
            told_cases, told_us = self._counted.get(labels, (0, 0))
            self._meter.add(SUCCESS_CASES, *labels, by=cases - told_cases)
            self._meter.add(SUCCESS_SECONDS, *labels[:2], by=(took_us - told_us) / SECOND)
            self._counted[labels] = cases, took_us
