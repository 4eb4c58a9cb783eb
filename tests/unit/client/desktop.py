"""A server side of one agent's stream and of the calls beside it, as a client sees them."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Rejected
from toldonce.runtime.rpc import to_status

CUSTOMER = "0" * 26
CASE = CUSTOMER + "1" * 26
OFFER = CUSTOMER + "2" * 26


class FakeStream:
    """One stream: `hear` gives what the client sent, `say` sends."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        self.cancelled = False
        self.ended = False

    async def write(self, message: Any) -> None:
        await self.heard.put(message)

    async def done_writing(self) -> None:
        self.ended = True

    async def read(self) -> Any:
        return await self._said.get()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self._said.get()) is not grpc.aio.EOF:
            if isinstance(message, Exception):
                raise message
            yield message

    def cancel(self) -> bool:
        self.cancelled = True
        return True

    def say(self, message: Any = None, **body: Any) -> None:
        self._said.put_nowait(message or routing_pb2.AgentSessionResponse(**body))

    async def hear(self, kind: str) -> Any:
        """Give the next message of a kind; heartbeats are passed over."""
        while True:
            async with asyncio.timeout(5.0):
                message = await self.heard.get()
            if message.WhichOneof("body") == kind:
                return message


def case_view(**more: Any) -> types_pb2.CaseView:
    """A case owned by anna under epoch 1."""
    facts: dict[str, Any] = {
        "case_id": CASE,
        "customer_id": CUSTOMER,
        "state": types_pb2.CASE_STATE_OPEN,
        "owner": "anna",
        "epoch": 1,
        "sequence": 7,
        "last_customer_entry_id": CUSTOMER + "3" * 26,
    }
    return types_pb2.CaseView(**(facts | more))


def offer(**more: Any) -> routing_pb2.OfferIssued:
    """An offer of that case."""
    return routing_pb2.OfferIssued(offer_id=OFFER, case_id=CASE, epoch=0, **more)


class FakeServer:
    """What an agent's session needs of a Client: one stream, and ownership's calls."""

    def __init__(self, pages: list[ownership_pb2.GetContextResponse] | None = None) -> None:
        self.stream = FakeStream()
        self.closes: list[ownership_pb2.CloseCaseRequest] = []
        self.reads: list[ownership_pb2.GetContextRequest] = []
        self.refuse_closes = 0
        self.forgets = False
        self._pages = pages or []
        self.routing = SimpleNamespace(AgentSession=lambda: self.stream)
        self.ownership = SimpleNamespace(GetContext=self._context, CloseCase=self._close)

    def welcome(self, *cases: types_pb2.CaseView, heartbeat_s: int = 1) -> None:
        self.stream.say(
            welcome=routing_pb2.Welcome(session_id="s" * 26, heartbeat_s=heartbeat_s, cases=cases)
        )

    def answer(self, ref: int, ok: types_pb2.CaseView) -> None:
        self.stream.say(reply=routing_pb2.Reply(ref=ref, ok=ok))

    def refuse(self, ref: int, why: Exception) -> None:
        self.stream.say(reply=routing_pb2.Reply(ref=ref, error=to_status(why)))

    async def _context(self, request: Any) -> ownership_pb2.GetContextResponse:
        asked = ownership_pb2.GetContextRequest()
        asked.CopyFrom(request)
        self.reads.append(asked)
        return self._pages[int(request.page_token or 0)]

    async def _close(self, request: Any) -> types_pb2.CaseView:
        seen = ownership_pb2.CloseCaseRequest()
        seen.CopyFrom(request)
        self.closes.append(seen)
        if len(self.closes) <= self.refuse_closes:
            raise Rejected("UNSEEN_MESSAGE", "there is more")
        if self.forgets:
            return types_pb2.CaseView()
        return case_view(state=types_pb2.CASE_STATE_CLOSED, sequence=20)
