"""The engine that leads, as sla asks it: how long who comes now would wait in each line."""

from collections.abc import Mapping

from google.protobuf.message import DecodeError

from toldonce.api.routing.v1 import internal_pb2
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.instants import SECOND
from toldonce.runtime import names
from toldonce.runtime.bus import Bus
from toldonce.runtime.rpc import from_status
from toldonce.sla.core import Outlook

ENGINE_S = 1.0


class BusLines:
    """`handler.AsksLines` over the bus."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def outlooks(self, tenant: str) -> Mapping[str, Outlook]:
        """See `AsksLines.outlooks`: the middle of the band."""
        asked = internal_pb2.EngineRequest(tenant=tenant, newcomers=internal_pb2.AskNewcomers())
        data = asked.SerializeToString()
        answer = await self._bus.request(names.lines(tenant), data, timeout_s=ENGINE_S)
        try:
            reply = internal_pb2.EngineReply.FromString(answer)
        except DecodeError as error:
            raise Unavailable("the engine's answer cannot be read") from error
        if reply.WhichOneof("body") == "error":
            raise from_status(reply.error)
        return {
            one.queue: Outlook(one.live.position, round(one.live.estimate_s * SECOND))
            for one in reply.newcomers.newcomers
            if one.live.estimated
        }
