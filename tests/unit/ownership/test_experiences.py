"""A customer's second bad experience makes what waits, and what comes, count for more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.aims import aimed, aims, fired
from tests.tellers import ENGINE, RULES
from tests.unit.ownership.tale import ANNA, Tale, kinds
from toldonce.kernel.clocks import BREACH, ClockKind
from toldonce.kernel.story.events import Event, PriorityRaised
from toldonce.kernel.story.types import CASES_MAX, PRIORITY_MAX, Case
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import BreakCommitment, MakeCommitment


def law(points: int) -> Rules:
    queues = {
        name: replace(queue, bad_experience_points=points) for name, queue in RULES.queues.items()
    }
    return replace(RULES, queues=queues)


def breach(tale: Tale, case: Case, clock: ClockKind, by: int = 0) -> tuple[Event, ...]:
    more = f"on_breach: {{raise_priority_by: {by}}}"
    tale.rules = aimed(aims(wait=1, first=1, next_s=1, more=more), tale.rules)
    tale.later(2)
    events = tale.do(fired(tale.case(case.own), clock, BREACH))
    tale.rules = replace(tale.rules, config=None)
    return events


def raised(events: tuple[Event, ...]) -> list[tuple[str, int, str]]:
    return [
        (one.case, one.priority, one.reason) for one in events if isinstance(one, PriorityRaised)
    ]


def test_second_breach_raises_every_open_case_once() -> None:
    tale = Tale(rules=law(50))
    one, two = tale.waiting(1, topic="a"), tale.waiting(2, topic="b")
    assert raised(breach(tale, one, ClockKind.QUEUE_WAIT)) == []
    again = breach(tale, two, ClockKind.QUEUE_WAIT, by=100)
    base = tale.records[0].head.cases[0].priority
    assert raised(again) == [
        (two.own, base + 100, "SLA_BREACHED"),
        (one.own, base + 50, "BAD_EXPERIENCES"),
        (two.own, base + 150, "BAD_EXPERIENCES"),
    ]
    assert raised(breach(tale, one, ClockKind.FIRST_RESPONSE)) == []


def test_new_case_of_such_a_customer_begins_higher() -> None:
    tale = Tale(rules=law(50))
    one = tale.waiting(1, topic="a")
    breach(tale, one, ClockKind.QUEUE_WAIT)
    breach(tale, one, ClockKind.FIRST_RESPONSE)
    base = one.priority
    two = tale.waiting(2, topic="b")
    assert two.priority == base + 50
    said = tale.records[-1].events
    assert kinds(said) == ["CaseOpened", "ContactReceived", "PriorityRaised"]


def test_broken_promise_is_a_bad_experience_too() -> None:
    tale = Tale(rules=law(50))
    case = tale.owned(1)
    breach(tale, case, ClockKind.FIRST_RESPONSE)
    tale.do(MakeCommitment(case.own, 1, tale.now + timedelta(seconds=60)), ANNA)
    tale.later(61)
    broken = tale.do(BreakCommitment(tale.story.commitments[0].own), ENGINE)
    assert raised(broken) == [(case.own, case.priority + 50, "BAD_EXPERIENCES")]


@pytest.mark.parametrize(("points", "events"), [(0, 1), (PRIORITY_MAX, 1 + CASES_MAX)])
def test_raise_fits_one_append_and_is_none_where_the_policy_says_so(
    points: int, events: int
) -> None:
    tale = Tale(rules=law(points))
    cases = [tale.waiting(number, topic=f"t{number}") for number in range(1, 9)]
    breach(tale, cases[0], ClockKind.QUEUE_WAIT)
    assert len(breach(tale, cases[0], ClockKind.FIRST_RESPONSE)) == events
    assert max(case.priority for case in tale.story.cases) <= PRIORITY_MAX
