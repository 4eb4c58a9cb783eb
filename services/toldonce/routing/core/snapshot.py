"""What an engine knows, as plain values: from these another engine is built that goes on alike.

What follows from the rest is left out (kinds, heaps, tallies, hours): it is made anew. The order of
everything that is ever gone through is kept, because decisions come in that order. Cases are
numbered in the order of `stories`; `*_us` are microseconds since 1970.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from toldonce.kernel.config.types import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.skills import Requirement
from toldonce.kernel.story.types import Case
from toldonce.routing.core.facts import OfferAsked
from toldonce.routing.core.state import Agent, Item, Live, Place
from toldonce.routing.core.timers import Alarm
from toldonce.routing.core.types import Availability, DecisionTrace, Done, Draw, Presence


class Head(NamedTuple):
    """What there is once; `config` is None of an engine that was not told one yet.

    `paces` are queue, group, and how many cases took how many microseconds in all. `done`,
    `effects` and `shadows` are what `Outcomes` knows, but for the records (`Snapshot.records`).
    """

    seed: str
    config: Config | None
    now_us: int
    led_epoch: int
    epoch: int
    decisions: int
    apart_us: int
    thaw_us: int | None
    frozen_us: int | None
    connected: int
    vanished: tuple[tuple[str, int], ...]
    loose: bool
    quick: bool
    dirty_agents: tuple[str, ...]
    dirty_items: tuple[int, ...]
    asks: tuple[tuple[OfferAsked, int], ...]
    paces: tuple[tuple[str, str, int, int], ...]
    timer_number: int
    timers_swept: int
    agents: int
    stories: int
    done: tuple[Done, ...] = ()
    effects: tuple[tuple[str, int, int, int, int, int, int, int], ...] = ()
    shadows: tuple[tuple[str, int, int], ...] = ()


class AgentState(NamedTuple):
    """An agent; `owned`, `hopes` and `targeted` are cases, `offers` cases with the offer."""

    name: str
    availability: Availability
    available_us: int
    presence: Presence
    absent_us: int | None
    used: int
    soft: int
    worked_us: int
    cool_us: int
    off_us: int | None
    missing_us: int
    drained_us: int
    hands_back: bool
    taken_us: int
    ails: bool
    grace_us: int
    klass: int
    owned: tuple[int, ...]
    offers: tuple[tuple[int, Own], ...]
    hopes: tuple[int, ...]
    targeted: tuple[int, ...]


class LiveState(NamedTuple):
    """An offer that holds units."""

    own: Own
    agent: str
    expires_us: int
    case_epoch: int
    confirmed: bool
    trace: DecisionTrace | None
    lost: bool
    foreign: bool
    extra: bool
    forced: bool
    asked_us: int


class ItemState(NamedTuple):
    """A case; `held` is the queue in whose tally it is being served, None for none."""

    case: Case
    debits: tuple[tuple[str, int, int], ...]
    cool: dict[str, int]
    waiting: bool
    place: Place
    asked: Requirement
    wants: Requirement
    cost: int
    soft: int
    step: int
    enqueued_us: int
    points: int
    wait: int
    wait_max_us: int
    hold_us: int
    retry_us: int
    retries: int
    lost_us: int
    asked_us: int
    wake_us: int
    target: str
    preferred: str
    declined: str
    refused: str
    moving: str
    overlong: bool
    counted: str
    excluded: frozenset[str]
    held: str | None
    lives: tuple[LiveState, ...]
    drawn: Draw | None = None


class StoryState(NamedTuple):
    """A story as it stood at log position `sequence`."""

    customer: str
    sequence: int
    items: tuple[ItemState, ...]


class TimerState(NamedTuple):
    """A timer about an agent (by name), a case (by number), an offer of a case, or nothing."""

    at_us: int
    number: int
    alarm: Alarm
    agent: str
    item: int
    offer: str
    guard: int | str


class Snapshot(NamedTuple):
    """Everything an engine knows. `waiting` are cases, `timers` in the order of going off.

    `records` are subject, group, agent, and how many cases, resolved, microseconds.
    """

    head: Head
    agents: tuple[AgentState, ...]
    stories: tuple[StoryState, ...]
    waiting: tuple[int, ...]
    timers: tuple[TimerState, ...]
    records: tuple[tuple[str, str, str, int, int, int], ...] = ()


# What a state of its own name does not hold: it is held elsewhere, or made anew.
AGENT_ELSEWHERE = frozenset({"tie", "rule", "capacity", "kind", "entry", "stamp"})
ITEM_ELSEWHERE = frozenset({"customer", "own", "alive", "began_us", "offers", "work", "stamp"})
LIVE_ELSEWHERE = frozenset({"item", "live"})

_AGENT_LINES = ("owned", "offers", "hopes", "targeted")
_ITEM_LINES = ("held", "lives", "drawn")
AGENT_PLAIN = tuple(name for name in AgentState._fields if name not in _AGENT_LINES)
ITEM_PLAIN = tuple(name for name in ItemState._fields if name not in _ITEM_LINES)
LIVE_PLAIN = LiveState._fields
_of_agent: Callable[[Agent], tuple[Any, ...]] = attrgetter(*AGENT_PLAIN)
_of_item: Callable[[Item], tuple[Any, ...]] = attrgetter(*ITEM_PLAIN)
_of_live: Callable[[Live], tuple[Any, ...]] = attrgetter(*LIVE_PLAIN)


def agent_state(agent: Agent, number: dict[Item, int]) -> AgentState:
    """Take down an agent."""
    return AgentState._make(
        (
            *_of_agent(agent),
            tuple([number[item] for item in agent.owned]),
            tuple([(number[live.item], live.own) for live in agent.offers.values()]),
            tuple([number[item] for item in agent.hopes]),
            tuple([number[item] for item in agent.targeted]),
        )
    )


def item_state(item: Item, held: str | None) -> ItemState:
    """Take down a case; `held` names the tally in which it is served."""
    lives = tuple([LiveState._make(_of_live(live)) for live in item.offers.values()])
    return ItemState._make((*_of_item(item), held, lives, item.drawn))
