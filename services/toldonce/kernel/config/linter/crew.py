"""Who can take what, as the linter asks it: agents by kinds, work by where it is written.

Sets of kinds are whole numbers, one bit a kind, so that "do they share anybody" is one `&`: of
fifty thousand agents most are alike, and the same requirement is asked about many times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from toldonce.kernel.config.types import Agent, Channel, Config, Queue, Topic
from toldonce.kernel.skills import LEVEL_MIN, Requirement, Step, relaxed


@dataclass(frozen=True, slots=True)
class Kind:
    """Agents who differ in nothing but their names: one of them, and how many there are."""

    agent: Agent
    count: int


@dataclass(frozen=True, slots=True)
class Work:
    """A sort of work that the document gives rise to: that of a queue, or of a topic in its queue.

    `asks` holds what it asks for in each language of the company, or once under "" for any.
    """

    path: str
    queue: str
    topic: str
    priority: int
    asks: tuple[tuple[str, Requirement], ...]
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """Say what it is, for a sentence."""
        return f"topic {self.topic} on queue {self.queue}" if self.topic else f"queue {self.queue}"


class Crew:
    """All agents by kinds; `who` answers with a set of bits.

    It says what `kernel.skills.meets` says, of all kinds at once: a set for each queue, language,
    and skill at each level is made once, and a requirement is where those it names overlap.
    """

    def __init__(self, config: Config) -> None:
        """Take the agents of a configuration."""
        counts: dict[object, int] = {}
        first: dict[object, Agent] = {}
        for agent in config.agents.values():
            skills, languages = frozenset(agent.skills.items()), frozenset(agent.languages)
            make = (skills, languages, agent.queues, agent.capacity_units, agent.group)
            first.setdefault(make, agent)
            counts[make] = counts.get(make, 0) + 1
        self.kinds = tuple(Kind(first[make], counts[make]) for make in first)
        self._everywhere = 0
        self._on: dict[str, int] = {}
        self._speaks: dict[str, int] = {}
        self._knows: dict[tuple[str, int], int] = {}
        self._grouped: dict[str, int] = {}
        for number, kind in enumerate(self.kinds):
            self._enlist(kind.agent, 1 << number)

    def _enlist(self, agent: Agent, bit: int) -> None:
        self._grouped[agent.group] = self._grouped.get(agent.group, 0) | bit
        if not agent.queues:
            self._everywhere |= bit
        for queue in agent.queues:
            self._on[queue] = self._on.get(queue, 0) | bit
        for language in agent.languages:
            self._speaks[language] = self._speaks.get(language, 0) | bit
        for skill, has in agent.skills.items():
            for level in range(LEVEL_MIN, has + 1):
                self._knows[skill, level] = self._knows.get((skill, level), 0) | bit

    def asked(self, config: Config, queue: str, topic: str, language: str) -> Requirement:
        """Say what work asks; as in routing, a language that nobody speaks is not asked for."""
        spoken = language if language in self._speaks else ""
        return config.requirement(queue, topic=topic, language=spoken)

    def who(self, asked: Requirement) -> int:
        """Return the kinds that meet a requirement that excludes nobody by name."""
        found = self._everywhere | self._on.get(asked.queue, 0)
        for needed in asked.skills:
            found &= self._knows.get(needed, 0)
        return found & self._speaks.get(asked.language, 0) if asked.language else found

    def at_last(self, asked: Requirement, steps: tuple[Step, ...]) -> int:
        """Return the kinds that meet it after the last step, or before: relaxing excludes nobody.

        `relaxed` only ever takes away from what is asked, so the last set holds all others.
        """
        return self.who(relaxed(asked, steps, inf))

    def ever(self, work: Work) -> int:
        """Return the kinds that can take this work in any of its languages."""
        found = 0
        for _, asked in work.asks:
            found |= self.at_last(asked, work.steps)
        return found

    def groups(self, bits: int) -> list[str]:
        """Name the groups ("" for none) that kinds of a set are in."""
        return [name for name, members in self._grouped.items() if members & bits]

    def of(self, bits: int) -> Iterator[Kind]:
        """Give the kinds of a set."""
        for number, kind in enumerate(self.kinds):
            if bits >> number & 1:
                yield kind


def works(config: Config, crew: Crew) -> tuple[Work, ...]:
    """Give every sort of work of a document, queues first, each in the order of the document."""
    found = [
        _work(config, crew, f"queues[{index}]", queue)
        for index, queue in enumerate(config.queues.values())
    ]
    found += [
        _work(config, crew, f"topics[{index}]", config.queues[topic.queue], topic)
        for index, topic in enumerate(config.topics.values())
    ]
    return tuple(found)


def fed(config: Config, channel: Channel, works: tuple[Work, ...]) -> tuple[Work, ...]:
    """Give the work that this channel brings by itself, without a handoff or a gateway's hint.

    A topic comes on every channel; the plain work of a queue does where the queue is the channel's
    own, or where an escalation leads there from its work.
    """
    ways_in = [channel.queue, *(topic.queue for topic in config.topics.values())]
    plain = {channel.queue, *climbed(config, ways_in)}
    return tuple(work for work in works if work.topic or work.queue in plain)


def climbed(config: Config, starts: list[str]) -> set[str]:
    """Give the queues to which escalations lead from these, without the starts themselves.

    A start counts when another one leads there.
    """
    found: set[str] = set()
    for start in dict.fromkeys(starts):
        onward = config.escalation_of(start)
        while onward and onward not in found:
            found.add(onward)
            onward = config.escalation_of(onward)
    return found


def _work(config: Config, crew: Crew, path: str, queue: Queue, topic: Topic | None = None) -> Work:
    about = "" if topic is None else topic.name
    languages = ("",) if topic is not None and topic.any_language else config.languages
    asks = tuple(
        (language, crew.asked(config, queue.name, about, language)) for language in languages
    )
    priority = queue.priority if topic is None else max(topic.priority, queue.priority)
    return Work(path, queue.name, about, priority, asks, config.policy_of(queue.name).steps)
