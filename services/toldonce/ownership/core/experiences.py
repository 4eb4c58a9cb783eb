"""Who has had two bad experiences comes sooner: most leave after the third.

A broken promise and a clock past its due time are bad experiences; the head counts them.
"""

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
    story: Story, after: Story, rules: Rules, *, events: int, more: int
) -> tuple[PriorityRaised, ...]:
    """Raise all open cases with the bad experience that makes it two; nothing with any other.

    `after` is the story when what an append tells has happened, `events` how many it has already:
    what exceeds one append is left out, the youngest first. `more`: how many of them are bad.
    """
    if not story.bad_experiences < RAISED_AFTER <= story.bad_experiences + more:
        return ()
    found: tuple[PriorityRaised, ...] = ()
    for case in after.cases:
        if case.state is not CaseState.CLOSED:
            found += _raised(case.own, case.queue, case.priority, rules)
    return found[: max(0, EVENTS_MAX - events)]


def _raised(own: Own, queue: str, priority: int, rules: Rules) -> tuple[PriorityRaised, ...]:
    raised = min(PRIORITY_MAX, priority + queue_rules(rules, queue).bad_experience_points)
    return (PriorityRaised(own, raised, REASON),) if raised > priority else ()
