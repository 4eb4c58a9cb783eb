"""Builds ownership and attaches it to an App: both doors, the heads of open stories, the views."""

import asyncio
from collections.abc import Container

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2, ownership_pb2_grpc
from toldonce.ownership.carrier import Carrier
from toldonce.ownership.consumer import Consumer
from toldonce.ownership.core import Rules
from toldonce.ownership.handler import Context, Ownership, Stories, Writer, rules_of
from toldonce.ownership.handler.carrying import Carrying
from toldonce.ownership.handler.quarantine import Quarantine
from toldonce.ownership.handler.reconciling import Reconciling
from toldonce.ownership.projector import Checks, HeadKeeper, ViewKeeper
from toldonce.ownership.projector.views import tenants_of
from toldonce.ownership.reconciler import Reconciler
from toldonce.ownership.scrubber import Scrubber
from toldonce.ownership.servicer import Servicer
from toldonce.ownership.wire import Customers
from toldonce.runtime import names
from toldonce.runtime.address import LibraryAddresses
from toldonce.runtime.app import App
from toldonce.runtime.ports import Ports

HINTS_MAX = 1024
KEY_BLOCKS_MAX = 64


async def bind(app: App, ports: Ports) -> Consumer:
    """Serve `OwnershipService` and the bus; returns the bus door for callers in-process."""
    hints = hinting(app, ports)
    quarantine = Quarantine(ports.tables.leases, ports.meter)
    ownership = build(ports, hints, quarantine)
    customers = Customers(ports.secrets, LibraryAddresses())
    servicer = Servicer(
        ownership, ports.config, ports.clock, ports.hints, ports.views, customers=customers
    )
    app.add_grpc(
        ownership_pb2.DESCRIPTOR.services_by_name["OwnershipService"],
        lambda server: ownership_pb2_grpc.add_OwnershipServiceServicer_to_server(servicer, server),
    )
    heads = HeadKeeper(ports.tables.open, ports.feed)
    ports.feed.subscribe("checks", Checks(ports.meter))
    views = ViewKeeper(
        ports.store,
        ports.log,
        ports.feed,
        clock=ports.clock,
        tenants=tenants_of(ports.tables.config, f"{names.CONFIG.prefix}."),
        meter=ports.meter,
    )
    app.spawn("heads of open stories", heads.run())
    app.spawn("views", views.run())
    _mend(app, ports, ownership, hints, quarantine)
    consumer = Consumer(ownership)
    app.spawn("commands", _serve(consumer, app, ports))
    return consumer


def build(ports: Ports, hint: "Hinting", quarantine: Container[tuple[str, str]] = ()) -> Ownership:
    """Build the handler on its ports; it refuses the stories in `quarantine`."""
    stories = Stories(ports.log, quarantine, Carrying(ports.log, ports.clock))
    writer = Writer(
        log=ports.log,
        stories=stories,
        keys=ports.keys,
        clock=ports.clock,
        committed=hint.say,
        meter=ports.meter,
    )

    async def rules(tenant: str) -> Rules:
        config = await ports.config.of(tenant)
        found = known.get(tenant)
        if found is None or found.version != config.policy_version:
            found = known[tenant] = rules_of(config)
        return found

    known: dict[str, Rules] = {}
    context = Context(stories, ports.keys, hint.say_destroyed)
    return Ownership(writer=writer, stories=stories, context=context, rules=rules)


def _mend(
    app: App, ports: Ports, ownership: Ownership, hints: "Hinting", quarantine: Quarantine
) -> None:
    """Run what finds stuck things and broken stories."""
    reconciling = Reconciling(ownership, nudge=hints.say)
    reconciler = Reconciler(reconciling, clock=ports.clock, meter=ports.meter)
    ports.feed.subscribe("reconciler", reconciler)
    scrubber = Scrubber(
        ports.log,
        ports.tables.leases,
        quarantine=quarantine,
        complete_move=ownership.find,
        complete_forget=reconciling.complete_forget,
        clock=ports.clock,
        meter=ports.meter,
    )
    carrier = Carrier(ports.log, ownership.find, ports.tables.leases)
    app.spawn("carrier", carrier.run())
    app.spawn("reconciler", reconciler.run())
    app.spawn("quarantine", quarantine.run())
    app.spawn("scrubber", scrubber.run())


class Hinting:
    """Says on the bus that something was appended; drops hints rather than wait."""

    def __init__(self, ports: Ports) -> None:
        """Queue at most HINTS_MAX hints."""
        self._bus = ports.bus
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(HINTS_MAX)

    def say(self, tenant: str, customer: str, sequence: int) -> None:
        """Hint at a story; lost when too many wait, as hints may be."""
        hint = internal_pb2.Hint(customer_id=customer, sequence=sequence)
        if not self._waiting.full():
            self._waiting.put_nowait((names.hint(tenant), hint.SerializeToString()))

    def say_destroyed(self, tenant: str, blocks: frozenset[str]) -> None:
        """Hint at blocks of keys of which some were destroyed; lost as the others may be."""
        hint = internal_pb2.Hint(key_blocks=sorted(blocks)[:KEY_BLOCKS_MAX])
        if not self._waiting.full():
            self._waiting.put_nowait((names.hint(tenant), hint.SerializeToString()))

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            subject, data = await self._waiting.get()
            await self._bus.publish(subject, data)


def hinting(app: App, ports: Ports) -> Hinting:
    """Make the hinter and run it."""
    made = Hinting(ports)
    app.spawn("hints", made.run())
    return made


async def _serve(consumer: Consumer, app: App, ports: Ports) -> None:
    subscription = await consumer.serve(ports.bus)
    try:
        await app.draining.wait()
    finally:
        await subscription.close()
