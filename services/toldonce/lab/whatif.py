"""A day under its own policy and under another, by the same model: who gained and who lost.

Both are trials (`trial` says the model), so that what differs comes from the policy and not from
the model; what was recorded stands beside them and tells how far the model is from what happened.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config.types import Config
from toldonce.kernel.instants import MINUTE, SECOND
from toldonce.lab.trial import Course, Trial
from toldonce.lab.yesterday import Matter, Yesterday

GAINED_MAX = 5
EVERYTHING = "all"
_NOTICED_US = SECOND


@dataclass(frozen=True, slots=True)
class Wait:
    """How one case went: its first wait in microseconds (None: nobody took it), and its hops."""

    queue: str
    wait_us: int | None
    hops: int
    waited_us: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How cases went: seconds of first wait (mean, p90), share taken in time, hops a case.

    `cases` came; `served` of them were taken before they left or the day ended.
    """

    cases: int
    served: int
    wait_s: float
    wait_p90_s: float
    service_level: float
    hops: float


@dataclass(frozen=True, slots=True)
class Change:
    """A case whose wait changed: seconds then and now (until it left, where nobody took it)."""

    case_id: str
    queue: str
    then_s: float
    now_s: float


@dataclass(frozen=True, slots=True)
class Diff:
    """What another policy would have done.

    Figures by queue, `all` for everything. `gained` and `lost` count cases whose wait is shorter or
    longer by more than a second; the ten furthest are listed. `agents` are minutes of work.
    """

    recorded: Mapping[str, Figures]
    then: Mapping[str, Figures]
    now: Mapping[str, Figures]
    gained: int
    lost: int
    same: int
    most_gained: tuple[Change, ...]
    most_lost: tuple[Change, ...]
    agents: Mapping[str, tuple[float, float]]


def whatif(day: Yesterday, config: Config, within_s: int) -> Diff:
    """Try a day under its own policies and under `config`.

    A case is taken in time within the queue's own aim, or `within_s` where it has none.
    """
    before, after = Trial(day).run(), Trial(day, config).run()
    aims = _aims(day, config, within_s)
    then, now = _waits(day, before.courses), _waits(day, after.courses)
    changes = sorted(
        (
            Change("".join(key), then[key].queue, _s(then[key].waited_us), _s(now[key].waited_us))
            for key in then
        ),
        key=lambda one: (one.now_s - one.then_s, one.case_id),
    )
    gained = [one for one in changes if one.then_s - one.now_s > _s(_NOTICED_US)]
    lost = [one for one in changes if one.now_s - one.then_s > _s(_NOTICED_US)]
    names = sorted({*before.worked_us, *after.worked_us})
    return Diff(
        recorded=_figures((_recorded(one, day.ends_us) for one in day.matters.values()), aims),
        then=_figures(then.values(), aims),
        now=_figures(now.values(), aims),
        gained=len(gained),
        lost=len(lost),
        same=len(changes) - len(gained) - len(lost),
        most_gained=tuple(gained[:GAINED_MAX]),
        most_lost=tuple(lost[: -GAINED_MAX - 1 : -1]),
        agents={
            name: (before.worked_us[name] / MINUTE, after.worked_us[name] / MINUTE)
            for name in names
        },
    )


def _aims(day: Yesterday, config: Config, within_s: int) -> dict[str, int]:
    """Say within how many seconds a case of each queue should be taken: by the newer aims."""
    found: dict[str, int] = {}
    for queue in {matter.first.queue for matter in day.matters.values()}:
        sla = config.sla_of(queue)
        aim = None if sla is None else sla.targets.get(ClockKind.QUEUE_WAIT)
        found[queue] = within_s if aim is None else round(aim.target_s)
    return found


def _waits(
    day: Yesterday, courses: Mapping[tuple[str, str], Course]
) -> dict[tuple[str, str], Wait]:
    found: dict[tuple[str, str], Wait] = {}
    for key, course in courses.items():
        matter = course.matter
        until_us = min(
            day.ends_us, matter.left_us if course.left and matter.left_us else day.ends_us
        )
        waited_us = until_us - matter.came_us if course.wait_us is None else course.wait_us
        found[key] = Wait(matter.first.queue, course.wait_us, course.hops, waited_us)
    return found


def _recorded(matter: Matter, ends_us: int) -> Wait:
    """Say how a case went as it was recorded."""
    taken = [visit for visit in matter.visits if visit.accepted_us is not None]
    wait_us = None if not taken else (taken[0].accepted_us or 0) - matter.came_us
    hops = sum(visit.handoff is not None for visit in taken)
    until_us = ends_us if matter.left_us is None else matter.left_us
    waited_us = max(0, until_us - matter.came_us) if wait_us is None else wait_us
    return Wait(matter.first.queue, wait_us, hops, waited_us)


def _figures(waits: Iterable[Wait], aims: Mapping[str, int]) -> dict[str, Figures]:
    by_queue: dict[str, list[Wait]] = defaultdict(list)
    for wait in waits:
        by_queue[wait.queue].append(wait)
        by_queue[EVERYTHING].append(wait)
    return {queue: _of(found, aims) for queue, found in sorted(by_queue.items())}


def _of(waits: list[Wait], aims: Mapping[str, int]) -> Figures:
    served = sorted(_s(wait.wait_us) for wait in waits if wait.wait_us is not None)
    in_time = sum(
        wait.wait_us is not None and wait.wait_us <= aims[wait.queue] * SECOND for wait in waits
    )
    return Figures(
        cases=len(waits),
        served=len(served),
        wait_s=fmean(served) if served else 0.0,
        wait_p90_s=served[(9 * len(served) - 1) // 10] if served else 0.0,
        service_level=in_time / len(waits),
        hops=fmean(wait.hops for wait in waits),
    )


def _s(us: int) -> float:
    return us / SECOND
