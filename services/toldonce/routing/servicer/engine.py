"""The line to the engine that leads a tenant, wherever it runs."""

import asyncio

from toldonce.api.routing.v1 import internal_pb2
from toldonce.kernel.errors import Unavailable
from toldonce.routing.wire import queries
from toldonce.runtime import names
from toldonce.runtime.bus import Bus

ENGINE_S = 2.0
PATIENCE_S = 1.0
PAUSE_S = 0.1


class EngineLine:
    """Asks over the bus."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`, ENGINE_S a time."""
        self._bus = bus

    async def ask(self, tenant: str, data: bytes) -> internal_pb2.EngineReply:
        """Ask once; raises a Refusal, Unavailable when none leads."""
        answer = await self._bus.request(names.engine(tenant), data, timeout_s=ENGINE_S)
        return queries.read_answer(answer)

    async def ask_patiently(self, tenant: str, data: bytes) -> internal_pb2.EngineReply:
        """Ask; when none leads, again for a moment: one may be starting."""
        for _ in range(round(PATIENCE_S / PAUSE_S)):
            try:
                return await self.ask(tenant, data)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
        return await self.ask(tenant, data)
