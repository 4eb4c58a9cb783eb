"""Whoever stops a clock settles it: a breach that was due by then is in the same append.

So whether a clock was met or broken follows from the log alone, and never from how soon a timer was
told. It is the same when a case goes under another policy, by its queue, its channel or its
priority, under which that clock is not due: it was before. A bad experience counts here as well,
once for everything that an append tells.
"""

from collections.abc import Iterator
from datetime import datetime

from toldonce.kernel.clocks import BREACH, reach
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import SlaPolicy
from toldonce.kernel.sla import facts_of, policy_of
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseScheduled,
    CommitmentBroken,
    ContactReceived,
    EntryAppended,
    Escalated,
    Event,
    OfferAccepted,
    PriorityRaised,
    PrioritySet,
    QueueChanged,
    SlaBreached,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.runs import Run, done, run_of, runs
from toldonce.kernel.story.types import PRIORITY_MAX, Case, CaseState, Story
from toldonce.kernel.timers import timer_id
from toldonce.ownership.core.experiences import raised_waiting
from toldonce.ownership.core.rules import Rules

_STOPPING = (
    OfferAccepted,
    EntryAppended,
    CaseClosed,
    CaseAbandoned,
    CaseMerged,
    CaseScheduled,
    CallbackRequested,
)
_MOVING = (QueueChanged, Escalated, PriorityRaised, PrioritySet, ContactReceived)
_BAD = (SlaBreached, CommitmentBroken)


def settled(
    story: Story, events: tuple[Event, ...], now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Put the breaches that these facts make final before them, and what all that means behind."""
    if not story.cases or not any(isinstance(e, _STOPPING + _MOVING + _BAD) for e in events):
        return events
    at = max(now, story.at or now)
    after = story
    for event in events:
        after = evolve(after, event, at)
    late = _late(story, after, events, at, rules)
    raised = tuple(_raised(story, after, late, rules))
    for event in raised:
        after = evolve(after, event, at)
    facts = (*late, *events, *raised)
    bad = sum(isinstance(event, _BAD) for event in facts)
    return (*facts, *raised_waiting(story, after, rules, events=len(facts), more=bad))


def _late(
    story: Story, after: Story, events: tuple[Event, ...], at: datetime, rules: Rules
) -> tuple[SlaBreached, ...]:
    config = rules.config
    if config is None:
        return ()
    said = {(event.case, event.clock) for event in events if isinstance(event, SlaBreached)}
    joined = {event.into for event in events if isinstance(event, CaseMerged)}
    return tuple(
        breach
        for case in story.cases
        for breach in _stopped_late(
            case, None if case.own in joined else after.case(case.own), at, config
        )
        if (breach.case, breach.clock) not in said
    )


def _raised(
    story: Story, after: Story, late: tuple[SlaBreached, ...], rules: Rules
) -> Iterator[PriorityRaised]:
    """Raise what still waits for what a breach of these said, as its timer would have."""
    if not late or rules.config is None:
        return
    for case in after.cases:
        before = story.case(case.own)
        policy = None if before is None else policy_of(before, rules.config)
        runs_on = [run_of(case, one.clock) for one in late if one.case == case.own]
        count = sum(run is not None and run.stopped_at is None for run in runs_on)
        by = 0 if policy is None else count * policy.raise_priority_by
        priority = min(PRIORITY_MAX, case.priority + by)
        if priority > case.priority:
            yield PriorityRaised(case.own, priority, "SLA_BREACHED")


def _stopped_late(
    case: Case, after: Case | None, at: datetime, config: Config
) -> tuple[SlaBreached, ...]:
    """Give the breaches of clocks that end now, which were due by now and not recorded yet.

    `after` is the case when what is happening has happened; None: it is not there any more, or
    another has ended in it.
    """
    if after is case or case.state is CaseState.CLOSED:
        return ()
    policy = policy_of(case, config)
    if policy is None:
        return ()
    left = {} if after is None else {run.clock: run for run in runs(after)}
    alike = after is not None and _counts_alike(case, policy, after, config)
    found = []
    for run in runs(case):
        if run.clock not in policy.targets or run.stopped_at is not None:
            continue
        on = left.get(run.clock)
        goes_on = on is not None and on.started_at == run.started_at and on.stopped_at is None
        if (goes_on and alike) or done(case, run) & BREACH.bit:
            continue
        due_at = _due_at(case, run, policy, config)
        if due_at is None or due_at > at:
            continue
        if after is not None and goes_on:
            there_at = _due_at(after, run, policy_of(after, config), config)
            if there_at is not None and there_at <= at:
                continue  # its timer finds it there
        own = timer_id(case.own, run.clock, BREACH, run.started_at)
        found.append(SlaBreached(case.own, own, run.clock, due_at))
    return tuple(found)


def _counts_alike(case: Case, policy: SlaPolicy, after: Case, config: Config) -> bool:
    return policy is policy_of(after, config) and (
        config.counting(policy, case.queue) is config.counting(policy, after.queue)
    )


def _due_at(case: Case, run: Run, policy: SlaPolicy | None, config: Config) -> datetime | None:
    """Say when a clock of a case is due under a policy; None: never yet, or nothing is aimed at."""
    target = None if policy is None else policy.targets.get(run.clock)
    if target is None:
        return None
    facts = facts_of(case)[run.clock]
    return reach(config.counting(policy, case.queue), facts, target.target_s)
