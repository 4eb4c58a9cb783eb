"""The whole house in one process: both servers as children, every service in one App.

Used by `up`, `demo`, `submit --embedded`, the load tests and the tests.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from toldonce.client.commands import BusDoor, LocalDoor
from toldonce.config import bind as config_bind
from toldonce.config.handler import Handler
from toldonce.intake import bind as intake_bind
from toldonce.kernel.errors import Missing, Unavailable
from toldonce.kernel.principal import Principal, Role
from toldonce.ownership import bind as ownership_bind
from toldonce.routing import bind as routing_bind
from toldonce.runtime import secrets
from toldonce.runtime.app import App
from toldonce.runtime.auth import issue, write_development_tokens
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import demo_text
from toldonce.runtime.embedded import Embedded, embedded
from toldonce.runtime.listening import Listen
from toldonce.runtime.ports import Ports, Where, begin, connect
from toldonce.runtime.rotation import keep_rotating
from toldonce.runtime.settings import TimersIn
from toldonce.sla import bind as sla_bind

TENANT = "demo"
TOKEN_LIFE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class House:
    """A running house: where it listens, and the keys to its doors."""

    app: App
    ports: Ports
    servers: Embedded
    config: Handler
    address: str
    metrics_address: str

    def token(self, role: Role, subject: str, tenant: str = TENANT) -> str:
        """Issue a token with the development key."""
        principal = Principal(tenant, role, subject)
        return issue(self.app.secrets, principal, self.app.clock, life_s=TOKEN_LIFE_S)


@asynccontextmanager
async def house(
    data: Path,
    *,
    port: int = 0,
    metrics_port: int | None = 0,
    document: str | None = None,
    topic_model: Path | None = None,
    timers: TimersIn = "redis",
) -> AsyncIterator[House]:
    """Run everything with its files under `data`; port 0 picks a free one.

    `document` is applied; without one, what stands is kept, or the demo document where nothing
    does. `topic_model` is a file for intake, `timers` says where they wait. Raises Unavailable or
    Invalid with a sentence.
    """
    model = intake_bind.read_model(topic_model)
    kept = secrets.make(data / "secrets")
    clock = SystemClock()
    write_development_tokens(data / "secrets", kept, clock, tenant=TENANT, subjects={})
    async with embedded(data) as servers:
        where = Where((servers.nats_url,), (servers.monitor_url,), servers.store_url, timers=timers)
        listen = Listen(port=port, metrics_port=metrics_port)
        async with App(listen, kept, clock) as app:
            ports = await connect(app, where, service="toldonce", door=BusDoor)
            handler = config_bind.bind(
                app, table=ports.tables.config, bus=ports.bus, zones=ports.zones
            )
            await _apply(handler, document)
            consumer = await ownership_bind.bind(app, ports)
            ports = replace(ports, door=LocalDoor(consumer.answer))
            await intake_bind.bind(app, ports, topic_model=model)
            await routing_bind.bind(app, ports)
            await sla_bind.bind(app, ports)
            await begin(app, ports)
            await ports.keys.warm(TENANT)
            app.spawn("rotation", keep_rotating(data / "secrets", ports.tables.keys, clock))
            app.spawn("servers", _watched(app, servers))
            await app.start()
            yield House(app, ports, servers, handler, app.address, app.metrics_address)


async def _apply(handler: Handler, document: str | None) -> None:
    admin = Principal(TENANT, Role.ADMIN, "admin")
    if document is None:
        try:
            await handler.get(admin)
        except Missing:
            document = demo_text()
    if document is not None:
        await handler.apply(admin, document)


async def _watched(app: App, servers: Embedded) -> None:
    """End the process with its sentence when one of the servers ends by itself."""
    failing = asyncio.ensure_future(servers.failed())
    draining = asyncio.ensure_future(app.draining.wait())
    done, _ = await asyncio.wait((failing, draining), return_when=asyncio.FIRST_COMPLETED)
    failing.cancel()
    draining.cancel()
    if failing in done and not app.draining.is_set():
        raise Unavailable(failing.result())
