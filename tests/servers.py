"""Real servers for tests: an embedded pair, three NATS nodes, and the helper that waits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from toldonce.runtime import monitor
from toldonce.runtime.child import Child, free_port
from toldonce.runtime.embedded import Embedded, embedded, nats_binary

__all__ = ["Cluster", "Embedded", "cluster", "eventually", "servers"]

_NODE = """\
server_name: n{number}
listen: "127.0.0.1:{client}"
http: "127.0.0.1:{page}"
jetstream {{ store_dir: "jetstream", sync_interval: always }}
cluster {{ name: test, listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


@asynccontextmanager
async def servers(data: Path) -> AsyncIterator[Embedded]:
    """A nats-server and a Valkey on free ports; `.nats_url`, `.monitor_url`, `.store_url`."""
    async with embedded(data) as running:
        yield running


@dataclass(frozen=True)
class Cluster:
    """Three NATS nodes named n0, n1 and n2."""

    nodes: tuple[Child, ...]
    nats_urls: list[str]
    monitor_urls: list[str]


@asynccontextmanager
async def cluster(data: Path) -> AsyncIterator[Cluster]:
    """Three NATS nodes with JetStream on free ports."""
    ports = [(free_port(), free_port(), free_port()) for _ in range(3)]
    routes = ", ".join(f'"nats://127.0.0.1:{route}"' for _, _, route in ports)
    nodes = []
    for number, (client, page, route) in enumerate(ports):
        folder = data / f"n{number}"
        folder.mkdir(parents=True)
        config = _NODE.format(number=number, client=client, page=page, route=route, routes=routes)
        (folder / "nats.conf").write_text(config)
        command = [nats_binary(), "-c", "nats.conf"]
        nodes.append(Child("nats-server", command, folder=folder, ready=_healthy(page)))
    async with AsyncExitStack() as stack:
        for node in nodes:
            stack.push_async_callback(node.stop)
        await asyncio.gather(*(node.start() for node in nodes))
        yield Cluster(
            nodes=tuple(nodes),
            nats_urls=[f"nats://127.0.0.1:{client}" for client, _, _ in ports],
            monitor_urls=[f"http://127.0.0.1:{page}" for _, page, _ in ports],
        )


async def eventually(
    what: Callable[[], Awaitable[bool] | bool], *, within_s: float = 10.0, poll_s: float = 0.01
) -> None:
    """Wait until `what()` is true; fail the test when it is not within the deadline."""
    async with asyncio.timeout(within_s):
        while True:
            answer = what()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(poll_s)


def _healthy(page: int) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            health = await monitor.page(f"http://127.0.0.1:{page}/healthz")
        except (OSError, TimeoutError, ValueError):
            return False
        return bool(health.get("status") == "ok")

    return ready
