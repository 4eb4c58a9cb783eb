"""What people were told, against the log: done is done, refused is not, and nothing goes back."""

from collections import Counter

from tests.sim.book import Book
from tests.sim.world import Op, World
from toldonce.kernel.story.events import CaseClosed, HandoffBegun
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Story

Found = list[tuple[str, str]]
_ABOUT_OWNER = frozenset({"STALE_EPOCH", "NOT_OWNER", "NOT_OWNED"})


def check(world: World, book: Book, checked: Counter[str]) -> Found:
    """Check every answer anybody got."""
    by_operation: dict[tuple[str, str], list[Logged]] = {}
    for logged in book.all:
        record = logged.record
        by_operation.setdefault((record.tenant, record.operation), []).append(logged)
    found: Found = []
    for op in world.ops:
        stands = by_operation.get((op.tenant, op.operation), []) if op.operation else []
        if op.result == "ok":
            found += _done(op, stands, book, checked)
        elif op.result == "refused":
            found += _refused(op, stands, book, checked)
    found += _in_order(world.ops, by_operation, checked)
    return found


def _done(op: Op, stands: list[Logged], book: Book, checked: Counter[str]) -> Found:
    """I1: what was reported done is in the log, where it was said to be."""
    checked["done"] += 1
    if not op.event_id:
        return []  # it was so already, or it writes under ids of its own
    if not stands:
        return [("I1", f"{op.kind} {op.operation} was reported done and is not in the log")]
    logged = stands[0]
    if (logged.sequence, logged.record.event_id(0)) != (op.sequence, op.event_id):
        return [("I1", f"{op.kind} {op.operation} is at {logged.sequence}, not {op.sequence}")]
    return _seen(op, logged, book)


def _seen(op: Op, logged: Logged, book: Book) -> Found:
    """What was closed or handed over had nothing in it that the asker had not seen."""
    about = {
        event.case for event in logged.record.events if isinstance(event, CaseClosed | HandoffBegun)
    }
    if "seen" not in op.facts or op.facts["case"] not in about or op.kind == "escalate":
        return []
    story = book.stories[logged.record.tenant, logged.record.customer]
    before = [one for one in story if one.sequence < logged.sequence]
    case = before[-1].record.head.case(op.facts["case"]) if before else None
    if case is not None and case.last_customer_entry != op.facts["seen"]:
        return [("I6", f"{op.kind} {op.operation} went over a message nobody had seen")]
    return []


def _refused(op: Op, stands: list[Logged], book: Book, checked: Counter[str]) -> Found:
    """I2: what was refused is not in the log, and rests on what the story was at that time."""
    if not op.firm:
        return []
    checked["refused"] += 1
    if stands:
        return [("I2", f"{op.kind} {op.operation} was refused ({op.reason}) and stands in the log")]
    if op.reason in _ABOUT_OWNER and "epoch" in op.facts and "case" in op.facts:
        return _grounds(op, book, checked)
    return []


def _grounds(op: Op, book: Book, checked: Counter[str]) -> Found:
    """I6 for refusals: at some instant between asking and answer the reason was true."""
    checked["grounds"] += 1
    own = op.facts["case"]
    for (tenant, _), story in book.stories.items():
        if tenant != op.tenant:
            continue
        last: Story | None = None
        for logged in story:
            if logged.sequence > op.returned_at:
                break
            head = logged.record.head
            if logged.sequence <= op.invoked_at:
                last = head if head.case(own) else None
            elif _explains(op, head):
                return []
        if last is not None and _explains(op, last):
            return []
        if last is None and any(case.own == own for one in story for case in one.record.head.cases):
            return []
    return [("I6", f"{op.kind} {op.operation} was refused ({op.reason}) without grounds")]


def _explains(op: Op, head: Story) -> bool:
    """Tell whether one of the cases asked about was not the asker's, at the epoch they quoted."""
    case = head.case(op.facts["case"])
    if case is None or case.epoch != op.facts["epoch"] or case.owner != op.actor:
        return True
    other = head.case(op.facts.get("merged", ""))
    return op.reason == "NOT_OWNER" and other is not None and other.owner not in {"", op.actor}


def _in_order(
    ops: list[Op], by_operation: dict[tuple[str, str], list[Logged]], checked: Counter[str]
) -> Found:
    """I6: what was answered before another was asked stands before it in the log."""
    placed = sorted(
        (op for op in ops if op.result == "ok" and op.event_id and not op.repeat and op.operation),
        key=lambda op: op.sequence,
    )
    found: Found = []
    latest = -1
    for op in placed:
        checked["ordered"] += 1
        if op.returned_at < latest:
            found.append(("I6", f"{op.kind} {op.operation} stands before what was asked later"))
        latest = max(latest, op.invoked_at)
    return found
