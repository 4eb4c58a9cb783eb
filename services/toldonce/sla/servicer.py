"""gRPC in: parse, read the case, format; whoever watches is told once a second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc

from toldonce.api.sla.v1 import sla_pb2, sla_pb2_grpc
from toldonce.kernel.errors import Unavailable
from toldonce.runtime.auth import current_principal
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.table import Table
from toldonce.sla.handler import Clocks, Risk
from toldonce.sla.handler.counts import kept_of
from toldonce.sla.wire import (
    format_channels,
    format_clocks,
    format_explanation,
    format_told,
    parse_explain_clock,
    parse_get_channel_gap,
    parse_get_clocks,
    parse_watch,
)

WATCH_S = 1.0
READ_UP_S = 5.0

type Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(sla_pb2_grpc.SlaServiceServicer):
    """`SlaService`."""

    def __init__(
        self,
        clocks: Clocks,
        risk: Risk,
        *,
        leases: Table,
        config: ConfigCache,
        clock: Clock,
        draining: asyncio.Event,
    ) -> None:
        """Answer with what `clocks` reads, `risk` knows, and `leases` keeps of the channels.

        Streams end when `draining` is set.
        """
        self._clocks = clocks
        self._risk = risk
        self._leases = leases
        self._config = config
        self._clock = clock
        self._draining = draining

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
        asked = parse_explain_clock(request)
        found = await self._clocks.explained(current_principal().tenant, *asked)
        return format_explanation(*found)

    async def GetChannelGap(
        self, request: sla_pb2.GetChannelGapRequest, context: object
    ) -> sla_pb2.GetChannelGapResponse:
        """Compare the channels, as they were last counted, at this moment."""
        windows = parse_get_channel_gap(request)
        ledger = await kept_of(self._leases, current_principal().tenant)
        return format_channels(ledger, windows, self._clock.now())

    async def WatchAtRisk(
        self, request: sla_pb2.WatchAtRiskRequest, context: Context
    ) -> AsyncIterator[sla_pb2.WatchAtRiskResponse]:
        """Tell who is at risk, and what changes about that, at most once a second."""
        tenant = current_principal().tenant
        config = await self._config.of(tenant)
        wanted = parse_watch(request, config)
        await self._risk.read_up(READ_UP_S)
        with self._risk.watched(tenant, wanted) as watcher:
            while not self._draining.is_set():
                for told in watcher.turn(self._clock.now()):
                    yield format_told(told, config, self._clock.now())
                with suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_S):
                        await self._draining.wait()
                config = await self._config.of(tenant)
        raise Unavailable("this server is going away: connect again")
