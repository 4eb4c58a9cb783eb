"""Builds the service and attaches it to an App."""

from toldonce.api.config.v1 import config_pb2, config_pb2_grpc
from toldonce.config.handler import Handler
from toldonce.config.servicer import Servicer
from toldonce.kernel.config import Zones
from toldonce.runtime.app import App
from toldonce.runtime.bus import Bus
from toldonce.runtime.names import config_hint
from toldonce.runtime.table import Table
from toldonce.runtime.yaml_tree import TEXT_BYTES_MAX

MESSAGE_BYTES_MAX = 2 * TEXT_BYTES_MAX  # somewhat too large is refused in words of ours


def bind(app: App, *, table: Table, bus: Bus, zones: Zones) -> Handler:
    """Serve `ConfigService` over the table CONFIG; returns the handler for callers in-process."""

    async def announce(tenant: str) -> None:
        await bus.publish(config_hint(tenant), b"")

    handler = Handler(table, zones, app.clock, announce)
    servicer = Servicer(handler)
    app.add_grpc(
        config_pb2.DESCRIPTOR.services_by_name["ConfigService"],
        lambda server: config_pb2_grpc.add_ConfigServiceServicer_to_server(servicer, server),
        message_bytes_max=MESSAGE_BYTES_MAX,
    )
    return handler
