"""Instants as whole microseconds since 1970: exact, quick to compare and to add to."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY_S: Final = 86_400
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY_SHIFT: Final = 13
_DAY_ODD: Final = DAY_S * SECOND >> _DAY_SHIFT


def micros(at: datetime) -> int:
    """Count the microseconds from 1970 to an aware instant."""
    past = at - EPOCH
    # a day in two factors below 2**30: compiled, greater ones are multiplied the slow way
    days_us = past.days * _DAY_ODD << _DAY_SHIFT
    return days_us + past.seconds * SECOND + past.microseconds


def instant(at_us: int) -> datetime:
    """Make the aware UTC instant back."""
    return EPOCH + at_us * _MICROSECOND


def wall(at_us: int) -> str:
    """Write the time of day, to the second, for people (UTC)."""
    return f"{instant(at_us):%H:%M:%S}"
