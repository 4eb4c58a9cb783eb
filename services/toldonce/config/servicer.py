"""gRPC in: parse, call the handler, format."""

from toldonce.api.config.v1 import config_pb2, config_pb2_grpc
from toldonce.config.handler import Handler
from toldonce.config.wire import format_applied, format_given, parse_apply, parse_get
from toldonce.runtime.auth import current_principal


class Servicer(config_pb2_grpc.ConfigServiceServicer):
    """`ConfigService` over a handler."""

    def __init__(self, handler: Handler) -> None:
        """Answer with what the handler says."""
        self._handler = handler

    async def ApplyConfig(
        self, request: config_pb2.ApplyConfigRequest, context: object
    ) -> config_pb2.ApplyConfigResponse:
        """Check a document and store it."""
        asked = parse_apply(request)
        applied = await self._handler.apply(
            current_principal(), asked.yaml, expected=asked.expected, dry_run=asked.dry_run
        )
        return format_applied(applied)

    async def GetConfig(
        self, request: config_pb2.GetConfigRequest, context: object
    ) -> config_pb2.GetConfigResponse:
        """Give the document that stands."""
        return format_given(await self._handler.get(current_principal(), parse_get(request)))
