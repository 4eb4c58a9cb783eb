"""What a calendar's holidays come to, for people and for machines: nobody likes to be surprised."""

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from toldonce.cli.output import Out

if TYPE_CHECKING:
    from toldonce.kernel.config import Config

NEXT_MAX = 5


def show_closed(out: Out, config: "Config", now: datetime) -> dict[str, Any]:
    """Say which days each calendar is closed next although the week has them open.

    Returns it for machines: by calendar, `closed_next` and until when holidays are known.
    """
    from toldonce.kernel.closing import closed_days

    figures: dict[str, Any] = {}
    for calendar in config.calendars.values():
        if calendar.always:
            continue
        today = now.astimezone(calendar.zone).date()
        days = list(islice(closed_days(calendar, today), NEXT_MAX))
        told = ", ".join(f"{day.on:%a} {day.on} {day.name}".rstrip() for day in days)
        until = calendar.holidays_until
        made_by = (
            f" (holidays until {until}, by release {config.expansion.release} of holidays)"
            if until
            else ""
        )
        closed = f"is closed next on {told}" if told else "keeps its week: no day is closed besides"
        out.say(f"Calendar {calendar.name} {closed}{made_by}.")
        figures[calendar.name] = {
            "closed_next": [{"date": day.on.isoformat(), "name": day.name} for day in days],
            "holidays_until": until.isoformat() if until else None,
        }
    return figures
