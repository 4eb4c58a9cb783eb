"""The bare limit: gRPC with an empty handler and one durable append, and nothing else of ours.

The same loop, server options, NATS client and kind of stream as the house, a request of the same
bytes, an append of as many bytes as the house's (`append_bytes`), each to a subject of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from loadtests import material
from toldonce.runtime.answers import read_answer
from toldonce.runtime.append import Accepted
from toldonce.runtime.ids import new_id
from toldonce.runtime.nats_link import Link
from toldonce.runtime.streams import Wants, ensure

SERVICE = "toldonce.loadtests.Bare"
UNARY, STREAM = f"/{SERVICE}/Append", f"/{SERVICE}/AppendStream"
APPEND_BYTES = 1_200
_INFLIGHT_MAX = 1_024
_APPEND_S = 5.0
_STREAM = Wants("BARE_1", ("bare.1.>",))
_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 4_096))


class Bare:
    """The handlers."""

    def __init__(self, link: Link, append_bytes: int) -> None:
        """Append messages of `append_bytes` over `link`."""
        self._link = link
        self._payload = b"x" * append_bytes
        self._answer = material.answer().SerializeToString()
        self._tagged = material.tagged_answer().SerializeToString()

    async def append(self, _request: bytes, _context: object) -> bytes:
        """Append once; the answer is always the same."""
        own = new_id()
        headers = {"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Msg-Id": own + own}
        subject = f"bare.1.{len(own) % 16}.demo.{own}"
        reply = await self._link.ask(subject, self._payload, timeout_s=_APPEND_S, headers=headers)
        answer = read_answer(reply.data)
        if not isinstance(answer, Accepted):
            raise TypeError(f"the bare append was answered {answer}")
        return self._answer

    async def append_stream(
        self, requests: AsyncIterator[bytes], context: object
    ) -> AsyncIterator[bytes]:
        """Append each request beside the others; answer in the order they become durable."""
        answers: asyncio.Queue[bytes | None] = asyncio.Queue(_INFLIGHT_MAX)
        room = asyncio.Semaphore(_INFLIGHT_MAX)

        async def one(request: bytes) -> None:
            await self.append(request, context)
            answers.put_nowait(self._tagged)
            room.release()

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                async for request in requests:
                    await room.acquire()
                    group.create_task(one(request))
            await answers.put(None)

        reading = asyncio.create_task(all_of_them())
        try:
            while (answer := await answers.get()) is not None:
                yield answer
        finally:
            reading.cancel()


async def serve(nats_url: str, append_bytes: int) -> tuple[Link, grpc.aio.Server, str]:
    """Start the bare server on a free port; gives what to close, and its address."""
    link = await Link.connect(nats_url, name="bare")
    await ensure(link, _STREAM)
    bare = Bare(link, append_bytes)
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Append": grpc.unary_unary_rpc_method_handler(bare.append),
        "AppendStream": grpc.stream_stream_rpc_method_handler(bare.append_stream),
    }
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return link, server, f"127.0.0.1:{port}"
