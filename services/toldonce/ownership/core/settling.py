"""Whoever stops a clock settles it: a breach that was due by then is in the same append.

So whether a clock was met or broken follows from the log alone, and never from how soon a timer was
told.
"""

from datetime import datetime

from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseAbandoned,
    CaseClosed,
    CaseScheduled,
    EntryAppended,
    Event,
    OfferAccepted,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.types import EVENTS_MAX, Story
from toldonce.ownership.core.experiences import raised_waiting
from toldonce.ownership.core.rules import Rules
from toldonce.ownership.core.timing import stopped_late

_STOPPING = (
    OfferAccepted,
    EntryAppended,
    CaseClosed,
    CaseAbandoned,
    CaseScheduled,
    CallbackRequested,
)


def settled(
    story: Story, events: tuple[Event, ...], now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Put the breaches that these facts make final before them."""
    if rules.config is None or not any(isinstance(event, _STOPPING) for event in events):
        return events
    at = max(now, story.at or now)
    after = story
    for event in events:
        after = evolve(after, event, at)
    late = tuple(
        breach
        for case in story.cases
        for breach in stopped_late(case, after.case(case.own), at, rules)
    )[: EVENTS_MAX - len(events)]
    if not late:
        return events
    known = {case.own: case.priority for case in after.cases}
    again = raised_waiting(
        story, rules, events=len(late) + len(events), now_at=known, more=len(late)
    )
    return (*late, *events, *(raised for raised in again if raised.case in known))
