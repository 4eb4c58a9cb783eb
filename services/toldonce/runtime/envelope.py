"""The one codec between a message of the log and `kernel.story`.

A message is an `Envelope`; its SHA-256 is what the next message of the same story names as its
predecessor. The words are a message of their own, sealed before they come here.
"""

import hashlib
import re
from typing import Any

from google.protobuf.message import DecodeError

from toldonce.api.events.v1 import events_pb2 as pb
from toldonce.kernel.ids import Own, decode, encode
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story import events as facts
from toldonce.kernel.story.events import (
    CallbackWords,
    ContactWords,
    EntryWords,
    EnvelopeWords,
    Event,
    Words,
)
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import Story
from toldonce.runtime.mapping import Mapping, at_us, to_us


class UnknownFact(Exception):
    """A critical fact of a type this version does not know: leave the story to a newer one."""


class Garbled(Exception):
    """A message that is no envelope: the story it belongs to must be looked at by a person."""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_HEAD = Mapping(Story, pb.Story, named=True)
_KEY = Mapping(KeyRef, pb.KeyRef)
_FACTS: dict[type, tuple[str, Mapping[Any]]] = {
    shape: (_snake(shape.__name__), Mapping(shape, getattr(pb, shape.__name__)))
    for shape in facts.Event.__value__.__args__
}
_FACT_OF_WIRE = dict(_FACTS.values())
_WORDS: dict[type, tuple[str, Mapping[Any]]] = {
    ContactWords: ("contact", Mapping(ContactWords, pb.ContactWords)),
    EntryWords: ("entry", Mapping(EntryWords, pb.EntryWords)),
    EnvelopeWords: ("envelope", Mapping(EnvelopeWords, pb.EnvelopeWords)),
    CallbackWords: ("callback", Mapping(CallbackWords, pb.CallbackWords)),
}
_WORDS_OF_WIRE = dict(_WORDS.values())
SCHEMA_VERSION = 1


def encode_record(record: Record) -> bytes:
    """Write one message of the log."""
    envelope = pb.Envelope(
        operation=decode(record.operation),
        at_us=to_us(record.at),
        previous_sequence=record.previous_sequence,
        previous_hash=record.previous_hash,
        tenant=record.tenant,
        customer=record.customer,
        actor=record.actor,
        engine_epoch=record.engine_epoch,
        traceparent=record.traceparent,
        nonce=record.nonce,
        sealed=record.sealed,
    )
    if record.key is not None:
        _KEY.encode(record.key, envelope.key)
    for event in record.events:
        wire, mapping = _FACTS[type(event)]
        added = envelope.events.add(schema_version=SCHEMA_VERSION, critical=True)
        fact = getattr(added, wire)
        fact.SetInParent()
        mapping.encode(event, fact)
    _HEAD.encode(record.head, envelope.head)
    return envelope.SerializeToString(deterministic=True)


def decode_record(payload: bytes) -> Record:
    """Read one message of the log; raises UnknownFact or Garbled."""
    try:
        envelope = pb.Envelope.FromString(payload)
        return Record(
            tenant=envelope.tenant,
            customer=envelope.customer,
            operation=Own(encode(envelope.operation)),
            at=at_us(envelope.at_us),
            actor=envelope.actor,
            previous_sequence=envelope.previous_sequence,
            previous_hash=envelope.previous_hash,
            engine_epoch=envelope.engine_epoch,
            traceparent=envelope.traceparent,
            key=_KEY.decode(envelope.key) if envelope.HasField("key") else None,
            nonce=envelope.nonce,
            sealed=envelope.sealed,
            events=tuple(fact for event in envelope.events if (fact := _fact(event)) is not None),
            head=_HEAD.decode(envelope.head),
        )
    except (DecodeError, ValueError, OverflowError) as error:
        raise Garbled("not an envelope") from error


def decode_logged(payload: bytes, sequence: int) -> Logged:
    """Read one message as it stands in the log, with its hash."""
    return Logged(decode_record(payload), sequence, digest(payload))


def digest(payload: bytes) -> bytes:
    """Hash one message (SHA-256, 32 bytes), as its successor will name it."""
    return hashlib.sha256(payload).digest()


def encode_words(words: dict[int, Words]) -> bytes:
    """Write the words of one envelope, by the index of their event; empty when there are none."""
    sealed = pb.SealedWords()
    for index, of in sorted(words.items()):
        wire, mapping = _WORDS[type(of)]
        mapping.encode(of, getattr(sealed.words.add(event_index=index), wire))
    return sealed.SerializeToString(deterministic=True)


def decode_words(raw: bytes) -> dict[int, Words]:
    """Read the words of one envelope, by the index of their event; raises Garbled."""
    try:
        sealed = pb.SealedWords.FromString(raw)
    except DecodeError as error:
        raise Garbled("not sealed words") from error
    found: dict[int, Words] = {}
    for of in sealed.words:
        wire = of.WhichOneof("of")
        if wire is not None:
            found[of.event_index] = _WORDS_OF_WIRE[wire].decode(getattr(of, wire))
    return found


def encode_head(head: Story) -> bytes:
    """Write a head alone, as the stream of open stories holds it."""
    return bytes(_HEAD.message(head).SerializeToString(deterministic=True))


def decode_head(raw: bytes) -> Story:
    """Read a head alone; raises Garbled."""
    try:
        return _HEAD.decode(pb.Story.FromString(raw))
    except (DecodeError, ValueError) as error:
        raise Garbled("not a head") from error


def _fact(event: pb.Event) -> Event | None:
    wire = event.WhichOneof("fact")
    if wire is None or event.schema_version > SCHEMA_VERSION:
        if event.critical:
            raise UnknownFact("a fact of a newer version")
        return None
    known: Event = _FACT_OF_WIRE[wire].decode(getattr(event, wire))
    return known
