"""How a case that ended comes back: it waits for a person anew, its last owner preferred."""

from dataclasses import replace
from datetime import datetime, timedelta

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.sla import policy_of
from toldonce.kernel.story.events import CaseReopened, Event, WrapUpCompleted
from toldonce.kernel.story.pausing import closed_between, resumed
from toldonce.kernel.story.types import Case, CaseState, PauseCause, Story, WorkState
from toldonce.ownership.core.commands import Ended
from toldonce.ownership.core.rules import Rules


def in_window(closed: Ended, now: datetime, rules: Rules) -> bool:
    """Tell whether a case that ended can still be opened again; a window of 0 s is none."""
    window = timedelta(seconds=rules.reopen_window_s)
    return bool(window) and now - closed.at <= window


def reopened(
    story: Story, closed: Ended, now: datetime, reason: str, rules: Rules
) -> tuple[Event, ...]:
    """Open a case again; paperwork that still goes on ends with that."""
    present = story.case(closed.case.own)
    if present is None:
        return (CaseReopened(reopening(closed.case, closed.at, now, rules), reason),)
    # the history tells how it ended; its epoch may have risen since, by a move
    last = replace(closed.case, epoch=max(closed.case.epoch, present.epoch))
    again = CaseReopened(reopening(last, closed.at, now, rules), reason)
    return (WrapUpCompleted(present.own, present.owner), again)


def reopening(old: Case, closed_at: datetime, now: datetime, rules: Rules) -> Case:
    """Make the case that opens again: its epoch rises, its age begins anew.

    Its resolution goes on counting, less the time it was closed, unless its policy has it restart.
    """
    made = replace(
        unowned(old, now, rules),
        epoch=old.epoch + 1,
        enqueued_at=now,
        first_reply_at=None,
        disposition="",
        callback_at=None,
        not_before_at=None,
        answer_from_at=None,
        widened=False,
        asked_at=None,
        replied_at=None,
    )
    policy = None if rules.config is None else policy_of(old, rules.config)
    if policy is not None and policy.restarts:
        return replace(made, resolve_from_at=now, pauses=(), marks=())
    still = resumed(old, tuple(PauseCause), closed_at)
    return replace(
        closed_between(replace(made, pauses=still.pauses), closed_at, now),
        marks=tuple(mark for mark in old.marks if mark.clock is ClockKind.RESOLUTION),
    )


def unowned(case: Case, now: datetime, rules: Rules) -> Case:
    """Make a case that nobody has had yet out of another: whoever had that one is preferred.

    Where it has been is forgotten, but for the queue whose aims it keeps because its own has none.
    """
    return replace(
        resumed(case, tuple(PauseCause), now),
        state=CaseState.OPEN,
        work=WorkState.QUEUED,
        owner="",
        last_owner=case.owner or case.last_owner,
        waiting_since=now,
        owned_at=None,
        wrap_until=None,
        offers=(),
        handoff=None,
        rung=0,
        hops=0,
        former_owners=(),
        former_queues=_aims_kept(case, rules),
        advisers=(),
        lapse=None,
    )


def _aims_kept(case: Case, rules: Rules) -> tuple[str, ...]:
    config = rules.config
    if config is None:
        return ()
    kind = (case.channel, case.priority, case.tier)
    for queue in (case.queue, *reversed(case.former_queues)):
        if config.sla_for(queue, *kind) is not None:
            return () if queue == case.queue else (queue,)
    return ()
