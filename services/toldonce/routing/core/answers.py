"""What an engine knows and says when it is asked: the parts it is made of, and all that is read.

Nothing here changes what the engine knows; `engine` does.
"""

from collections.abc import Mapping
from datetime import datetime

from toldonce.kernel.ids import derive
from toldonce.kernel.instants import EPOCH, SECOND, instant, micros
from toldonce.routing.core.absence import Absences
from toldonce.routing.core.alarms import still_counts
from toldonce.routing.core.asking import Asks
from toldonce.routing.core.audit import Audit
from toldonce.routing.core.batching import Solver
from toldonce.routing.core.effects import Lift
from toldonce.routing.core.explain import Scene, trace
from toldonce.routing.core.facts import (
    SuccessLearned,
)
from toldonce.routing.core.hours import Hours
from toldonce.routing.core.index import Index
from toldonce.routing.core.keeping import kept
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.matching import Matcher
from toldonce.routing.core.offering import TRACED_MAX
from toldonce.routing.core.restoring import Instants, Parts, Restorer, take_down
from toldonce.routing.core.snapshot import Head, Snapshot
from toldonce.routing.core.standing import digest_of, free_by_queue, position_of, queues_of
from toldonce.routing.core.state import Place
from toldonce.routing.core.timers import Alarm, Timer, Timers
from toldonce.routing.core.types import DecisionTrace, QueueStanding


class Answers:
    """The parts of an engine, and what can be asked of them."""

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
        self._now, self._now_us = EPOCH, 0
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

    @property
    def epoch(self) -> int:
        """The engine epoch it leads under; 0 while it follows."""
        return self._matcher.epoch

    @property
    def unsettled(self) -> bool:
        """Whether a tick would look at something again: time alone is not what it waits for."""
        return bool(self._ledger.dirty_agents or self._ledger.dirty_items)

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

    def _counts(self, timer: Timer) -> bool:
        if timer.alarm is Alarm.APART:
            return timer.guard == self._matcher.apart_us
        if timer.alarm is Alarm.HOURS:
            return timer.guard == self._hours.next_us
        return still_counts(timer, self._absences)
