"""Services as a deployment runs them: each a process of `toldonce serve`, a child of this one."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.children import IMPORTS
from toldonce.config.handler import Handler
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime import names
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import embedded
from toldonce.runtime.nats_link import Link
from toldonce.runtime.setup import make_streams
from toldonce.runtime.table import open_table
from toldonce.runtime.zones import WheelZones

READY_S = 30.0
_COMMAND = "import sys; from toldonce.cli.main import main; sys.argv[0] = 'toldonce'; main()"


@dataclass(slots=True)
class Process:
    """A service in a process of its own; `name` tells replicas of one service apart."""

    child: Child
    name: str
    port: int
    metrics_port: int

    async def ready(self) -> bool:
        """Ask its probe."""
        return await answers(self.metrics_port, "/health/ready")

    @property
    def address(self) -> str:
        """Where its gRPC listens."""
        return f"127.0.0.1:{self.port}"

    def log(self) -> str:
        """Read what it has written so far, over all its lives."""
        return self.child.log.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Servers:
    """Where NATS and the store are, and as whom NATS is spoken to ("" for no user)."""

    nats_url: str
    monitor_url: str
    store_url: str
    secrets: Path
    tenant: str
    logins: Mapping[str, str] = field(default_factory=dict)

    def environment(self, user: str) -> dict[str, str]:
        """Write the settings of a process that is the NATS user `user`, where users are asked."""
        login = {}
        if user in self.logins:
            login = {"TOLDONCE_NATS_USER": user, "TOLDONCE_NATS_PASSWORD": self.logins[user]}
        return {
            **IMPORTS,
            "TOLDONCE_NATS": self.nats_url,
            "TOLDONCE_NATS_MONITOR": self.monitor_url,
            "TOLDONCE_REDIS": self.store_url,
            "TOLDONCE_REPLICAS": "1",
            "TOLDONCE_SECRETS": str(self.secrets),
            "TOLDONCE_TENANTS": self.tenant,
            **login,
        }


@asynccontextmanager
async def serving(folder: Path, tenant: str, text: str) -> AsyncIterator[Servers]:
    """Run NATS, with streams and a configuration, and the store, for processes to be started.

    Whoever asks has made the secrets, in `folder / "secrets"`.
    """
    async with embedded(folder) as ours:
        link = await Link.connect(ours.nats_url, name="setup")
        try:
            await make_streams(link, replicas=1)
        finally:
            await link.close()
        await configure(ours.nats_url, tenant, text)
        secrets = folder / "secrets"
        yield Servers(ours.nats_url, ours.monitor_url, ours.store_url, secrets, tenant)


def process(service: str, servers: Servers, folder: Path, *, name: str = "") -> Process:
    """Describe a process; its child is to be started, and is ready when its page says so."""
    port, metrics_port = free_port(), free_port()

    async def ready() -> bool:
        return await answers(metrics_port, "/health/ready")

    child = Child(
        name or service,
        [sys.executable, "-c", _COMMAND, "serve", service],
        folder=folder,
        ready=ready,
        ready_s=READY_S,
        environment={
            **servers.environment(service),
            "TOLDONCE_PORT": str(port),
            "TOLDONCE_METRICS_PORT": str(metrics_port),
        },
    )
    return Process(child, name or service, port, metrics_port)


async def configure(nats_url: str, tenant: str, text: str) -> None:
    """Put a configuration in force before anybody runs who would hear of it."""
    link = await Link.connect(nats_url, name="config")

    async def nobody(_tenant: str) -> None:
        """Nobody listens yet."""

    try:
        table = await open_table(link, names.CONFIG)
        handler = Handler(table, WheelZones(), SystemClock(), nobody)
        await handler.apply(Principal(tenant, Role.ADMIN, "admin"), text)
    finally:
        await link.close()


async def answers(port: int, page: str) -> bool:
    """Tell whether a page on loopback says 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
