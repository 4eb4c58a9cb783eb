"""Whatever the weights, nobody whom the policy admits idles, and equals keep their order.

But for a policy that makes work worth less the longer it waits: that one asks for the reverse.
"""

from datetime import datetime
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_engine import check_no_agent_is_over_capacity_but_by_a_forced_overdraft
from tests.unit.routing.world import COSTS, World, cid, office, own, person
from toldonce.kernel.config.types import Config
from toldonce.kernel.config.weighing import MILLI, Weighing, Weights
from toldonce.kernel.instants import MINUTE, SECOND, micros
from toldonce.kernel.skills import meets
from toldonce.kernel.story.types import Case
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.types import Availability

AGENTS = ("anna", "bob", "cleo", "dora")
NAMES = tuple(f"c{i}" for i in range(8))
WAIT_MAX_S = 90

points = st.integers(-9 * MILLI, 9 * MILLI)
rising = st.integers(0, 20 * MILLI)
weights = st.builds(
    Weights,
    base=points,
    wait=rising,
    idle=rising,
    spare=points,
    spare_all=points,
    queue=points,
    queue_all=points,
    serving=points,
    fit=points,
)
weighings = st.builds(
    lambda everybody, seniors: Weighing(everybody, MappingProxyType({"seniors": seniors})),
    weights,
    weights,
)
agents = st.sampled_from(AGENTS)
customers = st.sampled_from(NAMES)
acts = st.one_of(
    st.tuples(
        st.just("contact"),
        customers,
        st.sampled_from(("billing", "technical")),
        st.sampled_from(("chat", "voice")),
        st.sampled_from((0, 0, 5)),
        st.integers(0, 3),
    ),
    st.tuples(st.sampled_from(("accept", "accept", "decline", "close")), customers),
    st.tuples(st.just("declare"), agents, st.sampled_from(Availability)),
    st.tuples(st.just("log_on"), agents),
    st.tuples(st.just("wait"), st.integers(1, 50)),
)


def weighed_office(weigh: Weighing) -> Config:
    return office(
        person("anna", units=2, billing=2),
        person("bob", units=4, billing=3, technical=1),
        person("cleo", units=3, technical=4, group="seniors"),
        person("dora", units=1, billing=5, technical=5, group="seniors"),
        wait_max_s=WAIT_MAX_S,
        prefer_owner_s=0,
        weigh=weigh,
    )


def play(world: World, act: tuple[object, ...]) -> None:
    match act:
        case ("contact", str(name), str(queue), str(channel), int(priority), int(level)):
            if world.stories.get(cid(name)) is None or not world.stories[cid(name)].cases:
                needs = {queue: level} if level else {}
                world.contact(name, queue, channel=channel, priority=priority, **needs)
        case ("declare", str(name), Availability() as availability):
            world.declare(name, availability)
        case ("log_on", str(name)):
            world.log_on(name)
        case ("wait", int(seconds)):
            world.wait(seconds)
        case (str(move), str(name)):
            story = world.stories.get(cid(name))
            case = None if story is None else story.case(own(name))
            if case is None:
                return
            if move == "accept" and case.offers:
                world.accept(name)
            elif move == "decline" and case.offers:
                world.decline(name)
            elif move == "close" and case.owner:
                world.close(name)


class Count:
    """What a pair of work and agent is worth, counted anew from what the log says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cases = [case for story in world.stories.values() for case in story.cases]
        self.waiting = [case for case in self.cases if not case.owner and not case.offers]
        ledger = world.engine._ledger  # noqa: SLF001 - who cools down is told by nothing else
        self.free = {
            name: agent
            for name, agent in ledger.agents.items()
            if agent.routable and agent.free > 0 and agent.cool_us <= micros(world.now)
        }

    def admitted(self, name: str, case: Case) -> bool:
        world, agent = self.world, self.free[name]
        rule = world.config.agents[name]
        item = world.engine._ledger.item(  # noqa: SLF001 - the same
            next(c for c, story in world.stories.items() if story.case(case.own)), case.own
        )
        assert item is not None
        if agent.free < COSTS[case.channel] or item.bars(name, micros(world.now)):
            return False
        if meets(rule, item.wants) is not None:
            return False
        waited_us = micros(world.now) - micros(case.enqueued_at)
        return waited_us >= WAIT_MAX_S * SECOND or self._worth(name, case, waited_us) >= 0

    def _worth(self, name: str, case: Case, waited_us: int) -> int:
        rule, agent = self.world.config.agents[name], self.free[name]
        say = self.world.config.policies["plain"].weigh.of(rule.group)
        levels = sum(rule.skills[need.name] - need.level for need in case.skills)
        levels += rule.languages.get(case.language, 0)
        same = [one for one in self.free if self.world.config.agents[one].group == rule.group]
        queue = [one for one in self.waiting if one.queue == case.queue]
        served = [one for one in self.cases if one.queue == case.queue and one not in queue]
        once = (
            say.base
            + case.priority * MILLI
            + say.fit * levels
            + say.spare * len(same)
            + say.spare_all * len(self.free)
            + say.queue * len(queue)
            + say.queue_all * len(self.waiting)
            + say.serving * len([one for one in served if one.owner or one.offers])
        )
        idle_us = max(0, micros(self.world.now) - agent.idle_us)
        return once * MINUTE + say.wait * waited_us + say.idle * idle_us


def check_nobody_admitted_idles(world: World) -> None:
    count = Count(world)
    for case in count.waiting:
        assert not [name for name in count.free if count.admitted(name, case)]


@settings(max_examples=200)
@given(weighings, st.lists(acts, min_size=10, max_size=50))
def test_no_weights_leave_an_admitted_agent_idle_or_overload_one(
    weigh: Weighing, history: list[tuple[object, ...]]
) -> None:
    world = World(weighed_office(weigh)).open_doors()
    for act in history:
        play(world, act)
        check_nobody_admitted_idles(world)
        check_no_agent_is_over_capacity_but_by_a_forced_overdraft(world)
    world.wait(5)
    assert world.engine.eligible_idle_s == 0


@settings(max_examples=100)
@given(weighings, st.lists(acts, min_size=10, max_size=40))
def test_same_weights_and_facts_give_the_same_decisions(
    weigh: Weighing, history: list[tuple[object, ...]]
) -> None:
    world = World(weighed_office(weigh)).open_doors()
    for act in history:
        play(world, act)
    again = Engine("demo")
    assert [again.step(fact, at) for fact, at in world.facts] == world.outcomes
    assert again.digest() == world.engine.digest()


@settings(max_examples=150)
@given(weighings, st.lists(acts, min_size=10, max_size=50))
def test_whoever_came_first_of_equals_is_offered_first_whatever_the_weights(
    weigh: Weighing, history: list[tuple[object, ...]]
) -> None:
    """Who was turned down by somebody is not an equal any more until that has cooled down."""
    world = World(weighed_office(weigh)).open_doors()
    for act in history:
        if act[0] == "decline":
            continue
        before, said = _lines(world), len(world.said)
        play(world, act)
        offers = [one for one in world.said[said:] if isinstance(one, MakeOffer)]
        asked = {one.customer for one in offers}  # though the offer may be over again by now
        for one in offers:
            alike, came_at = _alike(world, one.customer)
            line = before.get(alike, {})
            assert not [
                name
                for name, at in line.items()
                if at < came_at and name not in asked and _still_waits(world, name)
            ]


type _Alike = tuple[str, str, int, tuple[object, ...]]


def _alike(world: World, customer: str) -> tuple[_Alike, datetime]:
    case = world.stories[customer].cases[0]
    return (case.queue, case.channel, case.priority, case.skills), case.enqueued_at


def _lines(world: World) -> dict[_Alike, dict[str, datetime]]:
    found: dict[_Alike, dict[str, datetime]] = {}
    for customer, story in world.stories.items():
        for case in story.cases:
            if not case.owner and not case.offers:
                alike, at = _alike(world, customer)
                found.setdefault(alike, {})[customer] = at
    return found


def _still_waits(world: World, customer: str) -> bool:
    return any(not case.owner and not case.offers for case in world.stories[customer].cases)
