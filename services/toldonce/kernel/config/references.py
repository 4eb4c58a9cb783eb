"""Names in a configuration that nothing in it bears, each with a guess at what was meant."""

from collections.abc import Iterable, Iterator

from toldonce.kernel.config.aims import named
from toldonce.kernel.config.types import ALWAYS_NAME, Config
from toldonce.kernel.config.words import near
from toldonce.kernel.errors import Problem

type _Reference = tuple[str, str, str]  # path, kind of thing, name


def references(config: Config) -> Iterator[Problem]:
    """Give every reference to something that is not there."""
    known: dict[str, Iterable[str]] = {
        "agent": config.agents.keys(),
        "channel": config.channels.keys(),
        "customer tier": config.customer_tiers,
        "calendar": {*config.calendars, ALWAYS_NAME},
        "disposition": {one for queue in config.queues.values() for one in queue.dispositions},
        "language": set(config.languages),
        "policy": config.policies.keys(),
        "queue": config.queues.keys(),
        "skill": config.skills,
        "sla": config.sla.keys(),
        "topic": config.topics.keys(),
    }
    for path, kind, name in _all(config):
        if name and name not in known[kind]:
            guess = near(name, known[kind])
            hint = f"; did you mean {guess}?" if guess else ""
            yield Problem(path, f"there is no {kind} {name!r}{hint}")


def _all(config: Config) -> Iterator[_Reference]:
    yield from _ways_in(config)
    yield from _queues(config)
    yield from _agents(config)
    yield from _policies(config)
    yield from _expected(config)


def _ways_in(config: Config) -> Iterator[_Reference]:
    for index, channel in enumerate(config.channels.values()):
        yield f"channels[{index}].calendar", "calendar", channel.calendar
        yield f"channels[{index}].queue", "queue", channel.queue
    for index, topic in enumerate(config.topics.values()):
        path = f"topics[{index}]"
        yield f"{path}.queue", "queue", topic.queue
        for skill, _ in topic.skills:
            yield f"{path}.skills.{skill}", "skill", skill
        for language in topic.words:
            yield f"{path}.words.{language}", "language", language


def _queues(config: Config) -> Iterator[_Reference]:
    for index, queue in enumerate(config.queues.values()):
        path = f"queues[{index}]"
        yield f"{path}.calendar", "calendar", queue.calendar
        yield f"{path}.sla", "sla", queue.sla
        yield f"{path}.policy", "policy", queue.policy
        yield f"{path}.escalation_queue", "queue", queue.escalation_queue
        if queue.overflow is not None:
            yield f"{path}.overflow.to", "queue", queue.overflow.to
        for skill, _ in queue.skills:
            yield f"{path}.skills.{skill}", "skill", skill


def _agents(config: Config) -> Iterator[_Reference]:
    for index, agent in enumerate(config.agents.values()):
        path = f"agents[{index}]"
        for skill in agent.skills:
            yield f"{path}.skills.{skill}", "skill", skill
        for language in agent.languages:
            yield f"{path}.languages.{language}", "language", language
        for queue in sorted(agent.queues):
            yield f"{path}.queues", "queue", queue
        yield f"{path}.substitute", "agent", agent.substitute


def _policies(config: Config) -> Iterator[_Reference]:
    for index, policy in enumerate(config.policies.values()):
        for number, step in enumerate(policy.steps):
            path = f"policies[{index}].steps[{number}]"
            for skill, _ in step.at_most:
                yield f"{path}.at_most.{skill}", "skill", skill
            for place, skill in enumerate(step.drop):
                yield f"{path}.drop[{place}]", "skill", skill
        for place, outcome in enumerate(policy.success.resolved):
            yield f"policies[{index}].success.resolved[{place}]", "disposition", outcome
    for index, aims in enumerate(config.sla.values()):
        for path, kind, name in named(aims):
            yield f"sla[{index}].{path}", kind, name


def _expected(config: Config) -> Iterator[_Reference]:
    for index, expected in enumerate(config.forecast.contacts):
        path = f"forecast.contacts[{index}]"
        yield f"{path}.queue", "queue", expected.queue
        yield f"{path}.topic", "topic", expected.topic
        yield f"{path}.language", "language", expected.language
        yield f"{path}.channel", "channel", expected.channel
