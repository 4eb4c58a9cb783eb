"""Cases that loom, for tests of who is at risk: each named by a number."""

from dataclasses import replace
from datetime import timedelta

from tests.tellers import START, customer, own
from tests.unit.sla.test_core import CASE
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import CustomerId, whole
from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.story.types import Case
from toldonce.sla.core import Due, Looming
from toldonce.sla.core.dues import Rank

ZERO_US = micros(START)


def at(seconds: float) -> int:
    """An instant so many seconds after START, in microseconds."""
    return ZERO_US + round(seconds * SECOND)


def who(number: int) -> CustomerId:
    """The customer of a number."""
    return customer("loom", number)


def case_of(number: int, **changes: object) -> Case:
    """The case of a number: it came so many seconds after START."""
    since = START + timedelta(seconds=number)
    made = replace(CASE, own=own("loom", number), enqueued_at=since, waiting_since=since)
    return replace(made, **changes)  # type: ignore[arg-type]


def case_id(number: int) -> str:
    """The id of that case."""
    return whole(who(number), case_of(number).own)


def looming(
    number: int,
    due_s: float | None,
    *,
    queue: str = "orders",
    waits: bool = False,
    priority: int = 0,
) -> Looming:
    """A case due so many seconds after START; `waits`: in line, by its clock for an agent."""
    case = case_of(number, queue=queue, priority=priority)
    due = None if due_s is None else Due(at(due_s), ClockKind.FIRST_RESPONSE, at(number))
    return Looming(
        who(number),
        case.own,
        1,
        case,
        due,
        queue if waits else "",
        Rank(-priority, at(number)),
        (due,) if due is not None and waits else (),
        (),
    )
