"""A story as people read it: who the customer is, who said or did what, when, on which channel.

What cannot be shown is said with its reason: never given, or forgotten.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from toldonce.cli.happened import plain
from toldonce.client.card import Card, EarlierCase, Promise
from toldonce.client.context import ContextRead, HandoffTold
from toldonce.client.seen import CaseSeen
from toldonce.kernel.context import Item
from toldonce.kernel.ids import own_of

_MICROS = 1_000_000
_SAID = {"contact_received", "entry_appended"}
_QUIET = {"case_opened", "wrap_up_begun", "wrap_up_completed", "delivery_confirmed"}
_TOPIC_BY = {"GATEWAY": "its gateway", "WORDS": "its words", "MODEL": "the model"}
_FOR = {"CUSTOMER": "waits for the customer", "HOLD": "is on hold"}
_NO_MORE = {"CUSTOMER": "waits for the customer no more", "HOLD": "is on hold no more"}
_INDENT = " " * 12


def lines(read: ContextRead, *, everything: bool = False) -> Iterator[str]:
    """Tell a story line by line, its days if it has several.

    `everything`: also what only machines care about.
    """
    told = {one.handoff_id[26:]: one for one in read.handoffs}
    days = [_at(item.at_us, "%Y-%m-%d") for item in read.items]
    day = "" if len(set(days)) > 1 else next(iter(days), "")
    for today, item in zip(days, read.items, strict=True):
        if not everything and item.type in _QUIET:
            continue
        if today != day:
            day = today
            yield f"{day} (UTC)"
        yield line(item)
        yield from _references(item)
        if item.type == "handoff_begun":
            yield from _envelope(told.get(dict(item.attributes).get("handoff", "")))


def line(item: Item) -> str:
    """Tell one item."""
    facts = dict(item.attributes)
    where = f" [{item.channel}]" if item.channel else ""
    return f"{_at(item.at_us, '%H:%M:%S')}  {item.actor}{where}  {_what(item, facts)}"


def call_at(read: ContextRead) -> str:
    """Say where a customer is to be called: where they asked, else where they came from; or ""."""
    mine = [dict(item.attributes) for item in read.items if item.case == read.case.case_id[26:]]
    asked = [facts["callback_to"] for facts in mine if "callback_to" in facts]
    came = [facts["alias_0"] for facts in mine if "alias_0" in facts]
    kind, _, address = next(iter((*asked[::-1], *came[::-1])), "").partition(":")
    return f"{kind.lower()} {address}" if address else ""


def card_lines(card: Card) -> Iterator[str]:
    """Tell who the customer is and what the next person should not have to ask."""
    gone = "forgotten" if card.forgotten else ""
    yield (
        f"{card.name or f'a customer whose name was {gone or "never given"}'}; "
        f"language {card.language or 'unknown'}"
    )
    reached = ", ".join(f"{kind.lower()} {address}" for kind, address in card.aliases)
    yield f"  reached at: {reached or f'no address, {gone or "none came with a contact"}'}"
    yield (
        f"  {_count(card.contacts_total, 'contact')}, {_count(card.handoffs_total, 'handoff')}, "
        f"{_count(card.bad_experiences, 'bad experience')}"
    )
    if card.preferred_channel or card.preferred_agent:
        liked = [f"channel {card.preferred_channel}"] if card.preferred_channel else []
        liked += [f"agent {card.preferred_agent}"] if card.preferred_agent else []
        yield f"  prefers: {', '.join(liked)}"
    if card.incident:
        yield f"  incident: {card.incident} (many cases, one cause)"
    for promise in card.promises:
        yield f"  promised: {_promise(promise)}"
    for case in card.earlier_cases:
        yield f"  earlier: {_earlier(case)}"
    if card.forgotten:
        yield "  forgotten: older words were destroyed; what is shown of them came since"


def promised(one: Promise) -> str:
    """Say what was promised; what nobody of the company wrote is what the acknowledgement says."""
    if one.text:
        return _quoted(one.text)
    return "(the words were forgotten)" if one.agent else "an answer"


def standing(case: CaseSeen, now: datetime) -> Iterator[str]:
    """Say what a case waits for, until when, and what its customer is to the company."""
    if case.tier:
        yield f"customer tier {case.tier}"
    until_at = case.paused_until_at
    if until_at is not None and now < until_at:
        why = _FOR.get(case.paused_for, "waits")
        yield f"{why}, at most until {until_at:%Y-%m-%d %H:%M} UTC"
    elif case.state == "PENDING_CUSTOMER":
        yield "has waited for the customer as long as was said; its clocks go on"


def topic(read: ContextRead) -> str:
    """Tell what a case is about, and who said so of the contact it was opened for."""
    named = read.case.topic
    if not named:
        return "unknown"
    opened = (
        dict(item.attributes)
        for item in read.items
        if item.type == "contact_received" and item.case == own_of(read.case.case_id)
    )
    first = next((facts for facts in opened if facts.get("topic") == named), {})
    sure = f", {first['topic_sure_pct']} % sure" if "topic_sure_pct" in first else ""
    by = _TOPIC_BY.get(first.get("topic_by", ""))
    return f"{named} (by {by}{sure})" if by else named


def missing(read: ContextRead) -> Iterator[str]:
    """Say what a reader may look for in vain, and why it is not there."""
    silent = sum(("forgotten", "true") in item.attributes for item in read.items)
    if silent:
        yield f"{_count(silent, 'entry', 'entries')} without words: forgotten, only the facts stay"
    bare = sum(one.envelope.reason == "" for one in read.handoffs)
    if bare and not silent:
        yield f"{_count(bare, 'handoff')} without an envelope: the rules of then asked for none"
    if read.items and not read.card.language:
        yield "the language: no gateway said it, and no text told it"


def _what(item: Item, facts: dict[str, str]) -> str:
    if item.type in _SAID and item.text:
        subject = f"({facts['subject']}) " if facts.get("subject") else ""
        who = f"{facts['name']}: " if facts.get("name") else ""
        note = "notes " if facts.get("kind") == "NOTE" else ""
        return f"{who}{note}{subject}{_quoted(item.text)}"
    told = _TOLD.get(item.type)
    if told is not None:
        return told(facts) + (f": {_quoted(item.text)}" if item.text else "")
    words = plain(item.type)
    more = ", ".join(_facts(facts))
    silent = " (its words were forgotten)" if facts.get("forgotten") else ""
    return (f"{words} ({more})" if more else words) + silent


_TOLD: dict[str, Callable[[dict[str, str]], str]] = {
    "offered": lambda f: (
        f"offered to {f.get('agent', '?')} by policy {f.get('policy_version', '?')}"
    ),
    "offer_accepted": lambda f: f"{f.get('agent', '?')} owns it now (epoch {f.get('epoch', '?')})",
    "offer_declined": lambda f: f"{f.get('agent', '?')} declined: {f.get('reason', '?')}",
    "offer_expired": lambda f: f"{f.get('agent', '?')} did not answer the offer",
    "handoff_begun": lambda f: (
        f"handed over {'warm ' if f.get('warm') else ''}to {f.get('target_kind', '').lower()} "
        f"{f.get('target')}{f', because {f["override"]}' if f.get('override') else ''}"
    ),
    "handoff_cancelled": lambda f: f"the handoff ended: {f.get('reason', '?')}",
    "case_closed": lambda f: (
        f"closed: {f.get('disposition', '?')}"
        f"{'; the customer had to tell it again' if f.get('re_told') == 'true' else ''}"
    ),
    "case_abandoned": lambda f: f"the customer left: {f.get('reason', '?')}",
    "queue_changed": lambda f: (
        f"waits in queue {f.get('queue', '?')} from now on, was in {f.get('from_queue', '?')}: "
        f"{f.get('reason', '?')}"
    ),
    "case_merged": lambda f: f"joined with case ...{f.get('into', '?')}",
    "case_split": lambda _: "some contacts became a case of their own",
    "consult_joined": lambda f: f"{f.get('agent', '?')} advises ({f.get('kind', '?').lower()})",
    "consult_left": lambda f: f"{f.get('agent', '?')} advises no longer",
    "commitment_made": lambda f: (
        f"{f.get('agent') or 'the acknowledgement'} promised "
        f"{'' if f.get('agent') else 'an answer '}by {_due(f)}"
    ),
    "commitment_kept": lambda f: (
        f"{f['agent']} kept a promise" if f.get("agent") else "a promise was kept"
    ),
    "commitment_broken": lambda f: f"a promise was broken: it was due {_due(f)}",
    "commitment_withdrawn": lambda f: (
        f"a promise is not waited for any more: {f.get('reason', '?')}"
    ),
    "ownership_released": lambda f: f"{f.get('agent', '?')} lets go: {f.get('reason', '?')}",
    "ownership_lapsed": lambda f: (
        f"{f.get('agent', '?')} is away; by rule {f.get('rule', '?')} "
        f"{f.get('backup') or 'somebody of the queue'} may take over"
    ),
    "ownership_resumed": lambda f: f"{f.get('agent', '?')} is back and keeps it",
    "callback_requested": lambda f: (
        f"to be called back{f' at {f["callback_to"]}' if 'callback_to' in f else ''}, "
        f"{_from(f)}{f': {f["reason"]}' if 'reason' in f else ''}"
    ),
    "case_paused": lambda f: (
        f"{_FOR.get(f.get('cause', ''), 'waits')}{f': {f["reason"]}' if f.get('reason') else ''}, "
        f"at most until {_instant(f, 'until_at')}"
    ),
    "case_resumed": lambda f: (
        f"{_NO_MORE.get(f.get('cause', ''), 'waits no more')}"
        f"{f': {f["reason"]}' if f.get('reason') else ''}"
    ),
    "rung_climbed": lambda f: (
        f"rung {f.get('rung', '?')} of policy {f.get('policy', '?')} for clock "
        f"{f.get('clock', '?')}, due {_due(f)}{''.join(_done_by(f))}"
    ),
    "case_scheduled": lambda f: f"waits {_from(f)}: {f.get('reason', '?')}",
    "incident_linked": lambda f: f"part of incident {f.get('incident') or 'no more'}",
    "priority_set": lambda f: f"priority {f.get('priority', '0')} now: {f.get('reason', '?')}",
    "sla_warned": lambda f: (
        f"{'a promise' if f.get('commitment') else f'clock {f.get("clock", "?")}'} "
        f"runs out at {_due(f)}"
    ),
    "sla_breached": lambda f: f"clock {f.get('clock', '?')} ran out at {_due(f)}",
    "moved": lambda _: "this story goes on in another customer's",
    "absorbed": lambda _: "another customer's story became part of this one",
    "forgotten": lambda f: f"the customer was forgotten: {f.get('reason', '?')}",
}


def _facts(facts: dict[str, str]) -> Iterable[str]:
    for name in ("agent", "reason", "clock", "priority", "queue", "rung"):
        if name in facts:
            yield f"{name} {facts[name]}"


def _references(item: Item) -> Iterator[str]:
    for name, value in item.attributes:
        if name.startswith("reference_"):
            uri, kind, size, digest = [*value.split(" "), "", "", ""][:4]
            sha = f", sha256 {digest}" if digest else ", of unknown hash"
            yield f"{_INDENT}file: {uri} ({kind}, {size} bytes{sha})"


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
        ("mood", said.mood),
    ):
        if text:
            yield f"{_INDENT}{name}: {text}"


def _promise(one: Promise) -> str:
    due = f"{one.due_at:%Y-%m-%d %H:%M}" if one.due_at else "some time"
    return f"{promised(one)} by {due} UTC, says {one.agent or 'the acknowledgement'}"


def _earlier(case: EarlierCase) -> str:
    ended = f"{case.ended_at:%Y-%m-%d}" if case.ended_at else "?"
    by = f" by {case.agent}" if case.agent else ""
    return (
        f"{ended} {case.topic or 'topic unknown'} ({case.channel}, queue {case.queue}): "
        f"{case.disposition}{by}, case {case.case_id}"
    )


def _done_by(facts: dict[str, str]) -> Iterable[str]:
    """Say what a rung does that has no event of its own."""
    said = {
        "widened": "; it asks as little as after all steps now",
        "notified": "; those who are to know are told",
        "paged": "; a supervisor is called",
    }
    return (words for name, words in said.items() if facts.get(name) == "true")


def _due(facts: dict[str, str]) -> str:
    return _instant(facts, "due_at")


def _instant(facts: dict[str, str], name: str) -> str:
    at = facts.get(name, "")
    return f"{_at(int(at), '%Y-%m-%d %H:%M')} UTC" if at.isdecimal() else "?"


def _from(facts: dict[str, str]) -> str:
    at = facts.get("not_before_at", "")
    return f"from {_at(int(at), '%Y-%m-%d %H:%M')} UTC on" if at.isdecimal() else "in its turn"


def _at(at_us: int, form: str) -> str:
    return datetime.fromtimestamp(at_us / _MICROS, UTC).strftime(form)


def _quoted(text: str) -> str:
    return f"“{' '.join(text.split())}”"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
