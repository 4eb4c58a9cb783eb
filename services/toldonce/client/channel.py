"""One connection to ToldOnce, with a typed stub for each service.

    async with Client("127.0.0.1:7700", token) as client:
        taken = await client.intake.SubmitContact(intake_pb2.SubmitContactRequest(...))

Calls have a deadline (5 s unless `timeout=` is given) and raise `kernel.errors`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import grpc

from toldonce.api.config.v1.config_pb2_grpc import ConfigServiceStub
from toldonce.api.intake.v1.intake_pb2_grpc import IntakeServiceStub
from toldonce.api.ownership.v1.ownership_pb2_grpc import OwnershipServiceStub
from toldonce.api.routing.v1.routing_pb2_grpc import RoutingServiceStub
from toldonce.api.sla.v1.sla_pb2_grpc import SlaServiceStub
from toldonce.client.calls import UNARY_DEADLINE_S, Courteous
from toldonce.kernel.errors import Invalid

ADDRESS = "127.0.0.1:7700"
_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files (PEM) of a client: whom it believes, and what it shows."""

    ca: Path
    cert: Path
    key: Path


class Client:
    """A connection; close it, or use it in `async with`."""

    intake: IntakeServiceStub
    routing: RoutingServiceStub
    ownership: OwnershipServiceStub
    sla: SlaServiceStub
    config: ConfigServiceStub

    def __init__(
        self,
        address: str | None = None,
        token: str | None = None,
        *,
        tls: ClientTls | None = None,
        deadline_s: float = UNARY_DEADLINE_S,
    ) -> None:
        """Without an address or a token: TOLDONCE_ADDRESS and TOLDONCE_TOKEN, then 127.0.0.1:7700.

        Connects when first used. Must be made inside a running loop.
        """
        self.address = address or os.environ.get("TOLDONCE_ADDRESS") or ADDRESS
        self.channel = _channel(self.address, tls)
        given = os.environ.get("TOLDONCE_TOKEN", "") if token is None else token
        metadata = (("authorization", f"Bearer {given}"),) if given else ()
        # The generated stubs ask only for the four makers of calls.
        calls = cast("grpc.aio.Channel", Courteous(self.channel, metadata, deadline_s=deadline_s))
        self.intake = IntakeServiceStub(calls)
        self.routing = RoutingServiceStub(calls)
        self.ownership = OwnershipServiceStub(calls)
        self.sla = SlaServiceStub(calls)
        self.config = ConfigServiceStub(calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _exc: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call and the connection."""
        await self.channel.close()


def _channel(address: str, tls: ClientTls | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    try:
        ca, key, cert = (path.read_bytes() for path in (tls.ca, tls.key, tls.cert))
    except OSError as exc:
        raise Invalid("tls", f"cannot read {exc.filename}: {exc.strerror}") from exc
    return grpc.aio.secure_channel(
        address, grpc.ssl_channel_credentials(ca, key, cert), options=_OPTIONS
    )
