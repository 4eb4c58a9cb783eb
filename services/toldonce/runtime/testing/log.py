"""A log in memory with the real compare-and-set, the real append algorithm and faults on demand.

One `FakeLog` is the server and everybody's handle to it. It can be deaf, lose requests, lose
answers or deliver a request late; what it acknowledges it keeps.
"""

import asyncio
import enum
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime

from toldonce.kernel.errors import Unavailable
from toldonce.runtime import append as appending
from toldonce.runtime.append import Accepted, Answer, Full, Moved, Sealed, Silent, Unsent
from toldonce.runtime.clock import Clock, LoopClock
from toldonce.runtime.log import (
    CLOCK_OFFSET_MAX_S,
    READ_MAX,
    Epoch,
    Epochs,
    Fence,
    LogInfo,
    Outcome,
    Stored,
    check_append,
    check_subject,
)

_DUPLICATE_WINDOW_S = 120.0
_TAIL_MAX = 256


class Fate(enum.Enum):
    """What becomes of one attempt to publish."""

    DELIVER = enum.auto()
    LOSE_REQUEST = enum.auto()
    LOSE_ANSWER = enum.auto()
    DELIVER_LATE = enum.auto()


type Hook = Callable[[str, bytes], Awaitable[Fate | None]]


class FakeLog:
    """`runtime.log.Log` in memory."""

    def __init__(
        self,
        *,
        epoch: int = 1,
        clock: Clock | None = None,
        server_clock: Clock | None = None,
        dedupe_first: bool = False,
        messages_max: int | None = None,
        first: int = 1,
    ) -> None:
        """`dedupe_first`: look for repeats before the condition (a cluster does, one node not).

        `first` is the sequence the log begins at; `sealed` set to true ends it.

        `server_clock` is the server's time where it differs from the process's `clock`.
        """
        self.before_append: Hook | None = None
        self.down = False
        self.halted: str | None = None
        self.settled = True
        self.clock_offset_s = 0.0
        self.sealed = False
        self.epochs = Epochs((Epoch(epoch, first),))
        self._first = first
        self._clock = server_clock or clock or LoopClock()
        self._dedupe_first = dedupe_first
        self._messages_max = messages_max
        self._messages: list[Stored] = []
        self._by_subject: dict[str, list[int]] = {}
        self._by_id: dict[str, tuple[float, int]] = {}
        self._late: list[Callable[[], Answer]] = []
        self._grew = asyncio.Event()
        self._created_at: datetime | None = None

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        """See `Log.append`."""
        check_append(subject, payload, expected=expected, message_id=message_id)
        if self.halted is not None:
            raise Unavailable(self.halted, retry_s=5.0)
        if abs(self.clock_offset_s) > CLOCK_OFFSET_MAX_S:
            raise Unavailable("This process's clock is not the log's.", retry_s=5.0)
        try:
            return await appending.append(
                self,
                subject,
                payload,
                expected=expected,
                message_id=message_id,
                fence=fence,
                pause=_no_pause,
            )
        except appending.Regression as error:
            self.halted = str(error)
            raise Unavailable(str(error), retry_s=5.0) from error

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        """See `append.Wire.attempt`; asks `before_append` for the fate of this attempt."""
        del timeout_s
        fate = await self.before_append(subject, payload) if self.before_append else None
        await asyncio.sleep(0)
        if self.down:
            return Unsent()

        def store() -> Answer:
            return self._store(subject, payload, expected, message_id)

        match fate:
            case None | Fate.DELIVER:
                return store()
            case Fate.LOSE_REQUEST:
                return Silent()
            case Fate.LOSE_ANSWER:
                store()
                return Silent()
            case Fate.DELIVER_LATE:
                self._late.append(store)
                return Silent()

    @property
    def count(self) -> int:
        """How many messages there are: the sequence of the last."""
        return self._first - 1 + len(self._messages)

    def arrive(self, subject: str, payload: bytes, expected: int, message_id: str) -> Answer:
        """Take one attempt as the server does when it comes in, whoever hears the answer."""
        return self._store(subject, payload, expected, message_id)

    def messages_after(self, sequence: int) -> list[Stored]:
        """Every message after a sequence, as it lies there."""
        return self._messages[max(sequence - self._first + 1, 0) :]

    def subjects(self) -> tuple[str, ...]:
        """Every subject that holds a message, in the order of its first."""
        return tuple(subject for subject, places in self._by_subject.items() if places)

    def deliver_late(self) -> list[Answer]:
        """Let every attempt held back arrive now; nobody hears the answers but the test."""
        late, self._late = self._late, []
        return [store() for store in late]

    def forget_message_ids(self) -> None:
        """Let the window in which the server knows message ids pass."""
        self._by_id.clear()

    async def last(self, subject: str) -> Stored | None:
        """See `Log.last`."""
        check_subject(subject)
        await self._reachable()
        places = self._by_subject.get(subject)
        return self._messages[places[-1] - self._first] if places else None

    async def get(self, sequence: int) -> Stored | None:
        """See `Log.get`."""
        await self._reachable()
        known = self._first <= sequence <= self.count
        return self._messages[sequence - self._first] if known else None

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        """See `Log.read`."""
        check_subject(subject)
        await self._reachable()
        end = self.count if upto is None else upto
        places = [place for place in self._by_subject.get(subject, ()) if after < place <= end]
        return [self._messages[place - self._first] for place in places[:limit_max]]

    async def info(self) -> LogInfo:
        """See `Log.info`."""
        await self._reachable()
        now = self._clock.now()
        self._created_at = self._created_at or now
        count = len(self._messages)
        return LogInfo(
            epoch=self.epochs.current.number,
            first=self._first if count else 0,
            last=self.count if count else 0,
            messages=count,
            deleted=0,
            created_at=self._created_at,
            server_now=now,
        )

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        """See `Log.tail`."""
        position = max(after, self._first - 1)
        if position > self.count:
            raise Unavailable(f"The log ends at {self.count}, before {position}.")
        while True:
            grew = self._grew
            start = position - self._first + 1
            batch = self._messages[start : start + _TAIL_MAX]
            if batch and not self.down:
                position = batch[-1].sequence
                yield batch
            else:
                await grew.wait()

    async def fresh(self) -> Epochs:
        """See `Log.fresh`."""
        return self.epochs

    async def latest(self, epoch: int) -> AsyncGenerator[list[Stored]]:
        """See `Log.latest`."""
        del epoch
        await self._reachable()
        ends = sorted(places[-1] for places in self._by_subject.values() if places)
        for sequence in ends:
            yield [self._messages[sequence - self._first]]

    def wake(self) -> None:
        """Let tails look again (after `down` was set back, for one)."""
        grew, self._grew = self._grew, asyncio.Event()
        grew.set()

    def _store(self, subject: str, payload: bytes, expected: int, message_id: str) -> Answer:
        if self.sealed:
            return Sealed()
        places = self._by_subject.setdefault(subject, [])
        last = places[-1] if places else 0
        known = self._by_id.get(message_id)
        repeat = known is not None and self._clock.monotonic() - known[0] < _DUPLICATE_WINDOW_S
        if known is not None and repeat and (self._dedupe_first or last == expected):
            return Accepted(known[1], duplicate=True)
        if last != expected:
            return Moved(last)
        sequence = self.count + 1
        if self._messages_max is not None and len(self._messages) >= self._messages_max:
            return Full("The log takes no more. Give it more room.")
        stored = Stored(subject, sequence, payload, message_id, self._clock.now())
        self._messages.append(stored)
        places.append(sequence)
        self._by_id[message_id] = (self._clock.monotonic(), sequence)
        self.wake()
        return Accepted(sequence, duplicate=False)

    async def _reachable(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("The log does not answer.")


async def _no_pause(number: int) -> None:
    del number
    await asyncio.sleep(0)
