"""Is there any history of pauses by which a clock is due sooner, or forgets what it counted?"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.aims import aims
from tests.tellers import START, own
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment, clock
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.sla import clocks_of, facts_of, policy_of, timers_of
from toldonce.kernel.story.events import CaseMerged, CaseOpened
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.fold_case import heard, opened, replied
from toldonce.kernel.story.pausing import paused, resumed
from toldonce.kernel.story.runs import done, marked, run_of, runs
from toldonce.kernel.story.types import (
    EMPTY,
    PAUSES_MAX,
    Case,
    CaseState,
    Pause,
    PauseCause,
    WorkState,
)
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import Ended
from toldonce.ownership.core.returns import reopening, unowned

CUSTOMER, HOLD = PauseCause.CUSTOMER, PauseCause.HOLD
DONE = ClockKind.RESOLUTION
KINDS = (ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE, DONE)
SPAN_S = 200
CAUSES = ("[]", "[customer]", "[hold]", "[customer, hold]")


def company(pause_on: str, reopen: str = "continue") -> Config:
    """Aim at every clock; all stand still for the same causes."""
    named = ", ".join(f"{kind.name.lower()}: {pause_on}" for kind in KINDS)
    more = f"pause_on: {{{named}}}\n    on_reopen: {reopen}"
    return aims(wait=50, first=70, next_s=30, done=90, more=more)


COMPANIES = {causes: company(causes) for causes in CAUSES}
RESTARTING = company("[customer, hold]", "restart")
BOTH = COMPANIES["[customer, hold]"]


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def case_at(second: int, name: str = "one") -> Case:
    event = CaseOpened(
        case=own(name),
        queue="orders",
        channel="chat",
        gateway="web",
        topic="",
        language="nl",
        skills=(),
        priority=0,
        preferred_agent="",
    )
    return opened(event, at(second))


# a step: seconds that pass, then what happens; each pause has a length
steps = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["customer", "hold", "customer over", "hold over", "says", "answer"]),
        st.integers(1, 60),
    ),
    max_size=40,
)


def told(case: Case, what: str, now: datetime, length_s: int) -> Case:
    match what:
        case "customer" | "hold":
            cause = PauseCause[what.upper()]
            return paused(case, cause, now, now + timedelta(seconds=length_s))
        case "customer over" | "hold over":
            return resumed(case, (PauseCause[what.split(maxsplit=1)[0].upper()],), now)
        case "says":
            return heard(case, now)
        case _:
            return replied(case, now)


def due(case: Case, config: Config) -> dict[ClockKind, datetime]:
    """Say when each clock will be breached if nothing more happens."""
    return {t.clock: t.fires_at for t in timers_of(case, config) if t.moment == BREACH}


@given(steps=steps)
def test_no_pause_makes_anything_due_sooner_and_few_are_kept(
    steps: list[tuple[int, str, int]],
) -> None:
    case, second = case_at(0), 0
    for passes, what, length in steps:
        second += passes
        before, case = case, told(case, what, at(second), length)
        assert len(case.pauses) <= PAUSES_MAX
        for causes, config in COMPANIES.items():
            if what not in {"customer", "hold"} or _shortened(before, what, at(second), length):
                continue
            early, late = due(before, config), due(case, config)
            assert early.keys() == late.keys()
            assert all(early[kind] <= late[kind] for kind in early), causes


def _shortened(case: Case, what: str, now: datetime, length_s: int) -> bool:
    """Tell whether a pause that goes on was said to end sooner than before."""
    until_at = now + timedelta(seconds=length_s)
    return any(p.cause.name.lower() == what and p.until_at > until_at for p in case.pauses)


@given(steps=steps)
def test_what_a_clock_has_counted_never_grows_but_by_time(
    steps: list[tuple[int, str, int]],
) -> None:
    """What is told at an instant changes nothing counted by then, unless the list is full."""
    case, second = case_at(0), 0
    for passes, what, length in steps:
        second += passes
        before, case = case, told(case, what, at(second), length)
        for config in COMPANIES.values():
            old, new = (_counted(one, config, at(second)) for one in (before, case))
            for kind in old.keys() & new.keys():
                run, again = run_of(before, kind), run_of(case, kind)
                assert run is not None
                assert again is not None
                if run.started_at == again.started_at:
                    assert new[kind] <= old[kind]
                    if len(case.pauses) < PAUSES_MAX:
                        assert new[kind] == old[kind]


def _counted(case: Case, config: Config, now: datetime) -> dict[ClockKind, float]:
    return {read.kind: read.elapsed_s for read in clocks_of(case, config, now)}


@given(data=st.data())
def test_order_in_which_pauses_are_told_changes_no_clock(data: st.DataObject) -> None:
    spans = data.draw(
        st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), max_size=PAUSES_MAX)
    )
    made = [
        Pause(at(begins), at(begins + length), CUSTOMER if begins % 2 else HOLD)
        for begins, length in spans
    ]
    shuffled = data.draw(st.permutations(made))
    one, other = (replace(case_at(0), pauses=tuple(each)) for each in (made, shuffled))
    for config in COMPANIES.values():
        assert due(one, config) == due(other, config)


# ---- merges


few = st.lists(
    st.tuples(st.integers(0, 150), st.integers(1, 60), st.sampled_from([CUSTOMER, HOLD])),
    max_size=3,
)


def standing(case: Case, spans: list[tuple[int, int, PauseCause]]) -> Case:
    for begins, length, cause in sorted(spans):
        case = paused(case, cause, at(begins), at(begins + length))
    return case


def still(case: Case, second: int) -> bool:
    """Say by the case alone whether its resolution stands still in that second, or is to begin."""
    now = at(second)
    begins = case.resolve_from_at or case.opened_at
    return now < begins or any(p.holds(now) for p in case.pauses)


@given(
    opened_s=st.integers(0, 60),
    anew_s=st.none() | st.integers(0, 60),
    mine=few,
    theirs=few,
    first=st.booleans(),
)
def test_case_of_two_counts_in_each_second_in_which_one_of_them_did(
    opened_s: int,
    anew_s: int | None,
    mine: list[tuple[int, int, PauseCause]],
    theirs: list[tuple[int, int, PauseCause]],
    first: bool,  # noqa: FBT001
) -> None:
    one = standing(case_at(0, "one"), mine)
    two = standing(case_at(opened_s, "two"), [s for s in theirs if s[0] >= opened_s])
    if anew_s is not None:
        kept = tuple(p for p in one.pauses if p.from_at >= at(anew_s))
        one = replace(one, resolve_from_at=at(anew_s), pauses=kept)
    now = merged(two, one) if first else merged(one, two)
    counted = sum(not (still(one, s) and still(two, s)) for s in range(SPAN_S))
    policy = policy_of(now, BOTH)
    assert policy is not None
    facts = facts_of(now, policy)[DONE]
    read = clock(policy.targets[DONE], BOTH.counting(policy, "orders"), facts, at(SPAN_S))
    assert read.elapsed_s == counted
    assert len(now.pauses) <= PAUSES_MAX


def merged(stays: Case, ended: Case) -> Case:
    story = replace(EMPTY, cases=(stays, ended))
    (found,) = evolve(story, CaseMerged(ended.own, stays.own), at(SPAN_S)).cases
    assert found.own == stays.own
    return found


moments = st.sets(st.sampled_from([WARN, BREACH, Moment(1), Moment(2)]), max_size=3)
marks = st.fixed_dictionaries(dict.fromkeys(KINDS, moments))


def with_marks(case: Case, recorded: dict[ClockKind, set[Moment]]) -> Case:
    for kind, found in recorded.items():
        case = marked(case, kind, sum(moment.bit for moment in found))
    return case


@given(one=marks, two=marks, asked=st.tuples(st.booleans(), st.booleans()))
def test_nothing_recorded_of_either_case_is_wanted_again_of_the_case_of_two(
    one: dict[ClockKind, set[Moment]],
    two: dict[ClockKind, set[Moment]],
    asked: tuple[bool, bool],
) -> None:
    cases = []
    for name, speaks, recorded in (("one", asked[0], one), ("two", asked[1], two)):
        case = case_at(0, name)
        if speaks:
            case = heard(replied(case, at(1)), at(2))
        cases.append(with_marks(case, recorded))
    now = merged(*cases)
    wanted = {(timer.clock, timer.moment) for timer in timers_of(now, BOTH)}
    shared = {ClockKind.FIRST_RESPONSE, DONE}
    for case, kind in product(cases, KINDS):
        run = run_of(case, kind)
        mine = case.own == now.own or kind in shared
        if run is None or not mine or kind is ClockKind.NEXT_RESPONSE:
            continue
        for moment in (WARN, BREACH):
            if done(case, run) & moment.bit:
                assert (kind, moment) not in wanted
    talk = run_of(now, ClockKind.NEXT_RESPONSE)
    if talk is not None:
        known = [done(c, r) for c in cases if (r := run_of(c, talk.clock)) is not None]
        assert done(now, talk) in {0, *known}


# ---- reopen and split


@given(steps=steps, closed_s=st.integers(0, 60), away_s=st.integers(0, 90), recorded=marks)
def test_case_opened_again_goes_on_where_its_resolution_stood_or_begins_anew(
    steps: list[tuple[int, str, int]],
    closed_s: int,
    away_s: int,
    recorded: dict[ClockKind, set[Moment]],
) -> None:
    case, second = case_at(0), 0
    for passes, what, length in steps:
        second += passes
        case = told(case, what, at(second), length)
    case = with_marks(case, recorded)
    second += closed_s
    closed = Ended(replace(case, state=CaseState.CLOSED, work=WorkState.COMPLETED), at(second))
    back_at = at(second + away_s)
    for config in (BOTH, RESTARTING):
        again = reopening(closed.case, closed.at, back_at, Rules("1", config=config))
        assert len(again.pauses) <= PAUSES_MAX
        assert not any(pause.holds(back_at) for pause in again.pauses)
        run = run_of(again, DONE)
        assert run is not None
        counted = _counted(again, config, back_at)[DONE]
        if config is RESTARTING:
            assert (counted, again.marks, run.started_at) == (0, (), back_at)
            continue
        before = _counted(case, config, closed.at)[DONE]
        assert counted <= before
        if len(case.pauses) < PAUSES_MAX:
            assert counted == before
        mine = run_of(case, DONE)
        assert mine is not None
        assert done(again, run) == done(case, mine)
        assert all(done(again, r) == 0 for r in runs(again) if r.clock is not DONE)


@given(steps=steps, recorded=marks)
def test_case_made_of_another_is_due_when_that_would_be_if_it_stood_still_no_more(
    steps: list[tuple[int, str, int]], recorded: dict[ClockKind, set[Moment]]
) -> None:
    case, second = case_at(0), 0
    for passes, what, length in steps:
        second += passes
        case = told(case, what, at(second), length)
    case = replace(with_marks(case, recorded), owner="anna", owned_at=at(second))
    made = replace(
        unowned(case, at(second), Rules("1", config=BOTH)), own=Own(own("made")), epoch=0
    )
    goes_on = resumed(case, tuple(PauseCause), at(second))
    for config in COMPANIES.values():
        mine, theirs = due(goes_on, config), due(made, config)
        theirs.pop(ClockKind.QUEUE_WAIT, None)
        mine.pop(ClockKind.QUEUE_WAIT, None)
        assert mine == theirs
