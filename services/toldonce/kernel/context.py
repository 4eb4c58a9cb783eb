"""The context of a case: the whole story as a timeline, its canonical form and its hash.

Both sides of a handoff compute the hash of what they themselves hold. The canonical form of an
item is a run of netstrings (`<length in bytes>:<bytes>,`, UTF-8): sequence, index, event id, `at`
in microseconds since 1970, type, case, channel, actor, text, the number of attributes, then the
name and value of each, sorted by name. Whole numbers are decimal digits, texts in Unicode NFC. The
hash is SHA-256 over PREAMBLE and the items in order of sequence, then index.
"""

import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from toldonce.kernel.instants import micros
from toldonce.kernel.story.events import (
    Absorbed,
    CallbackWords,
    Carried,
    CaseReopened,
    ContactWords,
    EntryWords,
    EnvelopeWords,
    Event,
    Fenced,
    Reference,
    Words,
)
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import SkillNeed

PREAMBLE = b"toldonce-context-1\n"
_OWN_FIELDS = frozenset({"case", "channel", "trace", "made", "keys"})


@dataclass(frozen=True, slots=True)
class Item:
    """One fact of the timeline; `case` is an own id or empty, `attributes` are sorted by name."""

    sequence: int
    index: int
    event_id: str
    at_us: int
    type: str
    case: str
    channel: str
    actor: str
    text: str
    attributes: tuple[tuple[str, str], ...]


def items(logged: Logged, words: Mapping[int, Words] | None) -> tuple[Item, ...]:
    """Make the timeline of one append; `words` is None when they were forgotten."""
    record = logged.record
    at_us = micros(record.at)
    made = []
    for index, event in enumerate(record.events):
        if isinstance(event, Fenced):
            continue
        said = (words or {}).get(index)
        attributes = dict(_facts(event)) | dict(_said(said))
        if words is None:
            attributes["forgotten"] = "true"
        made.append(
            Item(
                sequence=logged.sequence,
                index=index,
                event_id=record.event_id(index),
                at_us=at_us,
                type=type_of(event),
                case=_case_of(event),
                channel=getattr(event, "channel", ""),
                actor=record.actor,
                text=normal(getattr(said, "text", "")),
                attributes=tuple(sorted(attributes.items())),
            )
        )
    return tuple(made)


def canonical(item: Item) -> bytes:
    """Write one item in its canonical form."""
    plain = (
        str(item.sequence),
        str(item.index),
        item.event_id,
        str(item.at_us),
        item.type,
        item.case,
        item.channel,
        item.actor,
        item.text,
        str(len(item.attributes)),
        *(part for pair in item.attributes for part in pair),
    )
    return b"".join(_netstring(part) for part in plain)


def context_hash(timeline: Iterable[Item]) -> bytes:
    """Hash a timeline (32 bytes), items in the order given."""
    digest = hashlib.sha256(PREAMBLE)
    for item in timeline:
        digest.update(canonical(item))
    return digest.digest()


def type_of(event: Event) -> str:
    """Name the type of an event as a timeline does: `contact_received`."""
    return _snake(type(event).__name__)


def normal(text: str) -> str:
    """Bring a text into the one form it is stored and hashed in."""
    return unicodedata.normalize("NFC", text)


def _netstring(part: str) -> bytes:
    raw = part.encode()
    return str(len(raw)).encode() + b":" + raw + b","


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _case_of(event: Event) -> str:
    if isinstance(event, CaseReopened):
        return event.case.own
    return getattr(event, "case", "")


def _facts(event: Event) -> Iterable[tuple[str, str]]:
    if isinstance(event, Absorbed | Carried):
        return
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if field.name in _OWN_FIELDS or value is None or value in ("", b"", ()):
            continue
        if value == field.default:  # added by a later version: a story of before keeps its hash
            continue
        yield field.name, _written(value)


def _written(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return str(micros(value))
        case bytes():
            return value.hex()
        case IntEnum():
            return value.name
        case tuple():
            return " ".join(_written(one) for one in value)
        case SkillNeed(name, level):
            return f"{name}:{level}"
        case _:
            return str(value)


def _said(words: Words | None) -> Iterable[tuple[str, str]]:
    match words:
        case ContactWords():
            yield from (
                (f"alias_{at}", f"{alias.kind}:{normal(alias.value)}")
                for at, alias in enumerate(words.aliases)
            )
            pairs = (("name", words.name), ("subject", words.subject))
            yield from ((name, normal(value)) for name, value in pairs if value)
            if words.acknowledgement:
                yield "acknowledgement", normal(words.acknowledgement)
            yield from _referred(words.references)
        case EntryWords():
            yield from _referred(words.references)
        case EnvelopeWords():
            for field in dataclasses.fields(words):
                if value := getattr(words, field.name):
                    yield f"envelope_{field.name}", normal(value)
        case CallbackWords(to):
            yield "callback_to", f"{to.kind}:{normal(to.value)}"
        case None:
            return


def _referred(references: tuple[Reference, ...]) -> Iterable[tuple[str, str]]:
    for at, one in enumerate(references):
        written = f"{one.uri} {one.media_type} {one.size_bytes} {one.sha256}"
        yield f"reference_{at}", normal(written)
