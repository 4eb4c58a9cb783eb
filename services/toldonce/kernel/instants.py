"""Instants as whole microseconds since 1970: exact, quick to compare and to add to."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY_S = 86_400
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Count the microseconds from 1970 to an aware instant."""
    past = at - EPOCH
    return (past.days * DAY_S + past.seconds) * SECOND + past.microseconds


def instant(at_us: int) -> datetime:
    """Make the aware UTC instant back."""
    return EPOCH + at_us * _MICROSECOND


def wall(at_us: int) -> str:
    """Write the time of day, to the second, for people (UTC)."""
    return f"{instant(at_us):%H:%M:%S}"
