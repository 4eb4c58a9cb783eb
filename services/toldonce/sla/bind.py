"""Builds the service and attaches it to an App."""

import random

from toldonce.api.sla.v1 import sla_pb2, sla_pb2_grpc
from toldonce.runtime.app import App
from toldonce.runtime.ids import new_id
from toldonce.runtime.ports import Ports
from toldonce.sla.consumer import POLL_S, Lookout, Timekeeper
from toldonce.sla.consumer.channels import ChannelCounter
from toldonce.sla.handler import Clocks, RedisTimers, Risk, ScheduledTimers, TimerStore
from toldonce.sla.servicer import Servicer
from toldonce.sla.wire import BusLines


async def bind(app: App, ports: Ports, *, poll_s: float = POLL_S) -> Timekeeper:
    """Serve `SlaService` and keep the timers; returns their keeper for callers in-process.

    `poll_s` is how often at least the store is asked for what is due.
    """
    replica = new_id()
    keeper = Timekeeper(
        timers=_timers(ports, replica),
        log=ports.log,
        feed=ports.feed,
        door=ports.door,
        config=ports.config,
        clock=ports.clock,
        meter=ports.meter,
        poll_s=poll_s,
        rng=random.Random(replica),  # noqa: S311  another order for each
    )
    risk = Risk(keeper.book)
    lookout = Lookout(
        risk=risk,
        lines=BusLines(ports.bus),
        config=ports.config,
        clock=ports.clock,
        meter=ports.meter,
        behind=lambda: keeper.behind,
    )
    servicer = Servicer(
        Clocks(ports.log, ports.config, ports.clock),
        risk,
        leases=ports.tables.leases,
        config=ports.config,
        clock=ports.clock,
        draining=app.draining,
    )
    app.add_grpc(
        sla_pb2.DESCRIPTOR.services_by_name["SlaService"],
        lambda server: sla_pb2_grpc.add_SlaServiceServicer_to_server(servicer, server),
    )
    app.spawn("timers", keeper.run())
    app.spawn("lookout", lookout.run())
    counter = ChannelCounter(
        log=ports.log,
        leases=ports.tables.leases,
        config=ports.config,
        clock=ports.clock,
        meter=ports.meter,
    )
    app.spawn("channels", counter.run())
    return keeper


def _timers(ports: Ports, replica: str) -> TimerStore:
    """Keep timers where the settings say (`TOLDONCE_TIMERS`)."""
    if ports.alarms is not None:
        return ScheduledTimers(ports.alarms, replica)
    return RedisTimers(ports.store, replica)
