"""The crowd of the engine's load test: agents who are all busy, cases in line, what comes next."""

import gc
import random
import resource
import time
from collections import deque
from dataclasses import dataclass
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
from toldonce.kernel.config.weighing import Weighing
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.story.types import Case, CaseState, SkillNeed, WorkState
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
from toldonce.runtime.assignment import assign
from toldonce.runtime.garbage import SELDOM

SKILLS = 200
KINDS = 500
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
APART = timedelta(microseconds=500)
SEED = 20_261_130


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many agents there are, how many cases wait, how many decisions are timed.

    With `batch`, so many agents become free at once, and are matched as a whole.
    """

    agents: int = 10_000
    waiting: int = 100_000
    decisions: int = 100_000
    batch: int = 0


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
        self.engine = Engine("load", solve=assign)
        self._batch = crowd.batch
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
        assign([[1]])  # imported, not timed
        gc.set_threshold(*SELDOM)  # as every process of ours has it
        engine = self.engine
        names = [f"agent-{number:06}" for number in range(crowd.agents)]
        engine.step(ConfigChanged(_config(names, self._kinds, batch=crowd.batch > 0)), self._now)
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

    def run_batches(self, count: int) -> Timed:
        """Time steps that match a batch: so many agents are free at once, until `count` are."""
        steps_us: list[float] = []
        decided = 0
        gc.collect()
        while decided < count:
            self._now += APART
            ends = [self._end() for _ in range(self._batch)]
            began_s = time.perf_counter()
            made = self.engine.step_all(ends, self._now)
            steps_us.append((time.perf_counter() - began_s) * 1e6)
            decided += len(made)
            self.held.extend(decision.customer for decision in made)
            for _ in made:
                self.arrive(self.arrival(self._now))
        return Timed(decided, sum(steps_us) / 1e6, steps_us, _rss_mb())

    def _end(self) -> StoryChanged:
        self._sequence += 1
        return StoryChanged(self.held.popleft(), self._sequence, self._now, ())


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _skill(number: int) -> str:
    return f"skill-{number:03}"


def _config(names: list[str], kinds: list[tuple[int, ...]], *, batch: bool) -> Config:
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
        policies={
            "plain": RoutingPolicy(
                "plain", wait_max_s=86_400, offer_timeout_s=86_400, weigh=Weighing(batch=batch)
            )
        },
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
        disposition="",
    )
