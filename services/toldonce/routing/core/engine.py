"""The engine: one state machine a tenant, facts and time in, decisions out.

Same facts, same decisions. After every step that it leads, no agent whom the rules admit is free
while a case that may be theirs waits: whatever changes who may have what is looked at in the same
step, and nothing is ever swept.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, assert_never

from toldonce.kernel.instants import SECOND, instant, micros
from toldonce.routing.core.acts import Decision
from toldonce.routing.core.alarms import ring
from toldonce.routing.core.answers import Answers
from toldonce.routing.core.facts import (
    AgentChanged,
    ConfigChanged,
    Fact,
    LeadershipChanged,
    OfferAsked,
    OfferFailed,
    PresenceChanged,
    StoriesLoaded,
    StoryChanged,
    SuccessLearned,
    Tick,
)
from toldonce.routing.core.keeping import in_trouble, look, recheck
from toldonce.routing.core.offering import ALL_TRACED
from toldonce.routing.core.rounds import see_to_rounds
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import NOWHERE, Item
from toldonce.routing.core.stories import apply_story, keep_only
from toldonce.routing.core.timers import Alarm, Timer
from toldonce.routing.core.types import ENDED, Schedule

_BACK_OFF_US: Final = SECOND // 4
_BACK_OFF_DOUBLINGS_MAX: Final = 7  # 32 s


class Engine(Answers):
    """Matches waiting cases with agents; begins as a follower and leads when told to."""

    def trace_all(self) -> None:
        """Say why of every offer from now on, whatever the size of the desk."""
        self._matcher.traced_max = ALL_TRACED

    def step(self, fact: Fact, now: datetime) -> tuple[Decision, ...]:
        """Take in one fact; say what follows from it."""
        now_us = self._at(now)
        self._take_in(fact, now_us)
        return self._decide(now_us)

    def step_all(self, facts: Iterable[Fact], now: datetime) -> tuple[Decision, ...]:
        """Take in facts that belong together, and decide only when all of them are known."""
        now_us = self._at(now)
        for fact in facts:
            self._take_in(fact, now_us)
        return self._decide(now_us)

    def _at(self, now: datetime) -> int:
        """Let time pass; it never goes back."""
        if now is not self._now:  # facts of one instant are often told one by one
            self._now = now
            now_us = micros(now)
            if now_us >= self._now_us:
                self._now_us = now_us
                self._ledger.look_up(now, now_us)
        if not self._audit.due_us:
            self._audit.count(self._now_us)
        return self._now_us

    def _decide(self, now_us: int) -> tuple[Decision, ...]:
        """Do what is due, and settle what was touched."""
        audit, matcher = self._audit, self._matcher
        rules = self._ledger.rules
        if rules is None:
            return ()
        found: list[Decision] = []
        opened = self._turn(now_us) if 0 < self._hours.next_us <= now_us else ()
        if matcher.epoch:
            while (timer := self._timers.pop_due(now_us)) is not None:
                self._ring(timer, now_us, found)
            if self._ledger.dirty_agents or self._absences.frozen_us is not None:
                self._watch_owners(now_us, found)
        if self._asks.open:
            self._asks.settle(rules, now_us, found)
        matcher.settle(rules, now_us, found)
        if opened and matcher.epoch:
            matcher.open_up(opened, rules, now_us, found)
        if matcher.begun or self._ledger.rounds:
            see_to_rounds(matcher, rules, now_us, found)
        if matcher.epoch and now_us >= audit.due_us:
            audit.look(self._ledger.agents, matcher.waiting, now_us)
        return tuple(found)

    def _take_in(self, fact: Fact, now_us: int) -> None:
        ledger = self._ledger
        match fact:
            case StoryChanged():
                apply_story(ledger, self._timers, fact)
            case ConfigChanged(config):
                self._configure(Rules(config, ledger.seed))
            case StoriesLoaded(customers, position):
                keep_only(ledger, customers, position, instant(now_us))
            case AgentChanged(name):
                agent = ledger.agent(name)
                agent.availability = fact.availability
                agent.available_us = micros(fact.since_at)
                off_at = fact.since_at if fact.schedule_at is None else fact.schedule_at
                agent.off_us = micros(off_at) if fact.schedule is Schedule.OFF_SHIFT else None
                agent.drained_us = 0 if fact.drained_at is None else micros(fact.drained_at)
                agent.hands_back = fact.hands_back
                # so that a lapse begun by a drain that is over ends
                agent.ails = agent.ails or bool(agent.owned)
                ledger.touch(agent)
            case PresenceChanged(name, presence, at):
                agent = ledger.agent(name)
                self._absences.see(agent, presence, at, now_us)
                ledger.touch(agent)
            case LeadershipChanged(epoch):
                self._lead(epoch, now_us)
            case OfferFailed(customer, own, offer, reason):
                self._offer_failed(ledger.item(customer, own), offer, reason, now_us)
            case OfferAsked():
                self._asks.take(fact, now_us)
            case SuccessLearned():
                ledger.outcomes.learn(fact)
            case Tick():
                pass
            case _:
                assert_never(fact)

    def _configure(self, rules: Rules) -> None:
        ledger = self._ledger
        ledger.rules = rules
        self._index.clear()
        for name in rules.config.agents:
            ledger.agent(name)
        for agent in ledger.agents.values():
            before = agent.rule
            agent.follow(rules.agent(agent.name))
            recheck(agent, before, rules, self._now_us)
            self._index.enlist(agent, rules)
            ledger.touch(agent)
        self._hours.begin(rules.config, self._now_us)
        self._wake_for_hours()
        for item in ledger.items():
            item.place, item.work = NOWHERE, None
            ledger.price(item)
            ledger.charge(item)
            ledger.stir(item)

    def _turn(self, now_us: int) -> Collection[str]:
        """Open and close queues; return those that opened."""
        opened, closed = self._hours.turn(now_us)
        self._wake_for_hours()
        if closed and self._matcher.epoch:
            self._stir_overflowing(closed)
        return opened

    def _stir_overflowing(self, queues: Collection[str]) -> None:
        """Have all looked at that wait in a closed queue whose work goes elsewhere then."""
        rules = self._ledger.rules
        rule = {} if rules is None else {name: rules.queue(name).overflow for name in queues}
        leaving = {name for name, one in rule.items() if one is not None and one.when_closed}
        for item in self._matcher.waiting if leaving else ():
            if item.wants.queue in leaving:
                self._ledger.stir(item)

    def _wake_for_hours(self) -> None:
        if self._hours.next_us:
            self._timers.set(self._hours.next_us, Alarm.HOURS, None, self._hours.next_us)

    def _lead(self, epoch: int, now_us: int) -> None:
        if epoch and epoch != self._matcher.epoch:
            self._matcher.decisions = self._matcher.decisions if epoch == self._led_epoch else 0
            self._led_epoch = epoch
            self._absences.begin_watch(now_us)
            for agent in self._ledger.agents.values():
                self._ledger.touch(agent)
            # the others stand where they belong: whoever is free is fed from there
            for item in self._matcher.waiting:
                if item.case.handoff is not None:
                    self._ledger.stir(item)
            self._stir_overflowing(self._hours.closed)
        self._matcher.epoch = self._ledger.epoch = epoch

    def _watch_owners(self, now_us: int, found: list[Decision]) -> None:
        """See to what those hold who cannot; an alarm looks again, and one ends a freeze."""
        for agent in self._ledger.dirty_agents.values():
            if not in_trouble(agent):
                continue
            at_us = look(agent, self._ledger, self._absences, now_us, found)
            if at_us and at_us != agent.grace_us:
                self._timers.set(at_us, Alarm.GRACE, agent, 0)
            agent.grace_us = at_us
        thaw_us = self._absences.thaw_us()
        if thaw_us is not None and thaw_us != self._thaw_us:
            self._timers.set(thaw_us, Alarm.THAW, None, thaw_us)
        self._thaw_us = thaw_us

    def _offer_failed(self, item: Item | None, offer: str, reason: str, now_us: int) -> None:
        live = None if item is None else item.offers.get(offer)
        if item is None or live is None or live.confirmed:
            return
        self._ledger.end(live)
        self._ledger.charge(item)
        self._ledger.stir(item)
        if reason == ENDED:
            return
        doublings = min(item.retries, _BACK_OFF_DOUBLINGS_MAX)
        item.retry_us, item.retries = now_us + (_BACK_OFF_US << doublings), item.retries + 1
        item.refused, item.moving = reason, ""

    def _ring(self, timer: Timer, now_us: int, found: list[Decision]) -> None:
        again_us = ring(timer, self._ledger, self._absences, now_us, found)
        if again_us is not None:
            self._timers.set(again_us, timer.alarm, timer.subject, timer.guard)
