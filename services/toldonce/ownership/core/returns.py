"""How a case that ended comes back: it waits for a person anew, its last owner preferred."""

from dataclasses import replace
from datetime import datetime

from toldonce.kernel.story.types import Case, CaseState, WorkState


def reopening(old: Case, now: datetime) -> Case:
    """Make the case that opens again: its epoch rises, its age begins anew."""
    return replace(
        old,
        epoch=old.epoch + 1,
        state=CaseState.OPEN,
        work=WorkState.QUEUED,
        owner="",
        last_owner=old.owner or old.last_owner,
        waiting_since=now,
        enqueued_at=now,
        owned_at=None,
        first_reply_at=None,
        wrap_until=None,
        offers=(),
        handoff=None,
        rung=0,
        hops=0,
        timers=(),
        disposition="",
        former_owners=(),
        former_queues=(),
        advisers=(),
        lapse=None,
    )
