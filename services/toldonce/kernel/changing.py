"""`replace` of the standard library for frozen classes with slots, at a fifth of the price.

A case has fifty fields, and every append changes one or two of them some times over. The frozen
constructor sets each field by a call of its own; here the fields of a look-alike that is not frozen
are set, and it then becomes one of the class. What checks itself when made is made the usual way.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["replace"]

if TYPE_CHECKING:
    from dataclasses import replace
else:

    def replace[T](value: T, /, **changes: Any) -> T:  # noqa: ANN401 - any field
        """Give a copy with these fields changed; raises TypeError for a field it does not have."""
        shape = type(value)
        alike, names, read = _plan(shape)
        if alike is None:
            return dataclasses.replace(value, **changes)
        made = alike()
        for name, one in zip(names, read(value), strict=True):
            setattr(made, name, one)
        for name, one in changes.items():
            if name not in names:
                raise TypeError(f"{shape.__name__} has no field {name}")
            setattr(made, name, one)
        made.__class__ = shape
        return made


@cache
def _plan(shape: type) -> tuple[type | None, tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Make a look-alike of a class; None where making one means more than setting its fields."""
    fields = dataclasses.fields(shape)
    names = tuple(field.name for field in fields)
    plain = all(field.init for field in fields) and not hasattr(shape, "__post_init__")
    slotted = shape.__bases__ == (object,) and getattr(shape, "__slots__", None) == names
    if not (plain and slotted and len(names) > 1):
        return None, names, attrgetter("__class__")
    return type(shape.__name__, (), {"__slots__": names}), names, attrgetter(*names)
