"""The engine that leads, as intake asks it: where a case stands, what a newcomer may expect."""

from collections.abc import Mapping

from google.protobuf.message import DecodeError

from toldonce.api.routing.v1 import internal_pb2, routing_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Unavailable
from toldonce.runtime import names
from toldonce.runtime.bus import Bus
from toldonce.runtime.rpc import from_status

ENGINE_S = 1.0


class Engine:
    """`handler.AsksEngine` over the bus."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def newcomers(self, tenant: str) -> Mapping[str, types_pb2.LiveAcknowledgement]:
        """See `AsksEngine.newcomers`."""
        of = internal_pb2.AskNewcomers()
        reply = await self._ask(internal_pb2.EngineRequest(tenant=tenant, newcomers=of))
        return {one.queue: one.live for one in reply.newcomers.newcomers}

    async def place(self, tenant: str, case_id: str) -> types_pb2.LiveAcknowledgement:
        """See `AsksEngine.place`."""
        of = routing_pb2.GetPositionRequest(case_id=case_id)
        reply = await self._ask(internal_pb2.EngineRequest(tenant=tenant, position=of))
        return reply.position.live

    async def _ask(self, asked: internal_pb2.EngineRequest) -> internal_pb2.EngineReply:
        data = asked.SerializeToString()
        answer = await self._bus.request(names.lines(asked.tenant), data, timeout_s=ENGINE_S)
        try:
            reply = internal_pb2.EngineReply.FromString(answer)
        except DecodeError as error:
            raise Unavailable("the engine's answer cannot be read") from error
        if reply.WhichOneof("body") == "error":
            raise from_status(reply.error)
        return reply
