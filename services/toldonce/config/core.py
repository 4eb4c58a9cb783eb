"""What applying a document does, and what in it is legal but probably not meant.

One document stands per tenant. Applying what already stands changes nothing, whatever revision the
caller expected: so a call that is tried again after it went through is answered as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from toldonce.kernel.config import Config
from toldonce.kernel.errors import Conflict

REMARKS_MAX = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """What the table holds: `yaml` None when there is nothing (revision 0) or only a tombstone."""

    revision: int
    yaml: str | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing is to be written; `revision` stands."""

    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write, provided that `expected` still stands."""

    expected: int


type Verdict = Keep | Put


def decide(standing: Standing, yaml: str, expected: int | None) -> Verdict:
    """Say what applying `yaml` does; raises Conflict when another revision is expected."""
    if yaml == standing.yaml:
        return Keep(standing.revision)
    stands = standing.revision if standing.yaml is not None else 0
    if expected is not None and expected != stands:
        raise Conflict(
            f"revision {stands} stands, not {expected}: read it again and apply your change to it",
            stands,
        )
    return Put(standing.revision)


def remarks(config: Config) -> tuple[str, ...]:
    """Return sentences on what is legal but probably not meant."""
    found = [*_idle_skills(config), *_far_queues(config), *_wordless_topics(config)]
    return tuple(found[:REMARKS_MAX])


def _idle_skills(config: Config) -> Iterator[str]:
    asked = {name for topic in config.topics.values() for name, _ in topic.skills}
    asked |= {name for queue in config.queues.values() for name, _ in queue.skills}
    for skill in sorted(config.skills - asked):
        yield f"skill {skill} is asked by no topic and no queue"


def _far_queues(config: Config) -> Iterator[str]:
    reached = {channel.queue for channel in config.channels.values()}
    reached |= {topic.queue for topic in config.topics.values()}
    reached |= {config.escalation_of(name) for name in config.queues}
    for queue in config.queues:
        if queue not in reached:
            yield f"queue {queue} is reached by handoff only"


def _wordless_topics(config: Config) -> Iterator[str]:
    for topic in config.topics.values():
        missing = [name for name in config.languages if not topic.words.get(name)]
        if missing:
            yield f"topic {topic.name} has no words in {', '.join(missing)}"
