"""What is wrong with a configuration although every part of it is well made.

It finds what can never work: names that nothing bears, requirements that nobody meets even after
the last relaxing step, work too big for anybody, escalations and substitutes that go round in a
circle, owners given up before they count as stale, and targets that lie beyond any horizon. Better
found here than by a contact that waits for ever. No service runs under what this refuses;
`linter` looks further, and only when a document is checked or applied.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

from toldonce.kernel.calendar import weekly_open_s
from toldonce.kernel.config import overflow
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.config.circles import Edge, circles, rounds, said
from toldonce.kernel.config.climbing import onward
from toldonce.kernel.config.references import references
from toldonce.kernel.config.types import Agent, Config
from toldonce.kernel.errors import Problem
from toldonce.kernel.skills import Requirement, meets, relaxed

PROBLEMS_MAX = 100
WEEKS_MAX = 52


def lint(config: Config) -> tuple[Problem, ...]:
    """Return what can never work, at most `PROBLEMS_MAX`, each with the path of its key."""
    unknown = tuple(references(config))
    if unknown:
        return unknown[:PROBLEMS_MAX]
    found = [*_levels(config), *_service(config), *_capacity(config)]
    found += [*overflow.circles(config)]
    found += [*_circles(config), *_stand_ins(config), *_graces(config), *_horizons(config)]
    return tuple(dict.fromkeys(found))[:PROBLEMS_MAX]


@dataclass(frozen=True, slots=True)
class _Need:
    """A requirement that the document can give rise to, and where it is written."""

    path: str
    queue: str
    topic: str
    skills: tuple[tuple[str, int], ...]


def _needs(config: Config) -> Iterator[_Need]:
    for index, queue in enumerate(config.queues.values()):
        yield _Need(f"queues[{index}]", queue.name, "", queue.skills)
    for index, topic in enumerate(config.topics.values()):
        yield _Need(f"topics[{index}]", topic.queue, topic.name, topic.skills)


def _levels(config: Config) -> Iterator[Problem]:
    """Find skills asked at a level that no agent has."""
    best = _best(config.agents.values())
    for need in _needs(config):
        for skill, level in need.skills:
            if best.get(skill, 0) < level:
                has = f"the best has level {best[skill]}" if skill in best else "no agent has it"
                yield Problem(
                    f"{need.path}.skills.{skill}",
                    f"asks {skill} at level {level}, but {has}",
                )


def _service(config: Config) -> Iterator[Problem]:
    """Find requirements that nobody meets in one of the languages, even when fully relaxed."""
    crew = _distinct(config.agents.values())
    best = _best(crew)
    for need in _needs(config):
        if not any(not a.queues or need.queue in a.queues for a in crew):
            if not need.topic:
                yield Problem(need.path, f"no agent works on queue {need.queue}")
            continue
        if any(best.get(skill, 0) < level for skill, level in need.skills):
            continue  # already said, and nobody can meet it
        unserved = [lang for lang in config.languages if not _served(config, crew, need, lang)]
        if unserved:
            yield Problem(
                need.path,
                f"no agent on queue {need.queue} can ever take this work in "
                f"{', '.join(unserved)}, even after the last relaxing step",
            )


def _served(config: Config, crew: Iterable[Agent], need: _Need, language: str) -> bool:
    asked = config.requirement(need.queue, topic=need.topic, language=language)
    least: Requirement = relaxed(asked, config.policy_of(need.queue).steps, inf)
    return any(meets(agent, least) is None for agent in crew)


def _capacity(config: Config) -> Iterator[Problem]:
    """Find work that costs more units than anybody has, and agents who cannot take any work."""
    cheapest = min((channel.cost for channel in config.channels.values()), default=0)
    for index, agent in enumerate(config.agents.values()):
        if agent.capacity_units < cheapest:
            yield Problem(
                f"agents[{index}].capacity_units",
                f"{agent.capacity_units} is less than the {cheapest} of the cheapest channel",
            )
    busy = {topic.queue for topic in config.topics.values()}
    busy |= {config.escalation_of(name) for name in config.queues}
    for index, channel in enumerate(config.channels.values()):
        for queue in config.queues:
            if queue not in busy and queue != channel.queue:
                continue
            units = max(
                (a.capacity_units for a in config.agents.values() if _works_on(a, queue)),
                default=None,
            )
            if units is not None and units < channel.cost:
                yield Problem(
                    f"channels[{index}].cost",
                    f"{channel.cost} is more than the {units} units of any agent on queue {queue}",
                )


def _circles(config: Config) -> Iterator[Problem]:
    """Find escalations that come back to where they started, by a person or up a ladder."""
    for circle in circles(_escalations(config)):
        sentence = f"escalations go round in a circle: {said(circle)}"
        yield Problem(circle[0].path, sentence)
    for climb in rounds(list(_climbs(config))):
        sentence = f"a ladder leads back to where it began: {said(climb)}"
        yield Problem(climb[-1].path, sentence)


def _escalations(config: Config) -> Iterator[Edge]:
    """Give where a person escalates the work of each queue to, with the key that says so."""
    places = {name: index for index, name in enumerate(config.sla)}
    for index, queue in enumerate(config.queues.values()):
        onward, aims = config.escalation_of(queue.name), config.sla_of(queue.name)
        if not onward:
            continue
        path = f"queues[{index}].escalation_queue"
        if aims is not None and aims.escalates.hand_to == onward:
            path = f"sla[{places[aims.name]}].{aims.escalates.key}"
        yield Edge(path, queue.name, onward)


def _climbs(config: Config) -> Iterator[tuple[int, Edge]]:
    """Give where each rung takes the work of each queue its policy can hold for."""
    places = {name: index for index, name in enumerate(config.sla)}
    for aims, queue in _aimed(config):
        for number, rung in enumerate(aims.ladder, 1):
            there = onward(config, rung, queue)
            if there:
                yield number, Edge(f"sla[{places[aims.name]}].{rung.key}", queue, there)


def _stand_ins(config: Config) -> Iterator[Problem]:
    """Find agents who at last stand in for themselves."""
    paths = {name: index for index, name in enumerate(config.agents)}
    for circle in config.stand_ins().circles():
        yield Problem(
            f"agents[{paths[circle[0]]}].substitute",
            f"substitutes go round in a circle: {' -> '.join(circle)}",
        )


def _graces(config: Config) -> Iterator[Problem]:
    """Find graces that are over before the owner's silence means anything."""
    stale_s = config.presence.stale_s
    for index, channel in enumerate(config.channels.values()):
        grace_s = channel.owner_absent.grace_s
        if grace_s is not None and grace_s < stale_s:
            yield Problem(
                f"channels[{index}].owner_absent.grace_s",
                f"{grace_s} is less than the {stale_s} of presence.stale_s: "
                "every short break of a line would cost its owner the case",
            )


def _horizons(config: Config) -> Iterator[Problem]:
    """Find targets that take more than a year of their calendar."""
    indexes = {name: index for index, name in enumerate(config.sla)}
    for aims, queue in _aimed(config):
        hours = config.counting(aims, queue)
        for target in aims.targets.values():
            if target.target_s > WEEKS_MAX * weekly_open_s(hours):
                yield Problem(
                    f"sla[{indexes[aims.name]}].targets.{target.kind.name.lower()}_s",
                    f"takes more than a year of calendar {hours.name} (queue {queue})",
                )


def _aimed(config: Config) -> Iterator[tuple[SlaPolicy, str]]:
    """Give every SLA policy with each queue whose work it can hold for."""
    for aims in config.sla.values():
        if aims.when is not None:
            yield from ((aims, name) for name in aims.when.queues or config.queues)
    for name in config.queues:
        named = config.sla_of(name)
        if named is not None:
            yield named, name


def _works_on(agent: Agent, queue: str) -> bool:
    return not agent.queues or queue in agent.queues


def _best(agents: Iterable[Agent]) -> dict[str, int]:
    best: dict[str, int] = {}
    for agent in agents:
        for skill, level in agent.skills.items():
            best[skill] = max(level, best.get(skill, 0))
    return best


def _distinct(agents: Iterable[Agent]) -> tuple[Agent, ...]:
    """Keep one agent of each make: of fifty thousand agents most are alike."""
    makes: dict[object, Agent] = {}
    for agent in agents:
        skills, languages = frozenset(agent.skills.items()), frozenset(agent.languages)
        makes.setdefault((skills, languages, agent.queues), agent)
    return tuple(makes.values())
