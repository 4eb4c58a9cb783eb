"""The minute in which timers come due while things go wrong, and the planning before it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from loadtests.timers.fill import TIMERS
from loadtests.timers.fleet import Fleet, Planned, Replica
from loadtests.timers.judge import Fault
from toldonce.kernel.errors import Unavailable
from toldonce.sla.handler.timers import LEASE_S

DUE_PER_S = 100_000 / 60
WINDOW_MIN_S = 6.0
LEASE_SHARE = 6
KILLS = (0.15, 0.75)  # of the window
WIPE = 0.4
END_S = 120.0
SETTLE_S = 5.0
POLL_S = 0.05
SAY_S = 5.0

type Say = Callable[[str], None]


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks to their end; the first that fails ends the others, and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


@dataclass(frozen=True, slots=True)
class Size:
    """How much: timers in all, replicas, breaches of the run over the real log, and how fast."""

    count: int = 1_000_000
    replicas: int = 2
    durable: int = 10_000
    due_per_s: float = DUE_PER_S

    @property
    def stories(self) -> int:
        """Each has ten timers, one of them due in the window."""
        return max(1, self.count // TIMERS)

    @property
    def window_s(self) -> float:
        """In which a tenth comes due: 60 s for 100 000."""
        return max(WINDOW_MIN_S, self.stories / self.due_per_s)

    @property
    def lease_s(self) -> float:
        """The lease of the service; shorter where the window is short, or nothing were outside."""
        return min(LEASE_S, self.window_s / LEASE_SHARE)


@dataclass(slots=True)
class Window:
    """One run: `recorded()` counts what the log has taken since the stories were there."""

    size: Size
    begins: datetime
    fleet: Fleet
    planned: Planned
    store_pid: int | None
    recorded: Callable[[], int]
    say: Say
    armed_s: float = 0.0
    armed_by_s: float = 0.0
    rebuild_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    ran_s: float = 0.0
    faults: list[Fault] = field(default_factory=list)

    async def arm(self) -> None:
        """Start the replicas and wait until every timer waits in the store."""
        began_s = said_s = time.monotonic()
        replicas = [self.fleet.add(f"sla-{number}") for number in range(self.size.replicas)]
        first_s, wanted = 0.0, self.size.stories * TIMERS
        async with together() as group:
            for replica in replicas:
                group.create_task(replica.child.start())
            while (there := await self.planned.timers()) < wanted:
                now_s = time.monotonic()
                first_s = first_s or (now_s if there else 0.0)
                if now_s - said_s > SAY_S:
                    said_s = now_s
                    self.say(f"{there:,} of {wanted:,} timers planned")
                self.fleet.check()
                if self._gone_s() > 0:
                    raise Unavailable(
                        f"only {there:,} of {wanted:,} timers were planned when the first came "
                        "due: this machine is too slow, or too busy"
                    )
                await asyncio.sleep(POLL_S)
            now_s = time.monotonic()
        self.armed_by_s = now_s - began_s
        self.armed_s = now_s - (first_s or began_s)
        self.say(f"{wanted:,} timers planned, by {self.armed_by_s:.1f} s after the start")

    async def run(self) -> None:
        """Let the timers come due, do what goes wrong, and wait until all are recorded."""
        first = self.fleet.replicas
        self.say(f"the first timers come due in {-self._gone_s():.1f} s")
        async with together() as group:
            for number, share in enumerate(KILLS):
                replica = first[number % len(first)]
                group.create_task(self._later(share, partial(self._kill, replica)))
            group.create_task(self._later(WIPE, self._wipe))
            await self._later(0.0, self._recorded)
        await self.planned.settled(
            self.size.stories * (TIMERS - 1), within_s=self.size.lease_s + SETTLE_S
        )
        self.faults.sort(key=lambda fault: fault.at)

    async def _recorded(self) -> None:
        """Wait until everything is recorded, or should have been by far."""
        size = self.size
        began_s = said_s = time.monotonic()
        before = self.fleet.cpu_s(self.store_pid)
        while (done := self.recorded()) < size.stories and self._gone_s() < size.window_s + END_S:
            if time.monotonic() - said_s > SAY_S:
                said_s = time.monotonic()
                share = min(max(self._gone_s() / size.window_s, 0.0), 1.0)
                due = round(share * size.stories)
                self.say(f"{self._gone_s():6.1f} s: {due:,} due, {done:,} recorded")
            self.fleet.check()
            await asyncio.sleep(POLL_S)
        after = self.fleet.cpu_s(self.store_pid)
        self.cpu_s = {name: round(used - before[name], 1) for name, used in after.items()}
        self.ran_s = time.monotonic() - began_s

    async def _later(self, share: float, work: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(max(0.0, share * self.size.window_s - self._gone_s()))
        await work()

    async def _kill(self, replica: Replica) -> None:
        at = datetime.now(UTC)
        await replica.kill()
        self._note(f"kill {replica.child.name}", at, at)
        self.say(f"{self._gone_s():6.1f} s: {replica.child.name} was killed; starting it again")
        await replica.child.start()
        self.say(f"{self._gone_s():6.1f} s: {replica.child.name} has read everything again")

    async def _wipe(self) -> None:
        at, began_s = datetime.now(UTC), time.monotonic()
        await self.planned.wipe()
        self.say(f"{self._gone_s():6.1f} s: the store was wiped")
        while await self.planned.stories() < self.size.stories:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(POLL_S)
        self.rebuild_s = time.monotonic() - began_s
        self._note("wipe", at, datetime.now(UTC))
        self.say(f"{self._gone_s():6.1f} s: every story is planned again")

    def _note(self, what: str, at: datetime, ended_at: datetime) -> None:
        lease = timedelta(seconds=self.size.lease_s)
        self.faults.append(Fault(what, at, ended_at + lease))

    def _gone_s(self) -> float:
        return (datetime.now(UTC) - self.begins).total_seconds()
