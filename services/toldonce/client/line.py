"""A gateway's standing line: one stream on which contacts go in as they come.

    async with SubmitLine(client, "mail") as line:
        ack = await line.submit(submission)

When the stream breaks another takes its place, and what was not answered is sent again.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self, cast

from toldonce.api.intake.v1 import intake_pb2
from toldonce.client.calls import Stream
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.submission import Ack, Submission, ack_of, request_of
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.runtime.rpc import from_status

ANSWER_S = 15.0
PAUSE_S = 0.2
INFLIGHT_MAX = 256


class SubmitLine:
    """One gateway's line."""

    def __init__(self, client: Client, gateway: str = "") -> None:
        """Speak over `client` for `gateway` (empty: the token's subject)."""
        self._client = client
        self._gateway = gateway
        self._tag = 0
        self._open: dict[int, tuple[Submission, asyncio.Future[Ack]]] = {}
        self._free = asyncio.Semaphore(INFLIGHT_MAX)
        self._stream: Stream | None = None
        self._writing = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="submit line")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _exc: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for _, answer in self._open.values():
            answer.cancel()

    async def submit(self, given: Submission) -> Ack:
        """Hand one contact in; raises what intake refuses, Unavailable when nobody answers."""
        async with self._free:
            return await again(lambda: self._submit(given))

    async def _submit(self, given: Submission) -> Ack:
        self._tag += 1
        tag = self._tag
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._open[tag] = (given, answer)
        try:
            async with asyncio.timeout(ANSWER_S):
                stream = self._stream
                if stream is not None:
                    with contextlib.suppress(Refusal, asyncio.InvalidStateError):
                        await self._write(stream, tag, given)
                return await answer
        except TimeoutError:
            raise Unavailable("no answer to a contact in time; send the same again") from None
        finally:
            self._open.pop(tag, None)

    async def _write(self, stream: Stream, tag: int, given: Submission) -> None:
        contact = request_of(given, self._gateway)
        async with self._writing:
            await stream.write(intake_pb2.SubmitContactsRequest(tag=tag, contact=contact))

    async def _run(self) -> None:
        while True:
            stream = cast("Stream", self._client.intake.SubmitContacts())
            try:
                for tag, (given, _) in tuple(self._open.items()):
                    await self._write(stream, tag, given)
                self._stream = stream
                async for response in stream:
                    self._answer(response)
            except Refusal as no:
                if not isinstance(no, Unavailable):
                    self._refuse(no)
            finally:
                self._stream = None
                stream.cancel()
            await asyncio.sleep(PAUSE_S)

    def _answer(self, response: intake_pb2.SubmitContactsResponse) -> None:
        _, answer = self._open.get(response.tag, (None, None))
        if answer is None or answer.done():
            return
        if response.HasField("error"):
            answer.set_exception(from_status(response.error))
        else:
            answer.set_result(ack_of(response.ack))

    def _refuse(self, no: Refusal) -> None:
        for _, answer in self._open.values():
            if not answer.done():
                answer.set_exception(no)
