"""`replace` of the standard library for frozen classes with slots, at a fifth of the price.

A case has forty fields, and every append changes one or two of them some times over. The frozen
constructor sets each field by a call of its own; here a look-alike that is not frozen is made, and
then becomes one of the class. What checks itself when made is made the usual way.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["replace"]

type _Plan = tuple[Callable[..., Any] | None, Callable[[Any], tuple[Any, ...]], frozenset[str]]

if TYPE_CHECKING:
    from dataclasses import replace
else:

    def replace[T](value: T, /, **changes: Any) -> T:  # noqa: ANN401 - any field
        """Give a copy with these fields changed; raises TypeError for a field it does not have."""
        shape = type(value)
        alike, read, names = _PLANS.get(shape) or _PLANS.setdefault(shape, _plan(shape))
        if alike is None:
            return dataclasses.replace(value, **changes)
        made = alike(*read(value))
        for name, one in changes.items():
            if name not in names:
                raise TypeError(f"{shape.__name__} has no field {name}")
            setattr(made, name, one)
        made.__class__ = shape
        return made


_PLANS: dict[type, _Plan] = {}


def _plan(shape: type) -> _Plan:
    """Make a look-alike of a class; None where making one means more than setting its fields."""
    fields = dataclasses.fields(shape)
    names = tuple(field.name for field in fields)
    plain = all(field.init for field in fields) and not hasattr(shape, "__post_init__")
    slotted = shape.__bases__ == (object,) and getattr(shape, "__slots__", None) == names
    if not (plain and slotted and len(names) > 1):
        return None, attrgetter("__class__"), frozenset()
    alike = dataclasses.make_dataclass(shape.__name__, names, repr=False, eq=False, slots=True)
    return alike, attrgetter(*names), frozenset(names)
