"""Is there any order of arrival, or any row of restarts, by which channels are counted otherwise?

Whole stories are told by chance over ten days. However their appends are shuffled into one log
(each story in its own order), and wherever reading stops and begins anew, the same is counted.
"""

import json
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tellers import own
from tests.unit.sla.tale import (
    ANNA,
    ROBO,
    SERVICE,
    Tale,
    at,
    closed,
    joined,
    let_go,
    opened,
    said,
    taken,
)
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseAbandoned,
    CaseReopened,
    CaseScheduled,
    Event,
    SlaBreached,
)
from toldonce.kernel.story.types import Case, CaseState, WorkState
from toldonce.sla.core.counts import Ledger, Mark, Window
from toldonce.sla.core.gap import table

CHANNELS = ("chat", "email", "voice")
QUEUES = ("orders", "returns", "aimless")
DAYS_S = 10 * 86_400
STEPS = (
    "join",
    "take",
    "bot",
    "say",
    "bot says",
    "let go",
    "late",
    "call",
    "put off",
    "leave",
    "end",
)

type Told = list[tuple[Mark, ...]]


@st.composite
def stories(draw: st.DrawFn) -> Told:
    """Tell one story; give what each of its appends tells."""
    tale, told = Tale(), list[tuple[Mark, ...]]()
    now_s = draw(st.integers(0, DAYS_S))
    begun = opened(draw(st.sampled_from(CHANNELS)), queue=draw(st.sampled_from(QUEUES)))
    tale.tell(now_s, begun)
    last = tale.case()
    for number, step in enumerate(draw(st.lists(st.sampled_from(STEPS), max_size=8)), 1):
        now_s += draw(st.integers(0, 40_000))
        tale.marks.clear()
        cases = [case for head in tale.heads.values() for case in head.cases]
        last = cases[0] if cases else last
        event, by = _fact(step, last, number, now_s)
        if not cases:
            tale.tell(now_s, CaseReopened(_anew(last, now_s, number), "WRITES_AGAIN"))
        elif event is not None:
            tale.tell(now_s, event, by=by)
        told.append(tuple(tale.marks))
    return told


def _fact(step: str, case: Case, number: int, now_s: int) -> tuple[Event | None, str]:
    """Say what happens to a case in a step, and by whom; None: it cannot now."""
    own_case, hand = own("case"), "hand" if case.owner else ""
    waiting: dict[str, Event] = {
        "call": CallbackRequested(own_case, None, ""),
        "put off": CaseScheduled(own_case, at(now_s + 50), "LATER"),
        "leave": CaseAbandoned(own_case, "ABANDONED"),
    }
    owned: dict[str, Event] = {
        "let go": let_go(case.owner, epoch=number),
        "end": closed(case.owner, first=bool(number % 2), retold=bool(number % 3)),
    }
    kind = ClockKind.FIRST_RESPONSE
    always: dict[str, Event] = {
        "join": joined(CHANNELS[number % 3]),
        "take": taken(epoch=number, hand=hand),
        "bot": taken("robo", epoch=number, hand=hand),
        "say": said(n=number),
        "bot says": said(n=number),
        "late": SlaBreached(own_case, own("timer", number), kind, at(now_s)),
    }
    found = (always | (owned if case.owner else waiting)).get(step)
    return found, {"say": ANNA, "bot says": ROBO}.get(step, SERVICE)


@settings(max_examples=60, deadline=None)
@given(st.lists(stories(), min_size=1, max_size=6), st.integers(0, 2**32))
def test_order_in_which_stories_arrive_does_not_matter(told: list[Told], seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    kept = set[str]()
    for _ in range(3):
        ledger = Ledger()
        for sequence, marks in enumerate(_shuffled(told, rng), 1):
            ledger.take(sequence, marks)
        ledger.position = 0
        kept.add(json.dumps(ledger.kept(), sort_keys=True))
    assert len(kept) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(stories(), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
    st.integers(0, 2**32),
)
def test_reading_a_stretch_twice_counts_it_once(
    told: list[Told], restarts: list[tuple[int, int]], seed: int
) -> None:
    """Each restart reads from an earlier place on, with the ledger as kept at some place after."""
    log = _shuffled(told, random.Random(seed))  # noqa: S311
    once = Ledger()
    for sequence, marks in enumerate(log, 1):
        once.take(sequence, marks)
    ledger = Ledger()
    for upto, back in [*restarts, (len(log), len(log))]:
        for sequence, marks in enumerate(log[:upto], 1):
            if sequence > ledger.position - back:
                ledger.take(sequence, marks)
        again = Ledger.of_kept(json.loads(json.dumps(ledger.kept())))
        assert again is not None
        ledger = again
    assert ledger.kept() == once.kept()


@settings(max_examples=60, deadline=None)
@given(st.lists(stories(), min_size=1, max_size=6))
def test_every_figure_lies_where_it_can(told: list[Told]) -> None:
    ledger = Ledger()
    for sequence, marks in enumerate([marks for story in told for marks in story], 1):
        ledger.take(sequence, marks)
    for window in Window:
        by_channel = ledger.of(window, at(DAYS_S))
        standings = table(by_channel)
        for one in standings:
            if one.value is None:
                assert one.count == 0
                continue
            assert one.mean is not None
            assert one.gap is not None
            assert one.gap == one.value - one.mean
            assert one.value >= 0
            if one.figure not in {"first_response", "queue_wait"}:
                assert one.value <= 1
        for figure in {one.figure for one in standings}:
            known = [one for one in standings if one.figure == figure and one.gap is not None]
            assert abs(sum(one.count * (one.gap or 0.0) for one in known)) < 1e-3, "gaps even out"


def _shuffled(told: list[Told], rng: random.Random) -> list[tuple[Mark, ...]]:
    """Put stories into one log by chance, each in its own order."""
    turns = [number for number, story in enumerate(told) for _ in story]
    rng.shuffle(turns)
    left = [iter(story) for story in told]
    return [next(left[turn]) for turn in turns]


def _anew(case: Case, now_s: int, epoch: int) -> Case:
    """Give a case that ended as it is opened again."""
    return replace(
        case,
        epoch=epoch,
        owner="",
        state=CaseState.OPEN,
        work=WorkState.QUEUED,
        enqueued_at=at(now_s),
        waiting_since=at(now_s),
        owned_at=None,
        first_reply_at=None,
        callback_at=None,
        not_before_at=None,
        answer_from_at=None,
    )
