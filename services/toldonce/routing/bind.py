"""Builds routing and attaches it to an App: sessions, engines with their leases, the servicer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from toldonce.api.routing.v1 import routing_pb2, routing_pb2_grpc
from toldonce.routing.consumer import Engines, MakeLease
from toldonce.routing.consumer.journal import Pages
from toldonce.routing.handler.declaring import Declaring
from toldonce.routing.handler.past import Past
from toldonce.routing.handler.recount import Recount
from toldonce.routing.handler.steering import Steering
from toldonce.routing.handler.words import Health, Timing
from toldonce.routing.lease import Lease
from toldonce.routing.servicer import Servicer
from toldonce.routing.session import Sessions
from toldonce.routing.wire.tables import read_declared, write_declared
from toldonce.runtime.app import App
from toldonce.runtime.ids import new_id
from toldonce.runtime.names import lease_key
from toldonce.runtime.ports import Ports
from toldonce.runtime.telemetry import JOURNAL_LOST, OFFERS

ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Routing:
    """What stands after `bind`, for callers in the process."""

    sessions: Sessions
    engines: Engines


async def bind(app: App, ports: Ports, *, timing: Timing | None = None) -> Routing:
    """Serve `RoutingService`, hold sessions, and lead or stand by for every tenant."""
    routing = build(ports, app.draining, timing=timing)
    past = Past(ports.log)
    declaring = Declaring(ports.tables.agents, ports.clock, read_declared, write_declared)
    servicer = Servicer(
        routing.sessions,
        past,
        Steering(past, declaring, ports.clock),
        Recount(lambda tenant: Pages(tenant, ports.trail, ENGINE)),
        bus=ports.bus,
        door=ports.door,
        clock=ports.clock,
        draining=app.draining,
    )
    app.add_grpc(
        routing_pb2.DESCRIPTOR.services_by_name["RoutingService"],
        lambda server: routing_pb2_grpc.add_RoutingServiceServicer_to_server(servicer, server),
    )
    app.spawn("sessions", routing.sessions.run())
    app.spawn("engines", routing.engines.run())
    return routing


def build(
    ports: Ports, draining: asyncio.Event, *, timing: Timing | None = None, holder: str = ""
) -> Routing:
    """Build sessions and engines on their ports and subscribe them to the feed; runs nothing.

    `holder` names the process (26 characters) to others; drawn when not given.
    """
    timing, holder = timing or Timing(), holder or new_id()
    ports.meter.declare(OFFERS)
    ports.meter.declare(JOURNAL_LOST)
    sessions = Sessions(
        log=ports.log,
        agents=ports.tables.agents,
        bus=ports.bus,
        config=ports.config,
        door=ports.door,
        clock=ports.clock,
        meter=ports.meter,
        draining=draining,
        holder=holder,
    )
    engines = Engines(
        tenants=ports.tenants,
        log=ports.log,
        agents=ports.tables.agents,
        documents=ports.tables.config,
        bus=ports.bus,
        config=ports.config,
        door=ports.door,
        clock=ports.clock,
        meter=ports.meter,
        make_lease=_leases(ports, holder, timing),
        draining=draining,
        trail=ports.trail,
        holder=holder,
        timing=timing,
    )
    ports.feed.subscribe("sessions", sessions)
    ports.feed.subscribe("engines", engines)
    return Routing(sessions, engines)


def _leases(ports: Ports, holder: str, timing: Timing) -> MakeLease:
    def make(
        tenant: str,
        *,
        health: Health,
        settle: Callable[[], Awaitable[bool]],
        catch_up: Callable[[], Awaitable[Callable[[], bool]]],
        changed: Callable[[], None],
        floor: Callable[[], int],
    ) -> Lease:
        return Lease(
            ports.tables.leases,
            lease_key(ENGINE, tenant),
            holder,
            ports.clock,
            health=health,
            settle=settle,
            catch_up=catch_up,
            changed=changed,
            floor=floor,
            timing=timing,
        )

    return make
