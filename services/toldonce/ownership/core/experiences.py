"""Who has had two bad experiences comes sooner: most leave after the third.

A broken promise and a clock past its due time are bad experiences; the head counts them.
"""

from collections.abc import Mapping

from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import CaseOpened, PriorityRaised
from toldonce.kernel.story.types import EVENTS_MAX, PRIORITY_MAX, CaseState, Story
from toldonce.ownership.core.guards import queue_rules
from toldonce.ownership.core.rules import Rules

RAISED_AFTER = 2
REASON = "BAD_EXPERIENCES"


def raised_new(story: Story, opened: CaseOpened, rules: Rules) -> tuple[PriorityRaised, ...]:
    """Give a new case of such a customer the points of its queue's policy."""
    if story.bad_experiences < RAISED_AFTER:
        return ()
    return _raised(opened.case, opened.queue, opened.priority, rules)


def raised_waiting(
    story: Story,
    rules: Rules,
    *,
    events: int = 1,
    now_at: Mapping[Own, int] | None = None,
    more: int = 1,
) -> tuple[PriorityRaised, ...]:
    """Raise all open cases with the bad experience that makes it two; nothing with any other.

    `events`: how many the append has already; what exceeds one append is left out, the
    youngest first. `now_at` are priorities that it changes by itself. `more`: how many bad
    experiences it tells of.
    """
    if not story.bad_experiences < RAISED_AFTER <= story.bad_experiences + more:
        return ()
    known = now_at or {}
    found: tuple[PriorityRaised, ...] = ()
    for case in story.cases:
        if case.state is not CaseState.CLOSED:
            priority = known.get(case.own, case.priority)
            found += _raised(case.own, case.queue, priority, rules)
    return found[: max(0, EVENTS_MAX - events)]


def _raised(own: Own, queue: str, priority: int, rules: Rules) -> tuple[PriorityRaised, ...]:
    raised = min(PRIORITY_MAX, priority + queue_rules(rules, queue).bad_experience_points)
    return (PriorityRaised(own, raised, REASON),) if raised > priority else ()
