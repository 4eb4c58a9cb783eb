"""A log, real or fake, behind a wire that loses and delays what the test says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

from toldonce.runtime import append as appending
from toldonce.runtime.append import Answer, Silent, Wire
from toldonce.runtime.log import Log, Outcome, Stored
from toldonce.runtime.testing.log import Fate


class Lossy:
    """Appends by the one algorithm; each attempt meets the next fate, then all are delivered."""

    def __init__(
        self,
        log: Log,
        fates: Iterable[Fate],
        *,
        before_retry: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._wire = cast("Wire", log)
        self._fates = iter(fates)
        self._before_retry = before_retry
        self._late: list[Callable[[], Awaitable[Answer]]] = []

    async def append(self, subject: str, payload: bytes, expected: int, mine: str) -> Outcome:
        return await appending.append(
            self,
            subject,
            payload,
            expected=expected,
            message_id=mine,
            fence=lambda: b"fence",
            pause=self._pause,
        )

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        async def really() -> Answer:
            return await self._wire.attempt(
                subject, payload, expected=expected, message_id=message_id, timeout_s=timeout_s
            )

        match next(self._fates, Fate.DELIVER):
            case Fate.DELIVER:
                return await really()
            case Fate.LOSE_ANSWER:
                await really()
            case Fate.DELIVER_LATE:
                self._late.append(really)
            case Fate.LOSE_REQUEST:
                pass
        return Silent()

    async def get(self, sequence: int) -> Stored | None:
        return await self._wire.get(sequence)

    async def read(self, subject: str, *, after: int = 0, upto: int | None = None) -> list[Stored]:
        return await self._wire.read(subject, after=after, upto=upto)

    async def deliver_late(self) -> list[Answer]:
        late, self._late = self._late, []
        return [await really() for really in late]

    async def _pause(self, number: int) -> None:
        await asyncio.sleep(0)
        if self._before_retry is not None:
            again, self._before_retry = self._before_retry, None
            await again()
