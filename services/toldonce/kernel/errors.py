"""The ways to say no, in words a caller can act on.

Four belong to a core (`Invalid`, `Rejected`, `Missing`, `Conflict`); the others are said at the
edges. `runtime.rpc` holds the one table from these to a gRPC status. Sentences are shown to people:
they never hold what a customer said, nor an address.
"""

from dataclasses import dataclass


class Refusal(Exception):
    """Any answer that is not a yes. `str(refusal)` is the sentence."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: the path of the field and a sentence."""

    field: str
    sentence: str


class Invalid(Refusal):
    """The input can never be right, whatever the state: it names each field that is wrong."""

    def __init__(self, field: str, sentence: str, *more: Problem) -> None:
        """`field` is a path such as `text` or `queues[2].sla`; `more` are further problems."""
        super().__init__(f"{field}: {sentence}" if field else sentence)
        self.problems = (Problem(field, sentence), *more)


class Rejected(Refusal):
    """The input is well made but the state does not allow it; nothing was written."""

    def __init__(self, reason: str, sentence: str) -> None:
        """`reason` is UPPER_SNAKE and stable, for machines."""
        super().__init__(sentence)
        self.reason = reason


class Missing(Refusal):
    """There is no such thing."""

    def __init__(self, what: str, sentence: str) -> None:
        """Take the kind of thing in `what` (`case`, `offer`)."""
        super().__init__(sentence)
        self.what = what


class Conflict(Refusal):
    """Somebody else was first; `current` is the revision or sequence that stands now."""

    def __init__(self, sentence: str, current: int = 0) -> None:
        """Take what stands now; callers inside the house read again and retry a few times."""
        super().__init__(sentence)
        self.current = current


class Unavailable(Refusal):
    """It may or may not have happened, or cannot be answered now: try the same again."""

    def __init__(self, sentence: str, *, retry_s: float = 1.0, operation_id: str = "") -> None:
        """`operation_id`: retry with this very id and the thing is done once."""
        super().__init__(sentence)
        self.retry_s = retry_s
        self.operation_id = operation_id


class Exhausted(Refusal):
    """A limit is reached (disk, quota, queue length); nothing was written."""


class Unauthenticated(Refusal):
    """We do not know who is asking."""


class Denied(Refusal):
    """We know who is asking, and they may not."""


class Unbuilt(Refusal):
    """Not built in this version."""
