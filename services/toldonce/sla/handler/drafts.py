"""What to write for a plan: its alarms, its row, and the alarms that nothing wants any more.

In this order, so that of writes that are broken off in the middle no row stands without its alarms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from toldonce.runtime import names
from toldonce.runtime.alarms import Write, armed, disarmed, out_at_once
from toldonce.runtime.mapping import at_us, to_us
from toldonce.sla.handler.rows import Row, Rows, Story
from toldonce.sla.handler.timers import Plan


@dataclass(frozen=True, slots=True)
class Draft:
    """The writes of one plan: first the alarms of timers that are `fresh` (us), then its row."""

    plan: Plan
    fresh: tuple[int, ...]
    writes: list[Write]

    @property
    def story(self) -> Story:
        """Say whose timers they are."""
        return self.plan.tenant, self.plan.customer

    @property
    def row(self) -> Write:
        """Give the write of the row."""
        return self.writes[len(self.fresh)]


def place_of(plan: Plan) -> tuple[int, int]:
    """Say which of two plans is newer."""
    return plan.sequence, plan.revision


def drafted(plans: Sequence[Plan], rows: Rows, *, now: datetime, margin_us: int) -> list[Draft]:
    """Draft those plans that do not stand and are not behind one that does.

    `now` is the server's time; nothing fires before `margin_us` are over.
    """
    found = (_draft(plan, rows, to_us(now), margin_us) for plan in plans)
    return [draft for draft in found if draft is not None]


def parcels(drafts: Sequence[Draft], size_max: int) -> Iterator[list[Draft]]:
    """Part drafts into such as can be written as one; a story alone always can, by its head."""
    parcel: list[Draft] = []
    size = 0
    for draft in drafts:
        if parcel and size + len(draft.writes) > size_max:
            yield parcel
            parcel, size = [], 0
        parcel.append(draft)
        size += len(draft.writes)
    if parcel:
        yield parcel


def _draft(plan: Plan, rows: Rows, now_us: int, margin_us: int) -> Draft | None:
    story = (plan.tenant, plan.customer)
    row = rows.seen(story)
    wanted = {own: to_us(fires_at) for own, fires_at in plan.timers}
    if row is None and not wanted:
        return None
    if row is not None and row.place >= place_of(plan):
        return None
    stands = row.timers if row is not None else {}
    fresh = sorted((us, own) for own, us in wanted.items() - stands.items())
    gone = [(own, us) for own, us in stands.items() - wanted.items() if us > now_us]
    value = f"{plan.sequence} {plan.revision}".encode()
    last_s = (max(wanted.values(), default=0) - now_us) / 1_000_000
    writes = [_alarm((*story, own, us), us + margin_us, value, now_us) for us, own in fresh]
    writes.append(rows.write(story, Row(plan.sequence, plan.revision, wanted), last_s=last_s))
    writes += (disarmed(names.alarm_key(*story, own, us)) for own, us in gone)
    return Draft(plan, tuple(us for us, _ in fresh), writes)


def _alarm(name: tuple[str, str, str, int], out_us: int, value: bytes, now_us: int) -> Write:
    if out_us > now_us:
        return armed(names.alarm_key(*name), names.due_key(*name), value, at_us(out_us))
    return out_at_once(names.due_key(*name), value)
