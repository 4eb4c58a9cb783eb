"""Where work goes that finds a queue full or closed: how it is read, and circles."""

from collections.abc import Iterator

from toldonce.kernel.config.circles import Edge, said
from toldonce.kernel.config.circles import circles as rounds
from toldonce.kernel.config.tree import Fields
from toldonce.kernel.config.types import Config, Overflow
from toldonce.kernel.errors import Problem

WAITING_MAX = 1_000_000


def overflow(queue: Fields) -> Overflow | None:
    """Read the rule of a queue; None where there is none."""
    if "overflow" not in queue.values:
        return None
    entry = queue.section("overflow", ("to", "waiting_max", "when_closed"))
    counted = "waiting_max" in entry.values
    found = Overflow(
        to=entry.name("to"),
        waiting_max=entry.whole("waiting_max", 0, WAITING_MAX) if counted else None,
        when_closed=entry.flag("when_closed", default=False),
    )
    if not counted and not found.when_closed:
        entry.wrong("to", "takes nothing: say waiting_max, or when_closed: true")
    return found


def circles(config: Config) -> Iterator[Problem]:
    """Find queues that overflow into each other: work would wait where it came from."""
    edges = (
        Edge(f"queues[{index}].overflow.to", queue.name, queue.overflow.to)
        for index, queue in enumerate(config.queues.values())
        if queue.overflow is not None
    )
    for circle in rounds(edges):
        yield Problem(circle[0].path, f"queues overflow in a circle: {said(circle)}")
