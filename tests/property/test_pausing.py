"""Is there any history of pauses by which a clock is due sooner, or forgets what it counted?"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.aims import aims
from tests.tellers import START, own
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.sla import clocks_of
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
from toldonce.kernel.timers import timers_of
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import Ended
from toldonce.ownership.core.returns import reopening, unowned

CUSTOMER, HOLD = PauseCause.CUSTOMER, PauseCause.HOLD
DONE = ClockKind.RESOLUTION
KINDS = (ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE, DONE)
SPAN_S = 200
EVERY = sum(kind.bit for kind in KINDS)


def company(pause_on: str, reopen: str = "continue") -> Config:
    """Aim at every clock; all stand still for the same causes."""
    named = ", ".join(f"{kind.name.lower()}: {pause_on}" for kind in KINDS)
    more = f"pause_on: {{{named}}}\n    on_reopen: {reopen}"
    return aims(wait=50, first=70, next_s=30, done=90, more=more)


NEVER, BOTH = company("[]"), company("[customer, hold]")
RESTARTING = company("[customer, hold]", "restart")


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


masks = st.integers(0, EVERY)  # of the clocks that stand still in a pause
type Step = tuple[int, str, int, int]
# a step: seconds that pass, then what happens; each pause has a length and its clocks
steps = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["customer", "hold", "customer over", "hold over", "says", "answer"]),
        st.integers(1, 60),
        masks,
    ),
    max_size=40,
)


def told(case: Case, what: str, now: datetime, length_s: int, clocks: int) -> Case:
    match what:
        case "customer" | "hold":
            cause = PauseCause[what.upper()]
            return paused(case, cause, now, now + timedelta(seconds=length_s), clocks)
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
    steps: list[Step],
) -> None:
    case, second = case_at(0), 0
    for passes, what, length, clocks in steps:
        second += passes
        before, case = case, told(case, what, at(second), length, clocks)
        assert len(case.pauses) <= PAUSES_MAX
        if what not in {"customer", "hold"}:
            continue
        early, late = due(before, BOTH), due(case, BOTH)
        assert early.keys() == late.keys()
        for kind in early:
            until_at = at(second + length) if clocks & kind.bit else at(second)
            if not _shortened(before, what, kind, until_at):
                assert early[kind] <= late[kind]


def _shortened(case: Case, what: str, kind: ClockKind, until_at: datetime) -> bool:
    """Tell whether a pause that goes on was said to end sooner than before, for this clock."""
    alike = (p for p in case.pauses if p.cause.name.lower() == what and p.clocks & kind.bit)
    return any(p.until_at > until_at for p in alike)


@given(steps=steps)
def test_what_a_clock_has_counted_never_grows_but_by_time(
    steps: list[Step],
) -> None:
    """What is told at an instant changes nothing counted by then, unless the list is full."""
    case, second = case_at(0), 0
    for passes, what, length, clocks in steps:
        second += passes
        before, case = case, told(case, what, at(second), length, clocks)
        old, new = (_counted(one, BOTH, at(second)) for one in (before, case))
        for kind in old.keys() & new.keys():
            run, again = run_of(before, kind), run_of(case, kind)
            assert run is not None
            assert again is not None
            if run.started_at == again.started_at:
                assert new[kind] <= old[kind]
                if len(case.pauses) < PAUSES_MAX:
                    assert new[kind] == old[kind]


@given(steps=steps)
def test_what_a_policy_pauses_for_changes_nothing_of_the_pauses_that_began_before(
    steps: list[Step],
) -> None:
    case, second = case_at(0), 0
    for passes, what, length, clocks in steps:
        second += passes
        case = told(case, what, at(second), length, clocks)
        assert due(case, NEVER) == due(case, BOTH)
        assert _counted(case, NEVER, at(second)) == _counted(case, BOTH, at(second))


def _counted(case: Case, config: Config, now: datetime) -> dict[ClockKind, float]:
    return {read.kind: read.elapsed_s for read in clocks_of(case, config, now)}


@given(
    said=st.lists(
        st.tuples(st.integers(1, 6), st.integers(1, 9), st.sampled_from([CUSTOMER, HOLD]), masks),
        max_size=2 * PAUSES_MAX,
    )
)
def test_clock_stands_still_in_each_second_that_was_said_and_in_no_other_while_few_were(
    said: list[tuple[int, int, PauseCause, int]],
) -> None:
    """Of each cause what was said last holds from then on; what had stood still stays so."""
    case, second = case_at(0), 0
    going_on: dict[PauseCause, tuple[int, int]] = {}
    wanted: dict[ClockKind, set[int]] = {kind: set() for kind in KINDS}
    for passes, length, cause, clocks in (*said, (10, 0, HOLD, 0)):
        for now, kind in product(range(second, second + passes), KINDS):
            if any(now < until and kind.bit & stops for until, stops in going_on.values()):
                wanted[kind].add(now)
        second += passes
        going_on[cause] = second + length, clocks
        case = paused(case, cause, at(second), at(second + length), clocks)
    for kind in KINDS:
        stops = [p for p in case.pauses if p.clocks & kind.bit]
        found = {now for now in range(second) if any(p.holds(at(now)) for p in stops)}
        assert wanted[kind] <= found
        if len(said) <= PAUSES_MAX:
            assert wanted[kind] == found


@given(data=st.data())
def test_order_in_which_pauses_are_told_changes_no_clock(data: st.DataObject) -> None:
    spans = data.draw(
        st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40), masks), max_size=PAUSES_MAX)
    )
    made = [
        Pause(at(begins), at(begins + length), CUSTOMER if begins % 2 else HOLD, clocks)
        for begins, length, clocks in spans
    ]
    shuffled = data.draw(st.permutations(made))
    one, other = (replace(case_at(0), pauses=tuple(each)) for each in (made, shuffled))
    assert due(one, BOTH) == due(other, BOTH)


# ---- merges


type Span = tuple[int, int, PauseCause, int]
few = st.lists(
    st.tuples(st.integers(0, 150), st.integers(1, 60), st.sampled_from([CUSTOMER, HOLD]), masks),
    max_size=3,
)


def standing(case: Case, spans: list[Span]) -> Case:
    for begins, length, cause, clocks in sorted(spans):
        case = paused(case, cause, at(begins), at(begins + length), clocks)
    return case


def still(case: Case, kind: ClockKind, second: int) -> bool:
    """Say by the case alone whether a clock of it stands still in that second, or is to begin."""
    now, run = at(second), run_of(case, kind)
    assert run is not None
    stops = (p for p in case.pauses if p.clocks & kind.bit)
    return now < run.started_at or any(p.holds(now) for p in stops)


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
    mine: list[Span],
    theirs: list[Span],
    first: bool,  # noqa: FBT001
) -> None:
    one = standing(case_at(0, "one"), mine)
    two = standing(case_at(opened_s, "two"), [s for s in theirs if s[0] >= opened_s])
    if anew_s is not None:
        kept = tuple(p for p in one.pauses if p.from_at >= at(anew_s))
        one = replace(one, resolve_from_at=at(anew_s), pauses=kept)
    now = merged(two, one) if first else merged(one, two)
    assert len(now.pauses) <= PAUSES_MAX
    counted = _counted(now, BOTH, at(SPAN_S))
    # a case of which one clock began anew and the other did not is none that there is
    for kind in (DONE,) if anew_s is not None else (DONE, ClockKind.FIRST_RESPONSE):
        went_on = (not (still(one, kind, s) and still(two, kind, s)) for s in range(SPAN_S))
        assert counted[kind] == sum(went_on)


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
    steps: list[Step],
    closed_s: int,
    away_s: int,
    recorded: dict[ClockKind, set[Moment]],
) -> None:
    case, second = case_at(0), 0
    for passes, what, length, clocks in steps:
        second += passes
        case = told(case, what, at(second), length, clocks)
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
    steps: list[Step], recorded: dict[ClockKind, set[Moment]]
) -> None:
    case, second = case_at(0), 0
    for passes, what, length, clocks in steps:
        second += passes
        case = told(case, what, at(second), length, clocks)
    case = replace(with_marks(case, recorded), owner="anna", owned_at=at(second))
    made = replace(
        unowned(case, at(second), Rules("1", config=BOTH)), own=Own(own("made")), epoch=0
    )
    goes_on = resumed(case, tuple(PauseCause), at(second))
    mine, theirs = due(goes_on, BOTH), due(made, BOTH)
    theirs.pop(ClockKind.QUEUE_WAIT, None)
    mine.pop(ClockKind.QUEUE_WAIT, None)
    assert mine == theirs
