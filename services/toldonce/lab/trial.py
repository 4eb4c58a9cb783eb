"""A day again under a policy, on the real engine: who came and who worked is as it was recorded.

The model, all of it: contacts come when they came, and leave unserved when they left. Agents
declare and are seen as they were. Every offer, of a round the first, is accepted after the delay
recorded for that visit, and worked on for as long as was recorded for it, whoever does it; where
the journal does not tell, the median of the queue stands in. A case is handed on as it was, unless
whoever has it could have taken it from there: then they go on themselves. Declines and changes of
priority are not repeated.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from statistics import median

from toldonce.kernel.config.types import Config
from toldonce.kernel.instants import SECOND, instant
from toldonce.kernel.skills import meets
from toldonce.kernel.story.events import QueueChanged
from toldonce.kernel.story.fold_case import evolve_case
from toldonce.kernel.story.types import Case, Handoff, Offer, TargetKind, WorkState
from toldonce.lab.yesterday import Matter, Visit, Yesterday, fresh, opening
from toldonce.routing.core.acts import (
    AnswerAsk,
    CancelHandoff,
    ChangeQueue,
    CompleteWrapUp,
    Decision,
    ExpireOffer,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import (
    ConfigChanged,
    Fact,
    LeadershipChanged,
    StoryChanged,
    Tick,
    Untaken,
)
from toldonce.runtime.assignment import assign

EPOCH = 1
STEPS_MAX = 100_000_000
_NEVER_US = 1 << 62
_DELAY_US = 3 * SECOND
_WORK_US = 300 * SECOND
_FACT, _COME, _ACCEPT, _DONE, _LEAVE = range(5)


@dataclass(slots=True)
class Course:
    """How a case went in a trial; None: not before the day ended. `came_us` as recorded."""

    matter: Matter
    case: Case
    at: int = 0
    wait_us: int | None = None
    hops: int = 0
    left: bool = False
    over: bool = False
    agents: tuple[str, ...] = ()
    turn: int = 0


class Trial:
    """One policy on one day."""

    def __init__(self, day: Yesterday, config: Config | None = None) -> None:
        """Begin the day with `config` all the time; None: with those that were in force."""
        self._day = day
        self._config = config or day.config
        self._fixed = config is not None
        self._engine = Engine(day.seed, traced_max=-1, audited=False, solve=assign)
        self._heap: list[tuple[int, int, int, tuple[str, str], Fact | int]] = []
        self._order = self._sequence = 0
        self._medians = _Medians(day)
        self._stories: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for key in day.matters:
            self._stories[key[0]].append(key)
        self.courses: dict[tuple[str, str], Course] = {}
        self.worked_us: dict[str, int] = defaultdict(int)

    def run(self) -> "Trial":
        """Go through the whole day."""
        day = self._day
        self._decide([ConfigChanged(self._config), LeadershipChanged(EPOCH)], day.begins_us)
        self._decide(opening(day), day.begins_us)
        for at_us, fact in day.facts:
            if not (self._fixed and isinstance(fact, ConfigChanged)):
                self._push(at_us, _FACT, ("", ""), fact)
        for key, matter in day.matters.items():
            self._push(max(matter.came_us, day.begins_us), _COME, key, 0)
            if matter.left_us is not None:
                self._push(matter.left_us, _LEAVE, key, 0)
        for _ in range(STEPS_MAX):
            wake_us = self._engine.next_wake_us
            next_us = self._heap[0][0] if self._heap else None
            at_us = min(at for at in (wake_us, next_us, _NEVER_US) if at is not None)
            if at_us > day.ends_us:
                break
            if next_us is not None and next_us <= at_us:
                _, _, kind, key, what = heappop(self._heap)
                self._decide(self._happen(kind, key, what, at_us), at_us)
            else:
                self._decide([Tick()], at_us)
        return self

    def _push(self, at_us: int, kind: int, key: tuple[str, str], what: Fact | int) -> None:
        self._order += 1
        heappush(self._heap, (at_us, self._order, kind, key, what))

    def _happen(self, kind: int, key: tuple[str, str], what: Fact | int, now_us: int) -> list[Fact]:
        if not isinstance(what, int):
            self._config = what.config if isinstance(what, ConfigChanged) else self._config
            return [what]
        if kind == _COME:
            matter = self._day.matters[key]
            self.courses[key] = Course(matter, fresh(matter))
            return [self._told(key, now_us)]
        course = self.courses.get(key)
        if course is None or course.over:
            return []
        if kind == _LEAVE:
            if course.case.owner:
                return []
            course.over = course.left = True
            return [self._told(key, now_us)]
        if course.turn != what:
            return []  # something else has happened to it meanwhile
        if kind == _ACCEPT:
            return self._accept(key, course, now_us)
        return self._done(key, course, now_us)

    def _accept(self, key: tuple[str, str], course: Course, now_us: int) -> list[Fact]:
        case, agent = course.case, course.case.offers[0].agent
        if course.wait_us is None:
            course.wait_us = now_us - course.matter.came_us
        course.hops += case.handoff is not None
        course.agents += (agent,)
        course.case = replace(
            case,
            owner=agent,
            last_owner=agent,
            epoch=case.epoch + 1,
            work=WorkState.ASSIGNED,
            offers=(),
            handoff=None,
            owned_at=instant(now_us),
        )
        self._work(key, course, now_us)
        return [self._told(key, now_us)]

    def _work(self, key: tuple[str, str], course: Course, now_us: int) -> None:
        visit = _visit(course)
        work_us = self._medians.work_us(course.case.queue, visit)
        self.worked_us[course.case.owner] += min(work_us, self._day.ends_us - now_us)
        course.turn += 1
        self._push(now_us + work_us, _DONE, key, course.turn)

    def _done(self, key: tuple[str, str], course: Course, now_us: int) -> list[Fact]:
        """End a visit: by closing the case, handing it on as it was, or going on oneself."""
        course.at += 1
        if course.at >= len(course.matter.visits):
            course.over = True
            return [self._told(key, now_us)]
        handoff, case = _visit(course).handoff, course.case
        if handoff is not None and self._needless(case, handoff):
            self._work(key, course, now_us)
            return []
        course.turn += 1
        if handoff is None:
            course.case = replace(
                case,
                owner="",
                epoch=case.epoch + 1,
                work=WorkState.QUEUED,
                waiting_since=instant(now_us),
            )
        else:
            lasts = handoff.expires_at - handoff.begun_at
            begun = replace(
                handoff,
                from_agent=case.owner,
                begun_at=instant(now_us),
                expires_at=instant(now_us) + lasts,
            )
            course.case = replace(case, handoff=begun)
        return [self._told(key, now_us)]

    def _needless(self, case: Case, handoff: Handoff) -> bool:
        """Tell whether whoever has a case could have taken it from where it is handed."""
        if handoff.target_kind is TargetKind.AGENT:
            return handoff.target == case.owner
        agent = self._config.agents.get(case.owner)
        asked = self._config.requirement(handoff.target, topic=case.topic, language=case.language)
        return agent is not None and meets(agent, asked) is None

    def _decide(self, facts: list[Fact], now_us: int) -> None:
        while facts:
            decided = self._engine.step_all(facts, instant(now_us))
            facts = [fact for one in decided for fact in self._obey(one, now_us)]

    def _obey(self, decision: Decision, now_us: int) -> list[Fact]:
        if isinstance(decision, AnswerAsk):
            return []  # nobody asks here
        key = (decision.customer, decision.case)
        course = self.courses[key]
        case = course.case
        missed: tuple[Untaken, ...] = ()
        match decision:
            case MakeOffer(agent=agent, offer=own, expires_at=expires_at):
                made = Offer(own, agent, instant(now_us), expires_at, EPOCH)
                course.case = replace(case, offers=(*case.offers, made))
                if not case.offers:
                    course.turn += 1
                    delay_us = self._medians.delay_us(case.queue, _visit(course))
                    self._push(now_us + delay_us, _ACCEPT, key, course.turn)
            case ExpireOffer(offer=own) | RevokeOffer(offer=own):
                if case.offer(own) is None:
                    return []
                if isinstance(decision, ExpireOffer):
                    missed = (Untaken(case.own, decision.agent, instant(now_us)),)
                left = tuple([one for one in case.offers if one.own != own])
                course.case = replace(case, offers=left)
                course.turn += not left
            case CancelHandoff():
                course.case = replace(case, handoff=None, offers=())
                self._work(key, course, now_us)  # the sender does what the other did
            case ReleaseOwnership() | LapseOwnership():
                course.turn += 1
                course.case = replace(
                    case,
                    owner="",
                    offers=(),
                    handoff=None,
                    epoch=case.epoch + 1,
                    work=WorkState.QUEUED,
                    waiting_since=instant(now_us),
                )
            case ChangeQueue(from_queue=left, queue=queue, reason=reason):
                changed = QueueChanged(case.own, left, queue, reason)
                course.case = evolve_case(case, changed, instant(now_us))
            case CompleteWrapUp() | ResumeOwnership():
                return []
        return [self._told(key, now_us, missed)]

    def _told(
        self, key: tuple[str, str], now_us: int, missed: tuple[Untaken, ...] = ()
    ) -> StoryChanged:
        """Say how the story of a case stands; one that is over is told no more."""
        self._sequence += 1
        customer = key[0]
        courses = (self.courses.get(one) for one in self._stories[customer])
        cases = tuple([one.case for one in courses if one is not None and not one.over])
        return StoryChanged(customer, self._sequence, instant(now_us), cases, (), missed)


class _Medians:
    """What stands in where a journal does not tell how long something took, by queue."""

    def __init__(self, day: Yesterday) -> None:
        delays: dict[str, list[int]] = defaultdict(list)
        works: dict[str, list[int]] = defaultdict(list)
        for matter in day.matters.values():
            for visit in matter.visits:
                if visit.delay_us is not None:
                    delays[matter.first.queue].append(visit.delay_us)
                if visit.work_us is not None:
                    works[matter.first.queue].append(visit.work_us)
        self._delays = {queue: round(median(found)) for queue, found in delays.items()}
        self._works = {queue: round(median(found)) for queue, found in works.items()}

    def delay_us(self, queue: str, visit: Visit) -> int:
        """Say how long an offer of this visit is pondered."""
        if visit.delay_us is not None:
            return visit.delay_us
        return self._delays.get(queue, _DELAY_US)

    def work_us(self, queue: str, visit: Visit) -> int:
        """Say how long this visit is worked on."""
        return self._works.get(queue, _WORK_US) if visit.work_us is None else visit.work_us


def _visit(course: Course) -> Visit:
    """Give the visit a case is in; what is asked for again after the last is like the last."""
    visits = course.matter.visits
    return visits[min(course.at, len(visits) - 1)]
