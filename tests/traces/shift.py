"""Tells a day at a desk: people act, timers fire at their instants, and what ownership decides.

The deciding is ownership's own, the timers are those that the policy wants, and each is fired at
the very instant it is planned for.
"""

from dataclasses import replace
from datetime import datetime
from itertools import groupby

from tests.aims import ZONES, aimed
from tests.tellers import GATEWAY, RULES, agent, contact
from tests.unit.ownership.tale import SAM, Tale
from toldonce.cli.accounts import length, moments, span_lines
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.explanation import explain
from toldonce.kernel.sla import clocks_of
from toldonce.kernel.story.events import (
    EntryKind,
    Escalated,
    Event,
    HandoffBegun,
    PriorityRaised,
    RungClimbed,
    SlaBreached,
    SlaWarned,
)
from toldonce.kernel.story.types import Case, PauseCause
from toldonce.kernel.timers import story_timers
from toldonce.ownership.core.commands import (
    AppendEntry,
    ChangeQueue,
    FireTimer,
    PauseCase,
    ReopenCase,
)
from toldonce.ownership.core.commands.contacts import Ended
from toldonce.runtime.document import check
from toldonce.sla.core import acts_of

DOCUMENT = """
version: 1
languages: [nl]
skills: [orders]
channels: [{name: chat, kind: chat, cost: 1, queue: orders}]
topics: [{name: order, queue: orders, words: {nl: [pakket]}}]
calendars:
  - name: office
    zone: Europe/Amsterdam
    weekly:
      monday: ["09:00-17:00"]
      tuesday: ["09:00-17:00"]
      wednesday: ["09:00-17:00"]
      thursday: ["09:00-17:00"]
      friday: ["09:00-17:00"]
queues:
  - name: orders
    calendar: office
    sla: service
    dispositions: [resolved]
    escalation_queue: leads
  - {name: leads, calendar: office, sla: service, dispositions: [resolved]}
  - {name: directors, calendar: office, sla: service, dispositions: [resolved]}
agents: [{name: anna, skills: {orders: 3}, languages: {nl: 5}, capacity_units: 4}]
sla:
"""


def config(policy: str, revision: int = 1) -> Config:
    """Read a policy, as its lines in the section `sla`."""
    return check(DOCUMENT + policy, ZONES).at_revision(revision)


class Shift:
    """One customer's case at one desk; times are given as the wall in Amsterdam shows them."""

    def __init__(self, policy: str, about: str) -> None:
        self._config = config(policy)
        queues = {
            name: replace(RULES.queues["orders"], escalation=self._config.escalation_of(name))
            for name in self._config.queues
        }
        rules = replace(RULES, queues=queues)
        self._tale = Tale(rules=aimed(self._config, rules))
        self._zone = self._config.calendar("office").zone
        self._lines = [about, *(f"  {line}" for line in policy.strip().splitlines()), ""]
        self._ended: Ended | None = None

    @property
    def text(self) -> str:
        return "\n".join([*self._lines, ""])

    # ---- what people do

    def writes(self, at: str, what: str) -> "Shift":
        """A customer writes something new."""
        self._until(at)
        self._tale.do(contact(), GATEWAY)
        return self._say(what)

    def takes(self, at: str, name: str) -> "Shift":
        self._until(at)
        self._tale.offered(self._case.own, name)
        self._tale.accept(self._case.own)
        return self._say(f"{name} takes the case")

    def answers(self, at: str, what: str, *, asks: bool = False) -> "Shift":
        """The owner writes to the customer."""
        self._until(at)
        case = self._case
        said = AppendEntry(case.own, case.epoch, EntryKind.MESSAGE_OUT, awaits_customer=asks)
        return self._say(what, self._tale.do(said, agent(case.owner)))

    def says(self, at: str, what: str) -> "Shift":
        """The customer writes again."""
        self._until(at)
        self._tale.do(AppendEntry(self._case.own, 0, EntryKind.MESSAGE_IN), GATEWAY)
        return self._say(what)

    def holds(self, at: str, until: str, what: str) -> "Shift":
        """The owner, or a supervisor while there is none, waits for somebody else."""
        self._until(at)
        case = self._case
        hold = PauseCase(case.own, case.epoch, PauseCause.HOLD, self._instant(until), "SUPPLIER")
        return self._say(what, self._tale.do(hold, agent(case.owner) if case.owner else SAM))

    def moves(self, at: str, queue: str, what: str) -> "Shift":
        """A supervisor has a case that nobody owns wait elsewhere."""
        self._until(at)
        elsewhere = ChangeQueue(self._case.own, 0, "", queue, "MISROUTED")
        return self._say(what, self._tale.do(elsewhere, SAM))

    def closes(self, at: str, what: str) -> "Shift":
        self._until(at)
        case = self._case
        events = self._tale.do(self._tale.closing(case.own), agent(case.owner))
        self._ended = Ended(case, self._tale.now)
        return self._say(what, events)

    def reopens(self, at: str, what: str) -> "Shift":
        self._until(at)
        assert self._ended is not None
        self._tale.do(ReopenCase(self._ended.case.own, "CAME_BACK", self._ended), SAM)
        return self._say(what)

    def changes(self, at: str, policy: str, what: str) -> "Shift":
        """Somebody puts another policy in force."""
        self._until(at)
        self._config = config(policy, self._config.revision + 1)
        self._tale.rules = aimed(self._config, self._tale.rules)
        self._lines += [*(f"  {line}" for line in policy.strip().splitlines())]
        return self._say(what)

    def looks(self, at: str) -> "Shift":
        self._until(at)
        return self._say("a manager looks")

    def accounts(self, kind: ClockKind) -> "Shift":
        """Account for one clock until now."""
        found = explain(self._case, self._config, kind, self._tale.now)
        self._lines += [
            "",
            f"Where the time of {kind.name} went, under {found.policy} ({found.why}):",
            *span_lines(found.spans, self._zone),
        ]
        return self

    # ---- what time does

    def _until(self, at: str) -> None:
        """Let time pass: every timer fires at its instant."""
        until = self._instant(at)
        while True:
            due = story_timers(self._tale.story, self._config)
            if not due or due[0].fires_at > until:
                break
            first = due[0]
            self._tale.now = max(self._tale.now, first.fires_at)
            acts = acts_of(self._tale.story, self._config, first.own, first.fires_at)
            timer = acts[0].timer
            fire = FireTimer(timer.case, timer.own, timer.clock, timer.moment, timer.commitment)
            events = self._tale.do(fire)
            assert events, "a timer did nothing"
            self._say("", events)
        self._tale.now = until

    @property
    def _case(self) -> Case:
        return self._tale.story.cases[-1]

    def _say(self, what: str, events: tuple[Event, ...] = ()) -> "Shift":
        (when,) = moments(self._zone, (self._tale.now,))
        told = [said for event in events if (said := _told(event))]
        first, *rest = [what, *told] if what else told
        self._lines += [f"{when}  {first}", *(f"    {line}" for line in rest)]
        if not self._tale.story.cases:
            return self
        case = self._case
        held = f"{case.owner} has it" if case.owner else "nobody has it"
        to = f", {case.handoff.target} is asked to take over" if case.handoff else ""
        asks = ", asks less" if case.widened else ""
        self._lines.append(
            f"    in {case.queue}, {held}{to}; priority {case.priority}, rung {case.rung}{asks}"
        )
        reads = clocks_of(case, self._config, self._tale.now)
        for state, clocks in groupby(reads, key=lambda read: read.state):
            left = [f"{read.kind.name} {_left(read.remaining_s)}" for read in clocks]
            self._lines.append(f"    {state}: {', '.join(left)}")
        return self

    def _instant(self, at: str) -> datetime:
        return datetime.fromisoformat(at).replace(tzinfo=self._zone)


def _left(remaining_s: float) -> str:
    if remaining_s < 0:
        return f"{length(-remaining_s)} too much"
    return f"{length(remaining_s)} left" if remaining_s else "nothing left"


def _told(event: Event) -> str:
    match event:
        case SlaWarned(clock=clock):
            return f"WARNING: {clock.name}"
        case SlaBreached(clock=clock):
            return f"BREACH: {clock.name}"
        case RungClimbed(clock=clock, rung=rung) as climbed:
            does = [name for name in ("widened", "notified", "paged") if getattr(climbed, name)]
            return f"RUNG {rung} of {clock.name}" + (f": {', '.join(does)}" if does else "")
        case PriorityRaised(priority=priority, reason=reason):
            return f"counts for {priority} now ({reason})"
        case Escalated(rung=rung, queue=queue):
            return f"climbs to rung {rung}, queue {queue}"
        case HandoffBegun(target=target):
            return f"is handed to {target} with its story; its owner stays until somebody accepts"
        case _:
            return ""
