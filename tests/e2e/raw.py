"""What a call was refused with, as the wire says it: status code and google.rpc details."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2 as details_pb2
from google.rpc.status_pb2 import Status

from tests.e2e.shop import Shop
from toldonce.api.config.v1.config_pb2_grpc import ConfigServiceStub
from toldonce.api.intake.v1.intake_pb2_grpc import IntakeServiceStub
from toldonce.api.ownership.v1.ownership_pb2_grpc import OwnershipServiceStub
from toldonce.api.routing.v1.routing_pb2_grpc import RoutingServiceStub
from toldonce.kernel.principal import Role

DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class No:
    """A refusal: its code's name, ErrorInfo's reason, BadRequest's fields, RetryInfo's seconds."""

    code: str
    reason: str
    fields: tuple[str, ...] = ()
    retry_s: float = 0.0
    operation_id: str = ""


class Raw:
    """Stubs as anybody generates them from the protos, with a token or without."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self.channel = channel
        self.metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self.intake: Any = IntakeServiceStub(channel)
        self.ownership: Any = OwnershipServiceStub(channel)
        self.routing: Any = RoutingServiceStub(channel)
        self.config: Any = ConfigServiceStub(channel)

    async def no(self, method: Any, request: Any) -> No:
        """Call and be refused."""
        return await heard(method(request, metadata=self.metadata, timeout=10.0))

    async def yes(self, method: Any, request: Any) -> Any:
        """Call and be answered."""
        return await method(request, metadata=self.metadata, timeout=10.0)

    async def no_bytes(self, method: str, data: bytes) -> No:
        """Send bytes that no generated code would make."""
        call = self.channel.unary_unary(method, lambda given: given, lambda given: given)
        return await self.no(call, data)


async def raw(shop: Shop, role: Role, subject: str, *, tenant: str = "") -> Raw:
    """Open a plain connection as somebody."""
    token = shop.house.token(role, subject, tenant or shop.tenant)
    return Raw(await _channel(shop), token)


async def stranger(shop: Shop, token: str = "") -> Raw:
    """Open a plain connection as nobody."""
    return Raw(await _channel(shop), token)


async def heard(asked: Awaitable[Any]) -> No:
    """Give what a call was refused with; fails the test when it was not."""
    try:
        await asked
    except grpc.aio.AioRpcError as error:
        return no_of(error)
    raise AssertionError("it was not refused")


def no_of(error: grpc.aio.AioRpcError) -> No:
    """Read the details of a failed call."""
    status = Status()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            status.MergeFromString(value)
    assert status.code == error.code().value[0]
    assert status.message
    return no_in(status)


def no_in(status: Status) -> No:
    """Read a status, from a call or from a message of a stream."""
    info, bad, again = details_pb2.ErrorInfo(), details_pb2.BadRequest(), details_pb2.RetryInfo()
    for packed in status.details:
        for detail in (info, bad, again):
            packed.Unpack(detail)
    codes = {code.value[0]: code.name for code in grpc.StatusCode}
    return No(
        code=codes[status.code],
        reason=info.reason,
        fields=tuple(violation.field for violation in bad.field_violations),
        retry_s=again.retry_delay.seconds + again.retry_delay.nanos / 1e9,
        operation_id=info.metadata.get("operation_id", ""),
    )


async def _channel(shop: Shop) -> grpc.aio.Channel:
    options = (("grpc.use_local_subchannel_pool", 1),)
    return await shop.stack.enter_async_context(
        grpc.aio.insecure_channel(shop.house.address, options=options)
    )
