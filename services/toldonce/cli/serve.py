"""`toldonce serve`: one service, beside NATS and Redis or Valkey servers that run elsewhere."""

import importlib
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from toldonce.cli.output import Out
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.runtime.app import App
    from toldonce.runtime.ports import Ports
    from toldonce.runtime.settings import Settings


class Service(StrEnum):
    """What can be served."""

    INTAKE = "intake"
    ROUTING = "routing"
    OWNERSHIP = "ownership"
    SLA = "sla"
    CONFIG = "config"


def serve(
    service: Annotated[Service, typer.Argument(help="Which service.", show_default=False)],
) -> None:
    """Run one service; where its servers are and who it is comes from TOLDONCE_* variables.

    Needs TOLDONCE_NATS, TOLDONCE_NATS_MONITOR, TOLDONCE_REDIS and TOLDONCE_SECRETS.

    Example: `TOLDONCE_NATS=nats://nats:4222 toldonce serve intake`
    """
    from toldonce.runtime.app import run
    from toldonce.runtime.logs import set_up_logging
    from toldonce.runtime.settings import Settings, read, refuse_unknown

    refuse_unknown(os.environ, (Settings,))
    settings = read(Settings)
    for name in ("nats", "nats_monitor", "redis"):
        if not getattr(settings, name):
            raise Invalid(
                f"TOLDONCE_{name.upper()}",
                "say where it is (`toldonce up` runs everything by itself)",
            )
    set_up_logging(level=settings.log_level, pretty=settings.log_pretty)
    run(_stay(service, settings))


async def _stay(service: Service, settings: "Settings") -> None:
    from toldonce.client.commands import BusDoor
    from toldonce.runtime import secrets
    from toldonce.runtime.app import App
    from toldonce.runtime.clock import SystemClock
    from toldonce.runtime.ports import Where, begin, connect

    where = Where(
        nats_urls=tuple(settings.nats.split(",")),
        monitor_urls=tuple(settings.nats_monitor.split(",")),
        store_url=settings.redis,
        replicas=settings.replicas,
        tenants=tuple(settings.tenants.split(",")),
        nats_options=settings.nats_options(),
        timers=settings.timers,
    )
    kept = secrets.load(settings.secrets_folder())
    async with App(settings.listen(), kept, SystemClock()) as app:
        ports = await connect(app, where, service=service.value, door=BusDoor)
        await _bind(service, app, ports, settings)
        await begin(app, ports)
        await app.start()
        Out().say(f"{service.value} listens at {app.address}, metrics at {app.metrics_address}")
        await app.wait()


async def _bind(service: Service, app: "App", ports: "Ports", settings: "Settings") -> None:
    module = importlib.import_module(f"toldonce.{service.value}.bind")
    match service:
        case Service.CONFIG:
            module.bind(app, table=ports.tables.config, bus=ports.bus, zones=ports.zones)
        case Service.INTAKE:
            model = module.read_model(settings.topic_model)
            await module.bind(app, ports, topic_model=model)
        case _:
            await module.bind(app, ports)
