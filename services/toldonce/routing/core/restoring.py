"""From an engine's parts to a snapshot, and back: what follows from the rest is made anew.

Who restores may do so piece by piece: `begin`, then agents, then stories, then `finish`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from toldonce.kernel.errors import Invalid
from toldonce.routing.core.absence import Absences
from toldonce.routing.core.asking import Asks
from toldonce.routing.core.classes import COOLING
from toldonce.routing.core.facts import SuccessLearned
from toldonce.routing.core.hours import Hours
from toldonce.routing.core.index import Index
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.matching import Matcher
from toldonce.routing.core.placing import wait_began_us
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.snapshot import (
    AGENT_PLAIN,
    ITEM_PLAIN,
    LIVE_PLAIN,
    AgentState,
    Head,
    ItemState,
    Snapshot,
    StoryState,
    TimerState,
    agent_state,
    item_state,
)
from toldonce.routing.core.state import Agent, Item, Live, Place
from toldonce.routing.core.success import Known
from toldonce.routing.core.tallies import Tally
from toldonce.routing.core.timers import Subject, Timer, Timers


class Parts(NamedTuple):
    """An engine's parts."""

    ledger: Ledger
    kinds: Index
    absences: Absences
    timers: Timers
    matcher: Matcher
    hours: Hours
    asks: Asks


class Instants(NamedTuple):
    """An engine's own numbers."""

    now_us: int
    led_epoch: int
    thaw_us: int | None


def take_down(parts: Parts, own: Instants) -> Snapshot:
    """Take a snapshot between two steps."""
    ledger, index, absences, timers, matcher, _, asks = parts
    number = {item: place for place, item in enumerate(ledger.items())}
    held: dict[Tally | None, str | None] = {None: None}
    held.update((tally, queue) for queue, tally in ledger.tallies.items())
    stories = tuple(
        StoryState(
            customer,
            sequence,
            tuple([item_state(i, held[i.held]) for i in items]),
        )
        for customer, (sequence, items) in ledger.stories.items()
    )
    agents = tuple([agent_state(agent, number) for agent in ledger.agents.values()])
    learned = ledger.outcomes.known()
    head = Head(
        seed=ledger.seed,
        config=None if ledger.rules is None else ledger.rules.config,
        now_us=own.now_us,
        led_epoch=own.led_epoch,
        epoch=matcher.epoch,
        decisions=matcher.decisions,
        apart_us=matcher.apart_us,
        thaw_us=own.thaw_us,
        frozen_us=absences.frozen_us,
        connected=absences.connected,
        vanished=tuple(absences.vanished.items()),
        loose=index.loose,
        quick=index.quick,
        dirty_agents=tuple(ledger.dirty_agents),
        dirty_items=tuple([number[item] for item in ledger.dirty_items if item in number]),
        asks=tuple(asks.open.values()),
        paces=ledger.paces.known(),
        timer_number=timers.number,
        timers_swept=timers.swept,
        agents=len(agents),
        stories=len(stories),
        done=learned.done,
        effects=learned.effects,
        shadows=learned.shadows,
    )
    waiting = tuple([number[item] for item in matcher.waiting])
    return Snapshot(
        head,
        agents,
        stories,
        waiting,
        tuple(_timers(timers, number)),
        learned.records,
    )


def _timers(timers: Timers, number: dict[Item, int]) -> Iterable[TimerState]:
    """Take down the timers that may ever count again."""
    for timer in timers.all():
        at_us, order, alarm, guard = timer.at_us, timer.number, timer.alarm, timer.guard
        match timer.subject:
            case Live(live=True) as live:
                yield TimerState(at_us, order, alarm, "", number[live.item], live.own, guard)
            case Item(alive=True) as item:
                yield TimerState(at_us, order, alarm, "", number[item], "", guard)
            case Agent() as agent:
                yield TimerState(at_us, order, alarm, agent.name, -1, "", guard)
            case None:
                yield TimerState(at_us, order, alarm, "", -1, "", guard)
            case _:
                pass


class Restorer:
    """Fills the parts of a new engine."""

    def __init__(self, parts: Parts, head: Head) -> None:
        """Begin with what there is once."""
        self.parts, self.head = parts, head
        rules = None if head.config is None else Rules(head.config, head.seed)
        self._rules = parts.ledger.rules = rules
        if head.config is not None:
            parts.hours.begin(head.config, head.now_us)
        self._items: list[Item] = []
        self._agents: list[AgentState] = []
        parts.ledger.outcomes.learn(SuccessLearned((), head.done, head.effects, head.shadows))

    def records(self, known: Iterable[Known]) -> None:
        """Take over what was learned."""
        self.parts.ledger.outcomes.successes.learn(known)

    def agents(self, states: Iterable[AgentState]) -> None:
        """Put agents where they stood."""
        ledger, index = self.parts.ledger, self.parts.kinds
        for state in states:
            self._agents.append(state)
            agent = ledger.agent(state.name)
            for name in AGENT_PLAIN:
                if name != "klass":
                    setattr(agent, name, getattr(state, name))
            if self._rules is None:
                continue
            index.enlist(agent, self._rules)
            # it may still stand as cooling down where that is over: time alone moves nobody
            cools = state.klass == COOLING
            at_us = agent.cool_us - 1 if cools else max(agent.cool_us, self.head.now_us)
            index.refresh(agent, at_us)
            if agent.kind is not None and agent.klass != state.klass:
                raise Invalid("snapshot", f"{agent.name} does not stand where they stood")

    def stories(self, states: Iterable[StoryState]) -> None:
        """Put cases where they stood."""
        for customer, sequence, items in states:
            made = tuple([self._item(customer, state) for state in items])
            self._items += made
            self.parts.ledger.stories[customer] = (sequence, made)

    def finish(self, waiting: Iterable[int], timers: Iterable[TimerState]) -> None:
        """Put together what refers to several."""
        ledger, index, absences, _, matcher, _, asks = self.parts
        head, items = self.head, self._items
        for state in self._agents:
            agent = ledger.agents[state.name]
            agent.owned = {items[place]: None for place in state.owned}
            agent.offers = {own: items[place].offers[own] for place, own in state.offers}
            agent.hopes = {items[place]: None for place in state.hopes}
            agent.targeted = {items[place]: None for place in state.targeted}
        for place in waiting:
            matcher.waiting[items[place]] = None
        ledger.dirty_agents = {name: ledger.agents[name] for name in head.dirty_agents}
        ledger.dirty_items = {items[place]: None for place in head.dirty_items}
        ledger.epoch = matcher.epoch = head.epoch
        matcher.decisions, matcher.apart_us = head.decisions, head.apart_us
        index.loose, index.quick = head.loose, head.quick
        absences.frozen_us, absences.connected = head.frozen_us, head.connected
        absences.vanished.update(head.vanished)
        ledger.paces.learn(head.paces)
        asks.open.update((ask.offer, (ask, until_us)) for ask, until_us in head.asks)
        self._load_timers(timers)

    def _load_timers(self, states: Iterable[TimerState]) -> None:
        agents = self.parts.ledger.agents
        rows: list[Timer] = []
        for state in states:
            subject: Subject = None
            if state.agent:
                subject = agents[state.agent]
            elif state.offer:
                subject = self._items[state.item].offers[state.offer]
            elif state.item >= 0:
                subject = self._items[state.item]
            rows.append(Timer(state.at_us, state.number, state.alarm, subject, state.guard))
        self.parts.timers.load(rows, self.head.timer_number, self.head.timers_swept)

    def _item(self, customer: str, state: ItemState) -> Item:
        ledger, index, matcher = self.parts.ledger, self.parts.kinds, self.parts.matcher
        item = Item(customer, state.case)
        item.began_us = wait_began_us(state.case)
        for name in ITEM_PLAIN:
            setattr(item, name, getattr(state, name))
        item.drawn = state.drawn
        if state.lives:
            item.offers = {}
        for kept in state.lives:
            live = Live(kept.own, item, kept.agent, kept.expires_us, kept.trace)
            for name in LIVE_PLAIN:
                setattr(live, name, getattr(kept, name))
            item.offers[kept.own] = live
        if len(item.offers) > 1:
            ledger.rounds[item] = None
        if state.held is not None:
            item.held = ledger.tallies.of(state.held)
            item.held.serving += 1
        if state.counted:
            matcher.crowd.put_back(item)
        if item.waiting and not item.target and self._rules is not None:
            item.work = index.work_kind(item, self._rules)
            if item.place in (Place.PLAIN, Place.SPECIAL):
                index.put(item, item.work, item.place)
        return item
