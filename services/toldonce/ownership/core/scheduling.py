"""Work for later: a customer who is called back instead of waiting on the line, an appointment.

The case keeps its place. What is scheduled does not wait until its instant has come.
"""

from datetime import UTC, datetime, timedelta

from toldonce.kernel.calendar import is_open, next_open
from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseScheduled,
    Event,
)
from toldonce.kernel.story.types import Case, Story
from toldonce.ownership.core.commands import (
    Asked,
    ReleaseOwnership,
    RequestCallback,
    ScheduleCase,
)
from toldonce.ownership.core.commitments import withdrawn
from toldonce.ownership.core.guards import held, open_case, queue_rules
from toldonce.ownership.core.offers import revoked
from toldonce.ownership.core.rules import Rules
from toldonce.ownership.core.transfers import release

AHEAD_MAX = timedelta(days=30)
PAST_MAX = timedelta(minutes=1)
_CALLBACK, _SCHEDULED = "CALLBACK", "SCHEDULED"


def request_callback(
    story: Story, command: RequestCallback, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Have a customer who waits called back; the same again changes nothing.

    `to_other`: another address may have been named, so it is written down whatever stands. What the
    acknowledgement promised for sooner than the customer wishes is taken back.
    """
    case = open_case(story, command.case)
    if case.owner:
        raise Rejected("OWNED", "an agent has the case now: they call, or schedule it")
    wanted = _wanted(command.not_before_at, now)
    _open_then(case, wanted, rules)
    if case.callback_at and wanted == case.scheduled_at(now) and not command.to_other:
        return ()
    asked = CallbackRequested(case.own, _from_at(case, wanted, now), "")
    sooner = () if wanted is None else withdrawn(story, case.own, _CALLBACK, wanted)
    return (*revoked(case, _CALLBACK), *sooner, asked)


def schedule(
    story: Story, command: ScheduleCase, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Put a case off, or have its customer called back; an owner gives it back with that."""
    case = held(open_case(story, command.case), by, command.epoch)
    if not command.reason:
        raise Invalid("reason", "say why: a code such as AT_HER_WISH")
    wanted = _wanted(command.not_before_at, now)
    if command.callback or case.callback_at:
        _open_then(case, wanted, rules)
    if case.owner and wanted is None and not command.callback:
        raise Invalid("not_before_at", "say from when on; to give the case back at once, let it go")
    known = bool(case.callback_at) or not command.callback
    same = known and not command.to_other and wanted == case.scheduled_at(now)
    if same and not case.owner:
        return ()
    from_at = _from_at(case, wanted, now)
    before = revoked(case, _CALLBACK if command.callback else _SCHEDULED)
    if case.owner:
        before = release(story, ReleaseOwnership(case.own, command.epoch, command.reason), by)
    if command.callback:
        return (*before, CallbackRequested(case.own, from_at, command.reason))
    return (*before, CaseScheduled(case.own, from_at or now, command.reason))


def _wanted(at: datetime | None, now: datetime) -> datetime | None:
    """Check an appointment; None: as soon as its turn comes."""
    if at is None:
        return None
    if at < now - PAST_MAX:
        raise Invalid("not_before_at", "lies in the past")
    if at > now + AHEAD_MAX:
        raise Invalid("not_before_at", f"lies ahead by more than {AHEAD_MAX.days} days")
    return at if at > now else None


def _open_then(case: Case, at: datetime | None, rules: Rules) -> None:
    """Check that somebody is there to call at an appointment."""
    hours = queue_rules(rules, case.queue).hours
    if at is None or is_open(hours, at):
        return
    opens_at = next_open(hours, at)
    local = f"{opens_at.astimezone(hours.zone):%Y-%m-%d %H:%M} {hours.zone_name}"
    raise Rejected(
        "CLOSED_THEN",
        f"queue {case.queue} is closed then; it opens next at {_utc(opens_at)} ({local})",
    )


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _from_at(case: Case, wanted: datetime | None, now: datetime) -> datetime | None:
    """Say from when on it waits; None: as it did. An appointment that is dropped ends now."""
    return wanted or (now if case.scheduled_at(now) else None)
