"""Frozen dataclasses to protobuf messages and back, by field name.

A dataclass and its message must have the same fields: an instant `x_at` stands as `x_at_us`
(microseconds since 1970, 0 for none), an own id as 16 bytes, an enum as its number. `Mapping`
checks both sides when it is built, so that a field cannot be forgotten in one of them.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from google.protobuf.message import Message

from toldonce.kernel.ids import Own, decode, encode

type _Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime | None) -> int:
    """Count the microseconds since 1970; 0 for none."""
    return 0 if instant is None else (instant - _EPOCH) // _MICROSECOND


def from_us(count: int) -> datetime | None:
    """Read microseconds since 1970; 0 is none."""
    return _EPOCH + timedelta(microseconds=count) if count else None


def at_us(count: int) -> datetime:
    """Read microseconds since 1970 where an instant must be."""
    return _EPOCH + timedelta(microseconds=count)


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    wire: str
    kind: str  # one, many, nested, nested-many, nested-maybe
    out: _Convert
    back: _Convert


class Mapping[T]:
    """The two directions between one dataclass and one message type."""

    def __init__(self, shape: type[T], message: type[Message]) -> None:
        """Build the converters; raises TypeError when the two do not have the same fields."""
        self._shape = shape
        self._message = message
        hints = typing.get_type_hints(shape)
        wires = message.DESCRIPTOR.fields_by_name
        self._fields = [
            _field(field.name, hints[field.name], message)
            for field in dataclasses.fields(typing.cast("Any", shape))
        ]
        if {field.wire for field in self._fields} != set(wires):
            different = {field.wire for field in self._fields} ^ set(wires)
            raise TypeError(f"{shape.__name__} and its message differ in {sorted(different)}")

    def encode(self, value: T, into: Any = None) -> Any:  # noqa: ANN401
        """Make the message (or fill `into`)."""
        made: Any = self._message() if into is None else into
        for field in self._fields:
            part = getattr(value, field.name)
            match field.kind:
                case "one":
                    if part:
                        setattr(made, field.wire, field.out(part))
                case "many":
                    if part:
                        getattr(made, field.wire).extend([field.out(item) for item in part])
                case "nested-many":
                    target = getattr(made, field.wire)
                    for item in part:
                        field.out(item, target.add())
                case _:
                    if part is not None:
                        target = getattr(made, field.wire)
                        target.SetInParent()
                        field.out(part, target)
        return made

    def decode(self, message: Any) -> T:  # noqa: ANN401
        """Read a message; raises ValueError for an unknown enum number or a malformed id."""
        parts: dict[str, Any] = {}
        for field in self._fields:
            if field.kind == "nested-maybe" and not message.HasField(field.wire):
                parts[field.name] = None
                continue
            part = getattr(message, field.wire)
            if field.kind in {"many", "nested-many"}:
                parts[field.name] = tuple([field.back(item) for item in part])
            else:
                parts[field.name] = field.back(part)
        return self._shape(**parts)


def _field(name: str, hint: object, message: type[Message]) -> _Field:
    origin = typing.get_origin(hint)
    maybe = False
    if origin in {typing.Union, types.UnionType}:
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
        maybe = True
    many = typing.get_origin(hint) is tuple
    if many:
        hint = typing.get_args(hint)[0]
    if hint is datetime:
        back: _Convert = from_us if maybe else at_us
        return _Field(name, f"{name}_us", "many" if many else "one", to_us, back)
    if dataclasses.is_dataclass(hint):
        wires = message.DESCRIPTOR.fields_by_name
        if name not in wires or wires[name].message_type is None:
            raise TypeError(f"{message.DESCRIPTOR.name} has no message field {name}")
        nested = Mapping(typing.cast("type[Any]", hint), wires[name].message_type._concrete_class)  # noqa: SLF001
        kind = "nested-many" if many else "nested-maybe" if maybe else "nested"
        return _Field(name, name, kind, nested.encode, nested.decode)
    kind = "many" if many else "one"
    if hint is Own:
        return _Field(name, name, kind, _own_out, _own_back)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return _Field(name, name, kind, int, hint)
    return _Field(name, name, kind, _same, _same)


def _same(value: Any) -> Any:  # noqa: ANN401
    return value


def _own_out(own: str) -> bytes:
    return decode(own)


def _own_back(raw: bytes) -> Own:
    return Own(encode(raw)) if raw else Own("")
