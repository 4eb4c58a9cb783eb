"""A simulated desk around the real engine: contacts come, wait, are offered, answered or lost.

Discrete events in whole microseconds. The engine sees what it would see in the log: the stories of
the contacts and what agents declare. Every offer is accepted at once.
"""

from datetime import UTC, datetime
from heapq import heappop, heappush
from math import inf, log
from typing import Final

from toldonce.kernel.config.success import Mode
from toldonce.kernel.instants import MINUTE, instant, micros
from toldonce.kernel.story.types import Case
from toldonce.lab.dice import Dice, next_arrival
from toldonce.lab.papers import NOBODY_US, Contact, case_of, config_of, names_of
from toldonce.lab.scenario import Closing as Doors
from toldonce.lab.scenario import Policy, Scenario, of_period
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import (
    AgentChanged,
    Closing,
    ConfigChanged,
    Fact,
    LeadershipChanged,
    PresenceChanged,
    StoryChanged,
    Tick,
)
from toldonce.routing.core.series import Series
from toldonce.routing.core.types import Availability, Presence
from toldonce.runtime.assignment import assign

START: Final = datetime(2026, 1, 5, tzinfo=UTC)
START_US: Final = micros(START)
EVENTS_MAX: Final = 1_000_000_000


_ARRIVE, _END, _HANG_UP, _SHIFT, _REDIAL = range(5)


class Tally:
    """What one replication counted of one type: waits in minutes, in order.

    Whoever hung up and came again is served after all that they waited together.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.served: list[float] = []
        self.lost: list[float] = []
        self.came = 0
        self.first = 0  # of these, how many had not come before
        self.blocked = 0
        self.cleared = 0
        self.ended = 0
        self.unresolved = 0  # of these
        self.work = 0.0  # draws of mean 1, of all who came
        self.waited = 0.0  # minutes that fell into the time that counts


class Desk:
    """One replication of one scenario under one policy."""

    def __init__(self, scenario: Scenario, policy: Policy, dice: Dice) -> None:
        """Open the doors."""
        self.scenario = scenario
        self.engine = Engine(scenario.name, traced_max=-1, audited=False, solve=assign)
        self.seen = [Tally() for _ in scenario.types]
        self.busy_us = [0] * len(scenario.groups)
        self.events = 0
        self._dice = dice
        self._now_us = START_US
        self._from_us = START_US + round(scenario.warm_up * MINUTE)
        self._until_us = self._from_us + round(scenario.length * MINUTE)
        self._heap: list[tuple[int, int, int, object]] = []
        self._number = self._sequence = 0
        self._series = Series("lab", scenario.name)
        self._waiting: dict[str, Contact] = {}
        self._inside = 0
        self._closed = False
        self._untold: list[Fact] = []
        self._names = [names_of(group.name, max(group.agents)) for group in scenario.groups]
        self._group_of = {
            name: number for number, names in enumerate(self._names) for name in names
        }
        self._able = {
            name: place / max(len(names) - 1, 1)
            for names in self._names
            for place, name in enumerate(names)
        }
        self._on: list[list[str]] = [[] for _ in scenario.groups]
        self._busy: set[str] = set()
        self._learns = policy.success.mode is not Mode.NONE
        self._begin(policy)

    def run(self) -> list[Tally]:
        """Let it all happen; return what was counted, by type."""
        engine, heap = self.engine, self._heap
        endless = self.scenario.warm_up > 0
        for _ in range(EVENTS_MAX):
            if not heap:
                break
            at_us = heap[0][0]
            wake_us = engine.next_wake_us
            if wake_us is not None and wake_us < at_us:
                self._now_us = wake_us
                self._tell(Tick())
                continue
            if endless and at_us >= self._until_us:
                break
            _, _, kind, what = heappop(heap)
            self._now_us = at_us
            self.events += 1
            self._happen(kind, what)
        self._now_us = max(self._now_us, self._until_us)
        for contact in self._waiting.values():
            self._note_wait(contact)
        return self.seen

    # ---- what happens

    def _happen(self, kind: int, what: object) -> None:
        if kind == _ARRIVE and isinstance(what, int):
            self._arrive(what)
        elif kind == _END and isinstance(what, Contact):
            self._end(what)
        elif kind == _HANG_UP and isinstance(what, Contact):
            self._hang_up(what)
        elif kind == _REDIAL and isinstance(what, Contact):
            if not self._closed:
                self._come(what, first=False)
        elif isinstance(what, int):
            self._shift(what)

    def _arrive(self, type_: int) -> None:
        minute = (self._now_us - START_US) / MINUTE
        draws = (self._dice.work[type_].next(), self._dice.patience[type_].next())
        period = self.scenario.period_at(minute - self.scenario.warm_up)
        self._next_arrival(type_, minute)
        self._come(self._contact(type_, self._now_us, period, draws), first=True)

    def _contact(
        self, type_: int, came_us: int, period: int, draws: tuple[float, float]
    ) -> Contact:
        self._sequence += 1
        customer = self._series.nth(self._sequence)
        return Contact(customer, type_, came_us=came_us, period=period, draws=draws)

    def _come(self, contact: Contact, *, first: bool) -> None:
        scenario, tally = self.scenario, self.seen[contact.type]
        counts = self._counts(contact)
        if counts:
            tally.came += 1
            tally.first += first
            tally.work += contact.work
        if scenario.lines and self._inside >= scenario.lines:
            tally.blocked += counts
            return
        self._inside += 1
        self._waiting[contact.customer] = contact
        self._tell(self._story(contact, (case_of(self.scenario, contact, NOBODY_US),)))
        spread = scenario.types[contact.type].patience
        if spread is not None and contact.customer in self._waiting:
            after = of_period(spread, contact.period).at(contact.patience)
            self._push(self._now_us + round(after * MINUTE), _HANG_UP, contact)

    def _hang_up(self, contact: Contact) -> None:
        if self._waiting.pop(contact.customer, None) is None:
            return
        self._inside -= 1
        self._note_wait(contact)
        if self._counts(contact):
            self.seen[contact.type].lost.append((self._now_us - contact.came_us) / MINUTE)
        self._tell(self._story(contact, ()))
        type_, row = self.scenario.types[contact.type], self._dice.redial[contact.type]
        if type_.redial and row.next() < -log(1.0 - type_.redial):
            again_us = self._now_us + round(type_.redial_after * MINUTE)
            draws = (contact.work, contact.patience)  # it is the same person and matter
            again = self._contact(contact.type, again_us, contact.period, draws)
            again.waited_us = contact.waited_us + self._now_us - contact.came_us
            self._push(again_us, _REDIAL, again)

    def _end(self, contact: Contact) -> None:
        self._inside -= 1
        self._busy.discard(contact.agent)
        tally, resolved = self.seen[contact.type], self._resolved(contact)
        if self._counts(contact):
            tally.ended += 1
            tally.unresolved += not resolved
        self._tell(
            self._story(contact, (), (Closing(contact.customer, "done"),) if self._learns else ())
        )
        if not resolved:
            again_us = self._now_us + round(self.scenario.types[contact.type].repeat_after * MINUTE)
            draws = (contact.work, contact.patience)  # it is the same person and matter
            again = Contact(
                contact.customer,
                contact.type,
                came_us=again_us,
                period=contact.period,
                draws=draws,
            )
            self._push(again_us, _REDIAL, again)

    def _resolved(self, contact: Contact) -> bool:
        """Tell whether whoever served a contact helped."""
        number = self._group_of[contact.agent]
        group = self.scenario.groups[number]
        shares = group.resolves.get(self.scenario.types[contact.type].name)
        if shares is None:
            return True
        share = shares[0] + (shares[1] - shares[0]) * self._able[contact.agent]
        return self._dice.resolved[contact.type].next() < -log(1.0 - share)

    def _shift(self, period: int) -> None:
        """Begin a period: who is free leaves first, who is not finishes and then leaves."""
        closing = period >= len(self.scenario.periods)
        if closing and self.scenario.closing is Doors.CLEAR:
            self._closed = True
            for contact in list(self._waiting.values()):
                self._clear(contact)
        for number, group in enumerate(self.scenario.groups):
            wanted = of_period(group.agents, period)
            on = self._on[number]
            on.sort(key=lambda name: (name not in self._busy, name))
            while len(on) > wanted:
                self._declare(on.pop(), Availability.OFFLINE)
            for name in self._names[number]:
                if len(on) < wanted and name not in on:
                    on.append(name)
                    self._declare(name, Availability.AVAILABLE)

    def _clear(self, contact: Contact) -> None:
        del self._waiting[contact.customer]
        self._inside -= 1
        self._note_wait(contact)
        self.seen[contact.type].cleared += 1
        self._tell(self._story(contact, ()))

    def _take(self, made: MakeOffer) -> None:
        """Accept an offer: the contact is served from this moment."""
        contact = self._waiting.pop(made.customer)
        contact.agent = made.agent
        self._busy.add(made.agent)
        self._note_wait(contact)
        if self._counts(contact):
            waited_us = contact.waited_us + self._now_us - contact.came_us
            self.seen[contact.type].served.append(waited_us / MINUTE)
        number = self._group_of[made.agent]
        type_ = self.scenario.types[contact.type].name
        spread = of_period(self.scenario.groups[number].service[type_], contact.period)
        length_us = round(spread.at(contact.work) * MINUTE)
        self.busy_us[number] += length_us
        self._push(self._now_us + length_us, _END, contact)
        # it is told with what happens next: nothing follows from it, and the units are held already
        case = case_of(self.scenario, contact, self._now_us)
        self._untold.append(self._story(contact, (case,)))

    # ---- how it is told

    def _tell(self, fact: Fact) -> None:
        facts, self._untold = [*self._untold, fact], []
        for decision in self.engine.step_all(facts, instant(self._now_us)):
            if isinstance(decision, MakeOffer):
                self._take(decision)

    def _story(
        self, contact: Contact, cases: tuple[Case, ...], closings: tuple[Closing, ...] = ()
    ) -> StoryChanged:
        self._number += 1
        at = instant(self._now_us)
        return StoryChanged(contact.customer, self._number, at, cases, closings=closings)

    def _declare(self, name: str, availability: Availability) -> None:
        self._tell(AgentChanged(name, availability, "", instant(self._now_us)))

    def _push(self, at_us: int, kind: int, what: object) -> None:
        self._number += 1
        heappush(self._heap, (at_us, self._number, kind, what))

    def _next_arrival(self, type_: int, after: float) -> None:
        scenario = self.scenario
        unit = self._dice.arrivals[type_].next()
        kind = scenario.types[type_]
        at = next_arrival(scenario, kind, self._dice.busyness, after, unit)
        if at < inf:
            self._push(START_US + round(at * MINUTE), _ARRIVE, type_)

    def _counts(self, contact: Contact) -> bool:
        return contact.came_us >= self._from_us

    def _note_wait(self, contact: Contact) -> None:
        """Count the minutes of this wait that fell into the time that counts."""
        until_us = min(self._now_us, self._until_us) if self.scenario.warm_up else self._now_us
        waited_us = until_us - max(contact.came_us, self._from_us)
        if waited_us > 0:
            self.seen[contact.type].waited += waited_us / MINUTE

    def _begin(self, policy: Policy) -> None:
        scenario = self.scenario
        self.engine.step(ConfigChanged(config_of(scenario, policy, self._names)), START)
        self.engine.step(LeadershipChanged(1), START)
        for names in self._names:
            for name in names:
                self.engine.step(AgentChanged(name, Availability.OFFLINE, "", START), START)
                self.engine.step(PresenceChanged(name, Presence.CONNECTED, START), START)
        self._shift(0)
        begins = 0.0
        for period, length in enumerate(scenario.periods, 1):
            begins += length
            if not scenario.warm_up:
                self._push(START_US + round(begins * MINUTE), _SHIFT, period)
        for number in range(len(scenario.types)):
            self._next_arrival(number, 0.0)
