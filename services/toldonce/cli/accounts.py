"""Accounts of clocks as people and machines read them, in the zone whose wall clocks count."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from toldonce.kernel.account import Span

if TYPE_CHECKING:
    from toldonce.client.clocks import ClockTold

_NOT_COUNTED = "-"
_COLUMNS = ("from", "to", "lasts", "counted", "in all", "why")
_STATES = {
    "RUNNING": "it runs",
    "PAUSED": "it stands still",
    "WARNED": "it runs, and the warning has come",
    "BREACHED": "it came too late",
    "MET": "it was in time",
    "CANCELLED": "the case ended without it",
}


def clock_lines(told: "ClockTold", zone: tzinfo) -> Iterator[str]:
    """Tell a clock: how it stands, by which policy and calendar, and where its time went."""
    at = _Wall(zone, [told.started_at, told.warn_at, told.due_at, told.ended_at, told.read_at])
    state = _STATES.get(told.state, "this program does not know that state")
    if told.state == "BREACHED" and told.ended_at is None:
        state = "it is overdue"
    yield f"{told.kind}: {told.state}, {state}"
    if told.commitment_id:
        yield f"  promise   {told.commitment_id}"
        yield f"  aims at   {length(told.target_s)} by the wall: {told.why}"
    else:
        aim = f"{length(told.target_s)} of working time by policy {told.policy}"
        yield f"  aims at   {aim}: {told.why}"
    yield (
        f"  calendar  {told.calendar}, times as on the wall in {told.zone_name} "
        f"(policy {told.policy_version}, calendar {told.calendar_version})"
    )
    due = at(told.due_at) if told.due_at else "not known while it is paused"
    yield f"  began     {at(told.started_at)}"
    if told.warn_at:
        by = f", by policy {told.policy}" if told.commitment_id else ""
        yield f"  warning   {at(told.warn_at)}{by}"
    yield f"  due       {due}"
    if told.ended_at:
        yield f"  ended     {at(told.ended_at)}"
    else:
        yield f"  read      {at(told.read_at)}"
    left = f"{length(told.remaining_s)} left"
    over = f"{length(-told.remaining_s)} too much"
    yield f"  counted   {length(told.elapsed_s)}, {left if told.remaining_s >= 0 else over}"
    yield from span_lines(told.spans, zone)


def span_lines(spans: Sequence[Span], zone: tzinfo) -> Iterator[str]:
    """Tell an account, a line for each span, with what had counted by its end."""
    at = _Wall(zone, [edge for span in spans for edge in (span.from_at, span.to_at)])
    rows, counted_s = [_COLUMNS] if spans else [], 0.0
    for span in spans:
        counted_s += span.counted_s
        counted = length(span.counted_s) if span.counted_s else _NOT_COUNTED
        edges = (at(span.from_at), at(span.to_at))
        rows.append((*edges, length(span.lasts_s), counted, length(counted_s), span.reason))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def clock_figures(told: "ClockTold", zone: tzinfo) -> dict[str, Any]:
    """Give a clock to machines; instants are ISO 8601 with the offset of the calendar's zone."""
    moments = ("started_at", "warn_at", "due_at", "ended_at", "read_at")
    plain = ("target_s", "elapsed_s", "remaining_s", "policy", "why", "policy_version", "calendar")
    return (
        {"kind": told.kind, "state": told.state}
        | {name: written(getattr(told, name), zone) for name in moments}
        | {name: getattr(told, name) for name in plain}
        | {"zone": told.zone_name, "calendar_version": told.calendar_version}
        | {"commitment": told.commitment_id}
        | {"spans": span_figures(told.spans, zone)}
    )


def span_figures(spans: Iterable[Span], zone: tzinfo) -> list[dict[str, Any]]:
    """Give an account to machines."""
    return [
        {
            "from": written(span.from_at, zone),
            "to": written(span.to_at, zone),
            "counted": span.counted_s > 0,
            "counted_s": span.counted_s,
            "lasts_s": span.lasts_s,
            "reason": span.reason,
            "merged": span.merged,
        }
        for span in spans
    ]


def written(at: datetime | None, zone: tzinfo) -> str | None:
    """Write an instant as ISO 8601 with the offset of a zone."""
    return None if at is None else at.astimezone(zone).isoformat()


def moments(zone: tzinfo, of: Sequence[datetime | None]) -> list[str]:
    """Write instants as a wall in a zone shows them."""
    return list(map(_Wall(zone, of), of))


def length(seconds: float) -> str:
    """Write a length of working time: `7 h 30 min`, `45 s`."""
    whole = round(abs(seconds))
    hours, rest = divmod(whole, 3_600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    said = " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
    return f"-{said}" if seconds < 0 and whole else said


class _Wall:
    """Writes instants as a wall shows them; with their offset where the clocks changed."""

    def __init__(self, zone: tzinfo, moments: Sequence[datetime | None]) -> None:
        known = [at.astimezone(zone) for at in moments if at is not None]
        self._zone = zone
        self._seconds = any(at.second for at in known)
        self._offsets = len({at.utcoffset() for at in known}) > 1

    def __call__(self, at: datetime | None) -> str:
        if at is None:
            return "?"
        local = at.astimezone(self._zone)
        offset = f" {local:%:z}" if self._offsets else ""
        return f"{local:%a %Y-%m-%d %H:%M}{f':{local:%S}' if self._seconds else ''}{offset}"
