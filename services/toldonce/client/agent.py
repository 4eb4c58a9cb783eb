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
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, cast

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.calls import Stream
from toldonce.client.channel import Client
from toldonce.client.context import ContextRead, Envelope, read_context
from toldonce.client.news import CaseNews, News, read_news
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, Offer, case_seen
from toldonce.kernel.errors import Exhausted, Missing, Refusal, Rejected, Unavailable
from toldonce.runtime.ids import new_id
from toldonce.runtime.rpc import from_status

NEWS_MAX = 4_096
ANSWER_S = 10.0
HELLO_S = 10.0
LOOKS_MAX = 4

type _Request = routing_pb2.AgentSessionRequest
type _Response = routing_pb2.AgentSessionResponse


@dataclass(frozen=True, slots=True)
class Taken:
    """A case this agent has accepted; for a handoff also what was read, and its hash."""

    case: CaseSeen
    context: ContextRead | None
    context_hash: bytes


class AgentSession:
    """One stream of one agent. `cases` holds what it last saw of each case it owns."""

    def __init__(
        self,
        client: Client,
        name: str = "",
        *,
        availability: str = "AVAILABLE",
        reason: str = "",
        resume: str = "",
    ) -> None:
        """Speak as `name` (empty: the token's subject); `resume` is an older session's id."""
        self._client = client
        self._hello = routing_pb2.Hello(
            agent=name,
            availability=_availability(availability),
            reason=reason,
            resume_session_id=resume,
        )
        self.session_id = ""
        self.policy_version = ""
        self.heartbeat_s = 1.0
        self.cases: dict[str, CaseSeen] = {}
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
        context, digest = None, b""
        if offer.handoff is not None:
            upto = offer.handoff.context_sequence
            context = await read_context(self._client, offer.case_id, upto=upto)
            digest = context.hash
        body = routing_pb2.Accept(offer_id=offer.offer_id, epoch=offer.epoch, context_hash=digest)
        answer = await again(lambda: self._ask(accept=body))
        return Taken(self._keep(case_seen(answer.reply.ok)), context, digest)

    async def decline(self, offer: Offer, reason: str = "") -> None:
        """Say no to an offer."""
        body = routing_pb2.Decline(offer_id=offer.offer_id, reason=reason)
        await again(lambda: self._ask(decline=body))

    # ---- cases

    async def peek(self, case_id: str) -> ContextRead:
        """Read the story of a case that is on offer."""
        return await read_context(self._client, case_id)

    async def read(self, case_id: str) -> ContextRead:
        """Read the whole story of a case of ours, and so see the customer's last entry."""
        read = await self.peek(case_id)
        self._keep(read.case)
        return read

    async def reply(self, case_id: str, text: str) -> str:
        """Write to the customer; returns the id of the entry, by which it is confirmed."""
        return await self._enter(case_id, text, ownership_pb2.ENTRY_KIND_MESSAGE)

    async def note(self, case_id: str, text: str) -> str:
        """Note something for colleagues; returns the id of the entry."""
        return await self._enter(case_id, text, ownership_pb2.ENTRY_KIND_NOTE)

    async def hand_over(
        self,
        case_id: str,
        envelope: Envelope,
        *,
        agent: str = "",
        queue: str = "",
        tier: str = "",
        timeout_s: int = 0,
    ) -> CaseSeen:
        """Ask an agent, a queue or a tier to take over; the case stays ours until they accept."""
        target = types_pb2.HandoffTarget()
        kind, name = next(
            (k, n) for k, n in (("agent", agent), ("queue", queue), ("tier", tier)) if n
        )
        setattr(target, kind, name)
        said = types_pb2.HandoffEnvelope(
            reason=envelope.reason,
            summary=envelope.summary,
            tried=envelope.tried,
            promised=envelope.promised,
            told_customer=envelope.told_customer,
            mood=envelope.mood,
        )
        request = ownership_pb2.BeginHandoffRequest(
            case_id=case_id, target=target, envelope=said, timeout_s=timeout_s
        )
        return await self._seen_write(request, self._client.ownership.BeginHandoff)

    async def close_case(
        self, case_id: str, disposition: str, *, re_told: bool = False
    ) -> CaseSeen:
        """End a case with its outcome; what the customer added meanwhile is read first."""
        request = ownership_pb2.CloseCaseRequest(
            case_id=case_id, disposition=disposition, re_told=re_told
        )
        closed = await self._seen_write(request, self._client.ownership.CloseCase)
        self.cases.pop(case_id, None)
        return closed if closed.closed else replace(closed, state="CLOSED")

    async def wrapped_up(self, case: CaseSeen) -> None:
        """Say that the paperwork of a closed case is done."""
        body = routing_pb2.WrapUp(case_id=case.case_id, epoch=case.epoch, complete=True)
        await again(lambda: self._ask(wrap_up=body))

    # ---- inside

    def _keep(self, case: CaseSeen) -> CaseSeen:
        known = self.cases.get(case.case_id)
        if known is None or case.sequence >= known.sequence:
            self.cases[case.case_id] = case
        return case

    def _case(self, case_id: str) -> CaseSeen:
        known = self.cases.get(case_id)
        if known is None:
            raise Missing("case", "this session owns no case of this id")
        return known

    async def _enter(self, case_id: str, text: str, kind: ownership_pb2.EntryKind.ValueType) -> str:
        request = ownership_pb2.AppendEntryRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            kind=kind,
            text=text,
        )
        answer = await again(lambda: self._client.ownership.AppendEntry(request))
        if answer.case.case_id:
            self._keep(case_seen(answer.case))
        return answer.entry_id

    async def _seen_write(self, request: Any, call: Callable[[Any], Any]) -> CaseSeen:  # noqa: ANN401
        """Send a write that quotes what was seen; look again when the customer has added to it."""
        for _ in range(LOOKS_MAX):
            case = self._case(request.case_id)
            request.operation_id = new_id()
            request.epoch, request.seen_entry_id = case.epoch, case.seen_entry
            try:
                seen = case_seen(await again(lambda: call(request)))
            except Rejected as no:
                if no.reason != "UNSEEN_MESSAGE":
                    raise
                await self.read(request.case_id)
            else:  # the answer to a repeat may hold no case any more: it had been done
                return self._keep(seen) if seen.case_id else case
        raise Rejected(
            "UNSEEN_MESSAGE", "the customer keeps writing; read the case, then try again"
        )

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
            self._changed(told.case)
        if told is not None:
            self._tell(told)

    def _changed(self, case: CaseSeen) -> None:
        known = self.cases.get(case.case_id)
        if known is not None and case.sequence >= known.sequence:
            if case.owner == known.owner and not case.closed:
                self.cases[case.case_id] = case
            else:
                del self.cases[case.case_id]

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
