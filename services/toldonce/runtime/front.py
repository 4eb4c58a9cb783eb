"""The front of every gRPC server: one wrapper around each method, and the server's limits.

The wrapper asks the gate, refuses what is no message, gives calls without one a deadline, turns
refusals into statuses, measures, and ends streams when the process drains. It is built once a
method, so a call pays only for what it uses.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import grpc
import structlog
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from toldonce.kernel.errors import Invalid, Unavailable
from toldonce.runtime.auth import Gate, Rule
from toldonce.runtime.clock import Clock
from toldonce.runtime.ids import new_id
from toldonce.runtime.logs import frames
from toldonce.runtime.meter import Meter
from toldonce.runtime.rpc import Broken, Context, abort, code_of, to_status
from toldonce.runtime.telemetry import RPC_SECONDS

type _Anything = Any  # a message of the method, an iterator of them, or what a method makes of them
type _Handler = grpc.RpcMethodHandler[Any, Any]
type _Parse = Callable[[bytes], Any]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes: bytes a message, calls at a time, seconds a call without deadline."""

    message_bytes_max: int = 256 * 1024
    rpcs_max: int = 16_384
    streams_a_connection_max: int = 4_096
    deadline_s: float = 10.0
    linger_s: float = 1.0
    keepalive_s: float = 20.0
    ping_min_s: float = 5.0
    connection_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Malformed:
    """Stands where a message should be: gRPC calls a raising parser a fault of ours."""

    field: str
    sentence: str


class Front(grpc.aio.ServerInterceptor):
    """The interceptor of a server of ours."""

    def __init__(
        self,
        gate: Gate,
        meter: Meter,
        clock: Clock,
        limits: Limits,
        *,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        """`meter` gets `toldonce_rpc_seconds`; `larger`: bytes a message, by service name."""
        self.larger = larger or {}
        self._gate = gate
        self._meter = meter
        self._clock = clock
        self._limits = limits
        self._wrapped: dict[str, _Handler] = {}
        self._streams: set[asyncio.Timeout] = set()
        self._streams_end_at_s: float | None = None

    def drain(self) -> None:
        """Give open streams `linger_s` to end themselves, then end them with UNAVAILABLE."""
        end_at_s = asyncio.get_running_loop().time() + self._limits.linger_s
        self._streams_end_at_s = end_at_s
        for scope in self._streams:
            scope.reschedule(end_at_s)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Find the method's handler and wrap it, once."""
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            known = self._wrapped[method] = self._wrap(method, handler)
        return known

    def _wrap(self, method: str, handler: _Handler) -> _Handler:
        rule = self._gate.rule(method)
        parse, write = handler.request_deserializer, handler.response_serializer
        service = method.split("/")[1]
        bytes_max = self.larger.get(service, self._limits.message_bytes_max)
        careful = None if parse is None else careful_parser(parse, bytes_max)
        if handler.response_streaming:
            behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
            streaming = self._streaming(method, rule, behaviour)
            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(streaming, careful, write)
            return grpc.unary_stream_rpc_method_handler(streaming, careful, write)
        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary
        unary = self._unary(method, rule, behaviour)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(unary, careful, write)
        return grpc.unary_unary_rpc_method_handler(unary, careful, write)

    def _unary(self, method: str, rule: Rule, behaviour: _Anything) -> _Anything:
        async def answer(request: _Anything, context: Context) -> _Anything:
            started_s, code = self._clock.monotonic(), grpc.StatusCode.CANCELLED
            try:
                self._enter(method, rule, context)
                if context.time_remaining() is None:
                    async with asyncio.timeout(self._limits.deadline_s):
                        reply = await behaviour(_checked(request), context)
                else:
                    reply = await behaviour(_checked(request), context)
            except grpc.aio.AbortError:
                code = context.code()
                raise
            except Exception as exc:  # noqa: BLE001 - the last net: everything becomes a status
                status = refused(exc, method)
                code = code_of(status)
            else:
                code = grpc.StatusCode.OK
                return reply
            finally:
                self._measure(method, code, started_s)
            return await abort(context, status)

        return answer

    def _streaming(self, method: str, rule: Rule, behaviour: _Anything) -> _Anything:
        async def answer(request: _Anything, context: Context) -> None:
            started_s, code = self._clock.monotonic(), grpc.StatusCode.CANCELLED
            scope = asyncio.timeout_at(self._streams_end_at_s)
            try:
                self._enter(method, rule, context)
                async with scope:
                    self._streams.add(scope)
                    await _pump(behaviour(_checked(request), context), context)
                code = grpc.StatusCode.OK
            except grpc.aio.AbortError:
                code = context.code()
                raise
            except Exception as exc:  # noqa: BLE001 - the last net: everything becomes a status
                leaving = Unavailable("this server is going away: connect again")
                status = refused(leaving if scope.expired() else exc, method)
                code = code_of(status)
            else:
                return
            finally:
                self._streams.discard(scope)
                self._measure(method, code, started_s)
            await abort(context, status)

        return answer

    def _enter(self, method: str, rule: Rule, context: Context) -> None:
        principal = self._gate.admit(rule, context.invocation_metadata() or ())
        if principal is not None:
            structlog.contextvars.bind_contextvars(tenant=principal.tenant, method=method)

    def _measure(self, method: str, code: grpc.StatusCode, started_s: float) -> None:
        self._meter.observe(RPC_SECONDS, self._clock.monotonic() - started_s, method, code.name)


def make_server(front: Front, limits: Limits) -> grpc.aio.Server:
    """Make a server with our limits; ports and servicers are the caller's."""
    age = limits.connection_age_s
    bytes_max = max(limits.message_bytes_max, *front.larger.values(), 0)
    options = [
        ("grpc.max_receive_message_length", bytes_max),
        ("grpc.max_concurrent_streams", limits.streams_a_connection_max),
        ("grpc.keepalive_time_ms", _ms(limits.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _ms(limits.keepalive_s / 2)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(limits.ping_min_s)),
        ("grpc.so_reuseport", 0),
        *([("grpc.max_connection_age_ms", _ms(age))] if age is not None else ()),
    ]
    return grpc.aio.server(
        interceptors=(front,), options=options, maximum_concurrent_rpcs=limits.rpcs_max
    )


def refused(exc: Exception, method: str) -> Status:
    """Say an exception as a status; a fault of ours is logged under the id it is told by."""
    status = to_status(exc)
    if code_of(status) is not grpc.StatusCode.INTERNAL or isinstance(exc, Broken):
        return status
    incident_id = new_id()
    _log.error(
        "fault in a call",
        method=method,
        incident_id=incident_id,
        error=type(exc).__name__,
        frames=frames(exc),
    )
    return to_status(Broken(f"a fault of ours: its log line has id {incident_id}", incident_id))


def careful_parser(parse: _Parse, bytes_max: int) -> _Parse:
    """Wrap a parser: too many or bad bytes, bad UTF-8, unknown fields come back as a finding.

    An unknown field is refused, not skipped: what a newer gateway wanted to tell would be lost
    in silence otherwise.
    """
    name = getattr(getattr(parse, "__self__", None), "__name__", "message")

    def careful(data: bytes) -> _Anything:
        if len(data) > bytes_max:
            return _Malformed(name, f"a message of {len(data)} bytes; at most {bytes_max} here")
        try:
            message = parse(data)
        except Exception:  # noqa: BLE001 - whatever the parser says, the bytes are wrong
            return _Malformed(name, "these bytes are no such message, or a text is not UTF-8")
        if not isinstance(message, Message):
            return message
        message.DiscardUnknownFields()
        if message.ByteSize() == len(data):
            return message
        field = unknown_field(parse(data), name)
        if field is None:  # written in an unusual but legal way
            return message
        return _Malformed(field, "no field of this number is known to this version")

    return careful


def unknown_field(message: Message, path: str) -> str | None:
    """Give the path of the first field this version does not know, or None."""
    for unknown in cast("Iterable[Any]", UnknownFieldSet(message)):
        return f"{path}.{unknown.field_number}"
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            inner = [value]
        elif field.message_type.GetOptions().map_entry:
            inner = [each for each in value.values() if isinstance(each, Message)]
        else:
            inner = list(value)
        for each in inner:
            found = unknown_field(each, f"{path}.{field.name}")
            if found is not None:
                return found
    return None


def _checked(request: _Anything) -> _Anything:
    if isinstance(request, Message):
        return request
    if isinstance(request, _Malformed):
        raise Invalid(request.field, request.sentence)
    if isinstance(request, AsyncIterable):
        return _each_checked(request)
    return request


async def _each_checked(requests: AsyncIterable[object]) -> AsyncIterator[object]:
    async for request in requests:
        if isinstance(request, _Malformed):
            raise Invalid(request.field, request.sentence)
        yield request


async def _pump(answers: _Anything, context: Context) -> None:
    """Send what a streaming method yields; a method that writes by itself is only awaited."""
    if not isinstance(answers, AsyncGenerator):
        await answers
        return
    async with aclosing(answers):
        async for answer in answers:
            await context.write(answer)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
