"""The journal's messages: one piece each, or one part of a piece that is too large for one.

A message is MessagePack: its head, then compressed MessagePack. Facts and decisions are written as
(name of their type, their fields), so that a new type needs nothing here. What another version has
written and this one does not know is refused, never guessed.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAliasType, get_args

import msgspec

from toldonce.kernel.errors import Invalid
from toldonce.routing.core.acts import Decision
from toldonce.routing.core.facts import Fact
from toldonce.routing.core.record import Body, Piece, Step, Steps
from toldonce.runtime.zones import WheelZones

FORMAT = 1
MAGIC = b"toldonce journal 1\n"
PART_BYTES_MAX = 80 * 1024
PIECE_BYTES_MAX = 64 * 1024 * 1024
PARTS_MAX = 1_024
_LEVEL = 1
_LENGTH_BYTES = 4
_EPOCHS_MAX = 4  # of which pieces may be half read


class _Step(NamedTuple):
    now_us: int
    facts: list[tuple[str, msgspec.Raw]]
    decisions: list[tuple[str, msgspec.Raw]]


class Part(NamedTuple):
    """A message: the part `part` of `parts` of a piece (see `core.record.Piece`)."""

    format: int
    epoch: int
    number: int
    part: int
    parts: int
    base: int
    gap: bool
    first_us: int
    last_us: int
    kind: str
    data: bytes


def write_piece(piece: Piece) -> list[bytes]:
    """Write a piece as one message or more, each at most about PART_BYTES_MAX."""
    packed = zlib.compress(_ENCODER.encode(_plain(piece.body)), _LEVEL)
    chunks = [
        packed[start : start + PART_BYTES_MAX] for start in range(0, len(packed), PART_BYTES_MAX)
    ]
    return [
        _ENCODER.encode(
            Part(
                FORMAT,
                piece.epoch,
                piece.number,
                place,
                len(chunks),
                piece.base,
                piece.gap,
                piece.first_us,
                piece.last_us,
                type(piece.body).__name__,
                chunk,
            )
        )
        for place, chunk in enumerate(chunks)
    ]


def read_part(message: bytes) -> Part:
    """Read a message without what it holds; raises Invalid."""
    try:
        part = _PART.decode(message)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Invalid("journal", "this is no message of a journal") from None
    if part.format != FORMAT or part.kind not in _KINDS:
        raise Invalid("journal", "another version wrote this, in a form that is not known here")
    if not 0 <= part.part < part.parts <= PARTS_MAX:
        raise Invalid("journal", "a piece of the journal has more parts than it may")
    return part


class Reader:
    """Puts parts together; those of an old engine may stand between those of the next."""

    def __init__(self) -> None:
        """Start without any."""
        self._of: dict[int, list[Part]] = {}

    def take(self, part: Part) -> Piece | None:
        """Take the next part; gives the piece that it completes.

        What is incomplete is left out: the numbers of the pieces then show the hole.
        """
        known = self._of.pop(part.epoch, [])
        if known and not _continues(known[-1], part):
            known = []
        if part.part != len(known):
            return None
        known.append(part)
        if len(known) < part.parts:
            self._of[part.epoch] = known
            if len(self._of) > _EPOCHS_MAX:
                del self._of[min(self._of)]
            return None
        whole = b"".join(one.data for one in known)
        return Piece(
            part.epoch,
            part.number,
            part.base,
            part.gap,
            part.first_us,
            part.last_us,
            _read_body(part.kind, whole),
        )


def pieces(messages: Iterable[bytes]) -> Iterator[Piece]:
    """Read the pieces that messages hold, in their order; raises Invalid."""
    reader = Reader()
    for message in messages:
        piece = reader.take(read_part(message))
        if piece is not None:
            yield piece


class Readable:
    """The pieces that messages hold, but for those that cannot be read: these are counted.

    The numbers of the pieces then show the hole. So a journal over an upgrade can be gone through.
    """

    def __init__(self, messages: Iterable[bytes]) -> None:
        """Read `messages` when gone through."""
        self._messages = messages
        self.unreadable = 0

    def __iter__(self) -> Iterator[Piece]:
        reader = Reader()
        for message in self._messages:
            try:
                piece = reader.take(read_part(message))
            except Invalid:
                self.unreadable += 1
                continue
            if piece is not None:
                yield piece


def bind_messages(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Write messages one after the other into a file: MAGIC, then each after its length."""
    yield MAGIC
    for message in messages:
        yield len(message).to_bytes(_LENGTH_BYTES, "big") + message


def unbind_messages(book: bytes) -> Iterator[bytes]:
    """Read what `bind_messages` wrote; raises Invalid of anything else, or of half of it."""
    if not book.startswith(MAGIC):
        raise Invalid("journal", "this is no exported journal")
    at = len(MAGIC)
    while at < len(book):
        begins = at + _LENGTH_BYTES
        at = begins + int.from_bytes(book[at:begins], "big")
        if at > len(book):
            raise Invalid("journal", "the exported journal ends in the middle of a message")
        yield book[begins:at]


def _continues(last: Part, part: Part) -> bool:
    same = (last.epoch, last.number, last.parts) == (part.epoch, part.number, part.parts)
    return same and part.part == last.part + 1


def _plain(body: Body) -> object:
    if not isinstance(body, Steps):
        return body
    return [
        (step.now_us, [_told(fact) for fact in step.facts], [_told(one) for one in step.decisions])
        for step in body.steps
    ]


def _told(what: Fact | Decision) -> tuple[str, object]:
    return type(what).__name__, what


def _read_body(kind: str, packed: bytes) -> Body:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, PIECE_BYTES_MAX)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise Invalid("journal", "a piece of the journal is larger than it may be")
        if kind != Steps.__name__:
            body: Body = _BODIES[kind].decode(data)
            return body
        return Steps(tuple([_read_step(step) for step in _STEPS.decode(data)]))
    except (msgspec.DecodeError, msgspec.ValidationError, zlib.error, KeyError) as error:
        raise Invalid(
            "journal", f"another version wrote this, or it is damaged ({type(error).__name__})"
        ) from error


def _read_step(step: _Step) -> Step:
    return Step(
        step.now_us,
        tuple([_FACTS[name].decode(raw) for name, raw in step.facts]),
        tuple([_DECISIONS[name].decode(raw) for name, raw in step.decisions]),
    )


def _encode_other(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tzinfo):
        return getattr(value, "key", "UTC")
    raise TypeError(f"a journal holds no {type(value).__name__}")


def _decode_other(kind: type, value: object) -> object:
    if kind is tzinfo and isinstance(value, str):
        zone = _ZONES.zone(value)
        if zone is not None:
            return zone
    raise msgspec.ValidationError(f"no {kind.__name__} is written so")


def _decoders(union: Any) -> Mapping[str, msgspec.msgpack.Decoder[Any]]:  # noqa: ANN401 - a union of types
    each = (one for one in _members(union) if one is not Steps)
    return MappingProxyType({one.__name__: _decoder(one) for one in each})


def _members(union: Any) -> Iterator[Any]:  # noqa: ANN401 - a union of types
    """Give the types of a union, and of unions inside it."""
    for one in get_args(union.__value__):
        if isinstance(one, TypeAliasType):
            yield from _members(one)
        else:
            yield one


def _decoder(of: Any) -> msgspec.msgpack.Decoder[Any]:  # noqa: ANN401 - any type
    return msgspec.msgpack.Decoder(of, dec_hook=_decode_other)


_ZONES = WheelZones()
_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_other)
_PART = msgspec.msgpack.Decoder(Part)
_STEPS = msgspec.msgpack.Decoder(list[_Step])
_BODIES = _decoders(Body)
_KINDS = frozenset({*_BODIES, Steps.__name__})
_FACTS = _decoders(Fact)
_DECISIONS = _decoders(Decision)
