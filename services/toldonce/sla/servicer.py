"""gRPC in: parse, read the case, format."""

from typing import Any

from toldonce.api.sla.v1 import sla_pb2, sla_pb2_grpc
from toldonce.kernel.errors import Unbuilt
from toldonce.runtime.auth import current_principal
from toldonce.runtime.clock import Clock
from toldonce.runtime.table import Table
from toldonce.sla.handler import Clocks
from toldonce.sla.handler.counts import kept_of
from toldonce.sla.wire import (
    format_channels,
    format_clocks,
    format_explanation,
    parse_explain_clock,
    parse_get_channel_gap,
    parse_get_clocks,
)


async def _refuse(*_: object) -> None:
    raise Unbuilt("this version does not do that yet")


_unbuilt: Any = _refuse  # stands for calls of every shape; the gate refuses them before that


class Servicer(sla_pb2_grpc.SlaServiceServicer):
    """`SlaService`."""

    def __init__(self, clocks: Clocks, leases: Table, clock: Clock) -> None:
        """Answer with what `clocks` reads, and with what is kept of the channels in `leases`."""
        self._clocks = clocks
        self._leases = leases
        self._clock = clock

    async def GetClocks(
        self, request: sla_pb2.GetClocksRequest, context: object
    ) -> sla_pb2.GetClocksResponse:
        """Give the clocks of a case, computed now."""
        case_id = parse_get_clocks(request)
        return format_clocks(await self._clocks.of(current_principal().tenant, case_id))

    async def ExplainClock(
        self, request: sla_pb2.ExplainClockRequest, context: object
    ) -> sla_pb2.ExplainClockResponse:
        """Account for one clock of a case, computed now."""
        case_id, kind = parse_explain_clock(request)
        found = await self._clocks.explained(current_principal().tenant, case_id, kind)
        return format_explanation(*found)

    async def GetChannelGap(
        self, request: sla_pb2.GetChannelGapRequest, context: object
    ) -> sla_pb2.GetChannelGapResponse:
        """Compare the channels, as they were last counted, at this moment."""
        windows = parse_get_channel_gap(request)
        ledger = await kept_of(self._leases, current_principal().tenant)
        return format_channels(ledger, windows, self._clock.now())

    WatchAtRisk = _unbuilt
