"""Being an agent: one session, its offers, and what its owner does with their cases.

    async with AgentSession(client, "anna") as session:
        async for news in session.news():
            match news:
                case Offer():
                    taken = await session.accept(news)

Everything is retried under the same ids, so doing it twice is doing it once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.calls import Stream
from toldonce.client.cases import Cases
from toldonce.client.channel import Client
from toldonce.client.context import ContextRead
from toldonce.client.news import CaseNews, News, read_news
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, Offer, case_seen
from toldonce.kernel.context import Item
from toldonce.kernel.errors import Exhausted, Refusal, Unavailable
from toldonce.runtime.rpc import from_status

NEWS_MAX = 4_096
ANSWER_S = 10.0
HELLO_S = 10.0
LOOKS_MAX = 4

type _Request = routing_pb2.AgentSessionRequest
type _Response = routing_pb2.AgentSessionResponse


@dataclass(frozen=True, slots=True)
class Taken:
    """A case this agent has accepted; for a handoff also what was read, and its hash.

    `later` is what was added to the story after the handoff had begun.
    """

    case: CaseSeen
    context: ContextRead | None
    context_hash: bytes
    later: tuple[Item, ...] = ()


class AgentSession(Cases):
    """One stream of one agent. `cases` holds what it last saw of each case it owns.

    `lost` are those of `held` that are not the agent's any more, with their owner ("" for nobody).
    `advising` are the cases of others that this agent sees and notes on (when `name` was given).
    """

    def __init__(
        self,
        client: Client,
        name: str = "",
        *,
        availability: str = "AVAILABLE",
        reason: str = "",
        resume: str = "",
        held: Mapping[str, int] | None = None,
    ) -> None:
        """Speak as `name` (empty: the token's subject); `resume` is an older session's id.

        `held` are the cases this desktop shows as ours, with the epoch of each: `lost` then says
        which are not, and who has them.
        """
        super().__init__(client)
        self._hello = routing_pb2.Hello(
            agent=name,
            availability=_availability(availability),
            reason=reason,
            resume_session_id=resume,
            held=[
                routing_pb2.HeldCase(case_id=case_id, epoch=epoch)
                for case_id, epoch in (held or {}).items()
            ],
        )
        self.session_id = ""
        self.policy_version = ""
        self.heartbeat_s = 1.0
        self.lost: dict[str, str] = {}
        self.name = name
        self.advising: dict[str, CaseSeen] = {}
        self._stream: Stream | None = None
        self._ref = 0
        self._writing = asyncio.Lock()
        self._answers: dict[int, asyncio.Future[_Response]] = {}
        self._news: asyncio.Queue[News | None] = asyncio.Queue(NEWS_MAX)
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: Refusal | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _exc: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ---- the session itself

    async def open(self) -> None:
        """Say hello and wait for the welcome; raises Missing, Denied, Unavailable, ..."""
        stream = self._stream = cast("Stream", self._client.routing.AgentSession())
        try:
            async with asyncio.timeout(HELLO_S):
                await stream.write(routing_pb2.AgentSessionRequest(ref=1, hello=self._hello))
                response: Any = await stream.read()
        except TimeoutError:
            stream.cancel()
            raise Unavailable("no welcome from the server; try again") from None
        except BaseException:
            stream.cancel()
            raise
        if not isinstance(response, routing_pb2.AgentSessionResponse):
            stream.cancel()
            raise Unavailable("the session ended before it began; try again")
        welcome = response.welcome
        self._ref = 1
        self.session_id = welcome.session_id
        self.policy_version = welcome.policy_version
        self.heartbeat_s = max(0.2, float(welcome.heartbeat_s))
        self.cases = {view.case_id: case_seen(view) for view in welcome.cases}
        self.lost = {one.case_id: one.owner for one in welcome.lost}
        self._tasks = [
            asyncio.create_task(self._listen(stream), name="session"),
            asyncio.create_task(self._beat(), name="heartbeats"),
        ]

    async def close(self) -> None:
        """End the stream in good order; the server keeps the cases for the policy's grace."""
        if self._stream is not None and self._ended is None:
            with contextlib.suppress(Refusal, asyncio.InvalidStateError, TimeoutError):
                async with asyncio.timeout(1.0), self._writing:
                    await self._stream.done_writing()
        await self.vanish()

    async def vanish(self) -> None:
        """End the stream without a word, as a desktop that lost its power."""
        if self._stream is not None:
            self._stream.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end(Unavailable("this session is closed"))

    async def news(self) -> AsyncIterator[News]:
        """Give what happens, in order, for one reader; raises the refusal the session ends with."""
        while True:
            if self._ended is not None and self._news.empty():
                raise self._ended
            told = await self._news.get()
            if told is not None:
                yield told

    async def declare(self, availability: str, reason: str = "") -> None:
        """Declare AVAILABLE, AWAY, DO_NOT_ROUTE or OFFLINE; it holds until changed."""
        await self._ask(
            set_availability=routing_pb2.SetAvailability(
                availability=_availability(availability), reason=reason
            )
        )

    # ---- offers

    async def accept(self, offer: Offer) -> Taken:
        """Take an offer; of a handoff the story is read first and its hash computed here.

        Raises Rejected (OFFER_EXPIRED, OFFER_TAKEN, CONTEXT_MISMATCH, ...).
        """
        context, digest, later = None, b"", tuple[Item, ...]()
        if offer.handoff is not None:
            context = await self._look(offer.case_id, upto=offer.handoff.context_sequence)
            digest = context.hash
        body = routing_pb2.Accept(offer_id=offer.offer_id, epoch=offer.epoch, context_hash=digest)
        answer = await again(lambda: self._ask(accept=body))
        case = self._own(case_seen(answer.reply.ok))
        if context is not None:
            self._remember(offer.case_id, context)
            with contextlib.suppress(Refusal):  # it is ours all the same; read before it is closed
                later = await self.unread(offer.case_id)
        return Taken(self._known(offer.case_id) or case, context, digest, later)

    async def decline(self, offer: Offer, reason: str = "") -> None:
        """Say no to an offer."""
        body = routing_pb2.Decline(offer_id=offer.offer_id, reason=reason)
        await again(lambda: self._ask(decline=body))

    async def wrapped_up(self, case: CaseSeen) -> None:
        """Say that the paperwork of a closed case is done."""
        body = routing_pb2.WrapUp(case_id=case.case_id, epoch=case.epoch, complete=True)
        await again(lambda: self._ask(wrap_up=body))

    # ---- inside

    async def _ask(self, **body: Any) -> _Response:  # noqa: ANN401 - one body of many
        if self._ended is not None:
            raise self._ended
        self._ref += 1
        ref = self._ref
        waiting: asyncio.Future[_Response] = asyncio.get_running_loop().create_future()
        self._answers[ref] = waiting
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._write(routing_pb2.AgentSessionRequest(ref=ref, **body))
                answer = await waiting
        except TimeoutError:
            raise Unavailable("no answer to this session in time; send the same again") from None
        finally:
            self._answers.pop(ref, None)
        if answer.reply.HasField("error"):
            raise from_status(answer.reply.error)
        return answer

    async def _write(self, request: _Request) -> None:
        stream = self._stream
        if stream is None:
            raise Unavailable("this session is not open")
        async with self._writing:
            try:
                await stream.write(request)
            except asyncio.InvalidStateError:
                raise Unavailable("this session is closed") from None

    async def _beat(self) -> None:
        with contextlib.suppress(Refusal):
            while True:
                await asyncio.sleep(self.heartbeat_s)
                beat = routing_pb2.AgentSessionRequest(heartbeat=routing_pb2.Heartbeat())
                await self._write(beat)

    async def _listen(self, stream: Stream) -> None:
        try:
            async for response in stream:
                self._hear(response)
        except Refusal as why:
            self._end(why)
        else:
            self._end(Unavailable("the server ended this session; come back"))

    def _hear(self, response: _Response) -> None:
        if response.HasField("reply"):
            waiting = self._answers.get(response.reply.ref)
            if waiting is not None and not waiting.done():
                waiting.set_result(response)
            return
        told = read_news(response)
        if isinstance(told, CaseNews):
            self._keep(told.case)
            self._advise(told.case)
        if told is not None:
            self._tell(told)

    def _advise(self, case: CaseSeen) -> None:
        """Take in whether this agent advises on a case."""
        if any(one.agent == self.name for one in case.advisers) and not case.closed:
            self.advising[case.case_id] = case
        else:
            self.advising.pop(case.case_id, None)

    def _tell(self, news: News) -> None:
        try:
            self._news.put_nowait(news)
        except asyncio.QueueFull:
            self._end(Exhausted(f"nobody has read {NEWS_MAX} messages of this session"))
            if self._stream is not None:
                self._stream.cancel()

    def _end(self, why: Refusal) -> None:
        if self._ended is None:
            self._ended = why
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(self._ended)
        with contextlib.suppress(asyncio.QueueFull):
            self._news.put_nowait(None)


def _availability(name: str) -> types_pb2.Availability.ValueType:
    return types_pb2.Availability.Value(f"AVAILABILITY_{name}")
