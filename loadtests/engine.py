"""What a decision of the routing engine costs: arrivals and freed agents, at any size.

The engine is driven through its public `step()`, one fact at a time; facts are made beforehand. A
decision is one case matched to one agent. The bare loop beside it pushes and pops a heap as often.
"""

import gc
import heapq
import multiprocessing
import random
import resource
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from toldonce.kernel.config.types import (
    Agent,
    AgentKind,
    Channel,
    ChannelKind,
    Config,
    Queue,
    RoutingPolicy,
)
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.story.types import Case, CaseState, SkillNeed, WorkState
from toldonce.routing.core import engine as engine_module
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import (
    AgentChanged,
    ConfigChanged,
    LeadershipChanged,
    PresenceChanged,
    StoryChanged,
)
from toldonce.routing.core.types import Availability, Presence
from toldonce.runtime.app import GARBAGE

SKILLS = 200
KINDS = 500
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ROUNDS = 3
APART = timedelta(microseconds=500)
SEED = 20_261_130

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many agents there are, how many cases wait, how many decisions are timed."""

    agents: int = 10_000
    waiting: int = 100_000
    decisions: int = 100_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """The crowds that are measured."""

    crowds: Mapping[str, Crowd] = field(
        default_factory=lambda: {
            "main": Crowd(),
            "small": Crowd(1_000, 10_000),
            "large": Crowd(100_000, 1_000_000),
        }
    )


@dataclass(frozen=True, slots=True)
class Timed:
    """What one crowd cost: seconds in all, microseconds of each step, memory in MiB."""

    decisions: int
    seconds: float
    steps_us: list[float]
    rss_mb: float

    @property
    def per_s(self) -> float:
        """Decisions a second."""
        return self.decisions / self.seconds


class Desk:
    """An engine with its crowd, and the facts that will come."""

    def __init__(self, crowd: Crowd) -> None:
        """Build it: every agent busy, `crowd.waiting` cases in line."""
        self._rng = random.Random(SEED)  # noqa: S311
        self._kinds = [tuple(sorted(self._rng.sample(range(SKILLS), 4))) for _ in range(KINDS)]
        self._asks = [self._ask(number) for number in range(KINDS)]
        self.engine = Engine("load")
        self._now = START
        self._sequence = 0
        self.held: deque[str] = deque()
        self._begin(crowd)

    def _ask(self, number: int) -> tuple[SkillNeed, ...]:
        skills = self._kinds[number]
        if number < SKILLS:
            return (SkillNeed(_skill(number), 2),)
        return tuple(SkillNeed(_skill(skill), 2) for skill in self._rng.sample(skills, 2))

    def _begin(self, crowd: Crowd) -> None:
        gc.set_threshold(*GARBAGE)  # as every process of ours has it
        engine = self.engine
        names = [f"agent-{number:06}" for number in range(crowd.agents)]
        engine.step(ConfigChanged(_config(names, self._kinds)), self._now)
        engine.step(LeadershipChanged(1), self._now)
        for name in names:
            engine.step(AgentChanged(name, Availability.AVAILABLE, "", START), self._now)
            engine.step(PresenceChanged(name, Presence.CONNECTED, START), self._now)
        for _ in range(20 * crowd.agents + crowd.waiting):
            self.arrive(self.arrival(self._now))
            if engine.waiting >= crowd.waiting and len(self.held) >= crowd.agents:
                return
        raise Unavailable("the crowd never came together: too few could take what came")

    def arrival(self, at: datetime) -> StoryChanged:
        """Make the fact of a new case that comes at that time."""
        self._sequence += 1
        customer = derive("load", self._sequence)
        return StoryChanged(customer, self._sequence, at, (_case(customer, at, self._asked()),))

    def _asked(self) -> tuple[SkillNeed, ...]:
        return self._asks[self._rng.randrange(KINDS)]

    def arrive(self, fact: StoryChanged) -> None:
        """Tell it, and note who was offered what."""
        self._now += APART
        for decision in self.engine.step(fact, self._now):
            if isinstance(decision, MakeOffer):
                self.held.append(decision.customer)

    def run(self, count: int) -> Timed:
        """Time `count` decisions: each an arrival, and an agent who becomes free."""
        arrivals = [self.arrival(self._now + number * APART) for number in range(1, count + 1)]
        engine, clock = self.engine, time.perf_counter
        steps_us: list[float] = []
        decided, seconds, now = 0, 0.0, self._now
        gc.collect()
        for arrival in arrivals:
            now += APART
            end = self._end()
            began_s = clock()
            made = engine.step(arrival, now)
            between_s = clock()
            made += engine.step(end, now)
            ended_s = clock()
            steps_us += ((between_s - began_s) * 1e6, (ended_s - between_s) * 1e6)
            seconds += ended_s - began_s
            decided += len(made)
            self.held.extend(decision.customer for decision in made)
        self._now = now
        return Timed(decided, seconds, steps_us, _rss_mb())

    def _end(self) -> StoryChanged:
        self._sequence += 1
        return StoryChanged(self.held.popleft(), self._sequence, self._now, ())


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _skill(number: int) -> str:
    return f"skill-{number:03}"


def _config(names: list[str], kinds: list[tuple[int, ...]]) -> Config:
    agents = {}
    for place, name in enumerate(names):
        skills = MappingProxyType({_skill(skill): 3 for skill in kinds[place % len(kinds)]})
        agents[name] = Agent(name, AgentKind.HUMAN, skills, MappingProxyType({"en": 5}), 1)
    return Config(
        digest="abcdef0123",
        zones_version="2026b",
        languages=("en",),
        skills=frozenset(_skill(number) for number in range(SKILLS)),
        channels={
            "chat": Channel("chat", ChannelKind.CHAT, 1, reply=True, calendar="", queue="desk")
        },
        topics={},
        queues={"desk": Queue("desk", "always", "", "plain", ("done",))},
        agents=agents,
        policies={"plain": RoutingPolicy("plain", wait_max_s=86_400, offer_timeout_s=86_400)},
        calendars={},
        sla={},
        revision=1,
    )


def _case(customer: str, at: datetime, skills: tuple[SkillNeed, ...]) -> Case:
    return Case(
        own=Own(customer),
        epoch=0,
        state=CaseState.OPEN,
        work=WorkState.QUEUED,
        owner="",
        last_owner="",
        queue="desk",
        channel="chat",
        gateway="web",
        topic="",
        language="en",
        skills=skills,
        priority=0,
        opened_at=at,
        enqueued_at=at,
        waiting_since=at,
        owned_at=None,
        first_reply_at=None,
        wrap_until=None,
        last_customer_entry=Own(""),
        offers=(),
        handoff=None,
        rung=0,
        hops=0,
        timers=(),
        disposition="",
    )


def bare_per_s(waiting: int, count: int) -> float:
    """Time the least there is to do: push one entry on a heap of `waiting` and pop one."""
    heap = [(number, str(number)) for number in range(waiting)]
    began_s = time.perf_counter()
    for number in range(waiting, waiting + count):
        heapq.heappush(heap, (number, "new"))
        heapq.heappop(heap)
    return count / (time.perf_counter() - began_s)


def measure(sizes: Sizes, say: Say) -> dict[str, object]:
    """Measure at the size of the promise, a tenth and ten times that, and one large crowd.

    `cost_ratio_100k_vs_1k` compares the cost of a decision at 100 000 agents and at 1 000, with ten
    waiting an agent, same skills and kinds.
    """
    timed = {name: _timed(name, crowd, say) for name, crowd in sizes.crowds.items()}
    main, small, large = timed["main"], timed["small"], timed["large"]
    steps = sorted(main.steps_us)
    say("the bare loop")
    return {
        "compiled": "compiled" in str(engine_module.__file__),
        "agents": sizes.crowds["main"].agents,
        "waiting": sizes.crowds["main"].waiting,
        "skills": SKILLS,
        "kinds": KINDS,
        "decisions": main.decisions,
        "decisions_per_s": round(main.per_s),
        "p50_us": round(steps[len(steps) // 2], 1),
        "p99_us": round(steps[len(steps) * 99 // 100], 1),
        "max_us": round(steps[-1], 1),
        "cost_ratio_100k_vs_1k": round(small.per_s / large.per_s, 2),
        "per_s_at_1k": round(small.per_s),
        "per_s_at_100k": round(large.per_s),
        "limit_per_s": round(bare_per_s(sizes.crowds["main"].waiting, main.decisions)),
        "rss_mb": round(main.rss_mb),
        "rss_mb_at_100k_agents": round(large.rss_mb),
        "waiting_at_100k_agents": sizes.crowds["large"].waiting,
    }


def _timed(name: str, crowd: Crowd, say: Say) -> Timed:
    """Measure one crowd in a process of its own, so that its memory is its own too."""
    say(f"{name}: {crowd.agents} agents, {crowd.waiting} waiting")
    apart = multiprocessing.get_context("fork")
    heard, said = apart.Pipe(duplex=False)

    def work() -> None:
        desk = Desk(crowd)
        runs = [desk.run(crowd.decisions) for _ in range(ROUNDS)]
        said.send(sorted(runs, key=lambda run: run.seconds)[ROUNDS // 2])

    process = apart.Process(target=work)
    process.start()
    said.close()
    try:
        found: Timed = heard.recv()
    except EOFError:
        raise Unavailable(f"the process that measured {name} ended without a word") from None
    process.join()
    say(f"  {found.per_s:.0f} decisions a second, {found.rss_mb:.0f} MiB")
    return found
