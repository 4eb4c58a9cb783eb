"""One episode: a house is opened, lives through bad weather, is healed, settles and is checked.

Everything in it follows from its seed. The seeds of a run are consecutive numbers, so that any of
them is a run of its own.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.sim import (
    actors,
    checks,
    checks_channels,
    house,
    mishaps,
    operations,
    operations_handing,
    operations_more,
    standing,
)
from tests.sim.chance import Faults, seeded
from tests.sim.loop import Stuck, VirtualLoop
from tests.sim.net import Net, Weather
from tests.sim.world import World

STEPS_MIN, STEPS_MAX = 3_000, 10_000
HOLD_S = 16.0
SETTLE_S = 150.0
DAY_S = 400.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the seed that shows it."""

    seed: int
    invariant: str
    sentence: str


@dataclass(slots=True)
class Report:
    """What an episode, or many, did and found."""

    steps: int = 0
    seeds: int = 0
    operations: int = 0
    acknowledged: int = 0
    handoffs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    digest: str = ""
    virtual_s: float = 0.0

    def add(self, other: "Report") -> None:
        """Take in what another episode did."""
        self.steps += other.steps
        self.seeds += other.seeds
        self.operations += other.operations
        self.acknowledged += other.acknowledged
        self.handoffs += other.handoffs
        self.faults += other.faults
        self.kinds += other.kinds
        self.checked += other.checked
        self.violations += other.violations
        self.virtual_s += other.virtual_s
        self.digest = hashlib.sha256(f"{self.digest}{other.digest}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Mix:
    """How an episode differs from the usual one: weights of what happens, chances of mishaps."""

    weights: dict[str, float] = field(default_factory=dict)
    weather: dict[str, float] = field(default_factory=dict)
    n_minus_1: bool | None = None
    pace_s: float = 1.2
    crowd_s: float = 0.4
    steps: int = 0


PLAIN = Mix()


def run(seed: int, mix: Mix = PLAIN) -> Report:
    """Run one episode."""
    loop = VirtualLoop()
    rng = random.Random(f"episode {seed}")  # noqa: S311
    report = Report(seeds=1)
    with seeded(str(seed), loop) as faults:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(_episode(seed, loop, rng, mix, report, faults))
        except Stuck as stuck:
            report.violations.append(Violation(seed, "I7", str(stuck)))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    return report


async def _episode(  # noqa: PLR0917
    seed: int, loop: VirtualLoop, rng: random.Random, mix: Mix, report: Report, faults: Faults
) -> None:
    weather = Weather(still=True, **mix.weather)
    net = Net(loop, rng, weather)
    older = rng.random() < 0.3 if mix.n_minus_1 is None else mix.n_minus_1
    home = house.House(loop, net, n_minus_1=older)
    if older:
        net.fault("n_minus_1")
    world = World(home, rng)
    world.mix = mix.weights
    steps_max = mix.steps or rng.randint(STEPS_MIN, STEPS_MAX)
    found: list[tuple[str, str]] = []
    try:
        async with asyncio.timeout(60.0):
            await home.open()
        weather.still = False
        people = _people(world)
        trouble = world.spawn(mishaps.trouble(world, mix.pace_s))
        await _busy(world, steps_max, mix.crowd_s)
        trouble.cancel()
        found += await _settle(world, people, report.checked)
    finally:
        report.virtual_s = loop.time() - 1_000.0
        await world.quit()
        await loop.reap([*(process.host for process in home.all), net.servers])
    found += [("fault", sentence) for sentence in home.crashed]
    found += [("fault", sentence) for sentence in faults if not checks.expected(sentence)]
    found += world.wrong
    found += checks.everything(world, report.checked)
    report.violations += [Violation(seed, what, said) for what, said in dict.fromkeys(found)]
    _sum_up(world, report)


def _people(world: World) -> list[actors.Gateway]:
    gateways = []
    for tenant in house.TENANTS:
        for name in operations_handing.NAMES:
            world.spawn(actors.Agent(world, tenant, name).run())
        for name in ("web", "mail"):
            gateway = actors.Gateway(world, tenant, name)
            gateways.append(gateway)
            world.spawn(gateway.run())
    return gateways


async def _busy(world: World, steps_max: int, crowd_s: float) -> None:
    """Let the crowd come until most of the steps are done."""
    ends_s = world.loop.time() + DAY_S
    while sum(world.net.steps.values()) < 0.7 * steps_max and world.loop.time() < ends_s:
        await world.pause(0.2 * crowd_s, 1.8 * crowd_s)
        tenant = world.rng.choice(house.TENANTS)
        world.spawn(operations.choose_desk(world)(world, tenant))


async def _settle(
    world: World, people: list[actors.Gateway], checked: Counter[str]
) -> list[tuple[str, str]]:
    """Heal, look at what stands, then let everybody finish."""
    world.net.weather.still = True
    mishaps.heal(world)
    healed_s = world.loop.time()
    world.holding = True
    await asyncio.sleep(HOLD_S)
    found = await standing.check(world, healed_s)
    world.holding, world.willing = False, True
    for gateway in people:
        gateway.again()
    await world.settle()
    ends_s = world.loop.time() + SETTLE_S
    while world.loop.time() < ends_s and not standing.all_over(world):
        await asyncio.sleep(1.0)
        await operations_more.keep_all(world)
    found += standing.left_over(world)
    await asyncio.sleep(1.0)
    found += await standing.check_open(world)
    found += await checks_channels.check(world, checked)
    found += operations_more.remembered(world)
    return found


def _sum_up(world: World, report: Report) -> None:
    net = world.net
    report.steps = sum(net.steps.values())
    report.kinds = Counter(net.steps)
    report.faults = Counter(net.faults)
    report.operations = len(world.ops)
    report.acknowledged = sum(op.result == "ok" for op in world.ops)
    report.handoffs = report.checked["handoffs"]
    log = world.house.servers.log
    digest = hashlib.sha256()
    for stored in log.messages_after(0):
        digest.update(stored.payload)
    report.digest = digest.hexdigest()


type Progress = Callable[[Report], None]


def run_many(first: int, steps: int, mix: Mix = PLAIN, told: Progress | None = None) -> Report:
    """Run episodes from seed `first` on until `steps` are done."""
    total, seed = Report(), first
    while total.steps < steps:
        total.add(run(seed, mix))
        seed += 1
        if told is not None:
            told(total)
    return total
