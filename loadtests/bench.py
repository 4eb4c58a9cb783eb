"""The two systems side by side, the calls into them, and one measurement of one figure."""

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from loadtests import children, load
from loadtests.children import Running
from loadtests.lifecycles import crew, lifecycles
from loadtests.load import Window
from toldonce.client.channel import Client

FIGURES = (
    "append_unary_per_s",
    "submit_per_s",
    "append_stream_per_s",
    "submit_stream_per_s",
    "lifecycle_per_s",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, how many at a time."""

    seconds: float = 3.0
    rounds: int = 5
    concurrency: int = 64


@dataclass(frozen=True, slots=True)
class House:
    """Where the house is, with tokens; `running` is None when it was there before us."""

    address: str
    gateway: str
    agents: dict[str, str]
    running: Running | None = None


@dataclass(slots=True)
class Measured:
    """One figure in one round: how many a second, and what one cost each process (microseconds)."""

    per_s: float
    cpu_us: dict[str, float] = field(default_factory=dict)
    caught_up_s: float = 0.0
    refused: int = 0


def house_of(running: Running) -> House:
    """Read where a house of ours is and what opens it."""
    said = running.said
    return House(running.address, str(said["gateway"]), dict(said["agents"]), running)


class Bench:
    """The two systems side by side, and the calls into them."""

    def __init__(self, house: House, bare_running: Running, plan: Plan) -> None:
        """Connect when first used; close `stack` at the end."""
        self.house = house
        self.bare = bare_running
        self.plan = plan
        self.stack = AsyncExitStack()

    async def open(self) -> None:
        """Open one connection to each, as one gateway has."""
        ours = await self.stack.enter_async_context(Client(self.house.address, self.house.gateway))
        theirs = await self.stack.enter_async_context(Client(self.bare.address, ""))
        self._unary, self._stream = load.calls_of(ours)
        self._bare_unary, self._bare_stream = load.bare_calls_of(theirs, self.house.gateway)

    async def run(self, figure: str, seconds: float) -> Measured:
        """Measure one figure once, and wait until what it caused has been dealt with."""
        window = Window(seconds)
        system = self.bare if figure.startswith("append") else self.house.running
        before, own_before = (system.cpu_s() if system else {}), children.cpu_s(os.getpid())
        refused = await self._work(figure, window) or 0
        caught_up_s = await system.quiet() if system else 0.0
        measured = Measured(window.per_s, caught_up_s=caught_up_s, refused=refused)
        spent = {
            name: used - before[name] for name, used in (system.cpu_s() if system else {}).items()
        }
        own = children.cpu_s(os.getpid())
        if own is not None and own_before is not None:
            spent["client"] = own - own_before
        if window.all:
            measured.cpu_us = {name: used / window.all * 1e6 for name, used in spent.items()}
        return measured

    async def _work(self, figure: str, window: Window) -> int | None:
        many = self.plan.concurrency
        work: dict[str, Callable[[], Awaitable[int | None]]] = {
            "append_unary_per_s": lambda: load.unary(
                self._bare_unary, concurrency=many, window=window
            ),
            "submit_per_s": lambda: load.unary(self._unary, concurrency=many, window=window),
            "append_stream_per_s": lambda: load.streamed(
                self._bare_stream, concurrency=many, window=window
            ),
            "submit_stream_per_s": lambda: load.streamed(
                self._stream, concurrency=many, window=window
            ),
            "lifecycle_per_s": lambda: self._lifecycles(window),
        }
        return await work[figure]()

    async def _lifecycles(self, window: Window) -> int:
        async with crew(self.house.address, self.house.agents) as sessions:
            window.begin()
            return await lifecycles(
                self._stream, sessions, concurrency=self.plan.concurrency, window=window
            )


class Others:
    """How much of the machine programs that are none of ours use, from when this is made."""

    def __init__(self, bench: Bench) -> None:
        """Begin."""
        self._bench = bench
        self._began_s = time.monotonic()
        self._before_s = self._used_s()

    def cores(self) -> float | None:
        """Say how many cores on average; None if nobody tells, or the house is elsewhere."""
        now_s = self._used_s()
        if self._before_s is None or now_s is None or self._bench.house.running is None:
            return None
        return round((now_s - self._before_s) / (time.monotonic() - self._began_s), 2)

    def _used_s(self) -> float | None:
        all_s, own_s = children.machine_cpu_s(), children.cpu_s(os.getpid())
        if all_s is None or own_s is None:
            return None
        ours = [
            system.cpu_s() for system in (self._bench.bare, self._bench.house.running) if system
        ]
        return all_s - own_s - sum(sum(each.values()) for each in ours)
