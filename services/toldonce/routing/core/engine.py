"""The engine: one state machine a tenant, facts and time in, decisions out.

Same facts, same decisions. After every step that it leads, no agent whom the rules admit is free
while a case that may be theirs waits: whatever changes who may have what is looked at in the same
step, and nothing is ever swept.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, assert_never

from toldonce.kernel.ids import derive
from toldonce.kernel.instants import SECOND, instant, micros
from toldonce.routing.core.absence import Absences
from toldonce.routing.core.acts import Decision
from toldonce.routing.core.alarms import ring, still_counts
from toldonce.routing.core.asking import Asks
from toldonce.routing.core.audit import Audit
from toldonce.routing.core.batching import Solver
from toldonce.routing.core.effects import Lift
from toldonce.routing.core.explain import Scene, trace
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
from toldonce.routing.core.hours import Hours
from toldonce.routing.core.index import Index
from toldonce.routing.core.keeping import in_trouble, kept, look, recheck
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.matching import ALL_TRACED, TRACED_MAX, Matcher
from toldonce.routing.core.restoring import Instants, Parts, Restorer, take_down
from toldonce.routing.core.rounds import see_to_rounds
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.snapshot import Head, Snapshot
from toldonce.routing.core.standing import digest_of, free_by_queue, position_of, queues_of
from toldonce.routing.core.state import NOWHERE, Item, Place
from toldonce.routing.core.stories import apply_story, keep_only
from toldonce.routing.core.timers import Alarm, Timer, Timers
from toldonce.routing.core.types import ENDED, DecisionTrace, QueueStanding, Schedule

_BACK_OFF_US: Final = SECOND // 4
_BACK_OFF_DOUBLINGS_MAX: Final = 7  # 32 s


class Engine:
    """Matches waiting cases with agents; begins as a follower and leads when told to."""

    def __init__(
        self,
        seed: str,
        *,
        traced_max: int = TRACED_MAX,
        audited: bool = True,
        solve: Solver | None = None,
    ) -> None:
        """`seed`, the tenant say, decides between agents who are equal in everything.

        `solve` finds the best of small batches (see `batching`); without it they are matched pair
        by pair.
        Offers of desks with more than `traced_max` agents carry their reason alone (below 0: not
        even that). `audited`: a second opinion looks for idle agents about once a second.
        """
        self._led_epoch = 0
        self._ledger = Ledger(seed)
        ledger = self._ledger
        self._index = Index(ledger.tallies, ledger.paces, ledger.outcomes.successes)
        self._absences = Absences(self._ledger.agents)
        self._timers = Timers(self._counts)
        self._matcher = Matcher(self._ledger, self._index, self._timers, traced_max, solve)
        self._hours = Hours(self._index, self._ledger.tallies)
        self._asks = Asks(self._ledger, self._matcher)
        self._audit = Audit(audited=audited)
        self._now_us = 0
        self._thaw_us: int | None = None

    def restorer(self, head: Head) -> Restorer:
        """Give what fills this new engine, piece by piece, with all that goes with `head`."""
        self._now_us, self._led_epoch, self._thaw_us = head.now_us, head.led_epoch, head.thaw_us
        return Restorer(self._parts, head)

    def snapshot(self) -> Snapshot:
        """Take down everything known, between two steps."""
        return take_down(self._parts, Instants(self._now_us, self._led_epoch, self._thaw_us))

    @property
    def _parts(self) -> Parts:
        return Parts(
            self._ledger,
            self._index,
            self._absences,
            self._timers,
            self._matcher,
            self._hours,
            self._asks,
        )

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

    @property
    def epoch(self) -> int:
        """The engine epoch it leads under; 0 while it follows."""
        return self._matcher.epoch

    @property
    def decisions(self) -> int:
        """How many offers were decided in this epoch."""
        return self._matcher.decisions

    @property
    def next_wake_at(self) -> datetime | None:
        """Say when a `Tick` is due; None when time alone changes nothing (or while following)."""
        at_us = self.next_wake_us
        return None if at_us is None else instant(at_us)

    @property
    def next_wake_us(self) -> int | None:
        """The same in microseconds since 1970."""
        return self._timers.next_us() if self._matcher.epoch else None

    @property
    def frozen_since(self) -> datetime | None:
        """Since when releases are frozen because too many agents vanished at once, or None."""
        return self._absences.frozen_since

    @property
    def now(self) -> datetime:
        """The instant of the last step."""
        return instant(self._now_us)

    @property
    def stories(self) -> int:
        """How many stories with open cases it knows."""
        return len(self._ledger.stories)

    @property
    def eligible_idle_s(self) -> float:
        """Seconds in which, by the audit, an admitted agent was free while a case waited."""
        return self._audit.idle_us / SECOND

    @property
    def overlong(self) -> int:
        """Cases that, by the audit, waited beyond their policy's bound while capacity existed."""
        return self._audit.overlong

    @property
    def waiting(self) -> int:
        """How many cases wait without an offer."""
        return len(self._matcher.waiting)

    @property
    def kept(self) -> int:
        """How many cases wait for an absent owner because their channel keeps them for them."""
        rules = self._ledger.rules
        return 0 if rules is None else kept(self._ledger, rules, self._now_us)

    @property
    def policy_version(self) -> str:
        """The configuration in force, or ""."""
        return "" if self._ledger.rules is None else self._ledger.rules.policy_version

    def explain(
        self, customer: str, case: str, now: datetime, *, whole: bool = True
    ) -> DecisionTrace | None:
        """Say why a case has nobody yet, or the decision behind its live offer; None if unknown."""
        item, rules = self._ledger.item(customer, case), self._ledger.rules
        if item is None or rules is None:
            return None
        decided = [live.trace for live in item.offers.values() if live.trace is not None]
        if decided:
            return decided[0]
        now_us = max(micros(now), self._now_us)
        name = derive("explain", self.epoch, customer, case, now_us)
        scene = Scene(self._ledger, self._index, rules, self.epoch)
        return trace(scene, item, None, now_us, name, whole=whole)

    def queues(self) -> tuple[QueueStanding, ...]:
        """Say how each queue of the configuration stands."""
        rules = self._ledger.rules
        return () if rules is None else queues_of(self._ledger, self._index, rules)

    def free(self) -> dict[str, bool]:
        """Say for each queue of the configuration whether somebody who serves it has room."""
        rules = self._ledger.rules
        return {} if rules is None else free_by_queue(self._index, rules)

    def queued(self) -> dict[str, int]:
        """Say how many cases of each queue of the configuration have nobody yet."""
        rules = self._ledger.rules
        names = () if rules is None else rules.config.queues
        return {name: self._matcher.crowd.of(name) for name in names}

    def lifts(self) -> tuple[Lift, ...]:
        """Say what learned success does under each policy that learns it, or would do."""
        rules, outcomes = self._ledger.rules, self._ledger.outcomes
        return () if rules is None else outcomes.effects.lifts(rules.learners)

    def learned(self) -> SuccessLearned:
        """Tell what was learned of success, for an engine after this one."""
        return self._ledger.outcomes.known()

    @property
    def counted(self) -> Mapping[tuple[str, str, str], tuple[int, int]]:
        """Cases by policy, cycle and outcome, with microseconds: those it saw end while leading."""
        return self._ledger.outcomes.counted

    def position(self, customer: str, case: str) -> int:
        """Say the place of a waiting case in its queue, 1 is next; 0 when it does not wait."""
        item = self._ledger.item(customer, case)
        if item is None or not item.waiting:
            return 0
        return position_of(self._matcher.waiting, item, self._now_us)

    def next_of(self, queue: str, agent: str, by: str, now: datetime) -> tuple[str, str]:
        """Name (customer, case) the first of a queue that `by` may pick for an agent.

        Promises nothing. Raises Missing (no such agent), Rejected NOT_WAITING or BARRED.
        """
        item = self._asks.next_of(queue, agent, by, max(micros(now), self._now_us))
        return item.customer, item.own

    def queue_of(self, customer: str, case: str) -> str:
        """Name the queue a case waits in (a handoff's own where it has one); "" for none."""
        item = self._ledger.item(customer, case)
        return "" if item is None or not item.waiting else item.wants.queue

    def scheduled(self, customer: str, case: str) -> bool:
        """Tell whether a case is put off, and does not wait yet."""
        item = self._ledger.item(customer, case)
        return item is not None and item.place is Place.SCHEDULED

    def digest(self) -> str:
        """Return a SHA-256 (hex) of what matters: equal for engines that know the same."""
        return digest_of(self._ledger)

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

    def _counts(self, timer: Timer) -> bool:
        if timer.alarm is Alarm.APART:
            return timer.guard == self._matcher.apart_us
        if timer.alarm is Alarm.HOURS:
            return timer.guard == self._hours.next_us
        return still_counts(timer, self._absences)

    def _ring(self, timer: Timer, now_us: int, found: list[Decision]) -> None:
        again_us = ring(timer, self._ledger, self._absences, now_us, found)
        if again_us is not None:
            self._timers.set(again_us, timer.alarm, timer.subject, timer.guard)
