"""A customer who hangs up and wants to be called back, as a gateway says it."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.aliases import Given


@dataclass(frozen=True, slots=True)
class Callback:
    """Who, where to and from when on, nothing of it checked.

    `to` None: the address they came from. `not_before_at` None: when their turn comes.
    `operation_id` "": nobody drew one.
    """

    contact_id: str
    operation_id: str
    to: Given | None
    not_before_at: datetime | None
