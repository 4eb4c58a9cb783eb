"""The configuration as the engine uses it: looked up often, so made ready once.

A language that no one is configured for is nobody's to speak, so it is not asked for: better
somebody than no one. A channel the configuration forgot costs one unit.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from toldonce.kernel.config.owning import OwnerAbsent
from toldonce.kernel.config.success import Mode, Success
from toldonce.kernel.config.types import Agent as AgentRule
from toldonce.kernel.config.types import Config, Overflow
from toldonce.kernel.config.weighing import Weighing
from toldonce.kernel.instants import SECOND
from toldonce.kernel.skills import Requirement, Step
from toldonce.kernel.story.types import Case, TargetKind

type _PlainKey = tuple[str, str, str, tuple[tuple[str, int], ...]]

_TIE_BYTES: Final = 8
_PLAIN_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How one queue's work is routed; `wait` thousandths of a point a minute of age.

    `success` None: nothing is learned of it. Up to `round` agents are asked for one case at once.
    """

    steps: tuple[Step, ...]
    prefer_owner_us: int
    cool_us: int
    wait: int
    wait_max_us: int
    offer_us: int
    offer_s: timedelta
    round: int
    weigh: Weighing
    overflow: Overflow | None
    policy: str
    success: Success | None
    active: Success | None  # the same where it counts


@dataclass(frozen=True, slots=True)
class Asked:
    """What a waiting case asks for: needs, who is out of the question, whom it is meant for.

    `target` is the only agent of a handoff to a person, or who stands in for an absent owner.
    `preferred` had the matter before; nobody is preferred for a case that was released, or it
    would go straight back to whom it was taken from.
    """

    requirement: Requirement
    target: str
    preferred: str
    excluded: frozenset[str]


class Rules:
    """One configuration, ready for use."""

    def __init__(self, config: Config, seed: str) -> None:
        """`seed` (the tenant, say) decides between agents who are equal in everything."""
        self.config = config
        self.seed = seed
        self.policy_version = config.policy_version  # what decisions quote
        self.revision = config.revision
        self.known = len(config.agents)
        self.gone_us = config.presence.gone_s * SECOND
        self.stand_ins = config.stand_ins()
        used = {config.policy_of(name).name: config.policy_of(name) for name in config.queues}
        self.learners = {
            name: policy.success.mode
            for name, policy in sorted(used.items())
            if policy.success.mode is not Mode.NONE
        }
        self.learning = bool(self.learners)
        self.overflowing = any(queue.overflow for queue in config.queues.values())
        self._spoken = frozenset(
            language for agent in config.agents.values() for language in agent.languages
        )
        self._queues: dict[str, QueueRules] = {}
        self._plain: dict[_PlainKey, Asked] = {}
        self._prices: dict[str, tuple[int, int]] = {}

    def agent(self, name: str) -> AgentRule | None:
        """Return what is configured of an agent."""
        return self.config.agents.get(name)

    def price(self, channel: str) -> tuple[int, int]:
        """Return the units one piece of a channel's work takes, and how many of them give way."""
        found = self._prices.get(channel)
        if found is None:
            known = self.config.channels.get(channel)
            cost = 1 if known is None else known.cost
            found = cost, cost if known is not None and known.interruptible else 0
            self._prices[channel] = found
        return found

    def owner_absent(self, channel: str) -> OwnerAbsent:
        """Return what this channel does about an owner who cannot see to a case."""
        return self.config.owner_absent(channel)

    def grace_us(self, rule: OwnerAbsent) -> int:
        """Return how long it waits before it does anything."""
        return self.gone_us if rule.grace_s is None else rule.grace_s * SECOND

    def queue(self, name: str) -> QueueRules:
        """Return how this queue's work is routed."""
        found = self._queues.get(name)
        if found is None:
            policy, known = self.config.policy_of(name), self.config.queues.get(name)
            found = QueueRules(
                steps=policy.steps,
                prefer_owner_us=policy.prefer_owner_s * SECOND,
                cool_us=policy.decline_cooldown_s * SECOND,
                wait=policy.weigh.wait,
                wait_max_us=policy.wait_max_s * SECOND,
                offer_us=self.config.offer_timeout_s(name) * SECOND,
                offer_s=timedelta(seconds=self.config.offer_timeout_s(name)),
                round=policy.round,
                weigh=policy.weigh,
                overflow=None if known is None else known.overflow,
                policy=policy.name,
                success=None if policy.success.mode is Mode.NONE else policy.success,
                active=policy.success if policy.success.mode is Mode.ACTIVE else None,
            )
            self._queues[name] = found
        return found

    def asked(self, case: Case) -> Asked:
        """Say what a waiting case asks for: by its handoff or lapse if it has one, else its queue.

        One that was handed on or has climbed asks what its queue asks of everybody: there it is
        not skill in the first queue's matter that is wanted.
        """
        handoff, lapse = case.handoff, case.lapse
        if handoff is None and lapse is not None:
            out = frozenset({case.owner} - {""})
            if lapse.backup:
                return Asked(Requirement(case.queue), lapse.backup, "", out)
            return Asked(self.plain(case), "", "", out)
        if handoff is None:
            asked = self._plainly(case)
            before = "" if released(case) else case.last_owner
            return replace(asked, preferred=before) if before else asked
        out = frozenset({handoff.from_agent, case.owner} - {""})
        if handoff.target_kind is TargetKind.AGENT:
            return Asked(Requirement(case.queue), handoff.target, "", out)
        return Asked(self._requirement(case, handoff.target, {}), "", "", out)

    def plain(self, case: Case) -> Requirement:
        """Say what a case asks of its owner, by its queue and its own needs."""
        return self._plainly(case).requirement

    def _plainly(self, case: Case) -> Asked:
        """Say what a case asks that nobody had before; many ask the same."""
        own = () if case.rung else needs(case)
        key = (case.queue, case.topic, case.language, own)
        found = self._plain.get(key)
        if found is None:
            if len(self._plain) >= _PLAIN_MAX:
                self._plain.clear()
            found = Asked(self._requirement(case, case.queue, dict(own)), "", "", frozenset())
            self._plain[key] = found
        return found

    def _requirement(self, case: Case, queue: str, skills: dict[str, int]) -> Requirement:
        known = self.config.queues.get(queue)
        for name, level in () if known is None else known.skills:
            skills[name] = max(level, skills.get(name, 0))
        topic = self.config.topics.get(case.topic)
        anyone = (topic is not None and topic.any_language) or case.language not in self._spoken
        return Requirement(queue, tuple(sorted(skills.items())), "" if anyone else case.language)


def needs(case: Case) -> tuple[tuple[str, int], ...]:
    """Give the skills a case asks for by itself, as (name, level)."""
    return tuple([(need.name, need.level) for need in case.skills])


def released(case: Case) -> bool:
    """Tell whether somebody had the case and gave it up since it came into the queue.

    Entry and reopening set both instants at once; a release sets one without the other. So do a
    split and a merge, but whoever had such a case had it under an epoch of its own. Who gave it
    back for an appointment is preferred for that.
    """
    since_at, from_at = case.waiting_since, case.not_before_at
    if case.epoch == 0 or since_at == case.enqueued_at:
        return False
    return from_at is None or from_at <= since_at


def tie(seed: str, name: str) -> int:
    """Order equals by a hash that is the same everywhere and favours no name."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:_TIE_BYTES], "big")
