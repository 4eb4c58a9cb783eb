"""From how stories change to what is learned: one outcome a case, that of its first owner.

A case is told by its epoch: 1 is that of the first owner, and of no other. It is resolved when they
close it with an outcome that the policy counts as such, and nobody said on closing that the
customer had to tell it again or that the first owner could not resolve it. It is not when they hand
it over. Where they lost it otherwise (gone, off shift, merged) nothing is learned, and nothing of
later owners: handoffs bring them the hard cases. A customer who is back about the topic of a case
within `repeat_s` takes its success back; the latest DONE_MAX are remembered for that.
"""

from collections.abc import Mapping
from typing import Final

from toldonce.kernel.config.success import Success
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.story.types import Case, CaseState
from toldonce.routing.core.effects import Effects
from toldonce.routing.core.facts import Closing, StoryChanged, SuccessLearned
from toldonce.routing.core.rules import QueueRules, Rules
from toldonce.routing.core.state import Agent, Item
from toldonce.routing.core.success import Successes, subject_of
from toldonce.routing.core.types import Arm, Done

DONE_MAX: Final = 8_192


class Outcomes:
    """What is learned of one tenant; `counted` is of this process alone, since it began to lead."""

    def __init__(self, seed: str) -> None:
        """Know nothing yet; `seed` is for `Successes`."""
        self.successes = Successes(seed)
        self.effects = Effects()
        self.counted: dict[tuple[str, str, str], tuple[int, int]] = {}  # how many, microseconds
        self.done: dict[tuple[str, str], Done] = {}

    def hear(
        self,
        fact: StoryChanged,
        known: tuple[Item, ...],
        rules: Rules,
        agents: Mapping[str, Agent],
        *,
        leads: bool,
    ) -> None:
        """Learn from a story that changes; `known` are its cases as they stood."""
        now = {case.own: case for case in fact.cases}
        closings = {closing.case: closing for closing in fact.closings}
        at_us = micros(fact.at)
        open_before = set()
        for item in known:
            old = item.case
            if old.state is CaseState.CLOSED:
                continue
            open_before.add(old.own)
            queue = rules.queue(old.queue)
            if queue.success is None or old.epoch != 1 or not old.owner:
                continue
            resolved = _resolved(queue.success, old, now.get(old.own), closings.get(old.own))
            agent = agents.get(old.owner)
            if resolved is not None and agent is not None and agent.rule is not None:
                self._end(item, agent.rule.group, queue, at_us, resolved=resolved, leads=leads)
        for case in fact.cases if self.done else ():
            if case.own not in open_before and case.state is not CaseState.CLOSED:
                self._back(fact.customer, case, leads=leads)

    def known(self) -> SuccessLearned:
        """Tell what is known."""
        effects, shadows = self.effects.known()
        return SuccessLearned(self.successes.known(), tuple(self.done.values()), effects, shadows)

    def learn(self, past: SuccessLearned) -> None:
        """Take over what another knew before: what is known here already came later."""
        self.successes.learn(past.records)
        self.effects.learn(past.effects, past.shadows)
        now = self.done
        self.done = {(one.customer, one.topic): one for one in past.done}
        self.done.update(now)

    def _end(
        self,
        item: Item,
        group: str,
        queue: QueueRules,
        at_us: int,
        *,
        resolved: bool,
        leads: bool,
    ) -> None:
        case, rule = item.case, queue.success
        if rule is None or case.owned_at is None:
            return
        took_us = max(0, at_us - micros(case.owned_at))
        subject = subject_of(case, rule.by)
        self.successes.see(subject, group, case.owner, took_us, resolved=resolved)
        drawn = item.drawn
        if drawn is not None:
            self.effects.see(queue.policy, drawn, took_us, resolved=resolved)
            if leads:
                self._count(queue.policy, drawn.arm, "yes" if resolved else "no", took_us)
        if not resolved or not rule.repeat_s:
            return
        key, until_us = (item.customer, case.topic), at_us + rule.repeat_s * SECOND
        self.done.pop(key, None)
        self.done[key] = Done(
            *key, at_us, until_us, subject, group, case.owner, queue.policy, drawn
        )
        first = next(iter(self.done.values()))
        while len(self.done) > DONE_MAX or first.until_us < at_us:
            del self.done[first.customer, first.topic]
            first = next(iter(self.done.values()))

    def _back(self, customer: str, case: Case, *, leads: bool) -> None:
        """Take a success back when its customer is back about the same topic in time."""
        done = self.done.get((customer, case.topic))
        if done is None or not done.at_us <= micros(case.enqueued_at) <= done.until_us:
            return
        del self.done[customer, case.topic]
        self.successes.undo(done.subject, done.group, done.agent)
        if done.drawn is not None:
            self.effects.undo(done.policy, done.drawn)
            if leads:
                self._count(done.policy, done.drawn.arm, "repeated", 0)

    def _count(self, policy: str, arm: Arm, outcome: str, took_us: int) -> None:
        key = (policy, arm.name.lower(), outcome)
        cases, total_us = self.counted.get(key, (0, 0))
        self.counted[key] = cases + 1, total_us + took_us


def _resolved(rule: Success, old: Case, new: Case | None, closing: Closing | None) -> bool | None:
    """Tell whether its first owner resolved a case; None while, or where, that cannot be told."""
    if closing is not None:
        counts = not rule.resolved or closing.disposition in rule.resolved
        return counts and not closing.re_told and closing.resolved is not False
    handed = new is not None and new.hops > old.hops and new.owner != old.owner
    return False if handed else None
