"""Skills: what a contact asks of an agent, how the asking relaxes, and which gate an agent fails.

A skill has a level from 1 (learning) to 5 (master). A requirement relaxes by steps counted from
the instant the work entered its queue; a step takes effect at its second and stays in effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

LEVEL_MIN = 1
LEVEL_MAX = 5


class Gate(StrEnum):
    """Why an agent cannot be offered a piece of work; the first that fails is the one reported.

    The engine checks the moving facts (presence to cool-down); `meets` checks the others.
    """

    PRESENCE = "presence"
    AVAILABILITY = "availability"
    SCHEDULE = "schedule"
    CAPACITY = "capacity"
    COOL_DOWN = "cool-down"
    CALENDAR = "calendar"
    QUEUE = "queue"
    EXCLUDED = "excluded"
    SKILL = "skill"
    LEVEL = "level"
    LANGUAGE = "language"


class Able(Protocol):
    """What `meets` needs to know of an agent."""

    @property
    def name(self) -> str:
        """The agent's name in the configuration."""

    @property
    def skills(self) -> Mapping[str, int]:
        """Skill to level, 1 to 5."""

    @property
    def languages(self) -> Mapping[str, int]:
        """Language to level, 1 to 5."""

    @property
    def queues(self) -> frozenset[str]:
        """The queues this agent works on; empty means all."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one piece of work asks for; `language` "" means any will do."""

    queue: str
    skills: tuple[tuple[str, int], ...] = ()
    language: str = ""
    preferred_agents: tuple[str, ...] = ()
    excluded_agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One relaxation, `after_s` seconds after the work entered its queue.

    `lower_by` takes levels off every skill (never below 1), `at_most` caps single skills, `drop`
    forgets skills, `any_language` forgets the language. A skill not asked for is no mistake.
    """

    after_s: int
    lower_by: int = 0
    at_most: tuple[tuple[str, int], ...] = ()
    drop: tuple[str, ...] = ()
    any_language: bool = False


def relaxed(requirement: Requirement, steps: Sequence[Step], waited_s: float) -> Requirement:
    """Say what is still asked after `waited_s` seconds; steps build upon each other in order."""
    due = [step for step in steps if step.after_s <= waited_s]
    if not due:
        return requirement
    skills = dict(requirement.skills)
    language = requirement.language
    for step in due:
        caps = dict(step.at_most)
        skills = {
            name: min(max(level - step.lower_by, LEVEL_MIN), caps.get(name, LEVEL_MAX))
            for name, level in skills.items()
            if name not in step.drop
        }
        language = "" if step.any_language else language
    return Requirement(
        queue=requirement.queue,
        skills=tuple(skills.items()),
        language=language,
        preferred_agents=requirement.preferred_agents,
        excluded_agents=requirement.excluded_agents,
    )


def next_step_s(steps: Sequence[Step], waited_s: float) -> int | None:
    """Say at how many seconds of waiting the next step takes effect, or None after the last."""
    return min((step.after_s for step in steps if step.after_s > waited_s), default=None)


def meets(agent: Able, requirement: Requirement) -> Gate | None:
    """Return the first standing gate this agent fails, or None when all are passed."""
    if agent.queues and requirement.queue not in agent.queues:
        return Gate.QUEUE
    if agent.name in requirement.excluded_agents:
        return Gate.EXCLUDED
    for skill, level in requirement.skills:
        has = agent.skills.get(skill, 0)
        if has < level:
            return Gate.LEVEL if has else Gate.SKILL
    if requirement.language and requirement.language not in agent.languages:
        return Gate.LANGUAGE
    return None
