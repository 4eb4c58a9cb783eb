"""Queues that nothing leads to, skills nothing asks for, topics a language has no words for.

A queue is *reached* when a channel or a topic names it, or an escalation leads there from a queue
that is itself reached. One that is not, but that some agent names in `queues`, is reached by
handoff only, which may well be meant (NOTE). One that not even an agent names gets work only by a
gateway's hint or from somebody who knows that it is there (WARNING). A queue that nobody works on
is refused before (`lint`).
"""

from collections.abc import Iterator

from toldonce.kernel.config.linter.crew import climbed
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity
from toldonce.kernel.config.types import Config


def unreachable(config: Config) -> Iterator[Finding]:
    """Find the queues that no channel, topic or escalation leads to."""
    ways_in = [channel.queue for channel in config.channels.values()]
    ways_in += [topic.queue for topic in config.topics.values()]
    reached = {*ways_in, *climbed(config, ways_in)}
    named = sorted({queue for agent in config.agents.values() for queue in agent.queues})
    by_hand = {*named, *climbed(config, named)}
    for index, queue in enumerate(config.queues):
        if queue in reached:
            continue
        if queue in by_hand:
            sentence = f"queue {queue} is reached by handoff only"
            yield Finding(Severity.NOTE, Rule.UNREACHABLE, f"queues[{index}]", sentence)
            continue
        yield Finding(
            Severity.WARNING,
            Rule.UNREACHABLE,
            f"queues[{index}]",
            f"no channel, topic or escalation leads to queue {queue}, and no agent names it: "
            "lead something there, or take it out",
        )


def unused(config: Config) -> Iterator[Finding]:
    """Find skills that are asked of nobody, and topics that a language cannot name."""
    asked = {name for topic in config.topics.values() for name, _ in topic.skills}
    asked |= {name for queue in config.queues.values() for name, _ in queue.skills}
    for skill in sorted(config.skills - asked):
        sentence = f"skill {skill} is asked by no topic and no queue"
        yield Finding(Severity.NOTE, Rule.UNUSED, "skills", sentence)
    for index, topic in enumerate(config.topics.values()):
        missing = [name for name in config.languages if not topic.words.get(name)]
        if missing:
            sentence = f"topic {topic.name} has no words in {', '.join(missing)}"
            yield Finding(Severity.NOTE, Rule.UNUSED, f"topics[{index}].words", sentence)
