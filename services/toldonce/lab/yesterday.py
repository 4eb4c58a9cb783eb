"""What a journal says of the people of a day: who came, who waited and worked how long, who left.

A visit is one wait for somebody and what they then did: a case has several when it was handed on
or given up. Instants are microseconds since 1970.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from toldonce.kernel.config.types import Config
from toldonce.kernel.instants import instant, micros
from toldonce.kernel.story.types import Case, CaseState, Handoff, WorkState
from toldonce.routing.core.facts import (
    AgentChanged,
    ConfigChanged,
    Fact,
    PresenceChanged,
    StoriesLoaded,
    StoryChanged,
)
from toldonce.routing.core.record import Agents, Piece, Ready, Steps, Stories
from toldonce.routing.core.snapshot import AgentState, Head
from toldonce.routing.core.types import Presence, Schedule

_NOTHING = Config("", "", (), frozenset(), {}, {}, {}, {}, {}, {}, {})  # until one is told


@dataclass(slots=True)
class Visit:
    """One wait for somebody and their work; None where the journal does not tell.

    `handoff` is how the case came to them. `delay_us` passed from the offer to the accept.
    """

    began_us: int
    handoff: Handoff | None = None
    accepted_us: int | None = None
    delay_us: int | None = None
    work_us: int | None = None
    agent: str = ""


@dataclass(slots=True)
class Matter:
    """A case from when it came; `first` is how it stood then, `left_us` when it left unserved."""

    customer: str
    first: Case
    came_us: int
    last: Case
    visits: list[Visit] = field(default_factory=list)
    left_us: int | None = None
    over: bool = False


@dataclass(slots=True)
class Yesterday:
    """A day. `facts` are what agents declared and how they were seen, and other configurations.

    `stories` are the cases open at its end. `gap_us` is where the journal has a hole, and the day
    ends there (None: it has none).
    """

    seed: str
    config: Config
    begins_us: int
    ends_us: int
    agents: list[AgentState] = field(default_factory=list)
    facts: list[tuple[int, Fact]] = field(default_factory=list)
    matters: dict[tuple[str, str], Matter] = field(default_factory=dict)
    stories: dict[str, set[str]] = field(default_factory=dict)
    gap_us: int | None = None


def yesterday(pieces: Iterable[Piece]) -> Yesterday | None:
    """Read a journal from its first snapshot to its first hole; None without a snapshot."""
    day: Yesterday | None = None
    number, epoch, telling = 0, 0, False
    for piece in pieces:
        if piece.epoch < epoch or (piece.epoch, piece.number) == (epoch, number):
            continue
        follows = piece.epoch > epoch or piece.number == number + 1
        epoch, number = piece.epoch, piece.number
        if day is not None and (piece.gap or not follows):
            day.gap_us = day.ends_us
            return day
        match piece.body:
            case Head() as head if day is None:
                day = Yesterday(head.seed, head.config or _NOTHING, head.now_us, head.now_us)
                telling = True
            case Agents(states) if day is not None and telling:
                day.agents += states
            case Stories(states) if day is not None and telling:
                for customer, _, items in states:
                    _see(day, customer, tuple([item.case for item in items]), day.begins_us)
            case Ready():
                telling = False
            case Steps(steps) if day is not None:
                for step in steps:
                    day.ends_us = step.now_us
                    for fact in step.facts:
                        _take(day, fact, step.now_us)
            case _:
                pass
    return day


def opening(day: Yesterday) -> list[Fact]:
    """Say how the agents stood when the day began."""
    facts: list[Fact] = []
    for one in day.agents:
        off = one.off_us is not None
        facts.append(
            AgentChanged(
                one.name,
                one.availability,
                "",
                instant(one.available_us),
                Schedule.OFF_SHIFT if off else Schedule.ON_SHIFT,
                instant(one.off_us or 0) if off else None,
            )
        )
        if one.presence is not Presence.UNKNOWN:
            at_us = day.begins_us if one.absent_us is None else one.absent_us
            facts.append(PresenceChanged(one.name, one.presence, instant(at_us)))
    return facts


def _take(day: Yesterday, fact: Fact, now_us: int) -> None:
    match fact:
        case StoryChanged(customer, _, at, cases):
            _see(day, customer, cases, micros(at))
        case StoriesLoaded(customers, _):
            for customer in set(day.stories) - customers:
                _see(day, customer, (), now_us)
        case AgentChanged() | PresenceChanged() | ConfigChanged():
            day.facts.append((now_us, fact))
        case _:
            pass


def _see(day: Yesterday, customer: str, cases: tuple[Case, ...], at_us: int) -> None:
    """Take in how the cases of a story stand."""
    for case in cases:
        key: tuple[str, str] = (customer, case.own)
        known = day.matters.get(key)
        if known is None:
            came_us = micros(case.enqueued_at)
            known = day.matters[key] = Matter(customer, case, came_us, case)
            known.visits.append(Visit(came_us))
            if case.owner:
                owned_us = at_us if case.owned_at is None else micros(case.owned_at)
                known.visits[-1] = Visit(came_us, None, owned_us, 0, None, case.owner)
        else:
            _follow(known, known.last, case, at_us)
            _put_off(known, known.last, case)
        known.last = case
        if case.state is CaseState.CLOSED and case.work is not WorkState.WRAPPING:
            _end(known, at_us)
    here: set[str] = {case.own for case in cases}
    for own in day.stories.get(customer, set()) - here:
        _end(day.matters[customer, own], at_us)
    day.stories[customer] = here


def _follow(matter: Matter, before: Case, case: Case, at_us: int) -> None:
    """Note what has changed between two sights of a case."""
    visit = matter.visits[-1]
    begun = before.handoff is None and case.handoff is not None
    if begun and case.owner and visit.accepted_us is not None:
        visit.work_us = at_us - visit.accepted_us
        matter.visits.append(Visit(at_us, case.handoff))
    elif before.handoff is not None and case.handoff is None and case.owner == before.owner:
        matter.visits.pop()  # it came to nothing, and the sender goes on
        matter.visits[-1].work_us = None
    elif case.owner != before.owner and before.owner and not case.owner:
        if visit.accepted_us is not None:
            visit.work_us = at_us - visit.accepted_us
        matter.visits.append(Visit(at_us))
    if case.owner and case.owner != before.owner:
        if matter.visits[-1].accepted_us is not None:  # taken from one and given to another
            matter.visits[-1].work_us = at_us - (matter.visits[-1].accepted_us or 0)
            matter.visits.append(Visit(at_us, before.handoff))
        visit = matter.visits[-1]
        issued = [micros(o.issued_at) for o in before.offers if o.agent == case.owner]
        visit.accepted_us, visit.agent = at_us, case.owner
        visit.delay_us = at_us - issued[-1] if issued else None


def _put_off(matter: Matter, before: Case, case: Case) -> None:
    """Have the wait of a scheduled case begin at its time; if nobody has had it, it comes then."""
    visit = matter.visits[-1]
    if case.not_before_at in {None, before.not_before_at} or visit.accepted_us is not None:
        return
    visit.began_us = micros(case.waits_from_at)
    if len(matter.visits) == 1:
        matter.came_us = visit.began_us


def _end(matter: Matter, at_us: int) -> None:
    if matter.over:
        return
    matter.over = True
    visit = matter.visits[-1]
    if visit.accepted_us is None and visit.handoff is not None:
        matter.visits.pop()  # the sender ended it meanwhile
        visit = matter.visits[-1]
    if visit.accepted_us is None:
        matter.left_us = at_us
    elif visit.work_us is None:
        visit.work_us = at_us - visit.accepted_us


def fresh(matter: Matter) -> Case:
    """Give the case as it was when it came: nobody had it, and nobody was asked."""
    return replace(
        matter.first,
        state=CaseState.OPEN,
        work=WorkState.QUEUED,
        owner="",
        offers=(),
        handoff=None,
        lapse=None,
        owned_at=None,
        wrap_until=None,
        hops=0,
    )
