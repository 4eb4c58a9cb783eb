"""Calls of a channel with our manners: a token, a deadline, and refusals instead of gRPC errors.

`Courteous` stands where generated stubs expect a channel, so the stubs keep their types. It is a
wrapper and not an interceptor: those cost a task a call and can swallow a cancellation.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from toldonce.runtime.rpc import from_call_error

type Metadata = tuple[tuple[str, str], ...]
type _Message = Any  # whatever the method's stub says
type _Call = Any  # a multicallable or a call of grpc.aio, each of its own generic type
type _Codec = Callable[[Any], Any]

UNARY_DEADLINE_S = 5.0


class Courteous:
    """A channel whose calls carry `metadata` and raise refusals."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata, *, deadline_s: float) -> None:
        """`deadline_s` holds for calls with one answer; streams have none unless given."""
        self._channel = channel
        self._metadata = metadata
        self._deadline_s = deadline_s

    def unary_unary(
        self,
        method: str,
        request_serializer: _Codec | None = None,
        response_deserializer: _Codec | None = None,
        **_registered: bool,
    ) -> _Call:
        """Make the callable of a method with one request and one answer."""
        call = self._channel.unary_unary(method, request_serializer, response_deserializer)
        metadata, deadline_s = self._metadata, self._deadline_s

        async def ask(request: _Message, *, timeout: float | None = None) -> _Message:  # noqa: ASYNC109
            try:
                return await call(request, timeout=timeout or deadline_s, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                raise from_call_error(error) from None

        return ask

    def unary_stream(
        self,
        method: str,
        request_serializer: _Codec | None = None,
        response_deserializer: _Codec | None = None,
        **_registered: bool,
    ) -> _Call:
        """Make the callable of a method that answers with a stream."""
        call = self._channel.unary_stream(method, request_serializer, response_deserializer)
        return self._streaming(call)

    def stream_stream(
        self,
        method: str,
        request_serializer: _Codec | None = None,
        response_deserializer: _Codec | None = None,
        **_registered: bool,
    ) -> _Call:
        """Make the callable of a method with a stream each way."""
        call = self._channel.stream_stream(method, request_serializer, response_deserializer)
        return self._streaming(call)

    def stream_unary(
        self,
        method: str,
        request_serializer: _Codec | None = None,
        response_deserializer: _Codec | None = None,
        **_registered: bool,
    ) -> _Call:
        """Make the callable of a method that takes a stream and answers once."""
        call = self._channel.stream_unary(method, request_serializer, response_deserializer)
        metadata = self._metadata

        async def ask(requests: _Message, *, timeout: float | None = None) -> _Message:  # noqa: ASYNC109
            try:
                return await call(requests, timeout=timeout, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                raise from_call_error(error) from None

        return ask

    def _streaming(self, call: _Call) -> _Call:
        metadata = self._metadata

        def start(request: _Message = None, *, timeout: float | None = None) -> "Stream":
            return Stream(call(request, timeout=timeout, metadata=metadata))

        return start


class Stream:
    """A stream under way: iterate over it, or `read` and `write`; end it with `cancel`."""

    def __init__(self, call: _Call) -> None:
        """Take a call of grpc.aio that has just been started."""
        self._call = call

    async def __aiter__(self) -> AsyncIterator[_Message]:
        """Give every message, then end, or raise the refusal the stream ended with."""
        # by `read`, because grpc.aio refuses to iterate over a call that was read from before
        while (message := await self.read()) is not grpc.aio.EOF:
            yield message

    async def read(self) -> _Message:
        """Give the next message, or `grpc.aio.EOF` at a good end."""
        try:
            return await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise from_call_error(error) from None

    async def write(self, message: _Message) -> None:
        """Send a message; raises the refusal the stream ended with, if it has."""
        try:
            await self._call.write(message)
        except grpc.aio.AioRpcError as error:
            raise from_call_error(error) from None

    async def done_writing(self) -> None:
        """Say that no more requests come."""
        try:
            await self._call.done_writing()
        except grpc.aio.AioRpcError as error:
            raise from_call_error(error) from None

    def cancel(self) -> bool:
        """End the stream now; whoever waits on it gets CancelledError."""
        return bool(self._call.cancel())
