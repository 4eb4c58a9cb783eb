"""How a case that ended comes back: it waits for a person anew, its last owner preferred."""

from dataclasses import replace
from datetime import datetime, timedelta

from toldonce.kernel.story.events import CaseReopened, Event, WrapUpCompleted
from toldonce.kernel.story.types import Case, CaseState, Story, WorkState
from toldonce.ownership.core.commands import Ended
from toldonce.ownership.core.rules import Rules


def in_window(closed: Ended, now: datetime, rules: Rules) -> bool:
    """Tell whether a case that ended can still be opened again; a window of 0 s is none."""
    window = timedelta(seconds=rules.reopen_window_s)
    return bool(window) and now - closed.at <= window


def reopened(story: Story, closed: Ended, now: datetime, reason: str) -> tuple[Event, ...]:
    """Open a case again; paperwork that still goes on ends with that."""
    present = story.case(closed.case.own)
    if present is None:
        return (CaseReopened(reopening(closed.case, now), reason),)
    # the history tells how it ended; its epoch may have risen since, by a move
    last = replace(closed.case, epoch=max(closed.case.epoch, present.epoch))
    again = CaseReopened(reopening(last, now), reason)
    return (WrapUpCompleted(present.own, present.owner), again)


def reopening(old: Case, now: datetime) -> Case:
    """Make the case that opens again: its epoch rises, its age begins anew."""
    return replace(
        unowned(old, now),
        epoch=old.epoch + 1,
        enqueued_at=now,
        first_reply_at=None,
        timers=(),
        disposition="",
        callback_at=None,
        not_before_at=None,
        answer_from_at=None,
    )


def unowned(case: Case, now: datetime) -> Case:
    """Make a case that nobody has had yet out of another: whoever had that one is preferred."""
    return replace(
        case,
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
        former_queues=(),
        advisers=(),
        lapse=None,
    )
