"""Questions over NATS and their answers: one inbox a connection, and no waiting on a dead one.

The client's own `request` waits its whole time when the connection breaks underneath, and spends
more on each question than the question costs. Here every open question hears of the break at once.
"""

import asyncio
import itertools
from collections.abc import Mapping

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

_NO_RESPONDERS = "503"


class Asker:
    """Asks on one connection; `start` it once connected."""

    def __init__(self, client: Client) -> None:
        """Nothing is subscribed yet."""
        self._client = client
        self._inbox = ""
        self._numbers = itertools.count(1)
        self._open: dict[str, asyncio.Future[Msg]] = {}

    async def start(self) -> None:
        """Listen for answers; the client subscribes again by itself after a reconnect."""
        self._inbox = f"{self._client.new_inbox()}."
        await self._client.subscribe(f"{self._inbox}*", cb=self._heard)

    async def ask(
        self,
        subject: str,
        payload: bytes,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> Msg:
        """Ask and wait for the answer.

        Raises TimeoutError and nats errors: NoRespondersError and OutboundBufferLimitError mean
        that nobody got the question, any other that somebody may have.
        """
        loop = asyncio.get_running_loop()
        number = str(next(self._numbers))
        answer: asyncio.Future[Msg] = loop.create_future()
        self._open[number] = answer
        timer = loop.call_later(timeout_s, _late, answer)
        try:
            await self._client.publish(
                subject,
                payload,
                reply=self._inbox + number,
                headers=None if headers is None else dict(headers),
            )
            message = await answer
        finally:
            timer.cancel()
            del self._open[number]
        if message.headers is not None and message.headers.get("Status") == _NO_RESPONDERS:
            raise nats_errors.NoRespondersError
        return message

    def broken(self) -> None:
        """Tell every open question that its connection is gone; what was asked may be done."""
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(nats_errors.StaleConnectionError())

    async def _heard(self, message: Msg) -> None:
        answer = self._open.get(message.subject[len(self._inbox) :])
        if answer is not None and not answer.done():
            answer.set_result(message)


def _late(answer: asyncio.Future[Msg]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
