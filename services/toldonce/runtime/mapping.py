"""Frozen dataclasses to protobuf messages and back, by field name.

A dataclass and its message must have the same fields: an instant `x_at` stands as `x_at_us`
(microseconds since 1970, 0 for none), an own id as 16 bytes, an enum as its number. `Mapping`
checks both sides when it is built, so that a field cannot be forgotten in one of them.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any

from google.protobuf.message import Message

from toldonce.kernel.ids import Own, decode, encode
from toldonce.kernel.instants import instant, micros

type _Convert = Callable[[Any], Any]

_INSTANTS_MAX = 1 << 12
_NAMES_MAX = 1 << 12


def to_us(at: datetime | None) -> int:
    """Count the microseconds since 1970; 0 for none."""
    return 0 if at is None else micros(at)


def from_us(count: int) -> datetime | None:
    """Read microseconds since 1970; 0 is none."""
    return at_us(count) if count else None


@lru_cache(maxsize=_INSTANTS_MAX)
def at_us(count: int) -> datetime:
    """Read microseconds since 1970 where an instant must be; a story says most of its own twice."""
    return instant(count)


@lru_cache(maxsize=_NAMES_MAX)
def _same(name: str) -> str:
    """Give one text for those that are equal: its hash is known, and it is in memory once.

    Ids that never come again go through too, and push the oldest name out.
    """
    return name


class Mapping[T]:
    """The two directions between one dataclass and one message type.

    `encode(value, message)` fills a message, `decode(message)` reads one and raises ValueError for
    an unknown enum number or malformed id. Both are written out once, as `dataclasses` does for
    its own methods: they are most of what an append costs.
    """

    encode: Callable[[T, Any], None]
    decode: Callable[[Any], T]

    def __init__(self, shape: type[T], message: type[Message], *, named: bool = False) -> None:
        """Write the converters; raises TypeError when the two do not have the same fields.

        `named`: its texts are names that come again, nobody's words, so one is kept for many.
        """
        self._message = message
        hints = typing.get_type_hints(shape)
        wires: Any = message.DESCRIPTOR.fields_by_name
        names: dict[str, Any] = {"Shape": shape, "Open": _open_like(shape)}
        put, got, seen = [], [], set()
        for field in dataclasses.fields(typing.cast("Any", shape)):
            hint, many, maybe = _unwrapped(hints[field.name])
            wire = f"{field.name}_us" if hint is datetime else field.name
            if wire not in wires:
                raise TypeError(f"the message of {shape.__name__} has no field {wire}")
            seen.add(wire)
            out, back = _converters(hint, wires[wire], named=named)
            names |= {f"out_{wire}": out, f"back_{wire}": back}
            nested = dataclasses.is_dataclass(hint)
            put += _putting(field.name, wire, nested=nested, many=many, plain=out is None)
            text = hint is Own or (hint is str and named)
            absent = "None" if hint is datetime and maybe else '""' if text else ""
            one = "{0}" if back is None else f"back_{wire}({{0}})"
            if absent:  # stands for nothing, so it needs no call
                one = f"({one} if {{0}} else {absent})"
            got.append((field.name, _getting(wire, one, nested=nested, many=many, maybe=maybe)))
        if seen != set(wires):
            raise TypeError(f"{shape.__name__} lacks {sorted(set(wires) - seen)} of its message")
        source = "\n ".join(["def encode(value, message):", *put])
        source += "\n".join(["\ndef decode(message):", *_making(got, frozen=names["Open"] is None)])
        exec(source, names)  # noqa: S102 - written here, from the names of our own fields
        self.encode, self.decode = names["encode"], names["decode"]

    def message(self, value: T) -> Any:  # noqa: ANN401 - of the message type given
        """Make a message of its own."""
        made = self._message()
        self.encode(value, made)
        return made


def _unwrapped(hint: object) -> tuple[Any, bool, bool]:
    """Take `X | None` and `tuple[X, ...]` apart: X, whether many, whether it may be absent."""
    maybe = typing.get_origin(hint) in {typing.Union, types.UnionType}
    if maybe:
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    many = typing.get_origin(hint) is tuple
    return (typing.get_args(hint)[0] if many else hint), many, maybe


def _converters(
    hint: Any,  # noqa: ANN401 - any annotation
    wire: Any,  # noqa: ANN401 - a field descriptor
    *,
    named: bool,
) -> tuple[_Convert | None, _Convert | None]:
    """Give the two converters of one value; None: it is the same on both sides."""
    if hint is datetime:
        return to_us, at_us
    if hint is Own:
        return decode, encode
    if hint is str and named:
        return None, _same
    if dataclasses.is_dataclass(hint):
        if wire.message_type is None:
            raise TypeError(f"{wire.name} is no message")
        inner = wire.message_type._concrete_class  # noqa: SLF001 - how protobuf names it
        nested: Mapping[Any] = Mapping(typing.cast("type[Any]", hint), inner, named=named)
        return typing.cast("_Convert", nested.encode), nested.decode
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return int, _Members(hint).__getitem__
    return None, None


class _Members(dict[int, IntEnum]):
    """The members of an enum by number; raises ValueError for any other."""

    def __init__(self, shape: type[IntEnum]) -> None:
        super().__init__((member.value, member) for member in shape)
        self._shape = shape

    def __missing__(self, number: int) -> IntEnum:
        return self._shape(number)


def _putting(name: str, wire: str, *, nested: bool, many: bool, plain: bool) -> list[str]:
    if nested and many:
        return [
            f"for item in value.{name}:",
            f" out_{wire}(item, message.{wire}.add())",
        ]
    if nested:
        return [
            f"if value.{name} is not None:",
            f" message.{wire}.SetInParent()",
            f" out_{wire}(value.{name}, message.{wire})",
        ]
    if many:
        items = f"value.{name}" if plain else f"[out_{wire}(item) for item in value.{name}]"
        return [f"if value.{name}: message.{wire}.extend({items})"]
    item = f"value.{name}" if plain else f"out_{wire}(value.{name})"
    return [f"if value.{name}: message.{wire} = {item}"]


def _getting(wire: str, one: str, *, nested: bool, many: bool, maybe: bool) -> str:
    """Write what reads a field; `one` is what reads one value of it, given as {0}."""
    if many:
        item = one.format("item")
        return f"tuple([{item} for item in items]) if (items := message.{wire}) else ()"
    if nested and maybe:
        return f"{one.format(f'message.{wire}')} if message.HasField('{wire}') else None"
    if " if " in one:
        return one.replace("{0}", "value", 1).replace("{0}", f"(value := message.{wire})")
    return one.format(f"message.{wire}")


def _making(got: list[tuple[str, str]], *, frozen: bool) -> list[str]:
    if frozen:
        return [" return Shape(" + ", ".join(item for _, item in got) + ")"]
    return [
        " made = Open()",
        *(f" made.{name} = {item}" for name, item in got),
        " made.__class__ = Shape",
        " return made",
    ]


def _open_like(shape: type) -> type | None:
    """Make a class of the same slots that is not frozen; None where making one means more.

    An instance of it is filled and then becomes one of `shape`: for the thirty fields of a case
    that costs a quarter of what the frozen constructor does, which sets each by a call.
    """
    slots = vars(shape).get("__slots__")
    if slots is None or shape.__bases__ != (object,) or hasattr(shape, "__post_init__"):
        return None
    return type(shape.__name__, (), {"__slots__": slots})
