"""A story as people read it: who said or did what, when, on which channel."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from toldonce.client.context import ContextRead, HandoffTold
from toldonce.kernel.context import Item

_MICROS = 1_000_000
_SAID = {"contact_received", "entry_appended"}
_QUIET = {"case_opened", "wrap_up_begun", "wrap_up_completed", "delivery_confirmed"}


def lines(read: ContextRead, *, everything: bool = False) -> Iterator[str]:
    """Tell a story line by line; `everything` also what only machines care about."""
    told = {one.handoff_id[26:]: one for one in read.handoffs}
    for item in read.items:
        if not everything and item.type in _QUIET:
            continue
        yield line(item)
        if item.type == "handoff_begun":
            yield from _envelope(told.get(dict(item.attributes).get("handoff", "")))


def line(item: Item) -> str:
    """Tell one item."""
    at = datetime.fromtimestamp(item.at_us / _MICROS, UTC).strftime("%H:%M:%S")
    facts = dict(item.attributes)
    where = f" [{item.channel}]" if item.channel else ""
    return f"{at}  {item.actor}{where}  {_what(item, facts)}"


def _what(item: Item, facts: dict[str, str]) -> str:
    if item.type in _SAID and item.text:
        subject = f"({facts['subject']}) " if facts.get("subject") else ""
        who = f"{facts['name']}: " if facts.get("name") else ""
        return f"{who}{subject}“{' '.join(item.text.split())}”"
    words = item.type.replace("_", " ")
    match item.type:
        case "offered":
            return f"offered to {facts.get('agent', '?')}"
        case "offer_accepted":
            return f"{facts.get('agent', '?')} owns it now (epoch {facts.get('epoch', '?')})"
        case "handoff_begun":
            return f"handed over to {facts.get('target_kind', '').lower()} {facts.get('target')}"
        case "case_closed":
            return f"closed: {facts.get('disposition', '?')}"
        case _:
            told = ", ".join(_facts(facts))
            return f"{words} ({told})" if told else words


def _facts(facts: dict[str, str]) -> Iterable[str]:
    for name in ("agent", "reason", "clock", "priority", "queue", "rung"):
        if name in facts:
            yield f"{name} {facts[name]}"


def _envelope(told: HandoffTold | None) -> Iterator[str]:
    if told is None:
        return
    said = told.envelope
    for name, text in (
        ("why", said.reason),
        ("the matter", said.summary),
        ("tried", said.tried),
        ("promised", said.promised),
        ("told the customer", said.told_customer),
    ):
        if text:
            yield f"            {name}: {text}"
