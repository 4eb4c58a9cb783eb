"""When the clocks of a case are due, which of them counts, and in which line it stands."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from tests.aims import aims
from tests.tellers import START, customer, own
from tests.unit.sla.test_core import CASE
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.instants import micros
from toldonce.kernel.sla import clocks_of, promise_clock
from toldonce.kernel.story.types import (
    EMPTY,
    Case,
    CaseState,
    Commitment,
    Handoff,
    Lapse,
    Offer,
    Pause,
    PauseCause,
    TargetKind,
    WorkState,
)
from toldonce.sla.core import Due, Dues, Looming

WAIT, FIRST = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE
NEXT, DONE, PROMISE = ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION, ClockKind.COMMITMENT
WHO = customer()
STILL = ClockKind.FIRST_RESPONSE.bit | ClockKind.RESOLUTION.bit


def after(seconds: float):
    return START + timedelta(seconds=seconds)


def owned(**changes) -> Case:
    made = replace(CASE, owner="anna", owned_at=after(10), epoch=1, work=WorkState.ASSIGNED)
    return replace(made, **changes)


def loom(case: Case | None, *promises: Commitment, config=None) -> Looming | None:
    story = replace(EMPTY, cases=(case,) if case else (), commitments=promises)
    found = Dues(config or aims()).of(WHO, story, 7)
    return found[0] if found else None


def promise(due_s: float, number: int = 1, case=CASE.own) -> Commitment:
    return Commitment(own("promise", number), case, "anna", START, after(due_s))


@pytest.mark.parametrize(
    ("case", "kind", "due_s"),
    [
        (CASE, WAIT, 60),
        (owned(), FIRST, 120),
        (owned(first_reply_at=after(20), replied_at=after(20)), DONE, 600),
        (
            owned(first_reply_at=after(20), replied_at=after(20), asked_at=after(30)),
            NEXT,
            90,
        ),
        (replace(CASE, not_before_at=after(1_000), answer_from_at=after(1_000)), DONE, 600),
        (replace(CASE, resolve_from_at=after(-700)), DONE, -100),
    ],
)
def test_of_the_clocks_that_run_the_nearest_to_being_due_counts_overdue_ones_too(case, kind, due_s):
    found = loom(case)
    assert found is not None
    assert found.due is not None
    assert (found.due.kind, found.due.at_us) == (kind, micros(after(due_s)))
    assert (found.sequence, found.queue, found.case) == (7, "orders", case)


@pytest.mark.parametrize(
    "case",
    [
        CASE,
        owned(),
        owned(asked_at=after(30)),
        owned(pauses=(Pause(after(20), after(80), PauseCause.CUSTOMER, STILL),)),
        replace(CASE, pauses=(Pause(after(20), after(80), PauseCause.CUSTOMER, STILL),)),
        owned(pauses=(Pause(after(20), after(10**7), PauseCause.CUSTOMER, STILL),)),
        owned(pauses=(Pause(after(20), after(80), PauseCause.CUSTOMER, 0),)),
    ],
)
def test_what_is_due_is_what_the_clocks_themselves_say(case):
    config = aims()
    clocks = clocks_of(case, config, after(40))
    nearest = min(clock.due_at for clock in clocks if clock.due_at and not clock.ended)
    found = loom(case, config=config)
    assert found is not None
    assert found.due is not None
    assert found.due.at_us == micros(nearest)


def test_where_a_case_came_from_decides_in_a_queue_without_a_policy():
    dues = Dues(aims())
    came = replace(CASE, queue="escalations", former_queues=("orders",))
    for case in (replace(came, former_queues=()), came):
        clocks = clocks_of(case, dues.config, after(0))
        (found,) = dues.of(WHO, replace(EMPTY, cases=(case,)), 1)
        nearest = min((clock.due_at for clock in clocks if clock.due_at), default=None)
        assert (found.due and found.due.at_us) == (nearest and micros(nearest))
    assert found.due is not None


def test_a_promise_counts_beside_the_clocks_and_outlives_its_case():
    near, far = promise(5), promise(500, 2)
    found = loom(CASE, near, far)
    assert found is not None
    assert found.due == Due(micros(after(5)), PROMISE, micros(START), near.own)
    assert promise_clock(near, START).due_at == after(5)
    left = loom(None, far)
    assert left is not None
    assert left.due is not None
    assert (left.own, left.case, left.queue, left.due.kind) == (CASE.own, None, "", PROMISE)


def test_what_is_read_again_after_a_change_is_what_all_of_it_would_say():
    other = owned(own=own("another"))
    stories = [
        replace(EMPTY, cases=cases, commitments=promises)
        for cases in ((CASE, other), (CASE,), (replace(CASE, priority=9), other), ())
        for promises in ((), (promise(500),), (promise(5, case=other.own), promise(500)))
    ]
    dues = Dues(aims())
    for first, second in product(stories, repeat=2):
        before = dues.of(WHO, first, 1)
        assert dues.of(WHO, second, 2, before) == dues.of(WHO, second, 2)


def test_what_has_not_changed_is_not_read_again():
    dues, other = Dues(aims()), owned(own=own("another"))
    before = dues.of(WHO, replace(EMPTY, cases=(CASE, other)), 1)
    assert len(before) == 2
    read = replace(EMPTY, cases=(replace(CASE, priority=9), replace(other)))
    again = dues.of(WHO, read, 2, before)
    assert [one.awaited is was.awaited for one, was in zip(again, before, strict=True)] == [
        False,
        True,
    ]
    assert [one.sequence for one in again] == [2, 2]
    assert again[1].case is read.cases[1], "the story before is let go"


def test_nothing_looms_where_no_clock_runs_and_nobody_stands_in_line():
    closed = owned(state=CaseState.CLOSED)
    assert loom(closed) is None
    assert loom(owned(queue="escalations")) is None
    assert loom(replace(CASE, queue="escalations")) is not None  # it takes a place in line


HANDOFF = Handoff(
    own=own("handoff"),
    from_agent="anna",
    target_kind=TargetKind.QUEUE,
    target="returns",
    begun_at=START,
    expires_at=after(60),
    context_sequence=1,
    context_hash=b"",
    rung=0,
)
OFFER = Offer(own("offer"), "anna", START, after(20), 1)


@pytest.mark.parametrize(
    ("case", "line", "awaited"),
    [
        (CASE, "orders", (WAIT, FIRST)),
        (replace(CASE, priority=0), "orders", (WAIT, FIRST)),
        (replace(CASE, offers=(OFFER,), work=WorkState.OFFERED), "", ()),
        (replace(CASE, not_before_at=after(9)), "", ()),
        (owned(), "", ()),
        (owned(handoff=HANDOFF), "returns", ()),
        (owned(handoff=replace(HANDOFF, target_kind=TargetKind.AGENT)), "", ()),
        (owned(lapse=Lapse("requeue", "", START, after(60))), "orders", ()),
        (owned(lapse=Lapse("backup", "bram", START, after(60))), "", ()),
    ],
)
def test_who_stands_in_a_line_is_who_routing_counts_there(case, line, awaited):
    found = loom(case)
    assert found is not None
    assert found.line == line
    assert tuple(due.kind for due in found.awaited) == awaited
