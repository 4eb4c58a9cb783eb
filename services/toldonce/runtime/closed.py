"""What stands in a process for a log or a table that its NATS user may not read.

Asking for its state would only wait until the server's silence is over, so it is not opened; using
it is a fault of ours and says so.
"""

from collections.abc import AsyncGenerator

from toldonce.kernel.errors import Denied
from toldonce.runtime import names
from toldonce.runtime.log import READ_MAX, Epochs, Fence, LogInfo, Outcome, Stored
from toldonce.runtime.permissions import permissions
from toldonce.runtime.table import Row
from toldonce.runtime.trail import Kept


def may_read(service: str, stream: str, epoch: int = names.STORY_EPOCH) -> bool:
    """Say whether a service may read a stream; who is no service (the embedded process) may."""
    may = permissions(epoch).get(service)
    return may is None or any(each.endswith(f".STREAM.INFO.{stream}") for each in may.publish)


class ClosedTable:
    """A `Table` that answers Denied."""

    def __init__(self, stream: str) -> None:
        """Stand for the table of this stream."""
        self._stream = stream

    async def get(self, key: str) -> Row | None:
        """Raise Denied."""
        del key
        raise _denied(self._stream)

    async def put(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> int:
        """Raise Denied."""
        del key, value, expected, ttl_s, tombstone
        raise _denied(self._stream)

    async def rows(self, prefix: str = "") -> list[Row]:
        """Raise Denied."""
        del prefix
        raise _denied(self._stream)

    def watch(self, *, after: int) -> AsyncGenerator[list[Row]]:
        """Raise Denied."""
        del after
        raise _denied(self._stream)

    async def last_revision(self) -> int:
        """Raise Denied."""
        raise _denied(self._stream)


class ClosedLog:
    """A `Log` that answers Denied; it is neither halted nor unsettled."""

    settled = True
    halted: str | None = None
    clock_offset_s = 0.0

    def __init__(self, stream: str) -> None:
        """Stand for the log of this stream."""
        self._stream = stream

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        """Raise Denied."""
        del subject, payload, expected, message_id, fence
        raise _denied(self._stream)

    async def last(self, subject: str) -> Stored | None:
        """Raise Denied."""
        del subject
        raise _denied(self._stream)

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        """Raise Denied."""
        del subject, after, upto, limit_max
        raise _denied(self._stream)

    async def get(self, sequence: int) -> Stored | None:
        """Raise Denied."""
        del sequence
        raise _denied(self._stream)

    async def info(self) -> LogInfo:
        """Raise Denied."""
        raise _denied(self._stream)

    def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        """Raise Denied."""
        del after
        raise _denied(self._stream)

    async def fresh(self) -> Epochs:
        """Raise Denied."""
        raise _denied(self._stream)

    def latest(self, epoch: int) -> AsyncGenerator[list[Stored]]:
        """Raise Denied."""
        del epoch
        raise _denied(self._stream)


class ClosedTrail:
    """A `Trail` that answers Denied."""

    async def add(self, subject: str, payload: bytes, *, message_id: str) -> int:
        """Raise Denied."""
        del subject, payload, message_id
        raise _denied(names.DECISIONS)

    async def ends(self) -> tuple[int, int]:
        """Raise Denied."""
        raise _denied(names.DECISIONS)

    async def next(self, subject: str, sequence: int) -> Kept | None:
        """Raise Denied."""
        del subject, sequence
        raise _denied(names.DECISIONS)

    def read(self, subject: str, *, first: int) -> AsyncGenerator[list[Kept]]:
        """Raise Denied."""
        del subject, first
        raise _denied(names.DECISIONS)


def _denied(stream: str) -> Denied:
    return Denied(f"this process may not use {stream}: its NATS user has no right to it")
